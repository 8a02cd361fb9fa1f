"""Compaction and retention of a log's tables: any step is one commit, so that whoever reads meanwhile sees all rows once.

Every step looks at what is there and does what is left to do: killed between any two, the next run finishes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import polars as pl

from backslide.contracts.errors import LogError
from backslide.log.paths import TABLES, lock_spool, models_to_do, spool_root, table_of
from backslide.log.tables import PARTITION, LogTable

GRACE = 24
"""Hours for which files that are no part of a table any more are kept: a reader that opened it before may still want them."""


@dataclass
class CompactionReport:
    """What was done for one model."""

    model: str
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Files before and after, by table."""
    forgotten: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    """Rows that were too old, by table."""
    removed: int = 0
    """Files that went from the disk."""


def compact(
    store: str | os.PathLike[str],
    *,
    spool: str | os.PathLike[str] | None = None,
    model: str | None = None,
    keep_days: int | None = None,
    grace: int = GRACE,
    today: date | None = None,
) -> list[CompactionReport]:
    """Make few files of many, of one model or of all, and leave out what is too old.

    Args:
        store: the log.
        spool: folder of what waits, where it is not within the store.
        model: one model; default: all.
        keep_days: days to keep, today's (UTC) the last of them; default: all. A label stays as long as its prediction.
        grace: hours until files that hold nothing any more go from the disk.
        today: default: the day it is.

    Raises:
        LogError: there is no such log or model, another rollup or compaction is at work, or a number makes no sense.
        MissingExtraError: deltalake is not installed.
    """
    if keep_days is not None and keep_days < 1:
        raise LogError(f"expected at least 1 day to keep, got {keep_days}")
    if grace < 0:
        raise LogError(f"expected a grace period of at least 0 hours, got {grace}")
    root = spool_root(store, spool)
    names = models_to_do(store, root, model)
    before = None if keep_days is None else (today or datetime.now(UTC).date()) - timedelta(days=keep_days - 1)
    with lock_spool(root):
        return [_one(store, name, before, grace) for name in names]


def _one(store: str | os.PathLike[str], name: str, before: date | None, grace: int) -> CompactionReport:
    done = CompactionReport(name)
    tables = {kind: LogTable(table_of(store, name, kind), kind) for kind in TABLES}
    there = {kind: table for kind, table in tables.items() if table.there}
    files = {kind: table.files() for kind, table in there.items()}
    if before is not None:
        for kind, table in there.items():
            done.forgotten[kind] = _forget(table, before, tables["predictions"])
    for kind, table in there.items():
        table.merge_files()
        done.files[kind] = (files[kind], table.files())
        done.removed += table.sweep(grace)
    return done


def _forget(table: LogTable, before: date, predictions: LogTable) -> int:
    """Leave out rows of days before; how many."""
    # Polars before 2.0 lets files of rows without a day through "earlier than"; those rows stay.
    old = table.scan().filter(pl.col(PARTITION).is_not_null() & (pl.col(PARTITION) < before))
    rows = int(old.select(pl.len()).collect().item())
    if not rows:
        return 0
    remainder = None
    if table.kind == "labels" and predictions.there:  # they may be told as of a time before their prediction's
        known = predictions.scan().filter((pl.col(PARTITION) >= before) | pl.col(PARTITION).is_null()).select("id")
        remainder = old.join(known.unique(), on="id", how="semi").collect()
        rows -= remainder.height
    if rows:
        table.forget(before, remainder)
    return rows
