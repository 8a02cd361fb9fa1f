"""Beside a cause in a column: the job upstream that makes it, where ``[lineage]`` names events of OpenLineage."""

from __future__ import annotations

from typing import TypeVar

from backslide.contracts import say
from backslide.contracts.cause import Cause, UpstreamJob
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.moments import parse_moment
from backslide.log.lineage import Lineage, read_lineage

C = TypeVar("C", bound=Cause)
COLUMNS = 3
"""Columns of a cause whose jobs are named, the most harmful first."""


def open_lineage(settings: Settings) -> Lineage | None:
    """Events that the configuration names; None without.

    Raises:
        LogError: they cannot be read.
    """
    chosen = settings.lineage
    if chosen.events is None:
        return None
    return read_lineage(settings.base / chosen.events, namespace=chosen.namespace, dataset=chosen.dataset)


def name_upstream(diagnosis: Diagnosis, settings: Settings, lineage: Lineage | None) -> Diagnosis:
    """The diagnosis with the jobs that make the columns of its causes, as they were at the end of the current window."""
    named = {"namespace": settings.lineage.namespace, "dataset": settings.lineage.dataset}
    inputs = diagnosis.inputs.model_copy(update={"lineage": {key: text for key, text in named.items() if text}})
    if lineage is None:
        return diagnosis if inputs == diagnosis.inputs else diagnosis.model_copy(update={"inputs": inputs})
    period = diagnosis.inputs.periods.get("current")
    until = None if period is None else parse_moment(period.end)
    unknown: list[str] = []

    def traced(causes: tuple[C, ...]) -> tuple[C, ...]:
        return tuple(cause.model_copy(update={"upstream": jobs(cause)}) for cause in causes)

    def jobs(cause: Cause) -> tuple[UpstreamJob, ...]:
        found = {column: lineage.trace(column, until) for column in cause.features[:COLUMNS]}
        unknown.extend(column for column, made_by in found.items() if not made_by)
        return tuple(job for made_by in found.values() for job in made_by)

    update = {name: traced(getattr(diagnosis, name)) for name in ("causes", "suspects", "harmless")}
    if unknown:
        columns = say.listed(tuple(dict.fromkeys(unknown)))
        where = "" if settings.lineage.dataset else "; [lineage] dataset may name the one of the logged rows"
        note = f"no event of {settings.lineage.events} says without doubt which job makes {columns}{where}"
        inputs = inputs.model_copy(update={"notes": (*inputs.notes, note)})
    return diagnosis.model_copy(update={**update, "inputs": inputs})
