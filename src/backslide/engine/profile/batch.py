"""Counting one batch: a column in, its :class:`ColumnProfile` out; joint counts and sums beside it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backslide.contracts.errors import ColumnError
from backslide.contracts.labels import label_text
from backslide.engine.profile.column import ColumnProfile, Number
from backslide.engine.profile.plan import Plan
from backslide.engine.profile.tally import tally

Cells = dict[tuple[str | None, ...], int]
Sums = dict[str | None, tuple[int, float, float]]

_LONG_LEVEL = 200
"""Bytes from which on a level is named by its beginning and a digest: texts of a megabyte are not kept."""
_LEVEL_START = 60
"""Characters of a long level that stay readable."""


def numeric_profile(values: pl.Series, edges: tuple[float, ...]) -> ColumnProfile:
    """Count one batch of numbers on ascending inner edges.

    Raises:
        ColumnError: when the column holds no numbers.
    """
    present = values.drop_nulls() if values.null_count() else values
    counts = tally(_as_numpy(present), np.asarray(edges, dtype=np.float64))
    low, high = _exact_range(present) if values.dtype in _WIDE else (counts.minimum, counts.maximum)
    integer = values.dtype.is_integer() or values.dtype == pl.Boolean
    nulls = len(values) - len(present)
    return replace(counts, rows=len(values), nulls=nulls, minimum=low, maximum=high, integer=integer)


_WIDE = (pl.Int128, pl.UInt128)
"""Integers that NumPy has no type for: binned as floats, but their range stays exact."""


def _exact_range(present: pl.Series) -> tuple[Number | None, Number | None]:
    low, high = present.min(), present.max()
    return (low, high) if isinstance(low, int) and isinstance(high, int) else (None, None)


_NATIVE = (pl.Float32, pl.Float64)


def _as_numpy(present: pl.Series) -> npt.NDArray[Any]:
    """Non-null numbers in their own type where NumPy has it; decimals and half floats as float64."""
    dtype = present.dtype
    if not len(present):
        return np.empty(0)  # a column without any value may have lost its type on the way
    if dtype == pl.Boolean:
        return present.cast(pl.UInt8).to_numpy()
    if not dtype.is_numeric():
        raise ColumnError(f"expected numbers in column {present.name!r}, got {dtype}; plan it as categorical")
    if dtype in _NATIVE or (dtype.is_integer() and dtype not in _WIDE):
        return present.to_numpy()
    return present.cast(pl.Float64).to_numpy()


def count_levels(values: pl.Series, max_levels: int) -> ColumnProfile:
    """The same with levels in any order: a part of a sum."""
    counted = values.rename("level").value_counts(name="rows")
    level = counted.get_column("level")
    if counted.height <= max_levels and not level.dtype.is_float():
        return _few_levels(values, level, counted.get_column("rows"))
    nulls = values.null_count()
    missing = level.is_null()
    nans = 0
    if level.dtype.is_float():
        is_nan = level.is_nan().fill_null(False)
        nans = int(counted.filter(is_nan).get_column("rows").sum())
        missing = missing | is_nan
    counted = counted.filter(~missing)
    distinct, total = counted.height, int(counted.get_column("rows").sum())
    if distinct > max_levels:
        cut = counted.get_column("rows").top_k(max_levels + 1).min()
        counted = counted.filter(pl.col("rows") > cut)
    levels: dict[str, int] = {}
    for name, rows in zip(level_names(counted.get_column("level")), counted.get_column("rows"), strict=True):
        levels[name] = levels.get(name, 0) + rows
    return ColumnProfile(
        rows=len(values),
        nulls=nulls,
        nans=nans,
        levels=levels,
        rest_rows=total - sum(levels.values()),
        rest_levels=distinct - counted.height,
    )


def _few_levels(values: pl.Series, level: pl.Series, rows: pl.Series) -> ColumnProfile:
    """Of levels that are all kept: counted without an expression for each step, of which every batch would pay for several."""
    levels: dict[str, int] = {}
    missing = 0
    names = level_names(level) if not level.null_count() else _names_and_none(level)
    for name, count in zip(names, rows.to_list(), strict=True):
        if name is None:
            missing = count
        else:
            levels[name] = levels.get(name, 0) + count
    return ColumnProfile(rows=len(values), nulls=missing, levels=levels)


def _names_and_none(levels: pl.Series) -> list[str | None]:
    names = iter(level_names(levels.drop_nulls()))
    return [None if absent else next(names) for absent in levels.is_null().to_list()]


def level_names(levels: pl.Series) -> list[str]:
    """Names of distinct values as profiles keep them, in the given order."""
    if levels.dtype.is_float():
        return [label_text(level) for level in levels]
    if levels.dtype.is_nested() or levels.dtype in (pl.Binary, pl.Object):
        return [_short(str(level)) for level in levels]
    texts = levels if levels.dtype == pl.String else levels.cast(pl.String)
    return [_short(name) for name in texts.to_list()]


def _short(level: str) -> str:
    """The level itself, or beginning and digest of a long one."""
    if len(level) <= _LONG_LEVEL // 4 or len(encoded := level.encode("utf-8", "surrogatepass")) <= _LONG_LEVEL:
        return level
    digest = hashlib.blake2b(encoded, digest_size=8).hexdigest()
    return f"{level[:_LEVEL_START]}… ({len(level)} characters, {digest})"


def count_cells(batch: pl.DataFrame, columns: tuple[str, ...]) -> Cells:
    """Rows per combination of values, written as text; null stays None."""
    if not columns:
        return {}
    counted = batch.select(columns).group_by(columns).len("__rows")
    texts = [_cell_texts(counted.get_column(column)) for column in columns]
    cells: Cells = {}
    for *key, rows in zip(*texts, counted.get_column("__rows").to_list(), strict=True):
        cell = tuple(key)
        cells[cell] = cells.get(cell, 0) + rows
    return cells


def _cell_texts(values: pl.Series) -> list[str | None]:
    if values.dtype.is_float():
        return [None if value is None else label_text(value) for value in values]
    return values.cast(pl.String).to_list()


def count_sums(batch: pl.DataFrame, plan: Plan) -> dict[str, Sums]:
    """Per planned column and block: n, sum and sum of squares of the finite values."""
    if not plan.sums:
        return {}
    keys = pl.lit(None, dtype=pl.String) if plan.block is None else pl.col(plan.block)
    numbers = [_finite_number(batch.get_column(column)).alias(f"{i}") for i, column in enumerate(plan.sums)]
    grouped = (
        batch.select(keys.alias("__block"), *numbers)
        .group_by("__block")
        .agg(
            pl.all().count().name.suffix("n"),
            pl.all().sum().name.suffix("s"),
            pl.all().pow(2).sum().name.suffix("q"),
        )
    )
    blocks = _cell_texts(grouped.get_column("__block"))
    result: dict[str, Sums] = {}
    for i, column in enumerate(plan.sums):
        triples = zip(*(grouped.get_column(f"{i}{part}").to_list() for part in "nsq"), strict=True)
        result[column] = {block: (n, s, q) for block, (n, s, q) in zip(blocks, triples, strict=True) if n}
    return result


def _finite_number(values: pl.Series) -> pl.Series:
    """As Float64, with null for everything that is not a finite number."""
    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean or values.null_count() == len(values)):
        raise ColumnError(f"expected numbers to sum in column {values.name!r}, got {values.dtype}")
    cast = values.cast(pl.Float64)
    return cast.rename("v").to_frame().select(pl.when(pl.col("v").is_finite()).then("v")).to_series()
