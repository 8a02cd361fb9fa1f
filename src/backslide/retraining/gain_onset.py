"""Since when candidates gain: stretches from before the champion fell behind say nothing about what a new model is worth now.

Where the diagnosis dates no onset, the gains themselves may: small up to some stretch and large since. The step is looked for in
the mean gain of all candidates, by least squares, with two stretches on either side at least. What is tested since then pays for
having looked: every p-value is multiplied by the number of stretches at which the step could have been and one more for the
judgement over all stretches, and how much gains
differ from stretch to stretch is learned from all of them, around both levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from backslide.contracts.retrain_settings import GateSettings
from backslide.retraining.backtest import Backtest, CandidateResult, judge_runs
from backslide.retraining.choice import Choice, StretchTest, choose
from backslide.stats.arrays import Floats

EITHER_SIDE = 2
"""Stretches before and after the step."""


@dataclass(frozen=True)
class GainStep:
    """Gains by stretch as one level, and another one since the stretch ``first``."""

    first: int
    looks: int
    """Stretches at which it could have been, and the choice over all stretches."""

    def spread(self, gains: Floats) -> tuple[float, int]:
        """Variance of the gains around both levels, and its degrees of freedom."""
        return _residual(gains, self.first) / (len(gains) - 2), len(gains) - 2

    def p_step(self, gains: Floats) -> float:
        """One-sided p-value of H0: no more is gained since then; corrected for the looks."""
        before, after = gains[: self.first], gains[self.first :]
        return self._p(gains, float(after.mean() - before.mean()), 1 / len(before) + 1 / len(after))

    def p_gain(self, gains: Floats) -> float:
        """The same of H0: nothing is gained since then."""
        after = gains[self.first :]
        return self._p(gains, float(after.mean()), 1 / len(after))

    def _p(self, gains: Floats, size: float, weight: float) -> float:
        variance, df = self.spread(gains)
        if variance <= 0:
            return float(size <= 0)
        return min(float(stats.t.sf(size / np.sqrt(variance * weight), df)) * self.looks, 1.0)


def _residual(gains: Floats, first: int) -> float:
    return float(sum(((part - part.mean()) ** 2).sum() for part in (gains[:first], gains[first:])))


def find_step(gains: Floats) -> GainStep | None:
    """The step that leaves the least unexplained; None with too few stretches for one."""
    places = range(EITHER_SIDE, len(gains) - EITHER_SIDE + 1)
    if not len(places):
        return None
    return GainStep(min(places, key=lambda first: _residual(gains, first)), len(places) + 1)


def choose_since(
    bench: Backtest, tried: Sequence[CandidateResult], policy: GateSettings
) -> tuple[Backtest, tuple[CandidateResult, ...], Choice] | None:
    """The choice on the stretches since candidates gain, with the backtest of those alone; None where no step is shown, or
    nothing passes since then either."""
    whole = [t for t in tried if t.found is not None and None not in t.gains]
    if policy.headline != "superior" or not whole:
        return None
    gains = {t.plan.name: np.array(t.gains, float) for t in whole}
    mean = np.mean(list(gains.values()), axis=0)
    step = find_step(mean)
    if step is None or step.p_step(mean) >= policy.level:
        return None
    later = replace(bench, folds=bench.folds[step.first :])
    since = tuple(_since(later, one, step, gains.get(one.plan.name)) for one in tried)

    def lasting(one: CandidateResult) -> StretchTest:
        own = gains[one.plan.name]
        variance, df = step.spread(own)
        test = f"t over {len(own)} stretches with a step after {step.first}"
        return StretchTest(step.p_gain(own), float(np.sqrt(variance / len(one.gains))), df, test)

    choice = choose(later, since, policy, lasting=lasting, looks=step.looks)
    return (later, since, choice) if choice.promoted else None


def _since(later: Backtest, one: CandidateResult, step: GainStep, gains: Floats | None) -> CandidateResult:
    """A candidate on the later stretches alone, with the models that it has."""
    if gains is None:
        return replace(one, found=None, why_not=one.why_not or "not estimable on every stretch")
    runs = [replace(run, fold=run.fold - step.first) for run in one.runs[step.first :]]
    return replace(judge_runs(later, one.plan, runs), spread=step.spread(gains))
