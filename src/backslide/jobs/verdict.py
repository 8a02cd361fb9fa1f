"""The verdict before any cause is looked for: from the change of the headline metric, and of every class.

`degraded` needs a one-sided 0.5 % test and an estimate beyond `min_effect`; on random halves of one period that is false in
about 0.5 % of pairs. `no_material_change` needs an interval that excludes a material drop. Everything else is `inconclusive`,
with the number of rows that would settle it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.diagnosis import DegradedPart, Detectable, Verdict
from backslide.contracts.finding import Estimate
from backslide.playbook.verify.classes import class_changes
from backslide.playbook.verify.label_coverage import undecided
from backslide.playbook.verify.metrics import cost_change, cost_floor
from backslide.playbook.verify.segments import segment_changes
from backslide.stats.change.metric_change import MIN_CURRENT_DAYS, MIN_REFERENCE_DAYS, POWER, VERDICT_ALPHA, Change
from backslide.stats.metrics.metric import Metric, class_metric

PART_ALPHA = VERDICT_ALPHA / 2
"""Error rate of all parts together, on top of the headline's own."""
MIN_LABELS = 30
MIN_ERRORS = 5


@dataclass(frozen=True)
class Judgement:
    """What the numbers alone say, and which metric the causes are priced in."""

    verdict: Verdict
    change: Change | None
    target: Metric
    target_change: Change | None
    parts: tuple[DegradedPart, ...]
    caveats: tuple[str, ...]
    segment: str | None = None
    """Expression of the rows that the target is about, where a segment got worse."""
    needs_proof: bool = False
    """Whether the labels can carry no verdict, so that only a proven cause makes one."""


@dataclass(frozen=True)
class _Worse:
    """A part that got worse, with the metric in which its causes are priced."""

    part: DegradedPart
    target: Metric
    change: Change
    harm: float
    """In units of what is material for it."""
    segment: str | None = None


def judge(case: Case) -> Judgement:
    """Judge the headline, then the classes."""
    if not case.has_labels:
        missing = [side.window.name for side in case.sides if side.window.labelled == 0]
        where, metric = " and the ".join(missing), say.metric(case.metric.name)
        reason = f"no labels in the {where} window, so the change of {metric} is not known"
        return Judgement(Verdict.INCONCLUSIVE, None, case.metric, None, (), (reason,))
    reason = undecided(case)
    if reason:
        return Judgement(Verdict.INCONCLUSIVE, None, case.metric, None, (), (reason,), needs_proof=True)
    change = case.change(case.metric)
    if not (np.isfinite(change.estimate) and np.isfinite(change.se)):
        reason = f"{say.metric(case.metric.name)} cannot be estimated in both windows"
        return Judgement(Verdict.INCONCLUSIVE, None, case.metric, None, (), (reason,))
    few = _too_few(case)
    if few:
        return Judgement(Verdict.INCONCLUSIVE, change, case.metric, change, (), (few,))
    verdict = headline_verdict(case, change)
    caveats = _noise_caveats(case, change)
    if verdict == Verdict.DEGRADED:
        return Judgement(verdict, change, case.metric, change, (), caveats)
    worse = _parts(case)
    if worse:
        first, parts = worse[0], tuple(one.part for one in worse)
        return Judgement(Verdict.DEGRADED_IN_PART, change, first.target, first.change, parts, caveats, first.segment)
    if verdict == Verdict.INCONCLUSIVE:
        caveats = (*caveats, _rows_needed(case, change))
    return Judgement(verdict, change, case.metric, change, (), caveats)


def _too_few(case: Case) -> str:
    usable = min(round(side.units(case.metric).n) for side in case.sides)
    if usable < MIN_LABELS:
        rows = "row" if usable == 1 else "rows"
        return f"only {usable} {rows} with label and prediction in a window: no verdict under {MIN_LABELS}; label more rows"
    if case.problem.classification:
        wrong = sum(_errors(case))
        if wrong < MIN_ERRORS:
            return f"only {say.fixed(wrong, 0)} errors in both windows together: no verdict under {MIN_ERRORS}; collect more rows"
    return ""


def _errors(case: Case) -> list[float]:
    k = len(case.problem.classes)
    errors = []
    for side in case.sides:
        sums = side.units(class_metric("f1", 0, "")).total
        errors.append(float(sums[:k].sum() - sums[2 * k :].sum()))
    return errors


def headline_verdict(case: Case, change: Change, alpha: float = VERDICT_ALPHA) -> Verdict:
    """The verdict by the change of the headline alone, at a one-sided error rate."""
    harm, floor = case.metric.harm(change.estimate), case.problem.min_effect
    if change.p_worse < alpha and harm >= floor:
        return Verdict.DEGRADED
    if 1 - change.p_worse < alpha and -harm >= floor:
        return Verdict.IMPROVED
    worst = max(case.metric.harm(change.low), case.metric.harm(change.high))
    return Verdict.NO_MATERIAL_CHANGE if worst < floor else Verdict.INCONCLUSIVE


