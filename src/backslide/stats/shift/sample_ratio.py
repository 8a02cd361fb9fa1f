"""Were the rows of an A/B test dealt out as planned? Asked before any outcome is compared.

A sample-ratio mismatch says that rows were lost or steered on one side (Fabijan et al. 2019), and then a difference of outcomes
says nothing about the models. The same holds where the groups differ in what came in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from backslide.stats.arrays import Floats, Ints
from backslide.stats.two_sample import chi_squared, wilson


@dataclass(frozen=True)
class Ratio:
    """Rows of the new arm among all, against the planned share."""

    share: float
    low: float
    high: float
    """Wilson interval of the share, 95 %."""
    planned: float | None
    p_value: float | None
    """Two-sided exact binomial; None where no share was planned."""


def sample_ratio(old: int, new: int, planned: float | None) -> Ratio:
    """Rows of both arms against the planned share of the new one; one row each must be there."""
    low, high = wilson(new, old + new)
    p_value = None if planned is None else float(stats.binomtest(new, old + new, planned).pvalue)
    return Ratio(new / (old + new), low, high, planned, p_value)


def counts_differ(old: Ints, new: Ints) -> tuple[float, float]:
    """Cramer's V and p-value that both arms come from one distribution over the same categories."""
    size, p_value, _ = chi_squared(old, new)
    return size, p_value


def values_differ(old: Floats, new: Floats) -> tuple[float, float]:
    """Difference of finite values in standard deviations, and the p-value of Welch's test on their ranks."""
    values = np.concatenate([old, new])
    ranked = stats.rankdata(values)
    one, other = ranked[: len(old)], ranked[len(old) :]
    spread = float(np.sqrt((one.var() + other.var()) / 2)) if len(old) and len(new) else 0.0
    if min(len(old), len(new)) < 2 or spread == 0:
        return 0.0, 1.0
    return float((other.mean() - one.mean()) / spread), float(stats.ttest_ind(one, other, equal_var=False).pvalue)
