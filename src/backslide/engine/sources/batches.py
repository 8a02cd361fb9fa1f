"""The rows of a lazy frame, batch by batch, in order and in bounded memory."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import polars as pl

from backslide.engine.sources.errors import reading

_BATCH_BYTES = 64 * 2**20
"""Batches of long texts or vectors are cut so that those of one stay near this size."""
_PEEK_ROWS = 256
_RANGE_BYTES = 32 * 2**20
"""Rows of Parquet files are read in ranges of about so many bytes: Polars decodes ahead of whoever counts the batches, up to the
whole of the rows that it was asked for."""


def batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Batches of at most about ``rows`` rows in the frame's order, fewer where texts or vectors are long.

    Raises:
        SourceError: when the rows cannot be read.
    """
    with reading():
        size = min(rows, _rows_that_fit(frame))
        for part in _ranges(frame, size):
            yield from part.collect_batches(chunk_size=size, maintain_order=True, engine="streaming")


def _ranges(frame: pl.LazyFrame, size: int) -> Iterator[pl.LazyFrame]:
    """The frame in ranges of rows, of at least ``size``, where its file is read from any row on; else the whole."""
    width = max(len(frame.collect_schema()), 1)
    step = _RANGE_BYTES // (8 * width)
    step = max(step - step % size, size)  # a range that ends within a batch would make a small one of the rest
    total = int(frame.select(pl.len()).collect(engine="streaming").item()) if _reads_from_any_row(frame) else 0
    if total <= step:
        yield frame
        return
    for start in range(0, total, step):
        yield frame.slice(start, step)


def _reads_from_any_row(frame: pl.LazyFrame) -> bool:
    """Whether Polars hands a slice of the frame down to one scan of Parquet files, as nothing stands between but what is done row
    by row. Told by its own words; if they change, rows are read in one go as before."""
    plan = frame.slice(1, 1).explain()
    return (
        plan.count("Parquet SCAN") == plan.count("SLICE") == plan.count("SLICE: Positive") == plan.count(" SCAN ") == 1
    )


def _rows_that_fit(frame: pl.LazyFrame) -> int:
    """Rows of one batch, judged by the length of the texts and lists in the first rows."""
    schema = frame.collect_schema()
    sizes = [pl.col(name).str.len_bytes().mean() for name, dtype in schema.items() if dtype == pl.String]
    sizes += [pl.col(name).list.len().mean() * 8 for name, dtype in schema.items() if isinstance(dtype, pl.List)]
    fixed = sum(8 * math.prod(dtype.shape) for dtype in schema.values() if isinstance(dtype, pl.Array))
    if not sizes and not fixed:
        return sys.maxsize
    first = frame.head(_PEEK_ROWS).select(size.fill_null(0).alias(f"{i}") for i, size in enumerate(sizes))
    per_row = fixed + (sum(first.collect(engine="streaming").row(0)) if sizes else 0)
    return max(1, int(_BATCH_BYTES / max(per_row, 1)))
