"""What people say of incidents: a false alarm counts against the promise, and what is known calls nobody again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from backslide.contracts import say
from backslide.contracts.watch import Incident, IncidentMark, Level, Promise, WatchReport
from backslide.store.memory import IncidentEntry, damaged

UNLIKELY = 0.05
"""Chance of as many false alarms under the promise below which it is called broken."""


def mark_of(entry: IncidentEntry) -> IncidentMark | None:
    """What somebody said of an incident; None where nobody did.

    Raises:
        StoreError: it is not what was written.
    """
    if entry.mark is None:
        return None
    try:
        return IncidentMark(mark=entry.mark, note=entry.note, at=entry.at, covers=entry.covers)
    except ValidationError:
        raise damaged(f"incident {entry.number} has a mark that is none: {entry.mark!r}") from None


def with_marks(promise: Promise, incidents: Sequence[Incident]) -> Promise:
    """The promise with the alarms that were marked as false."""
    alarms = [one for one in incidents if one.level == Level.ALARM]
    false = sum(one.mark is not None and one.mark.mark == "false" for one in alarms)
    note = _note(promise, false, len(alarms)) if false else ""
    return promise.model_copy(update={"marked_false": false, "marked_note": note})


def marked(incident: Incident, entry: IncidentEntry) -> Incident:
    """An incident with its number and what was said of it."""
    return incident.model_copy(update={"number": entry.number, "mark": mark_of(entry)})


def apply_marks(report: WatchReport, entries: Mapping[str, IncidentEntry]) -> WatchReport:
    """The answer of a look with what was said of its incidents since."""
    incidents = tuple(marked(one, entries[one.id]) if one.id in entries else one for one in report.incidents)
    return report.model_copy(update={"incidents": incidents, "promise": with_marks(report.promise, incidents)})


def _note(promise: Promise, false: int, alarms: int) -> str:
    """How false alarms and promise go together: their number is Poisson with the promised rate."""
    from scipy.stats import poisson  # most of a second, and seldom needed

    chance = float(poisson.sf(false - 1, promise.false_alarms_per_year * promise.years))
    text = (
        f"{false} of {say.counted(alarms, 'alarm')} marked false in {say.number(promise.years, 2)} years; "
        f"the promise is {say.number(promise.false_alarms_per_year, 2)} a year"
    )
    if chance >= UNLIKELY:
        return text
    return f"{text}, so the reference is not what is normal any more: give a longer or later one, and replay"
