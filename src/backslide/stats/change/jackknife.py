"""Any function of a window's rows as units with noise: the jackknife that leaves out groups of rows, and whole days.

Leaving out a group and looking what is left says what the group is worth (its pseudo-value, Tukey 1958; groups of unequal size:
Busing, Meijer and van der Leeden 1999). Random groups show the noise of the rows, days what days add to it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.metric_change import Units

GROUPS = 40
"""Random groups; the variance of a row is then known to about a fifth."""
MOST_DAYS = 120
"""Days beyond which the function would be called too often; the row is the unit then."""
WEEK = 7


def jackknife_units(value: Callable[[Mask], float], rows: int, days: Ints | None, rng: np.random.Generator) -> Units:
    """Units ``[rows, rows * pseudo-value]`` of a function of the rows that a mask (n,) keeps.

    ``days`` (n,) are day ordinals whose ``% 7`` is the weekday, or None. The mean over units is the function of all rows. Not
    a number anywhere where the function cannot be had without some group.
    """
    whole = value(np.ones(rows, bool))
    groups = rng.permutation(np.arange(rows) % min(GROUPS, max(rows, 1)))
    random = _pseudo_values(value, whole, groups)
    variance = float(np.var(random, ddof=1)) * rows / len(random) if len(random) > 1 else np.nan
    distinct, index = (None, None) if days is None else np.unique(days, return_inverse=True)
    if distinct is None or index is None or not 1 < len(distinct) <= MOST_DAYS:
        sums, counts = np.array([[rows, rows * whole]]), np.array([float(rows)])
        distinct = None if distinct is None or len(distinct) != 1 else distinct
    else:
        counts = np.bincount(index).astype(float)
        pseudo = _pseudo_values(value, whole, index)
        pseudo += whole - float(counts @ pseudo) / rows
        sums = np.column_stack([counts, counts * pseudo])
    second = np.array([[rows, rows * whole], [rows * whole, rows * (variance + whole**2)]])
    return Units(sums, counts, second, None if distinct is None else distinct % WEEK, distinct)


def _pseudo_values(value: Callable[[Mask], float], whole: float, groups: Ints) -> Floats:
    n = len(groups)
    weight = n / np.bincount(groups)
    without = np.array([value(groups != group) for group in range(len(weight))])
    return np.asarray(weight * whole - (weight - 1) * without)
