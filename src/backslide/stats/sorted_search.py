"""Places of many values among sorted ones, as ``numpy.searchsorted`` gives them, in a fifth of its time.

A binary search of each value by itself waits for memory and mispredicts every branch. Few edges are compared with all values at
once; among many sorted values the sought ones are looked up in ascending order.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from backslide.stats.arrays import Floats, Ints

MANY_VALUES = 2_000
"""Sought values from which on another way pays."""
FEW_EDGES = 64
"""Edges up to which comparing each with all values is the quickest, measured on 20,000 values."""


def search_sorted(ordered: Floats, values: Floats, side: Literal["left", "right"] = "left") -> Ints:
    """Places (n,) at which ``values`` (n,) belong into ``ordered`` (m,); NaN counts as larger than any other."""
    if len(values) < MANY_VALUES or not (values.dtype == ordered.dtype == np.float64):
        return np.searchsorted(ordered, values, side)
    if len(ordered) <= FEW_EDGES:
        return _by_comparison(ordered, values, side)
    if (values[1:] >= values[:-1]).all():
        return np.searchsorted(ordered, values, side)
    order = np.argsort(values)
    found = np.empty(len(values), np.int64)
    found[order] = np.searchsorted(ordered, values[order], side)
    return found


def _by_comparison(edges: Floats, values: Floats, side: Literal["left", "right"]) -> Ints:
    is_under = np.less if side == "right" else np.less_equal
    found = np.full(len(values), len(edges), np.int8)
    under = np.empty(len(values), np.bool_)
    for edge in edges:
        is_under(values, edge, out=under)
        found -= under.view(np.int8)
    return found.astype(np.int64)
