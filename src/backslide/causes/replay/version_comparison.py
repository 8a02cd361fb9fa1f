"""No saved model, but two model versions side by side in the log: is the new one worse on rows that are alike?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backslide.case import Case, Outcomes
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.replay.base import OwnChange
from backslide.contracts import say
from backslide.contracts.cause import CauseKind, Confidence
from backslide.engine.columns import names
from backslide.engine.columns.segments import literal, quoted
from backslide.playbook.shadow.arms import Arms, arm_of
from backslide.playbook.shadow.balance import assignment
from backslide.playbook.shadow.differences import difference
from backslide.stats.arrays import Mask
from backslide.stats.change.effect import Effect
from backslide.stats.change.metric_change import VERDICT_ALPHA

MIN_BESIDE = 100
"""Labelled rows of each version under which they are not compared."""


def find_worse_version(bench: PricingBench) -> OwnChange | None:
    """A version that is new in the current window and worse than an old one beside it, in groups alike in every input.

    One-sided 0.5 % on the difference, as an A/B test; groups that differ in an input decide nothing, because then the rows and
    not the model may be to blame.
    """
    case = bench.case
    known, there = set(case.reference.window.versions), set(case.current.window.versions)
    if not known & there or not there - known or not bench.current_labels:
        return None
    versions = case.current.sample[names.VERSION]
    old = versions.is_in(list(known)).fill_null(False).to_numpy()
    new = versions.is_in(list(there - known)).fill_null(False).to_numpy()
    labelled = bench.rows(case.current)
    if min(int(old[labelled].sum()), int(new[labelled].sum())) < MIN_BESIDE:
        return None
    whole = arm_of(case.current, case.current.outcomes)
    arms = Arms(whole.take(old), whole.take(new), False)
    apart = difference(case, arms, bench.target)
    if apart is None or apart.p_value >= 2 * VERDICT_ALPHA or bench.target.harm(apart.estimate) <= 0:
        return None
    if not assignment(case, arms).balanced:
        return None
    came, stayed = (say.listed(sorted(found)) for found in (there - known, known & there))
    return OwnChange(
        CauseKind.MODEL_CHANGE,
        _effect(bench, old),
        _without(case, new),
        f"version {came} answers {say.percent(float(new.mean()))} of the rows beside version {stayed}, on rows alike in every "
        "input, and is worse",
        f"let version {stayed} answer",
        float(new.mean()),
        segment=_segment(case, sorted(there - known)),
        rows=new,
        confidence=Confidence.SUPPORTED,
    )


def _effect(bench: PricingBench, old: Mask) -> Effect:
    """The target on all current rows less the target on those of the old version."""
    case, target = bench.case, bench.target
    labelled = bench.rows(case.current)
    served = case.current.outcomes.take(labelled)
    k, draw, mine = len(case.problem.classes), bench.draw(case.current), old[labelled]
    every = served.statistics(target, k)
    kept = np.zeros_like(every)
    kept[mine] = served.take(mine).statistics(target, k)
    one, other = (Effect(float(target.value(s.sum(0))), target.value(draw.sums(s))) for s in (every, kept))
    return one - other


def _without(case: Case, new: Mask) -> Outcomes:
    """Current outcomes in which the rows of the new version count as not labelled."""
    served = case.current.outcomes
    unknown = np.nan if served.labels.dtype.kind == "f" else -1
    return replace(served, labels=np.where(new, unknown, served.labels).astype(served.labels.dtype))


def _segment(case: Case, came: list[str]) -> str:
    column = case.problem.roles.version or ""
    dtype = case.current.sample[column].dtype
    written = [v if dtype.is_numeric() else literal(v) for v in came]
    return f"{quoted(column)} = {written[0]}" if len(written) == 1 else f"{quoted(column)} IN ({', '.join(written)})"
