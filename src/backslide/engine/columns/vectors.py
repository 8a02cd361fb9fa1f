"""Columns of vectors: lists or arrays of numbers, or the same written as text, as float32 matrices of one dimension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.engine.columns.kinds import ColumnKind, kind_of
from backslide.stats.arrays import Floats, Ints, Mask

Matrix = NDArray[np.float32]
PEEK = 32
"""Values of a text column that must all be written vectors."""
WRITTEN = r"^\s*[\[(]\s*[-+]?(?:\d|\.\d|nan|inf)[-+\d.eEnaif,\s]*[\])]\s*$"
"""A list of numbers written out, with commas or blanks between them."""
LEAST = 2
"""Numbers that make a vector."""


def kinds_of(frame: pl.LazyFrame, schema: Mapping[str, pl.DataType]) -> dict[str, ColumnKind]:
    """Kind of every column; texts that are nothing but written vectors are embeddings as well."""
    kinds = {column: kind_of(dtype) for column, dtype in schema.items()}
    texts = [column for column, dtype in schema.items() if dtype == pl.String]
    if texts:
        head = frame.select(texts).head(PEEK).collect(engine="streaming")
        kinds |= {column: ColumnKind.EMBEDDING for column in texts if _is_vector_text(head[column])}
    return kinds


def _is_vector_text(values: pl.Series) -> bool:
    known = values.drop_nulls()
    if not len(known) or not known.str.contains(r"^\s*[\[(]").all() or not known.str.contains(WRITTEN).all():
        return False
    return int(lengths(known).max()) >= LEAST


def as_lists(values: pl.Series, inner: type[pl.DataType] = pl.Float32) -> pl.Series:
    """The vectors of a column as lists of floats, null where there is none; null throughout where the column holds none."""
    dtype = values.dtype
    if isinstance(dtype, pl.Array):
        values, dtype = values.arr.to_list(), pl.List(dtype.inner)
    if isinstance(dtype, pl.List) and (dtype.inner.is_numeric() or dtype.inner == pl.Boolean):
        return values.cast(pl.List(inner), strict=False)
    if dtype == pl.String:
        inside = pl.col("x").str.strip_chars(" \t\r\n[]()").str.replace_all(r"[,\s]+", " ")
        numbers = inside.str.split(" ").list.eval(pl.element().str.to_lowercase().cast(inner, strict=False))
        vector = pl.when(pl.col("x").str.contains(r"^\s*[\[(]")).then(numbers)
        return values.to_frame("x").select(vector.alias(values.name)).to_series()
    return pl.Series(values.name, [None] * len(values), dtype=pl.List(inner))


def lengths(values: pl.Series) -> Ints:
    """Numbers in each vector (n,), -1 where there is none."""
    if isinstance(values.dtype, pl.Array) and len(values.dtype.shape) == 1:
        return np.where(values.is_null().to_numpy(), -1, values.dtype.shape[0]).astype(np.int64)
    return as_lists(values).list.len().cast(pl.Int64).fill_null(-1).to_numpy().astype(np.int64)


def usual_length(size: Ints) -> int:
    """The most frequent dimension among the vectors; 0 where there are none."""
    known = size[size > 0]
    return int(np.bincount(known).argmax()) if len(known) else 0


def matrix(values: pl.Series, dimension: int) -> Matrix:
    """Vectors that all have one dimension, as (n, dimension); numbers that are missing are NaN."""
    return np.asarray(_flat(values, pl.Float32), np.float32).reshape(-1, dimension)


def exact_matrix(values: pl.Series, dimension: int) -> Floats:
    """The same in double precision: for repairs, which must not round what they leave alone."""
    return np.asarray(_flat(values, pl.Float64), np.float64).reshape(-1, dimension)


def _flat(values: pl.Series, inner: type[pl.DataType]) -> NDArray[Any]:
    return as_lists(values, inner).explode(empty_as_null=True).cast(inner).fill_null(np.nan).to_numpy()


def write(frame: pl.DataFrame, column: str, rows: Mask, replacement: NDArray[Any]) -> pl.DataFrame:
    """``frame`` with the vectors ``replacement`` (k, d) in ``column`` on ``rows`` (n,), in the way the column is written."""
    if not rows.any():
        return frame
    old = frame[column]
    lists = pl.Series(column, np.ascontiguousarray(replacement)).arr.to_list()
    places = np.where(rows, np.cumsum(rows) - 1, 0).astype(np.uint32)
    if old.dtype == pl.String:
        new = "[" + lists.cast(pl.List(pl.String)).list.join(", ") + "]"
    else:
        inner = getattr(old.dtype, "inner", pl.Float32)
        new = lists.cast(pl.List(inner if inner.is_float() else pl.Float64))
        old = old.arr.to_list() if isinstance(old.dtype, pl.Array) else old
        old = as_lists(old, pl.Float64) if old.dtype != new.dtype else old
        new = new.cast(old.dtype)
    return frame.with_columns(
        pl.select(pl.when(pl.Series(rows)).then(new.gather(places)).otherwise(old).alias(column)).to_series()
    )


def hashes(rows: Matrix) -> NDArray[np.uint64]:
    """A number for the content of each vector (n,): equal for equal vectors, whatever their order."""
    bits = np.ascontiguousarray(rows + np.float32(0.0)).view(np.uint32)
    weights = np.random.default_rng(0).integers(1, 2**63, bits.shape[1], dtype=np.uint64) | np.uint64(1)
    total = np.zeros(len(rows), np.uint64)
    with np.errstate(over="ignore"):
        for start in range(0, bits.shape[1], 64):
            part = bits[:, start : start + 64].astype(np.uint64)
            part = (part ^ (part >> np.uint64(15))) * np.uint64(0x9E3779B97F4A7C15)
            total += ((part ^ (part >> np.uint64(29))) * weights[start : start + 64]).sum(axis=1, dtype=np.uint64)
    return total
