"""One pass over a window on this machine: Polars streams the batches, a few threads count them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl

from backslide.contracts.errors import SourceError
from backslide.engine.profile.column import ColumnProfile
from backslide.engine.profile.plan import Plan
from backslide.engine.profile.profile import Profile, count_batch
from backslide.engine.sources.batches import batches, column_groups, read_groups
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
    counts: Mapping[str, ColumnProfile] | None = None,
) -> Profile:
    """Count a whole window in one pass and bounded memory.

    Args:
        frame: the window.
        plan: what to count; only its columns are read.
        batch_rows: rows per batch; changes memory and speed, not the counts.
        counts: of columns that were counted already, with ``LEVEL_SLACK`` times the levels of a plan; those that fit the plan
            are not read again.

    Raises:
        ColumnError: when a planned column is absent or of another kind than planned.
        SourceError: when the rows cannot be read.
    """
    with reading():
        plan.require(frame.collect_schema().names())
    working = replace(plan, max_levels=plan.max_levels * LEVEL_SLACK)
    known = {name: column for name, column in (counts or {}).items() if _fits(name, column, plan)}
    rest = working.part([name for name in plan.columns() if name not in known], joint=True)
    parts = [_count(frame, rest, batch_rows)] if rest.columns() or not known else []
    rows = {*(part.rows for part in parts), *(column.rows for column in known.values())}
    if len(rows) > 1:  # written to meanwhile
        return profile(frame, plan, batch_rows=batch_rows)
    return _together(working, parts, known, rows.pop()).under(plan)


def _fits(name: str, column: ColumnProfile, plan: Plan) -> bool:
    if column.edges is None:
        return name in plan.categorical and plan.max_levels == Plan.max_levels
    return name in plan.numeric and np.array_equal(column.edges, np.asarray(plan.numeric[name]))


def _count(frame: pl.LazyFrame, plan: Plan, batch_rows: int) -> Profile:
    columns = plan.columns()
    narrowed = frame.select(columns) if columns else frame
    groups = column_groups(narrowed, together=plan.joint())
    if len(groups) == 1:
        total = Profile.empty(plan)
        for part in _counted(batches(narrowed, batch_rows), plan):
            total = total.joined(part)
        return total

    def count_group(group: Sequence[str], read: Iterator[pl.DataFrame]) -> Profile:
        own = plan.part(group, joint=plan.joint() <= set(group))
        total = Profile.empty(own)
        for batch in read:
            total = total.joined(count_batch(batch, own))
        return total

    parts = read_groups(narrowed, groups, batch_rows, count_group)
    if len({part.rows for part in parts}) > 1:
        raise SourceError("the rows cannot be read: their number changed meanwhile; copy the files, or try again")
    return _together(plan, parts, {}, parts[0].rows)


def _together(plan: Plan, parts: Sequence[Profile], known: Mapping[str, ColumnProfile], rows: int) -> Profile:
    """Of the same rows counted in parts, each of its own columns; the first holds what is counted of several at a time."""
    columns = {name: column for part in parts for name, column in part.columns.items()} | dict(known)
    total = Profile(plan, rows, {name: columns[name] for name in (*plan.numeric, *plan.categorical)})
    if parts:
        total = replace(total, cells=parts[0].cells, sums=parts[0].sums, parts=parts[0].parts)
    return total.ordered()


def _counted(rows: Iterator[pl.DataFrame], plan: Plan) -> Iterator[Profile]:
    """The batches' profiles in the order of the batches, a bounded number of them in flight."""
    workers = min(_MAX_WORKERS, os.cpu_count() or 1)
    waiting: deque[Future[Profile]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="profile") as pool:
        for batch in rows:
            waiting.append(pool.submit(count_batch, batch, plan))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
