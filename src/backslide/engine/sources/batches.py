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


def batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Batches of at most about ``rows`` rows in the frame's order, fewer where texts or vectors are long.

    Raises:
        SourceError: when the rows cannot be read.
    """
    with reading():
        size = min(rows, _rows_that_fit(frame))
        yield from frame.collect_batches(chunk_size=size, maintain_order=True, engine="streaming")


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
