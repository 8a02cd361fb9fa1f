"""The rows of a lazy frame, batch by batch, in order and in bounded memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import polars as pl

from backslide.engine.reading import reading

_BATCH_BYTES = 64 * 2**20
"""Batches of long texts are cut so that the texts of one stay near this size."""
_PEEK_ROWS = 256


def batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Batches of at most about ``rows`` rows in the frame's order, fewer where texts are long.

    Raises:
        SourceError: when the rows cannot be read.
    """
    with reading():
        size = min(rows, _rows_that_fit(frame))
        yield from frame.collect_batches(chunk_size=size, maintain_order=True, engine="streaming")


def _rows_that_fit(frame: pl.LazyFrame) -> int:
    """Rows of one batch, judged by the length of the texts in the first rows."""
    texts = [name for name, dtype in frame.collect_schema().items() if dtype == pl.String]
    if not texts:
        return sys.maxsize
    first = frame.select(texts).head(_PEEK_ROWS).select(pl.all().str.len_bytes().mean().fill_null(0))
    per_row = sum(first.collect(engine="streaming").row(0))
    return max(1, int(_BATCH_BYTES / max(per_row, 1)))
