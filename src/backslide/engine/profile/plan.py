"""What a profile is to count: the edges of every histogram, fixed before the first row is read.

Both windows are counted on the same edges, so any two profiles of one plan compare bin by bin and add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from backslide.contracts.errors import ColumnError, did_you_mean
from backslide.engine.columns import names
from backslide.engine.columns.segments import columns_of
from backslide.stats.arrays import Floats, Ints

_LADDER_STEPS = 8
"""Ladder edges per decade: neighbours differ by a third, so a quantile read off one is within a sixth."""
_LADDER_DECADES = (-5, 4)
"""Reach of the ladder around the typical magnitude: thousandfold unit changes stay inside, with room around."""


@dataclass(frozen=True)
class Plan:
    """Columns to count and how.

    Numeric bins are ``(-inf, e0), [e0, e1), ..., [e_last, inf)`` for a column's ascending inner edges.
    """

    numeric: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Column -> ascending inner edges."""
    categorical: tuple[str, ...] = ()
    """Columns whose levels are counted."""
    cells: tuple[str, ...] = ()
    """Columns whose joint counts are kept exactly."""
    block: str | None = None
    """Column of the block (day) that ``sums`` are kept by."""
    sums: tuple[str, ...] = ()
    """Numeric columns with n, sum and sum of squares of the finite values per block."""
    max_levels: int = 1000
    """Levels kept per categorical column; the rest is a count of rows and levels."""
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Segment variable -> disjoint conditions (see ``engine.segments``) by which ``cells`` and ``sums`` are kept as well."""

    def columns(self) -> tuple[str, ...]:
        """Every column the plan reads, each once."""
        block = () if self.block is None else (self.block,)
        parted = (column for variable in self.segments for column in self.segment_columns(variable))
        return tuple(dict.fromkeys((*self.numeric, *self.categorical, *self.cells, *block, *self.sums, *parted)))

    def segment_columns(self, variable: str) -> tuple[str, ...]:
        """Columns that a segment variable's conditions read."""
        return tuple(dict.fromkeys(c for expression in self.segments[variable] for c in columns_of(expression)))

    def joint(self) -> set[str]:
        """Columns that are counted or summed together, row by row, and those that are worked out of others; the rest are counted
        each by itself."""
        block = () if self.block is None else (self.block,)
        parted = (column for variable in self.segments for column in self.segment_columns(variable))
        own = (column for column in (*self.numeric, *self.categorical) if column.startswith(names.PREFIX))
        return {*self.cells, *block, *self.sums, *parted, *own}

    def part(self, columns: Iterable[str], *, joint: bool) -> Plan:
        """What it counts of some columns each by itself, and, with ``joint``, all that it counts of several together."""
        wanted = set(columns)
        own = replace(
            self,
            numeric={name: edges for name, edges in self.numeric.items() if name in wanted},
            categorical=tuple(name for name in self.categorical if name in wanted),
        )
        return own if joint else replace(own, cells=(), block=None, sums=(), segments={})

    def require(self, available: Iterable[str]) -> None:
        """Raise ColumnError when a planned column is not among the available ones."""
        names = list(available)
        missing = [column for column in self.columns() if column not in set(names)]
        if missing:
            raise ColumnError(f"expected column {missing[0]!r} in the data{did_you_mean(missing[0], names)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON content; read back by :meth:`from_dict`."""
        return {
            "numeric": {column: list(edges) for column, edges in self.numeric.items()},
            "categorical": list(self.categorical),
            "cells": list(self.cells),
            "block": self.block,
            "sums": list(self.sums),
            "max_levels": self.max_levels,
            "segments": {variable: list(expressions) for variable, expressions in self.segments.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """The plan that :meth:`to_dict` wrote."""
        return cls(
            numeric={column: tuple(map(float, edges)) for column, edges in data["numeric"].items()},
            categorical=tuple(data["categorical"]),
            cells=tuple(data["cells"]),
            block=data["block"],
            sums=tuple(data["sums"]),
            max_levels=int(data["max_levels"]),
            segments={variable: tuple(expressions) for variable, expressions in data.get("segments", {}).items()},
        )


def make_plan(
    sample: pl.DataFrame,
    *,
    numeric: Iterable[str],
    categorical: Iterable[str],
    bins: int = 128,
    cells: Iterable[str] = (),
    block: str | None = None,
    sums: Iterable[str] = (),
    max_levels: int = 1000,
    segments: Mapping[str, tuple[str, ...]] | None = None,
) -> Plan:
    """A plan whose edges come from a sample of the reference.

    Raises:
        ColumnError: when a numeric column is absent from the sample, or is not numeric.
    """
    edges: dict[str, tuple[float, ...]] = {}
    present = set(sample.columns)
    for column in numeric:
        if column not in present:
            raise ColumnError(f"expected column {column!r} in the sample{did_you_mean(column, sample.columns)}")
        edges[column] = column_edges(sample.get_column(column), bins)
    return Plan(
        numeric=edges,
        categorical=tuple(categorical),
        cells=tuple(cells),
        block=block,
        sums=tuple(sums),
        max_levels=max_levels,
        segments=dict(segments or {}),
    )


def column_edges(values: pl.Series, bins: int = 128) -> tuple[float, ...]:
    """Inner edges for one numeric column.

    At most ``bins`` distinct values: an edge at every one, so that counts are exact. More: unique quantiles, where a
    value with more than ``1 / bins`` of the mass gets a bin of its own. The range of the sample is always marked, and
    a geometric ladder around zero and beyond the range resolves values that come in another unit or sign.
    """
    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
        raise ColumnError(f"expected numbers in column {values.name!r}, got {values.dtype}; plan it as categorical")
    integer = values.dtype.is_integer() or values.dtype == pl.Boolean
    cast = values.cast(pl.Float64).drop_nulls().to_numpy()
    finite = cast[np.isfinite(cast)]
    if not len(finite):
        return _ascending([np.array([0.0]), _ladder(1.0)])
    distinct, counts = np.unique(finite, return_counts=True)
    inside = distinct if len(distinct) <= bins else _quantile_edges(distinct, counts, bins)
    heavy = distinct[counts * bins > len(finite)]
    closing = _after(np.append(heavy, distinct[-1]), integer)
    ladder = _ladder(_typical(np.abs(distinct[distinct != 0])))
    if len(distinct) <= bins:
        ladder = ladder[(ladder < distinct[0]) | (ladder > distinct[-1])]
    if integer:
        ladder = np.round(ladder)
    return _ascending([inside, closing, ladder])


def _quantile_edges(distinct: Floats, counts: Ints, bins: int) -> Floats:
    """Observed values at the ``k / bins`` quantiles, with the smallest value and every atom."""
    cumulative = np.cumsum(counts)
    total = int(cumulative[-1])
    at = np.searchsorted(cumulative, np.arange(1, bins) * (total / bins), side="left")
    return np.concatenate([distinct[:1], distinct[at], distinct[counts * bins > total]])


def _after(values: Floats, integer: bool) -> Floats:
    """The next representable value: closes a bin that holds one value only."""
    with np.errstate(over="ignore"):  # after the largest float comes infinity, which is no edge
        step = np.nextafter(values, np.inf)
    return np.maximum(values + 1.0, step) if integer else step


def _typical(magnitudes: Floats) -> float:
    """The middle one, not a mean of two: that could overflow."""
    middle = len(magnitudes) // 2
    return float(np.partition(magnitudes, middle)[middle]) if len(magnitudes) else 1.0


def _ladder(scale: float) -> Floats:
    """Symmetric geometric edges around zero, relative to a typical magnitude."""
    low, high = _LADDER_DECADES
    exponents = np.arange(low * _LADDER_STEPS, high * _LADDER_STEPS + 1) / _LADDER_STEPS
    with np.errstate(over="ignore", under="ignore"):
        steps = scale * 10.0**exponents
    return np.concatenate([-steps, steps])


def _ascending(parts: list[Floats]) -> tuple[float, ...]:
    edges = np.unique(np.concatenate(parts) + 0.0)  # + 0.0 turns -0.0 into 0.0: one zero, one edge
    return tuple(float(edge) for edge in edges if math.isfinite(edge))
