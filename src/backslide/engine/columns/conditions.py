"""Columns as few coded groups and the simple conditions over them: the alphabet of a search for segments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import to_numbers
from backslide.engine.columns.segments import between, literal, quoted, readable, top_levels
from backslide.stats.arrays import Mask
from backslide.stats.sorted_search import search_sorted

Codes = NDArray[np.int16]
QUANTILES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Of the reference; close at the ends, where what goes wrong often is."""
WIDTHS = (2, 4)
"""Of ranges closed on both sides, in groups between neighbouring cuts."""
MOST_LEVELS = 20
"""Levels of a category with conditions of their own; rarer ones would lack the rows anyway."""
FEW_VALUES = 8
"""Distinct numbers up to which each is a level of its own."""
MOST_UNIQUE = 0.5
"""Share of distinct values from which on a text column is an identifier or free text, not a category."""


@dataclass(frozen=True)
class ConditionCodes:
    """One column over some rows: a small code per row, and conditions that hold on ranges of codes."""

    column: str
    codes: Codes
    """(n,), from 0; ``groups - 1`` for values that no condition speaks of."""
    groups: int
    ranges: tuple[tuple[int, int], ...]
    """First and last code for which a condition holds."""
    texts: tuple[str, ...]
    """The conditions as SQL, one per range."""

    def holds(self, index: int) -> Mask:
        """Where a condition holds (n,)."""
        low, high = self.ranges[index]
        return (self.codes >= low) & (self.codes <= high)


def code(column: str, kind: ColumnKind, reference: pl.Series, current: pl.Series) -> ConditionCodes | None:
    """Code both windows' values (reference first) in groups taken from the reference; None where there are none.

    Numbers: ranges between readable cuts near the reference's quantiles, open ended or a few groups wide. Few-valued
    numbers, categories and booleans: their levels. Missing values (null and NaN) are a group of their own.
    """
    if reference.dtype != current.dtype:
        if kind == ColumnKind.NUMERIC:
            reference, current = reference.cast(pl.Float64, strict=False), current.cast(pl.Float64, strict=False)
        else:
            reference, current = reference.cast(pl.String, strict=False), current.cast(pl.String, strict=False)
    values = pl.concat([reference.rename("v"), current.rename("v")])
    if kind == ColumnKind.NUMERIC and reference.n_unique() > FEW_VALUES:
        return _ranges(column, values, len(reference))
    if kind == ColumnKind.CATEGORICAL and reference.n_unique() > max(MOST_UNIQUE * len(reference), MOST_LEVELS):
        return None
    return _levels(column, values, reference)


def _ranges(column: str, values: pl.Series, n_reference: int) -> ConditionCodes | None:
    numbers = to_numbers(values)
    known = numbers[:n_reference][np.isfinite(numbers[:n_reference])]
    if not len(known):
        return None
    cuts = sorted({readable(float(cut)) for cut in np.quantile(known, QUANTILES)})
    cuts = [cut for cut in cuts if known.min() < cut <= known.max()]
    bins = len(cuts) + 1
    missing = np.isnan(numbers)
    codes = np.where(missing, bins, search_sorted(np.array(cuts), np.where(missing, 0.0, numbers), "right"))
    ranges = [(0, i) for i in range(bins - 1)] + [(i, bins - 1) for i in range(1, bins)]
    ranges += [(i, i + width - 1) for width in WIDTHS for i in range(1, bins - width)]
    sides: list[float | None] = [None, *cuts, None]
    texts = [between(column, sides[low], sides[high + 1]) for low, high in ranges]
    if missing.any():
        ranges.append((bins, bins))
        texts.append(f"{quoted(column)} is null")
    return ConditionCodes(column, codes.astype(np.int16), bins + 2, tuple(ranges), tuple(texts)) if ranges else None


def _levels(column: str, values: pl.Series, reference: pl.Series) -> ConditionCodes | None:
    levels = top_levels(reference, MOST_LEVELS)
    if len(levels) < 2 and not (levels and reference.null_count()):
        return None
    rest = len(levels) + 1
    if values.dtype.is_float():
        values = values.fill_nan(None)
    if values.dtype in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
    codes = values.replace_strict(levels, list(range(len(levels))), default=rest, return_dtype=pl.Int16)
    at = np.where(values.is_null().to_numpy(), len(levels), codes.fill_null(rest).to_numpy())
    ranges, texts = _each(column, levels)
    return ConditionCodes(column, at.astype(np.int16), rest + 1, tuple(ranges), tuple(texts))


def _each(column: str, levels: Iterable[object]) -> tuple[list[tuple[int, int]], list[str]]:
    texts = [f"{quoted(column)} = {literal(level)}" for level in levels]
    ranges = [(i, i) for i in range(len(texts) + 1)]
    return ranges, [*texts, f"{quoted(column)} is null"]
