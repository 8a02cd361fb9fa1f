"""A bounded, seeded, uniform sample of rows for whatever must touch rows: models, repairs, attribution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from backslide.engine.sources.batches import batches, column_groups, read_groups
from backslide.engine.sources.errors import reading
from backslide.stats.arrays import Ints

_BATCH_ROWS = 131_072


def sample(frame: pl.LazyFrame, rows: int, *, seed: int, total: int | None = None) -> pl.DataFrame:
    """A uniform sample without replacement, in the original row order.

    Which rows are drawn depends on the seed and the number of rows only. Everything when there are at most ``rows``.

    Args:
        frame: the window.
        rows: the most rows to return.
        seed: of the draw.
        total: rows of the frame when already counted, to save a pass.

    Raises:
        SourceError: when the rows cannot be read.
    """
    with reading():
        if total is None:
            total = int(frame.select(pl.len()).collect(engine="streaming").item())
        if total <= rows:
            return frame.collect(engine="streaming")
        at = positions(total, rows, seed)

        def gather(_: Sequence[str], read: Iterator[pl.DataFrame]) -> pl.DataFrame:
            return gathered(read, at)

        parts = read_groups(frame, column_groups(frame, total=total), _BATCH_ROWS, gather, total=total)
        return parts[0] if len(parts) == 1 else pl.concat(parts, how="horizontal")


def sample_groups(frame: pl.LazyFrame, column: str, rows: int, *, seed: int) -> dict[Any, pl.DataFrame]:
    """At most ``rows`` rows of each value of ``column``, in their order; one batch in memory at a time.

    Raises:
        SourceError: when the rows cannot be read.
    """
    with reading():
        counts = dict(frame.group_by(column).len().collect(engine="streaming").iter_rows())
    chosen = {key: positions(count, rows, seed) for key, count in counts.items() if count > rows}
    parts: dict[Any, list[pl.DataFrame]] = {key: [] for key in counts}
    seen = dict.fromkeys(counts, 0)
    for batch in batches(frame, _BATCH_ROWS):
        for (key,), part in batch.partition_by(column, as_dict=True, maintain_order=True).items():
            if key not in counts:  # a row that was written meanwhile
                continue
            start, seen[key] = seen[key], seen[key] + part.height
            if key in chosen:
                first, last = np.searchsorted(chosen[key], [start, seen[key]])
                part = part[chosen[key][first:last] - start]
            parts[key].append(part)
    return {key: pl.concat(some) for key, some in parts.items() if some}


def positions(total: int, rows: int, seed: int) -> Ints:
    """``rows`` distinct ascending row numbers below ``total``."""
    places = np.random.default_rng(seed).choice(total, rows, replace=False, shuffle=False)
    return np.sort(places).astype(np.int64)


def gathered(read: Iterator[pl.DataFrame], at: Ints) -> pl.DataFrame:
    """The rows at ascending positions of batches that are read in order, one in memory at a time."""
    start = 0
    parts = []
    for batch in read:
        stop = start + batch.height
        first, last = np.searchsorted(at, [start, stop])
        parts.append(batch[at[first:last] - start])
        start = stop
        if last == len(at):
            break
    return pl.concat(parts).rechunk()
