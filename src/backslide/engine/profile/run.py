"""One pass over a window on this machine: Polars streams the batches, a few threads count them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import polars as pl

from backslide.engine.profile.plan import Plan
from backslide.engine.profile.profile import Profile, profile_batch
from backslide.engine.sources.batches import batches
from backslide.engine.sources.errors import reading

LEVEL_SLACK = 8
"""While counting, this many times the planned levels are kept, so that late risers are not lost early."""
_MAX_WORKERS = 4
"""Batches counted at a time: each holds its rows in memory."""


def profile(
    frame: pl.LazyFrame,
    plan: Plan,
    *,
    batch_rows: int = 131_072,
    progress: Callable[[int], None] | None = None,
) -> Profile:
    """Count a whole window in one pass and bounded memory.

    Args:
        frame: the window.
        plan: what to count; only its columns are read.
        batch_rows: rows per batch; changes memory and speed, not the counts.
        progress: called with the number of rows read so far, after every batch.

    Raises:
        ColumnError: when a planned column is absent or of another kind than planned.
        SourceError: when the rows cannot be read.
    """
    with reading():
        plan.require(frame.collect_schema().names())
    working = replace(plan, max_levels=plan.max_levels * LEVEL_SLACK)
    total = Profile.empty(working)
    columns = plan.columns()
    narrowed = frame.select(columns) if columns else frame
    for part in _counted(batches(narrowed, batch_rows), working):
        total = total + part
        if progress is not None:
            progress(total.rows)
    return total.under(plan)


def _counted(rows: Iterator[pl.DataFrame], plan: Plan) -> Iterator[Profile]:
    """The batches' profiles in the order of the batches, a bounded number of them in flight."""
    workers = min(_MAX_WORKERS, os.cpu_count() or 1)
    waiting: deque[Future[Profile]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="profile") as pool:
        for batch in rows:
            waiting.append(pool.submit(profile_batch, batch, plan))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
