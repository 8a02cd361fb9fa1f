"""Did a cloud of vectors move? The kernel distance of two samples (maximum mean discrepancy) and its chance level.

Gaussian kernel with the median distance as its width, by random Fourier features (Rahimi and Recht 2007), so that every
permutation costs one product. What is permuted are whole days wherever rows have days: a window is so many days before it is
so many rows, and ordinary change from day to day is no drift (Gretton and others 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import pdist

from backslide.stats.arrays import Floats, Ints, Mask

FEATURES = 256
PERMUTATIONS = 400
WIDTH_FROM = 400
"""Rows whose distances tell the width of the kernel."""
TAIL = 10
"""Permutations beyond the value under which the tail is read off a fitted gamma distribution."""
Days = Ints | None
Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Distance:
    """How far two clouds lie apart."""

    size: float
    """Squared distance of their means beyond chance, as a share of the spread of all vectors (in the kernel's space)."""
    p_value: float
    units: tuple[int, int]
    """Days, or rows without days, that were permuted."""


def kernel_distance(
    reference: Floats | Matrix, current: Floats | Matrix, days: tuple[Days, Days], rng: np.random.Generator
) -> Distance:
    """Of (n, p) and (m, p); days are exchangeable between the windows when nothing happened."""
    every = np.vstack([reference, current]).astype(np.float64)
    seen = every[rng.choice(len(every), min(WIDTH_FROM, len(every)), replace=False)]
    apart = pdist(seen)
    width = float(np.median(apart[apart > 0])) if (apart > 0).any() else 0.0
    if width <= 0 or not np.isfinite(width):
        return Distance(0.0, 1.0, (len(reference), len(current)))
    weights = rng.standard_normal((every.shape[1], FEATURES)) / width
    mapped = np.cos(every @ weights + rng.uniform(0, 2 * np.pi, FEATURES)) * np.sqrt(2 / FEATURES)
    sums, rows, first = _units(mapped, len(reference), days)
    spread = float(mapped.var(axis=0).sum())
    found = _squared(sums, rows, np.arange(len(rows))[None, :] < first)[0]
    chosen = np.argsort(rng.random((PERMUTATIONS, len(rows))), axis=1) < first
    chance = _squared(sums, rows, chosen)
    size = max(float(found - chance.mean()), 0.0) / spread if spread > 0 else 0.0
    return Distance(size, _p_value(float(found), chance), (first, len(rows) - first))


def _units(mapped: Floats, first: int, days: tuple[Days, Days]) -> tuple[Floats, Floats, int]:
    """Sums (U, F) and rows (U,) of each day or row, and how many of them are the reference's."""
    if days[0] is None or days[1] is None:
        return mapped, np.ones(len(mapped)), first
    index = [np.unique(own, return_inverse=True)[1] for own in (days[0], days[1])]
    count = int(index[0].max()) + 1
    unit = np.concatenate([index[0], index[1] + count])
    sums = np.zeros((int(unit.max()) + 1, mapped.shape[1]))
    np.add.at(sums, unit, mapped)
    return sums, np.bincount(unit).astype(float), count


def _squared(sums: Floats, rows: Floats, reference: Mask) -> Floats:
    """Squared distance of the windows' means for every split of the units (B, U)."""
    held = reference.astype(float)
    total, every = sums.sum(axis=0), float(rows.sum())
    ours, count = held @ sums, held @ rows
    gap = ours / count[:, None] - (total - ours) / (every - count)[:, None]
    return np.asarray((gap**2).sum(axis=1))


def _p_value(found: float, chance: Floats) -> float:
    """Of a permutation test; far beyond all permutations by the gamma distribution of their mean and variance."""
    beyond = int((chance >= found).sum())
    counted = (beyond + 1) / (len(chance) + 1)
    mean, variance = float(chance.mean()), float(chance.var())
    if beyond >= TAIL or variance <= 0 or mean <= 0:
        return counted
    return min(counted, 2 * float(stats.gamma.sf(found, mean**2 / variance, scale=variance / mean)))
