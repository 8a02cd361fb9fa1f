"""The arithmetic of one batch of numbers: sort once, then read everything off the sorted array.

Looking the edges up in sorted values costs O(n log n) with vector instructions and beats looking every value up among
the edges; range, infinities and NaN fall out of the same array. All of it happens in buffers that each thread keeps,
because asking the system for fresh memory costs more than the sorting.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from backslide.engine.profile.column import ColumnProfile, Counts
from backslide.stats.arrays import Floats, Mask

Array = npt.NDArray[Any]

_KEEP_BYTES = 32 * 2**20
"""Larger buffers are not kept after use."""


def tally(values: Array, edges: Floats) -> ColumnProfile:
    """Count numbers (integers or floats, any order) on ascending inner edges; ``values`` is left as it is."""
    ordered = _scratch("sorted", values.dtype, len(values))
    np.copyto(ordered, values)
    ordered.sort()
    finite, nans, neg_inf, pos_inf = _finite_part(ordered)
    counts = _bin_counts(finite, edges)
    low, high = (finite[0].item(), finite[-1].item()) if len(finite) else (None, None)
    mean, m2 = _moments(finite)
    return ColumnProfile(
        nans=nans,
        pos_inf=pos_inf,
        neg_inf=neg_inf,
        finite=len(finite),
        mean=mean,
        m2=m2,
        minimum=low,
        maximum=high,
        edges=edges,
        counts=counts,
    )


_local = threading.local()


def _scratch(name: str, dtype: np.dtype[Any], length: int) -> Array:
    """An uninitialised array that the thread uses again for every column."""
    size = length * dtype.itemsize
    buffers: dict[str, npt.NDArray[np.uint8]] = _local.__dict__
    buffer = buffers.get(name)
    if buffer is None or len(buffer) < size:
        buffer = np.empty(size, dtype=np.uint8)
        if size <= _KEEP_BYTES:
            buffers[name] = buffer
    return buffer[:size].view(dtype)


def _finite_part(ordered: Array) -> tuple[Array, int, int, int]:
    """The finite stretch of an ascending array, and how many NaN, -inf and +inf surround it."""
    if ordered.dtype.kind != "f":
        return ordered, 0, 0, 0
    kind = ordered.dtype.type
    end = int(np.searchsorted(ordered, kind(np.nan), side="left"))
    start = int(np.searchsorted(ordered[:end], kind(-np.inf), side="right"))
    stop = int(np.searchsorted(ordered[:end], kind(np.inf), side="left"))
    return ordered[start:stop], len(ordered) - end, start, end - stop


def _bin_counts(ordered: Array, edges: Floats) -> Counts:
    """Values per bin of an ascending finite array, shape (len(edges) + 1,)."""
    bounds = _bounds(ordered.dtype, edges.tobytes())
    below = np.empty(len(edges) + 2, np.int64)
    below[0], below[1:-1], below[-1] = 0, np.searchsorted(ordered, bounds.edges, side="left"), len(ordered)
    if bounds.beyond is not None:
        below[1:-1][bounds.beyond] = len(ordered)
    return below[1:] - below[:-1]


@dataclass(frozen=True, eq=False)
class _Bounds:
    """Edges as a type compares them."""

    edges: Array
    beyond: Mask | None
    """Edges above every value of the type, where it has such."""


@lru_cache(maxsize=1024)
def _bounds(dtype: np.dtype[Any], edges: bytes) -> _Bounds:
    """Of inner edges as bytes; the same for every batch, and not quick to make of hundreds of edges of whole numbers."""
    numbers = np.frombuffer(edges, np.float64)
    return _Bounds(_edges_as(dtype, numbers), _beyond(dtype, numbers) if dtype.kind in "iu" else None)


def _edges_as(dtype: np.dtype[Any], edges: Floats) -> Array:
    """The smallest value of the type at or above each edge, so that comparing loses nothing and copies nothing."""
    if dtype == np.float32:
        with np.errstate(over="ignore"):
            near = edges.astype(np.float32)
        return np.where(near.astype(np.float64) < edges, np.nextafter(near, np.float32(np.inf)), near)
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        low, high = int(bounds.min), int(bounds.max)
        return np.asarray([min(max(math.ceil(edge), low), high) for edge in edges.tolist()], dtype=dtype)
    return edges


def _beyond(dtype: np.dtype[Any], edges: Floats) -> Mask:
    """Edges above every value of an integer type, compared as integers: 2**64 - 1 is no float."""
    high = int(np.iinfo(dtype).max)
    return np.asarray([edge > high for edge in edges.tolist()], dtype=bool)


def _moments(values: Array) -> tuple[float, float]:
    """Mean and sum of squared deviations in two passes; infinite where a float cannot hold them.

    Float64 input is overwritten. No BLAS: its threads would fight with ours over so little work.
    """
    if not len(values):
        return math.nan, 0.0
    with np.errstate(over="ignore"):
        mean = float(values.mean(dtype=np.float64))
        if not math.isfinite(mean):
            mean = float((values / len(values)).sum())
        own = values.dtype == np.float64
        deviations = values if own else _scratch("deviations", np.dtype(np.float64), len(values))
        np.subtract(values, mean, out=deviations)
        np.multiply(deviations, deviations, out=deviations)
        return mean, float(deviations.sum())
