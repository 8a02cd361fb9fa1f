"""Values at which the rows of a column gather, and hardly any did before: values rounded within their range, which hardly move
the distribution, gather so."""

from __future__ import annotations

import numpy as np

from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Mask

SHARE, BEFORE = 0.002, 0.1
"""Share of the current rows with one value from which on they gather at it, and part of that share it may have had before."""
LEAST_ATOMS, COME_BACK = 3, 3.0
"""Such values from which on they are read as one, and how often each must come back after others, on average."""
LEAST_ROWS = 0.01
"""Share of the current rows that must gather so."""


@once
def new_atoms(pair: Pair) -> tuple[Mask, Mask] | None:
    """Rows of a column of numbers with such a value (n_ref,) and (n_cur,); None where few have one."""
    if not pair.numeric or pair.discrete:
        return None
    ref, cur = pair.numbers
    values, counts = np.unique(cur[np.isfinite(cur)], return_counts=True)
    many = counts >= max(SHARE * len(cur), 2)
    values, counts = values[many], counts[many]
    if not len(values):
        return None
    known = pair.finite[0]
    before = np.searchsorted(known, values, "right") - np.searchsorted(known, values, "left")
    new = values[before / max(len(known), 1) <= BEFORE * counts / len(cur)]
    rows = np.isin(ref, new), np.isin(cur, new)
    there = cur[rows[1]]
    # One value is for other signatures, and so are values that stand still, by day or for a while: they do not come back.
    if (
        len(new) < LEAST_ATOMS
        or len(there) < LEAST_ROWS * len(cur)
        or np.sum(np.diff(there) != 0) < COME_BACK * len(new)
    ):
        return None
    return rows
