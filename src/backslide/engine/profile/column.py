"""The summary of one column: what is missing, moments, exact range, histogram or level counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from backslide.stats.arrays import Floats, Ints

Number = int | float
Key = TypeVar("Key")
Counts = Ints


@dataclass(frozen=True, eq=False)
class ColumnProfile:
    """Counts of one column over some rows; ``a + b`` is the profile of the rows of both.

    Always: ``rows == nulls + nans + pos_inf + neg_inf + counts.sum()`` for a numeric column, and
    ``rows == nulls + nans + sum(levels.values()) + rest_rows`` for a categorical one.
    """

    rows: int = 0
    nulls: int = 0
    nans: int = 0
    pos_inf: int = 0
    neg_inf: int = 0
    finite: int = 0
    mean: float = math.nan
    """Of the finite values; NaN without any."""
    m2: float = 0.0
    """Sum of squared deviations of the finite values from their mean."""
    minimum: Number | None = None
    """Exact; a Python int where the column holds integers. None without finite values."""
    maximum: Number | None = None
    integer: bool = False
    """Whether the column's type is an integer."""
    edges: Floats | None = None
    """Inner edges; None for a categorical column."""
    counts: Counts | None = None
    """Finite values per bin, one more than edges."""
    levels: dict[str, int] = field(default_factory=dict)
    """Rows per level, most frequent first. Lower bounds where ``rest_rows`` is not 0."""
    rest_rows: int = 0
    """Rows of levels that are not kept."""
    rest_levels: int = 0
    """How many levels are not kept, at least."""

    @property
    def missing(self) -> int:
        """Nulls and NaN together."""
        return self.nulls + self.nans

    @property
    def missing_share(self) -> float:
        """Share of rows that are null or NaN; 0 without rows."""
        return self.missing / self.rows if self.rows else 0.0

    @property
    def variance(self) -> float:
        """Sample variance (n - 1) of the finite values; NaN with fewer than two."""
        return self.m2 / (self.finite - 1) if self.finite > 1 else math.nan

    @property
    def std(self) -> float:
        """Square root of :attr:`variance`."""
        return math.sqrt(self.variance)

    @property
    def cdf(self) -> Floats:
        """Share of the finite values below each edge, shape of ``edges``; NaN without finite values."""
        edges, counts = self._bins()
        if not self.finite:
            return np.full(len(edges), np.nan)
        return np.cumsum(counts[:-1]) / self.finite

    def cdf_at(self, points: npt.ArrayLike) -> Floats:
        """Share of the finite values below each point: exact at edges, linear between, 0 and 1 beyond the range."""
        at = np.asarray(points, dtype=np.float64)
        if not self.finite or self.minimum is None or self.maximum is None:
            return np.full(at.shape, np.nan)
        edges, counts = self._bins()
        low, high = float(self.minimum), float(self.maximum)
        inside = (edges > low) & (edges <= high)
        # The maximum itself is not below the maximum: the curve reaches 1 just after it.
        xs = np.concatenate([[low], edges[inside], [np.nextafter(high, np.inf)]])
        shares = np.concatenate([[0.0], (np.cumsum(counts[:-1]) / self.finite)[inside], [1.0]])
        return np.asarray(np.interp(at, xs, shares, left=0.0, right=1.0), dtype=np.float64)

    def quantile(self, q: float) -> float:
        """The q-quantile of the finite values, linear within its bin; exact at 0 and 1, NaN without finite values.

        Within a bin of an integer column only integers are possible, so few-valued integer columns are exact.
        """
        if not self.finite or self.minimum is None or self.maximum is None:
            return math.nan
        low, high = float(self.minimum), float(self.maximum)
        if q <= 0 or q >= 1 or low == high:
            return low if q <= 0 else high
        edges, counts = self._bins()
        below = np.cumsum(counts)
        target = q * self.finite
        index = int(np.searchsorted(below, target, side="left"))
        left = max(low, float(edges[index - 1])) if index else low
        right = min(high, self._last_of_bin(float(edges[index]))) if index < len(edges) else high
        into = (target - (below[index] - counts[index])) / counts[index]
        return left + (max(right, left) - left) * float(into)

    def _last_of_bin(self, edge: float) -> float:
        return math.ceil(edge) - 1.0 if self.integer else edge

    def _bins(self) -> tuple[Floats, Counts]:
        if self.edges is None or self.counts is None:
            raise TypeError("expected a numeric column profile, got a categorical one; read its levels instead")
        return self.edges, self.counts

    @property
    def distinct_levels(self) -> int:
        """Levels seen, at least."""
        return len(self.levels) + self.rest_levels

    def __add__(self, other: ColumnProfile) -> ColumnProfile:
        """The profile of both row sets (moments by Chan, Golub & LeVeque 1979). Not trimmed."""
        return self.joined(other).ordered()

    def ordered(self) -> ColumnProfile:
        """The same with the most frequent level first, ties by name."""
        return replace(self, levels=by_frequency(self.levels)) if self.levels else self

    def joined(self, other: ColumnProfile) -> ColumnProfile:
        """The sum of both with levels in any order: for sums of many parts, which are ordered at the end."""
        finite = self.finite + other.finite
        mean, m2 = _merge_moments(self, other)
        levels = add_counts(self.levels, other.levels)
        known = max(len(levels), self.distinct_levels, other.distinct_levels)
        return ColumnProfile(
            rows=self.rows + other.rows,
            nulls=self.nulls + other.nulls,
            nans=self.nans + other.nans,
            pos_inf=self.pos_inf + other.pos_inf,
            neg_inf=self.neg_inf + other.neg_inf,
            finite=finite,
            mean=mean,
            m2=m2,
            minimum=min((x for x in (self.minimum, other.minimum) if x is not None), default=None),
            maximum=max((x for x in (self.maximum, other.maximum) if x is not None), default=None),
            integer=_both_integer(self, other),
            edges=self.edges,
            counts=None if self.counts is None or other.counts is None else self.counts + other.counts,
            levels=levels,
            rest_rows=self.rest_rows + other.rest_rows,
            rest_levels=known - len(levels),
        )

    def trimmed(self, max_levels: int) -> ColumnProfile:
        """At most ``max_levels`` levels, the most frequent; the others become the rest.

        Levels that tie with the first one left out are left out too: which rows came first decides nothing.
        """
        if len(self.levels) <= max_levels:
            return self
        cut = sorted(self.levels.values(), reverse=True)[max_levels]
        levels = {level: count for level, count in self.levels.items() if count > cut}
        dropped = sum(self.levels.values()) - sum(levels.values())
        return replace(
            self,
            levels=levels,
            rest_rows=self.rest_rows + dropped,
            rest_levels=self.rest_levels + len(self.levels) - len(levels),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON content without the edges, which the plan holds."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {"counts": None if self.counts is None else self.counts.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], edges: tuple[float, ...] | None) -> ColumnProfile:
        """The profile that :meth:`to_dict` wrote, on its plan's edges."""
        plain = {name: data[name] for name in _PLAIN}
        if edges is None:
            return cls(**plain)
        counts = np.asarray(data["counts"], dtype=np.int64)
        if len(counts) != len(edges) + 1:
            raise ValueError(f"expected {len(edges) + 1} counts, got {len(counts)}")
        return cls(**plain, edges=np.asarray(edges, dtype=np.float64), counts=counts)


_PLAIN = (
    "rows",
    "nulls",
    "nans",
    "pos_inf",
    "neg_inf",
    "finite",
    "mean",
    "m2",
    "minimum",
    "maximum",
    "integer",
    "levels",
    "rest_rows",
    "rest_levels",
)


def add_counts(left: Mapping[Key, int], right: Mapping[Key, int]) -> dict[Key, int]:
    """Counts added per key, in any order."""
    total = dict(left)
    for key, count in right.items():
        total[key] = total.get(key, 0) + count
    return total


def by_frequency(levels: Mapping[str, int]) -> dict[str, int]:
    """Most frequent first, ties by name."""
    return dict(sorted(levels.items(), key=lambda item: (-item[1], item[0])))


def _merge_moments(a: ColumnProfile, b: ColumnProfile) -> tuple[float, float]:
    if not a.finite or not b.finite:
        return (b.mean, b.m2) if not a.finite else (a.mean, a.m2)
    finite = a.finite + b.finite
    delta = b.mean - a.mean
    if not math.isfinite(delta):  # means at opposite ends of the float range
        return a.mean * (a.finite / finite) + b.mean * (b.finite / finite), math.inf
    spread = delta * (a.finite * b.finite / finite) * delta
    return a.mean + delta * (b.finite / finite), a.m2 + b.m2 + spread


def _both_integer(a: ColumnProfile, b: ColumnProfile) -> bool:
    """Rows that hold nothing say nothing about the type."""
    if not a.rows or not b.rows:
        return a.integer if a.rows else b.integer
    return a.integer and b.integer
