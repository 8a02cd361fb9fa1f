"""Which rows a table has: by digests in runs, and exactly whatever the digests say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backslide.log import ingest
from backslide.log.ingest import KnownRows
from backslide.log.tables import LogTable

pytest.importorskip("deltalake")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = ["id", "at"]


def rows(numbers: range) -> pl.DataFrame:
    """A row each three hours; every fifth has no time."""
    times = [None if k % 5 == 0 else AT + timedelta(hours=3 * k) for k in numbers]
    frame = pl.DataFrame({"id": [f"r{k}" for k in numbers], "at": pl.Series(times, dtype=pl.Datetime("us", "UTC"))})
    return frame.with_columns(pl.col("at").dt.date().alias("day"), pl.lit(1.5).alias("value"))


def unknown(known: KnownRows, asked: pl.DataFrame) -> list[str]:
    return known.without_known(asked)["id"].to_list()


def test_what_was_added_or_stands_in_the_table_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ingest, "RUN", 16)
    table = LogTable(str(tmp_path / "t"), "predictions")
    known, stored = KnownRows(table, KEYS), 0
    for size in (3, 3, 6, 1, 30, 2, 2):
        part = rows(range(stored, stored + size))
        assert unknown(known, rows(range(max(stored - 4, 0), stored + size))) == part["id"].to_list()
        table.append(part)
        known.add(part)
        stored += size
    assert all((run[1:] >= run[:-1]).all() for run in known._runs)
    assert sum(map(len, known._runs)) == stored
    again = KnownRows(LogTable(str(tmp_path / "t"), "predictions"), KEYS)
    assert unknown(again, rows(range(stored + 1))) == [f"r{stored}"]
    assert unknown(again, rows(range(stored)).with_columns(pl.col("at") + pl.duration(hours=1)).drop_nulls()) == [
        f"r{k}" for k in range(stored) if k % 5
    ]


def test_equal_digests_of_different_rows_lose_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(KnownRows, "_digests", lambda self, frame: np.zeros(frame.height, np.uint64))
    table = LogTable(str(tmp_path / "t"), "predictions")
    known = KnownRows(table, KEYS)
    table.append(rows(range(10)))
    known.add(rows(range(10)))
    assert unknown(known, rows(range(5, 15))) == [f"r{k}" for k in range(10, 15)]


def test_of_rows_with_the_same_keys_the_last_counts(tmp_path: Path):
    known = KnownRows(LogTable(str(tmp_path / "t"), "predictions"), KEYS)
    twice = pl.concat([rows(range(3)), rows(range(1)).with_columns(pl.lit(2.5).alias("value"))])
    assert known.without_known(twice).sort("id")["value"].to_list() == [2.5, 1.5, 1.5]