def _parts(case: Case) -> list[_Worse]:
    """Classes, user segments and the expected cost that got worse, the most harmful first.

    The kinds of parts that are there share ``PART_ALPHA``; classes and segments are corrected among themselves (Holm).
    """
    segments, cost = segment_changes(case), cost_change(case)
    kinds = int(case.problem.classification) + bool(segments) + (cost is not None)
    alpha = PART_ALPHA / max(kinds, 1)
    worse = [*_worse_classes(case, alpha), *_worse_segments(case, alpha), *_worse_cost(case, alpha)]
    return sorted(worse, key=lambda one: -one.harm)


def _worse_classes(case: Case, alpha: float) -> Iterator[_Worse]:
    if not case.problem.classification:
        return
    for c in class_changes(case):
        target = class_metric("f1", case.problem.classes.index(c.label), c.label)
        floor = max(case.floor(target), 1e-12)
        if c.p_value < alpha and -c.f1.estimate >= floor:
            yield _Worse(_part("class", c.label, "f1", c.f1), target, case.change(target), -c.f1.estimate / floor)


def _worse_segments(case: Case, alpha: float) -> Iterator[_Worse]:
    floor = max(case.problem.min_effect, 1e-12)
    for one in segment_changes(case):
        if one.worse(case, alpha):
            harm = case.metric.harm(one.change.estimate) / floor
            part = _part("segment", one.expression, case.metric.name, one.change)
            yield _Worse(part, case.metric, one.change, harm, one.expression)


def _worse_cost(case: Case, alpha: float) -> Iterator[_Worse]:
    change = cost_change(case)
    if change is None or case.metric.name == "expected_cost":
        return
    floor = max(cost_floor(case), 1e-12)
    if change.p_worse < alpha and change.estimate >= floor:
        target = case.named_metric("expected_cost")
        yield _Worse(_part("cost", "expected cost", target.name, change), target, change, change.estimate / floor)


def _part(kind: Literal["class", "segment", "cost"], name: str, metric: str, change: Change) -> DegradedPart:
    return DegradedPart(
        kind=kind,
        name=name,
        metric=metric,
        reference=change.reference,
        current=change.current,
        change=Estimate(estimate=change.estimate, low=change.low, high=change.high),
    )


def _noise_caveats(case: Case, change: Change) -> tuple[str, ...]:
    """What the interval of the headline had to take for granted."""
    if change.unit == "day":
        if not change.assumed:
            return ()
        few = f"fewer than {MIN_REFERENCE_DAYS} reference or {MIN_CURRENT_DAYS} current days"
        return (f"{few}: how much days differ by chance is partly assumed; more days would narrow the interval",)
    if not case.reference.window.has_time:
        return ("no timestamps: intervals count every row as independent; differences between days would widen them",)
    return ("too many rows without a readable time: intervals count every row as independent",)


MOST_TIMES = 20
"""Times the rows or days beyond which nobody waits for more of them."""


def _rows_needed(case: Case, change: Change) -> str:
    """How many labelled rows, or days, would decide between no change and a material one.

    More of them are no help where the change is clear of noise, or would be at the size that matters: then the two are too near.
    """
    quantile = float(stats.norm.ppf(1 - VERDICT_ALPHA) + stats.norm.ppf(POWER))
    factor = (quantile * change.se / max(case.problem.min_effect, 1e-12)) ** 2
    days = [u.ordinals for u in (side.units(case.metric) for side in case.sides)]
    if change.unit == "day" and all(d is not None for d in days):
        counted, what = min(len(d) for d in days if d is not None), "days"
    else:
        counted, what = min(side.window.labelled for side in case.sides), "labelled rows"
    size = say.change(case.problem.min_effect, share=case.metric.share)
    clear_of_noise = min(change.p_worse, 1 - change.p_worse) < VERDICT_ALPHA
    if factor <= 1 or clear_of_noise:
        return f"the change is too near {size}, the smallest that matters, to be told from less or from more"
    if factor > MOST_TIMES:
        return f"a change of {size}, the smallest that matters, cannot be distinguished from noise with as many {what} as these"
    needed = int(np.ceil(counted * factor))
    needed = needed if what == "days" else int(np.ceil(needed / 100) * 100)
    times = f"{say.fixed(factor, 1)}" if factor < 10 else f"{say.fixed(factor, 0)}"
    wanted = f"about {times} times the {what} ({say.number(needed, 6)} per window)"
    return f"the smallest change that matters ({size}) would need {wanted} to be distinguished from noise"


def detectable(case: Case, judgement: Judgement) -> Detectable:
    """What these rows could have shown."""
    change = judgement.change
    if change is None:
        return Detectable(estimate=None, note="without labels in both windows no change of the metric can be seen")
    size = change.detectable(case.problem.min_effect)
    if size >= case.metric.span:
        note = f"with these rows no change of {say.metric(case.metric.name)} would have been seen, however large"
        return Detectable(estimate=None, note=_with_reason(note, judgement))
    shown = f"{say.fixed(size * 100, 1)} points" if case.metric.share else say.number(size, 3)
    note = f"with these rows a change under {shown} would not have been seen"
    return Detectable(estimate=float(size), note=_with_reason(note, judgement))


def _with_reason(note: str, judgement: Judgement) -> str:
    if judgement.verdict == Verdict.INCONCLUSIVE and judgement.caveats:
        note += f"; {judgement.caveats[-1]}"
    return note
