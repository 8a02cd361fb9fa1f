"""A bounded, seeded, uniform sample of rows for whatever must touch rows: models, repairs, attribution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from backslide.engine.sources.batches import batches
from backslide.engine.sources.errors import reading

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
        return _gather(frame, positions(total, rows, seed))


def positions(total: int, rows: int, seed: int) -> npt.NDArray[np.int64]:
    """``rows`` distinct ascending row numbers below ``total``."""
    places = np.random.default_rng(seed).choice(total, rows, replace=False, shuffle=False)
    return np.sort(places).astype(np.int64)


def _gather(frame: pl.LazyFrame, at: npt.NDArray[np.int64]) -> pl.DataFrame:
    """The rows at ascending positions, one batch in memory at a time."""
    start = 0
    parts = []
    for batch in batches(frame, _BATCH_ROWS):
        stop = start + batch.height
        first, last = np.searchsorted(at, [start, stop])
        parts.append(batch[at[first:last] - start])
        start = stop
        if last == len(at):
            break
    return pl.concat(parts).rechunk()
