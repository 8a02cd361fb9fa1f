"""The rows of a lazy frame, batch by batch, in order and in bounded memory.

Columns of large Parquet files are best read each by itself: a range of rows that fits in memory is then many groups of rows long,
while a range of all columns is a part of one, and each part unpacks the whole group again. See :func:`column_groups`.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

import polars as pl

from backslide.engine.columns.names import is_pattern
from backslide.engine.sources.errors import reading

_BATCH_BYTES = 64 * 2**20
"""Batches of long texts or vectors are cut so that those of one stay near this size."""
_PEEK_ROWS = 256
_RANGE_BYTES = 32 * 2**20
"""Rows of Parquet files are read in ranges of about so many bytes: Polars decodes ahead of whoever counts the batches, up to the
whole of the rows that it was asked for."""
_MOST_GROUPS = 32
"""Of columns: a file is opened and its footer read for each."""
_ROWS_A_FILE = 20_000
"""Rows of a file below which opening it once more takes longer than what is saved by that."""
_MOST_AT_ONCE = 4
"""Groups that are read at a time: each holds a range of its rows in memory."""
_SCAN = re.compile(r"Parquet SCAN \[(.*?)(?:, \.\.\. (\d+) other sources?)?\]$", re.MULTILINE)

T = TypeVar("T")


def batches(frame: pl.LazyFrame, rows: int, *, total: int | None = None) -> Iterator[pl.DataFrame]:
    """Batches of at most about ``rows`` rows in the frame's order, fewer where texts or vectors are long.

    Args:
        frame: the rows.
        rows: of a batch.
        total: rows of the frame when already counted.

    Raises:
        SourceError: when the rows cannot be read.
    """
    with reading():
        size = min(rows, _rows_that_fit(frame))
        for part in _ranges(frame, size, total):
            yield from part.collect_batches(chunk_size=size, maintain_order=True, engine="streaming")


def column_groups(frame: pl.LazyFrame, *, together: Collection[str] = (), total: int | None = None) -> list[list[str]]:
    """The frame's columns in groups, each to be read by itself; one group where reading them apart saves nothing.

    That is so unless the frame is one scan of large Parquet files on this machine, with nothing between but what is done row by
    row.

    Args:
        frame: the rows.
        together: columns that stay in one group, the first, since rows are needed of them.
        total: rows of the frame when already counted.

    Raises:
        SourceError: when the rows cannot be counted.
    """
    with reading():
        columns = frame.collect_schema().names()
        files = _files(frame)
        apart = [column for column in columns if column not in together]
        if not files or not apart or any(is_pattern(column) for column in columns):
            return [columns]
        rows = _count(frame) if total is None else total
        most = min(_MOST_GROUPS, rows // (files * _ROWS_A_FILE))
        if rows * 8 * len(columns) <= _RANGE_BYTES or most < 2:
            return [columns]
    width = math.ceil(len(apart) / most)
    groups = [apart[start : start + width] for start in range(0, len(apart), width)]
    joint = [column for column in columns if column in together]
    return [joint, *groups] if joint else groups


def read_groups(
    frame: pl.LazyFrame,
    groups: Sequence[Sequence[str]],
    rows: int,
    consume: Callable[[Sequence[str], Iterator[pl.DataFrame]], T],
    *,
    total: int | None = None,
) -> list[T]:
    """What ``consume`` makes of the batches of each group of columns, in the order of the groups; several are read at a time.

    Args:
        frame: the rows.
        groups: see :func:`column_groups`.
        rows: of a batch.
        consume: called in a thread with the columns and their batches, in order.
        total: rows of the frame when already counted.

    Raises:
        SourceError: when the rows cannot be read.
    """
    if len(groups) == 1:
        return [consume(groups[0], batches(frame, rows, total=total))]
    stop = Event()

    def until_stopped(group: Sequence[str]) -> Iterator[pl.DataFrame]:
        for batch in batches(frame.select(group), rows, total=total):
            if stop.is_set():
                return
            yield batch

    with ThreadPoolExecutor(min(_MOST_AT_ONCE, os.cpu_count() or 1), thread_name_prefix="columns") as pool:
        try:
            return list(pool.map(lambda group: consume(group, until_stopped(group)), groups))
        finally:
            stop.set()


def _ranges(frame: pl.LazyFrame, size: int, total: int | None = None) -> Iterator[pl.LazyFrame]:
    """The frame in ranges of rows, of at least ``size``, where its file is read from any row on; else the whole."""
    width = max(len(frame.collect_schema()), 1)
    step = _RANGE_BYTES // (8 * width)
    step = max(step - step % size, size)  # a range that ends within a batch would make a small one of the rest
    rows = (_count(frame) if total is None else total) if _files(frame) is not None else 0
    if rows <= step:
        yield frame
        return
    for start in range(0, rows, step):
        yield frame.slice(start, step)


def _count(frame: pl.LazyFrame) -> int:
    return int(frame.select(pl.len()).collect(engine="streaming").item())


def _files(frame: pl.LazyFrame) -> int | None:
    """Number of Parquet files on this machine that the frame is one scan of, if Polars hands a slice of it down to the scan, as
    nothing stands between but what is done row by row; 0 where they are elsewhere or their number is not told, None where it is
    another frame. Told by its own words; if they change, rows are read in one go."""
    plan = frame.slice(1, 1).explain()
    if (
        not plan.count("Parquet SCAN")
        == plan.count("SLICE")
        == plan.count("SLICE: Positive")
        == plan.count(" SCAN ")
        == 1
    ):
        return None
    scan = _SCAN.search(plan)
    return 1 + int(scan[2] or 0) if scan and "://" not in scan[1] else 0


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
