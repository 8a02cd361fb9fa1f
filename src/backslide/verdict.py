"""The verdict before any cause is looked for: from the change of the headline metric, and of every class.

`degraded` needs a one-sided 0.5 % test and an estimate beyond `min_effect`; on random halves of one period that is false in
about 0.5 % of pairs. `no_material_change` needs an interval that excludes a material drop. Everything else is `inconclusive`,
with the number of rows that would settle it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.contracts.diagnosis import Detectable, Part, Verdict
from backslide.contracts.finding import Estimate
from backslide.playbook.verify.classes import class_changes
from backslide.stats.change import POWER, VERDICT_ALPHA, Change
from backslide.stats.metrics import Metric, class_metric

PART_ALPHA = VERDICT_ALPHA / 2
"""Error rate of all parts together, on top of the headline's own."""
MIN_LABELS = 30
MIN_ERRORS = 5


@dataclass(frozen=True)
class Judged:
    """What the numbers alone say, and which metric the causes are priced in."""

    verdict: Verdict
    change: Change | None
    target: Metric
    target_change: Change | None
    parts: tuple[Part, ...]
    caveats: tuple[str, ...]


def judge(case: Case) -> Judged:
    """Judge the headline, then the classes."""
    if not case.has_labels:
        missing = [side.window.name for side in case.sides if side.window.labelled == 0]
        reason = (
            f"no labels in the {' and the '.join(missing)} window, so the change of {case.metric.name} is not known"
        )
        return Judged(Verdict.INCONCLUSIVE, None, case.metric, None, (), (reason,))
    change = case.change(case.metric)
    if not (np.isfinite(change.estimate) and np.isfinite(change.se)):
        reason = f"{case.metric.name} cannot be estimated in both windows"
        return Judged(Verdict.INCONCLUSIVE, None, case.metric, None, (), (reason,))
    few = _too_few(case)
    if few:
        return Judged(Verdict.INCONCLUSIVE, change, case.metric, change, (), (few,))
    verdict = _headline(case, change)
    caveats = () if change.unit == "day" else (_row_caveat(case),)
    if verdict == Verdict.DEGRADED:
        return Judged(verdict, change, case.metric, change, (), caveats)
    parts = _parts(case)
    if parts:
        label = parts[0].name
        target = class_metric("f1", case.problem.classes.index(label), label)
        return Judged(Verdict.DEGRADED_IN_PART, change, target, case.change(target), parts, caveats)
    if verdict == Verdict.INCONCLUSIVE:
        caveats = (*caveats, _rows_needed(case, change))
    return Judged(verdict, change, case.metric, change, (), caveats)


def _too_few(case: Case) -> str:
    labelled = min(side.window.labelled for side in case.sides)
    if labelled < MIN_LABELS:
        return f"only {labelled} labelled rows in a window: no verdict under {MIN_LABELS}; label more rows"
    if case.problem.classification:
        wrong = sum(_errors(case))
        if wrong < MIN_ERRORS:
            return f"only {wrong:.0f} errors in both windows together: no verdict under {MIN_ERRORS}; collect more rows"
    return ""


def _errors(case: Case) -> list[float]:
    k = len(case.problem.classes)
    found = []
    for side in case.sides:
        sums = side.units(class_metric("f1", 0, "")).total
        found.append(float(sums[:k].sum() - sums[2 * k :].sum()))
    return found


def _headline(case: Case, change: Change) -> Verdict:
    harm, floor = case.metric.harm(change.estimate), case.problem.min_effect
    if change.p_worse < VERDICT_ALPHA and harm >= floor:
        return Verdict.DEGRADED
    if 1 - change.p_worse < VERDICT_ALPHA and -harm >= floor:
        return Verdict.IMPROVED
    worst = max(case.metric.harm(change.low), case.metric.harm(change.high))
    return Verdict.NO_MATERIAL_CHANGE if worst < floor else Verdict.INCONCLUSIVE


def _parts(case: Case) -> tuple[Part, ...]:
    if not case.problem.classification:
        return ()
    return tuple(
        Part(
            kind="class", name=c.label, metric="f1", reference=c.f1.reference, current=c.f1.current,
            change=Estimate(estimate=c.f1.estimate, low=c.f1.low, high=c.f1.high),
        )
        for c in class_changes(case)
        if c.p_value < PART_ALPHA and -c.f1.estimate >= case.problem.min_effect
    )  # fmt: skip


def _row_caveat(case: Case) -> str:
    if not case.reference.window.has_time:
        return "no timestamps: intervals count every row as independent; days with luck of their own would widen them"
    if case.metric.rows == "variance":
        return f"{case.metric.name} is judged row by row; day effects are unaccounted for"
    few = "fewer than 14 reference or 4 current days with readable times"
    return f"{few}: intervals count every row as independent; day effects are unaccounted for"


def _rows_needed(case: Case, change: Change) -> str:
    """How many labelled rows would decide between no change and a material one."""
    quantile = float(stats.norm.ppf(1 - VERDICT_ALPHA) + stats.norm.ppf(POWER))
    factor = (quantile * change.se / max(case.problem.min_effect, 1e-12)) ** 2
    rows = min(side.window.labelled for side in case.sides)
    return (
        f"a change of min_effect would need about {factor:.1f} times the labelled rows "
        f"({int(np.ceil(rows * factor / 100) * 100)} per window) to be told from noise"
    )


def detectable(case: Case, judged: Judged) -> Detectable:
    """What these rows could have shown."""
    change = judged.change
    if change is None:
        return Detectable(estimate=None, note="without labels in both windows no change of the metric can be seen")
    size = change.detectable(case.problem.min_effect)
    shown = f"{size * 100:.1f} points" if case.metric.share else f"{size:.3g}"
    note = f"with these rows a change under {shown} would not have been seen"
    if judged.verdict == Verdict.INCONCLUSIVE and judged.caveats:
        note += f"; {judged.caveats[-1]}"
    return Detectable(estimate=float(size), note=note)
