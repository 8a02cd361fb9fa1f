"""A number with the replicates that all terms of a diagnosis share, so that sums of effects have honest intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.contracts.finding import Estimate
from backslide.stats.arrays import Floats
from backslide.stats.change.bootstrap import interval, z_score


@dataclass(frozen=True)
class Effect:
    """A change of the target metric, signed like it, and its bootstrap replicates (B,)."""

    value: float
    replicates: Floats

    def __add__(self, other: Effect) -> Effect:
        return Effect(self.value + other.value, self.replicates + other.replicates)

    def __sub__(self, other: Effect) -> Effect:
        return Effect(self.value - other.value, self.replicates - other.replicates)

    def __neg__(self) -> Effect:
        return Effect(-self.value, -self.replicates)

    def scaled(self, spread: float) -> Effect:
        """The same value with replicates spread ``spread`` times as far."""
        return Effect(self.value, self.value + (self.replicates - self.value) * spread)

    def pooled(self, other: Effect) -> Effect:
        """The mean of two estimates of one effect, weighted by their precision."""
        spread = [float(np.nanvar(e.replicates)) for e in (self, other)]
        weight = spread[1] / sum(spread) if sum(spread) > 0 else 0.5
        return Effect(
            weight * self.value + (1 - weight) * other.value, weight * self.replicates + (1 - weight) * other.replicates
        )

    @property
    def bounds(self) -> tuple[float, float]:
        """95 % interval."""
        if not (np.isfinite(self.value) and np.isfinite(self.replicates).any()):
            return float("nan"), float("nan")
        return interval(self.value, self.replicates)

    @property
    def z(self) -> float:
        """Value in standard errors."""
        if not (np.isfinite(self.value) and np.isfinite(self.replicates).any()):
            return 0.0
        return z_score(self.value, self.replicates)

    @property
    def clear(self) -> bool:
        """Whether the interval is clear of zero."""
        low, high = self.bounds
        return low > 0 or high < 0

    def estimate(self, sampled: int | None = None) -> Estimate:
        """As a contract value; ``sampled`` rows where it rests on a sample."""
        low, high = (float(v) for v in self.bounds)
        if not (np.isfinite(low) and np.isfinite(high)):
            return Estimate(estimate=float(self.value))
        if sampled is None:
            return Estimate(estimate=float(self.value), low=low, high=high)
        return Estimate(estimate=float(self.value), low=low, high=high, basis="sample", n=sampled)


def nothing(replicates: int) -> Effect:
    """No effect."""
    return Effect(0.0, np.zeros(replicates))
