"""Do columns hang together as before? Changes of pairwise rank correlations, with row and day noise.

Ranks are taken within each window, so that units, scales and shifts of a column do not count: what is compared is who goes
with whom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.day_noise import DailyMeans, Noise, daily_noise, row_noise
from backslide.stats.drift.univariate import t_p
from backslide.stats.two_sample import holm, mid_places

LATENT = 0.2
"""What the prior's standard deviation is for a correlation: days move it less than they move a mean."""


@dataclass(frozen=True)
class PairChange:
    """Rank correlation of two columns (by position) in both windows."""

    first: int
    second: int
    before: float
    after: float
    adjusted: float
    """Change without the effect of other weekdays."""
    se: float
    p_value: float
    """Adjusted over all pairs (Holm 1979)."""


def correlation_changes(reference: Floats, current: Floats, days: tuple[Ints | None, Ints | None]) -> list[PairChange]:
    """Changes of Spearman's rank correlation of every pair of columns of (n, p) matrices, the clearest first.

    NaN takes the middle rank. Columns without variation in a window go with nothing: correlation 0.
    """
    if reference.shape[1] < 2 or min(len(reference), len(current)) < 4:
        return []
    ranked = [standard_ranks(x) for x in (reference, current)]
    correlation = [z.T @ z / len(z) for z in ranked]
    upper = np.triu_indices(reference.shape[1], 1)
    noise = _noise(ranked, correlation, days, upper)
    change = (correlation[1] - correlation[0])[upper] - noise.composition
    se, df = np.sqrt(noise.variance), noise.freedom
    p = [t_p(c / s, d) if s > 0 else 1.0 for c, s, d in zip(change, se, df, strict=True)]
    found = [
        PairChange(
            int(i), int(j), float(correlation[0][i, j]), float(correlation[1][i, j]), float(c), float(s), float(q)
        )
        for i, j, c, s, q in zip(*upper, change, se, holm(p), strict=True)
    ]
    return sorted(found, key=lambda pair: (pair.p_value, -abs(pair.adjusted), pair.first, pair.second))


def standard_ranks(x: Floats) -> Floats:
    """Mid-ranks of each column (n, p) with mean 0 and variance 1, 0 for NaN and for columns that do not vary."""
    known = ~np.isnan(x)
    ranks = np.zeros(x.shape)
    for column, rows in enumerate(known.T):
        ranks[rows, column] = mid_places(x[rows, column]) + 0.5
    n = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, ranks - ranks.sum(axis=0) / n, 0.0)
    spread = np.sqrt((centred**2).mean(axis=0))
    return np.asarray(np.where(spread > 0, centred / np.where(spread > 0, spread, 1.0), 0.0))


Upper = tuple[NDArray[np.intp], NDArray[np.intp]]


def _noise(
    ranked: list[Floats],
    correlation: list[Floats],
    days: tuple[Ints | None, Ints | None],
    upper: Upper,
) -> Noise:
    """Noise of the differences, from the influence of each row: z_i z_j - r (z_i^2 + z_j^2) / 2."""
    rows = float(len(ranked[0])), float(len(ranked[1]))
    row = _influence_variance(ranked[0], correlation[0])[upper]
    if days[0] is None or days[1] is None:
        return row_noise(row, rows)
    sides = [_by_day(z, r, d, row, upper) for z, r, d in zip(ranked, correlation, (days[0], days[1]), strict=True)]
    return daily_noise(sides[0], sides[1], rows, np.full(len(row), LATENT))


def _influence_variance(z: Floats, r: Floats) -> Floats:
    square = z**2
    n = len(z)
    mixed = square.T @ square / n
    odd = (square * z).T @ z / n
    fourth = (square**2).mean(axis=0)
    both = fourth[:, None] + fourth[None, :] + 2 * mixed
    return np.asarray(np.maximum(mixed - r * (odd + odd.T) + r**2 / 4 * both, 1e-12))


def _by_day(z: Floats, r: Floats, days: Ints, row: Floats, upper: Upper) -> DailyMeans:
    distinct, index = np.unique(days, return_inverse=True)
    values, counts = [], []
    for k in range(len(distinct)):
        part = z[index == k]
        square = (part**2).mean(axis=0)
        influence = part.T @ part / len(part) - r / 2 * (square[:, None] + square[None, :])
        values.append(influence[upper])
        counts.append(float(len(part)))
    return DailyMeans(np.array(values), np.array(counts), distinct.astype(np.int64), row)
