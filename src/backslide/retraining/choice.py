"""Which candidate is recommended: the best one that passes the gate, corrected for how many were tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from backslide.contracts.gate import GateVerdict
from backslide.contracts.upkeep import GateSettings
from backslide.playbook.shadow.arms import Arms
from backslide.playbook.shadow.differences import difference
from backslide.retraining.backtest import Bench, Tried, best_first
from backslide.retraining.gate import Judged, judge, p_gain

STEADY_LEVEL = 0.1
"""One-sided error rate at which a candidate without a feature must beat the one that it changes."""


@dataclass(frozen=True)
class Choice:
    """The candidate that is recommended or, where none passes, the best one."""

    best: Tried
    judged: Judged
    promoted: bool
    gates: dict[str, Judged] = field(default_factory=dict)
    """Name of each candidate that was judged."""
    no_better: tuple[str, ...] = ()
    """Candidates with steadier inputs that do no better than the one they change."""


def choose(bench: Bench, tried: Sequence[Tried], policy: GateSettings, names: tuple[str, str]) -> Choice:
    """Judge candidates from the best down, until one passes."""
    no_better = tuple(t.plan.name for t in tried if t.plan.base and not _helps(bench, t, tried))
    ordered = [t for t in best_first(tried, bench.metric) if t.plan.name not in no_better]
    count = sum(t.found is not None for t in tried)
    gates: dict[str, Judged] = {}
    for one in ordered:
        assert one.arms is not None
        found = judge(
            bench.case, one.arms, policy, tried=count, names=("the champion", f"the candidate {one.plan.name!r}")
        )
        gates[one.plan.name] = found
        if found.verdict is GateVerdict.PROMOTE:
            return Choice(one, found, True, gates, no_better)
        if found.lines[0].passed is False:
            break  # those that follow gain less
    best = ordered[0]
    return Choice(best, gates[best.plan.name], False, gates, no_better)


def _helps(bench: Bench, one: Tried, tried: Sequence[Tried]) -> bool:
    """Whether it is better on later rows than the candidate that it changes."""
    base = next((t for t in tried if t.plan.name == one.plan.base), None)
    if base is None or base.arms is None or one.arms is None:
        return False
    found = difference(bench.case, Arms(base.arms.new, one.arms.new, True), bench.metric)
    return found is not None and p_gain(found, bench.metric) < STEADY_LEVEL
