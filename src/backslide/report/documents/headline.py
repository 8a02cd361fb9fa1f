"""What happened, in one sentence: the change with both levels and the first cause by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Verdict

if TYPE_CHECKING:
    from backslide.contracts.cause import Cause
    from backslide.contracts.diagnosis import DegradedPart, Diagnosis
    from backslide.contracts.say import Unit

MOST_WORDS = 30
"""Of a sentence that is read in one glance."""
_BARE = frozenset(
    {
        *(CauseKind.MISSING_VALUES, CauseKind.ROUNDED_VALUES, CauseKind.STALE_VALUES),
        *(CauseKind.SWAPPED_COLUMNS, CauseKind.DUPLICATED_ROWS, CauseKind.LOST_ROWS),
        *(CauseKind.ADDED_NOISE, CauseKind.CONCEPT_DRIFT, CauseKind.COVARIATE_SHIFT, CauseKind.LABEL_SHIFT),
    }
)
"""Kinds whose names take no article."""


def headline(d: Diagnosis, unit: Unit, part_unit: Unit) -> str:
    """At most some thirty words; who reads nothing else knows what happened and the first cause."""
    because = _because(d)
    if d.verdict is Verdict.INCONCLUSIVE:
        return _inconclusive(d, unit)
    if d.verdict is Verdict.DEGRADED_IN_PART and d.parts:
        more = f" (and {say.counted(len(d.parts) - 1, 'other part')})" if len(d.parts) > 1 else ""
        return say.sentence(f"{_part_change(d.parts[0], part_unit)}{more}{because}; overall, {_change(d, unit)}")
    change = _change(d, unit)
    if d.verdict is Verdict.NO_MATERIAL_CHANGE:
        return say.sentence(
            f"{say.metric(d.metric.name)} did not change materially: {unit.level(d.metric.reference)} before, "
            f"{unit.level(d.metric.current)} now"
        )
    if d.verdict is Verdict.IMPROVED:
        return say.sentence(change)
    if d.metric.change is not None and not d.metric.change.clear_of_zero():
        return say.sentence(f"the model got worse{because}; {change}, which alone could be noise")
    return say.sentence(f"{change}{because}")


def phrase(cause: Cause) -> str:
    """A cause inside a sentence: ``a unit change of income``, ``missing values of age``."""
    name = cause.kind.words
    if cause.kind not in _BARE:
        name = f"{'an' if name[0] in 'aeiou' and not name.startswith('uni') else 'a'} {name}"
    if not cause.features:
        return name
    joint = {CauseKind.SWAPPED_COLUMNS: ": ", CauseKind.FROZEN_FEATURE: ": "}
    joint |= dict.fromkeys((CauseKind.ADDED_NOISE, CauseKind.CONCEPT_DRIFT, CauseKind.COVARIATE_SHIFT), " in ")
    return f"{name}{joint.get(cause.kind, ' of ')}{say.listed(cause.features, 3)}"


def _because(d: Diagnosis) -> str:
    if not d.causes:
        return ""
    first = d.causes[0]
    doubt = {Confidence.SUPPORTED: "probably ", Confidence.SUSPECTED: "perhaps "}.get(first.confidence, "")
    if _leaves_more(d, first):
        return f", {doubt}in part because of {phrase(first)}"
    degree = doubt or ("mainly " if len(d.causes) > 1 else "")
    return f"{',' if degree else ''} {degree}because of {phrase(first)}"


def _leaves_more(d: Diagnosis, first: Cause) -> bool:
    """Whether more is left unexplained, clearly, than the first cause accounts for."""
    rest = d.unexplained
    if rest is None or first.points is None or not rest.clear_of_zero():
        return False
    return rest.estimate * first.points.estimate > 0 and abs(rest.estimate) > abs(first.points.estimate)


def _change(d: Diagnosis, unit: Unit) -> str:
    """``accuracy fell from 84.2% to 80.8%``."""
    if d.metric.change is None:
        return f"{say.metric(d.metric.name)} is not known in both windows"
    ends = unit.level(d.metric.reference), unit.level(d.metric.current)
    if ends[0] == ends[1]:
        return f"{say.metric(d.metric.name)} is {ends[0]} in both windows"
    verb = "fell" if d.metric.change.estimate < 0 else "rose"
    return f"{say.metric(d.metric.name)} {verb} from {ends[0]} to {ends[1]}"


def _part_change(part: DegradedPart, unit: Unit) -> str:
    verb = "fell" if part.change.estimate < 0 else "rose"
    metric = "the expected cost" if part.kind == "cost" else say.metric(part.metric)
    of = part.name if part.kind == "cost" else f"{part.name!r}" if part.kind == "class" else f"rows with {part.name}"
    name = metric if metric in part.name or part.name in metric else f"{metric} of {of}"
    return f"{name} {verb} from {unit.level(part.reference)} to {unit.level(part.current)}"


def _inconclusive(d: Diagnosis, unit: Unit) -> str:
    if d.metric.change is not None:
        altered = any(cause.kind is CauseKind.OUTPUT_CHANGE for cause in d.causes)
        beside = "; the answers were altered behind the model all the same" if altered else ""
        return say.sentence(f"{_change(d, unit)}, which could be noise{beside}")
    first = d.summary.removeprefix("Inconclusive: ").partition(". ")[0]
    if first and len(first.split()) <= MOST_WORDS:
        return say.sentence(first)
    return "Whether the model got worse could not be decided."
