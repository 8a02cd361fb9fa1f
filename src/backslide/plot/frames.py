"""Rows of an answer as data frames, to be filtered, joined and kept: causes and findings, streams and incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from backslide.contracts.cause import Suspect
from backslide.contracts.watch import WatchReport

if TYPE_CHECKING:
    from backslide.contracts.cause import Cause
    from backslide.contracts.diagnosis import Diagnosis
    from backslide.contracts.finding import Estimate, Finding, Outcome

_TYPES: dict[str, Any] = {
    **dict.fromkeys(("rank", "rows"), pl.Int64),
    **dict.fromkeys(("features", "classes", "evidence"), pl.List(pl.String)),
    **dict.fromkeys(("harmless", "suspect", "open"), pl.Boolean),
    **dict.fromkeys(
        ("points", "points_back", "points_injected", "share_of_rows", "estimate", "low", "high"), pl.Float64
    ),
    **dict.fromkeys(("p_value", "detectable", "value", "expected", "change"), pl.Float64),
}
"""The type of a column by its name, in whatever frame it stands; all others are texts."""


def _schema(columns: str) -> pl.Schema:
    return pl.Schema({name: _TYPES.get(name, pl.String) for name in columns.split()})


CAUSES = _schema(
    "rank kind features classes segment points low high unit confidence points_back points_injected share_of_rows since until "
    "harmless suspect summary next_step evidence"
)
FINDINGS = _schema("code title step subject severity estimate low high unit p_value detectable basis since summary")
STREAMS = _schema("stream kind period value expected low high rows")
INCIDENTS = _schema("incident open stream kind level began raised known_on closed change low high sentence")


def frame(answer: Diagnosis | WatchReport, rows: str) -> pl.DataFrame:
    """Rows of an answer in its order.

    Of a diagnosis the ``causes`` (those suspected and the harmless after those named) or the ``findings``; of a look the periods
    of its ``streams`` or the members of its ``incidents``.
    """
    if isinstance(answer, WatchReport):
        return _streams(answer) if rows == "streams" else _incidents(answer)
    return _of_diagnosis(answer, rows)


def _streams(watched: WatchReport) -> pl.DataFrame:
    points = [
        {"stream": stream.name, "kind": stream.kind, **point.model_dump(mode="json")}
        for stream in watched.streams
        for point in stream.points
    ]
    return pl.DataFrame(points, schema=STREAMS)


def _incidents(watched: WatchReport) -> pl.DataFrame:
    members = [
        {
            **member.model_dump(mode="json", include=set(INCIDENTS)),
            "incident": one.id,
            "open": one.open,
            **_interval("change", member.change),
        }
        for one in watched.incidents
        for member in one.members
    ]
    return pl.DataFrame(members, schema=INCIDENTS)


def _of_diagnosis(diagnosis: Diagnosis, rows: str) -> pl.DataFrame:
    if rows == "causes":
        causes = (*diagnosis.causes, *diagnosis.suspects, *diagnosis.harmless)
        harmless = len(causes) - len(diagnosis.harmless)
        return pl.DataFrame([_cause(cause, place >= harmless) for place, cause in enumerate(causes)], schema=CAUSES)
    findings = [(outcome, finding) for outcome in diagnosis.checks for finding in outcome.findings]
    return pl.DataFrame([_finding(outcome, finding) for outcome, finding in findings], schema=FINDINGS)


def _cause(cause: Cause, harmless: bool) -> dict[str, Any]:
    back = None if cause.repair is None else cause.repair.points_back
    return {
        **cause.model_dump(mode="json", include=set(CAUSES)),
        **_interval("points", cause.points),
        "points_back": None if back is None else back.estimate,
        "points_injected": None if cause.injection is None else cause.injection.points.estimate,
        "harmless": harmless,
        "suspect": isinstance(cause, Suspect),
    }


def _finding(outcome: Outcome, finding: Finding) -> dict[str, Any]:
    return {
        **finding.model_dump(mode="json", include=set(FINDINGS)),
        **_interval("estimate", finding.estimate),
        "title": outcome.title,
        "step": outcome.step.value,
    }


def _interval(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return {name: None, "low": None, "high": None}
    return {name: estimate.estimate, "low": estimate.low, "high": estimate.high}
