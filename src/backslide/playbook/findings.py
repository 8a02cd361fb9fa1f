"""Findings in one form: a mean changed, a share changed, or the windows can be told apart.

A check says what it looked at and what it found; severity, interval, detectable change, beginning and basis follow here alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.evidence import Bars, Evidence, RankedRow, Ranking
from backslide.contracts.finding import Estimate, Finding, Severity
from backslide.playbook.base import Check
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.stored_days import Quantity
from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change
from backslide.stats.change.units import detectable, mean_change, two_sided
from backslide.stats.drift.domain_classifier import Separation
from backslide.stats.drift.univariate import ShareMove

LEAST_DAYS = 5
"""Days of a window under which the days themselves may tell the windows apart."""
SEEN_Z = 3.1 + 0.84
"""Standard errors of an AUC seen with 80 % power at 0.1 %, one-sided: the adjusted p-values of a report ask for about that."""
CheckLike = Check | type[Check]
Days = Ints | None


def days_at(side: Side, rows: NDArray[Any]) -> Days:
    """Day ordinals of some sampled rows (n,); None without times."""
    return None if side.blocks is None else side.blocks[rows]


def labelled_sample(case: Case) -> int | None:
    """Labelled rows of both samples where a window holds more than its sample; None where all rows are seen."""
    if case.reference.complete and case.current.complete:
        return None
    return sum(len(case.labelled_rows(side)) for side in case.sides)


def labelled_basis(sample_rows: int | None) -> str:
    """What a finding about labelled rows rests on."""
    return "all labelled rows" if sample_rows is None else f"sample of {say.number(sample_rows, 6)} labelled rows"


def change_over_rows(sides: Sequence[Side], rows: Sequence[NDArray[Any]], values: Sequence[Floats]) -> Change:
    """Change of the mean of values (n,) of some sampled rows of each window."""
    days = [days_at(side, at) for side, at in zip(sides, rows, strict=True)]
    return mean_change(values[0], values[1], days[0], days[1])


def two_sided_p(change: Change) -> float:
    """Two-sided p-value of no change; 1 without noise, where nothing can be told."""
    return two_sided(change) if change.se > 0 else 1.0


def is_material(change: Change, p_value: float, floor: float) -> bool:
    """Whether a change is beyond noise and as large as the floor."""
    return bool(p_value < VERDICT_ALPHA and abs(change.estimate) >= floor)


def interval_of(change: Any, rows: int | None = None) -> Estimate:
    """Anything with ``estimate``, ``low`` and ``high`` as a contract value; ``rows`` where it rests on a sample of them."""
    return Estimate(
        estimate=change.estimate, low=change.low, high=change.high, basis="all" if rows is None else "sample", n=rows
    )


def change_finding(
    check: CheckLike,
    subject: str,
    summary: str,
    change: Change,
    *,
    floor: float,
    worse: bool = False,
    severity: Severity | None = None,
    p_value: float | None = None,
    tested: int = 1,
    sided: int = 2,
    sample_rows: int | None = None,
    numbers: Mapping[str, Any] | None = None,
    unit: str = "points",
    **more: Any,
) -> Finding:
    """A mean or metric changed: a warning where it is material and ``worse``, a note where it is material and better.

    Args:
        check: whose finding it is.
        subject: of the finding.
        summary: one sentence.
        change: with its noise.
        floor: least change that matters.
        worse: whether it moved in the harmful direction.
        severity: where it follows from something else.
        p_value: adjusted over everything tested; two-sided and by itself where none is given.
        tested: how many changes were tested together.
        sided: of the test.
        sample_rows: rows of the sample that it rests on; None for all rows.
        numbers: beside the values of both windows.
        unit: of the change.
        more: other fields of the finding.
    """
    p = two_sided_p(change) if p_value is None else p_value
    if severity is None:
        loud = Severity.WARN if worse else Severity.NOTE
        severity = loud if is_material(change, p, floor) else Severity.OK
    return Finding(
        code=check.code,
        subject=subject,
        severity=severity,
        summary=summary,
        estimate=interval_of(change, sample_rows),
        unit=unit,
        p_value=p,
        numbers={"reference": change.reference, "current": change.current, **(numbers or {})},
        **{"detectable": detectable(change, floor, VERDICT_ALPHA / tested, sided=sided)} | more,
    )


def graded(size: float, floor: float, large: float, rows: float, least_rows: int) -> Severity:
    """A warning from the floor on and a failure from ``large`` on, in windows of enough rows."""
    if rows < least_rows or size < floor:
        return Severity.OK
    return Severity.FAIL if size >= large else Severity.WARN


def share_finding(
    check: CheckLike,
    case: Case,
    subject: str,
    summary: str,
    move: ShareMove,
    *,
    severity: Severity,
    floor: float,
    alpha: float | None = None,
    marks: tuple[Quantity, Quantity] | None = None,
    place: int | None = None,
    sample_rows: int | None = None,
    evidence: Callable[[], tuple[Evidence, ...]] = tuple,
    **more: Any,
) -> Finding:
    """A share of the rows changed; beginning and evidence only where it is said aloud.

    Args:
        check: whose finding it is.
        case: both windows.
        subject: of the finding.
        summary: one sentence.
        move: of the shares; the last of them is what changed.
        severity: see ``graded``.
        floor: least change that matters.
        alpha: of the test; the report's rate of false discoveries where none is given.
        marks: 1 for the sampled rows that the share counts, 0 for others, NaN for those that do not count.
        place: of the share among those of several categories, whose interval is that of the categories together.
        sample_rows: rows of the sample that it rests on; None for all rows.
        evidence: made only where it is shown.
        more: other fields of the finding, in the place of those that follow from the move.
    """
    loud = severity != Severity.OK
    if place is None:
        low, high = change_of_column.newcombe_by_days(move)
        change = float(move.after[-1] - move.before[-1])
        estimate = Estimate(estimate=change, low=min(low, change), high=max(high, change))
    else:
        estimate = change_of_column.share_change(move, place)
    if sample_rows is not None:
        estimate = estimate.model_copy(update={"basis": "sample", "n": sample_rows})
    facts: dict[str, Any] = {
        "p_value": move.p_value,
        "detectable": move.detectable(alpha or case.settings.engine.false_discovery_rate, floor),
        "since": change_of_column.since(case, marks) if loud and marks is not None else None,
    }
    return Finding(
        code=check.code,
        subject=subject,
        severity=severity,
        summary=summary,
        estimate=estimate,
        unit="points",
        evidence=evidence() if loud else (),
        **facts | more,
    )


def enough_days(days: Sequence[Days]) -> bool:
    """Whether windows can be told apart by more than their days: ``LEAST_DAYS`` in both, or no times at all."""
    return min((len(np.unique(d)) for d in days if d is not None), default=LEAST_DAYS) >= LEAST_DAYS


def separation_severity(separation: Separation, floor: float, large: float, *, judged: bool) -> Severity:
    """Of a classifier that tells the windows apart; nothing is flagged where its days were not ``judged`` enough."""
    if not (judged and separation.auc >= floor and separation.low > 0.5):
        return Severity.OK
    return Severity.FAIL if separation.auc >= large else Severity.WARN


def separation_finding(
    check: CheckLike,
    subject: str,
    summary: str,
    separation: Separation,
    *,
    severity: Severity,
    floor: float,
    judged: bool,
    rows: int,
    **more: Any,
) -> Finding:
    """A classifier was asked to tell the windows apart, on ``rows`` of either."""
    if not judged:
        summary += f"; fewer than {LEAST_DAYS} days in a window, so days themselves may do that"
    smallest = min(max(floor, 0.5 + SEEN_Z * separation.se), 1.0)
    facts: dict[str, Any] = {"p_value": separation.p_value} | more | ({} if judged else {"p_value": None})
    return Finding(
        code=check.code,
        subject=subject,
        severity=severity,
        summary=summary,
        estimate=Estimate(estimate=separation.auc, low=separation.low, high=separation.high, basis="sample", n=rows),
        unit="AUC",
        detectable=smallest if judged else None,
        **facts,
    )


def with_evidence(findings: list[Finding], *evidence: Evidence) -> list[Finding]:
    """The findings with evidence in front of the first one's place; none without a finding."""
    return [findings[0].model_copy(update={"evidence": evidence}), *findings[1:]] if findings else findings


def two_bars(title: str, reading: str, what: str, reference: float, current: float) -> Bars:
    """One share in both windows."""
    return Bars(title=title, reading=reading, x="", categories=(what,), reference=(reference,), current=(current,))


def ranked_changes(
    title: str, reading: str, x: str, rows: Sequence[tuple[str, Any, str]], *, share: bool = True
) -> Ranking:
    """Changes with their intervals, each with its label and a note."""
    return Ranking(
        title=title,
        reading=reading,
        x=x,
        rows=tuple(RankedRow.of(*row) for row in rows),
        share=share,
    )
