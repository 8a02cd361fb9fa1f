"""Two-sample tests and distances on histograms, counts and arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.spatial import distance

from backslide.stats.arrays import Floats, Ints

KS_LIMIT, KS_LIMIT_1_PERCENT = 1.95, 1.63
"""Two-sided 0.1 % and 1 % points of the limiting Kolmogorov-Smirnov law, ``sqrt(-log(level / 2) / 2)`` (Smirnov 1948)."""
Z95 = 1.96
"""Two-sided 95 % point of the normal distribution."""


def ks_limit(n_reference: float, n_current: float, limit: float = KS_LIMIT) -> float:
    """KS distance of two samples that chance passes once in a thousand pairs, unless ``limit`` is of another level."""
    return limit * float(np.sqrt(1 / n_reference + 1 / n_current))


def ks_p_value(distance: float, n_reference: float, n_current: float) -> float:
    """Asymptotic p-value of a two-sample KS distance."""
    n = n_reference * n_current / (n_reference + n_current)
    return float(stats.kstwobign.sf(distance * np.sqrt(n)))


def ks(reference: Floats, current: Floats) -> float:
    """Two-sample KS distance of two arrays without NaN; 0 where one is empty."""
    if len(reference) == 0 or len(current) == 0:
        return 0.0
    few, many = sorted((np.sort(reference), np.sort(current)), key=len)
    # The largest distance lies at a value of the one, or just before it; of equal values the first and the last decide.
    place = np.arange(len(few) + 1) / len(few)
    upto = np.searchsorted(many, few, "right")
    shared = bool((many[np.maximum(upto, 1) - 1] == few).any())
    under = np.searchsorted(many, few, "left") if shared else upto
    above, below = place[1:] - upto / len(many), under / len(many) - place[:-1]
    return float(max(above.max(), below.max()))


def ks_floor(reference: Floats, current: Floats, probes: int = 16) -> float:
    """What the KS distance of two sorted arrays is at least, read at a few values: most that are far apart show it there."""
    if len(reference) == 0 or len(current) == 0:
        return 0.0
    values = reference[np.linspace(0, len(reference) - 1, probes).astype(int)]
    below = [np.searchsorted(part, values, "right") / len(part) for part in (reference, current)]
    return float(np.abs(below[1] - below[0]).max())


def quantiles_of_sorted(values: Floats, at: Floats) -> Floats:
    """Quantiles (m,) of a sorted array without NaN, as ``numpy.quantile`` gives them, without looking at all of its values."""
    place = at * (len(values) - 1)
    low = np.floor(place).astype(int)
    one, other, part = values[low], values[np.minimum(low + 1, len(values) - 1)], place - low
    gap = other - one
    return np.asarray(np.where(part >= 0.5, other - gap * (1 - part), one + gap * part), float)


def distinct_of_sorted(values: Floats) -> Floats:
    """The distinct values of a sorted array without NaN: ``numpy.unique`` sorts them again."""
    return np.asarray(values[np.append(True, values[1:] != values[:-1])], float) if len(values) else values


def runs_of_sorted(values: Floats) -> Ints:
    """Rows of each distinct value of a sorted array without NaN, in ascending order of the values."""
    first = np.flatnonzero(np.append(True, values[1:] != values[:-1])) if len(values) else np.empty(0, np.int64)
    return np.diff(np.append(first, len(values)))


def chi_squared(reference: ArrayLike, current: ArrayLike) -> tuple[float, float, float]:
    """Chi-squared test of two count vectors on the same categories: (Cramer's V, p-value, statistic).

    Categories expected fewer than 5 times in either window are pooled.
    """
    table = np.vstack([np.asarray(reference, float), np.asarray(current, float)])
    n = table.sum()
    if n == 0 or (table.sum(axis=1) == 0).any():
        return 0.0, 1.0, 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    rare = expected.min(axis=0) < 5
    if rare.any():
        pooled = table[:, rare].sum(axis=1, keepdims=True)
        table = np.hstack([table[:, ~rare], pooled])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 0.0, 1.0, 0.0
    result = stats.chi2_contingency(table, correction=False)
    statistic = float(result.statistic)
    return float(np.sqrt(statistic / n)), float(result.pvalue), statistic


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> float:
    """Jensen-Shannon distance (base 2, 0 to 1) of two count vectors on the same bins; 0 where one is empty."""
    ref, cur = np.asarray(reference, float), np.asarray(current, float)
    if ref.sum() == 0 or cur.sum() == 0:
        return 0.0
    # Of equal distributions the divergence may come out a rounding below 0, whose root is not a number.
    return float(np.nan_to_num(distance.jensenshannon(ref, cur, base=2)))


def proportion_z(hits_ref: float, n_ref: float, hits_cur: float, n_cur: float) -> float:
    """Pooled two-proportion z of the increase from reference to current; 0 where not defined."""
    if n_ref == 0 or n_cur == 0:
        return 0.0
    pooled = (hits_ref + hits_cur) / (n_ref + n_cur)
    se = np.sqrt(pooled * (1 - pooled) * (1 / n_ref + 1 / n_cur))
    return float((hits_cur / n_cur - hits_ref / n_ref) / se) if se > 0 else 0.0


def newcombe(hits_ref: float, n_ref: float, hits_cur: float, n_cur: float) -> tuple[float, float]:
    """95 % interval of a difference of proportions (current - reference), Newcombe's hybrid score (1998, method 10)."""
    low_ref, high_ref = wilson(hits_ref, n_ref)
    low_cur, high_cur = wilson(hits_cur, n_cur)
    ref, cur = hits_ref / n_ref, hits_cur / n_cur
    difference = cur - ref
    return (
        difference - float(np.hypot(cur - low_cur, high_ref - ref)),
        difference + float(np.hypot(high_cur - cur, ref - low_ref)),
    )


def wilson(hits: float, n: float, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson score interval of a proportion (1927)."""
    p = hits / n
    middle = p + z * z / (2 * n)
    half = z * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def holm(p_values: ArrayLike) -> Floats:
    """Adjusted p-values that control the family-wise error rate (Holm 1979), in the given order."""
    p = np.asarray(p_values, float)
    m = len(p)
    if m == 0:
        return p
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * (m - np.arange(m)))
    result = np.empty(m)
    result[order] = np.minimum(stepped, 1.0)
    return result


def ranks(values: Floats) -> Floats:
    """Mid-ranks of values without NaN, scaled to (0, 1)."""
    return mid_places(values) / max(len(values), 1)


def mid_places(values: Floats) -> Floats:
    """Number of values (n,) without NaN below each, and half of those equal to it: the mid-rank less a half."""
    order = np.argsort(values)
    ascending = values[order]
    rows = runs_of_sorted(ascending)
    first = np.cumsum(rows) - rows
    found = np.empty(len(values))
    found[order] = np.repeat(first + 0.5 * rows, rows)
    return found


def wasserstein(points: Floats, below_reference: Floats, below_current: Floats) -> float:
    """Earth mover's distance of two distribution functions given at ascending points (n,), linear between; in their unit."""
    if len(points) < 2:
        return 0.0
    gap = below_current - below_reference
    width = np.diff(points)
    left, right = gap[:-1], gap[1:]
    crossing = left * right < 0
    reach = np.abs(left) + np.abs(right)
    # Where the curves cross, the two triangles; else the trapezium.
    area = np.where(crossing, (left**2 + right**2) / np.where(reach > 0, reach, 1.0), reach) / 2
    return float((area * width).sum())


def unseen_rate(levels: ArrayLike) -> float:
    """Rate at which further rows are expected to hold a level not counted yet (Good 1953; Turing): singletons over rows."""
    counts = np.asarray(levels, float)
    total = counts.sum()
    return float((counts == 1).sum() / total) if total else 0.0
