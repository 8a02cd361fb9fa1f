"""Compaction and retention: readers see all rows once, killed between any two steps the next run finishes."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import backslide as bs
from backslide.contracts.errors import LogError
from backslide.log.paths import lock_spool
from backslide.log.reading import open_log
from backslide.log.retention import compact
from backslide.log.rollup import rollup
from backslide.log.tables import LogTable

pytest.importorskip("deltalake")
TODAY = date(2026, 3, 31)


def at(day: int) -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(days=day)


def fill(store: Path, rollups: int = 4, days: int = 3, rows: int = 5) -> set[str]:
    """Every rollup adds files to every day."""
    ids = set()
    for k in range(rollups):
        with bs.Recorder("m", store=store) as recorder:
            for day in range(days):
                for i in range(rows):
                    ids.add(name := f"{k}-{day}-{i}")
                    recorder.record({"x": i, **({"late": 1.5} if k > 1 else {})}, "a", id=name, at=at(day))
                    recorder.label(name, "b", at=at(day + 1))
            recorder.event(f"deploy {k}", at=at(k))
        rollup(store)
    return ids


def ids_of(store: Path) -> list[str]:
    return (
        LogTable(str(store / "tables" / "m" / "predictions"), "predictions")
        .scan()
        .select("id")
        .collect()["id"]
        .to_list()
    )


def parquet(store: Path) -> int:
    return len(list((store / "tables" / "m" / "predictions").glob("day=*/*.parquet")))


def test_few_files_are_made_of_many_and_no_row_changes(tmp_path: Path):
    ids = fill(tmp_path)
    before = open_log(tmp_path).predictions().collect().sort("id")
    (done,) = compact(tmp_path, grace=0)
    assert done.files["predictions"] == (12, 3)
    assert done.removed >= 12
    assert parquet(tmp_path) == 3
    assert open_log(tmp_path).predictions().collect().sort("id").equals(before)
    assert Counter(ids_of(tmp_path)) == Counter(ids)
    (again,) = compact(tmp_path, grace=0)
    assert again.files["predictions"] == (3, 3)
    assert again.removed == 0


def test_who_has_opened_the_log_reads_on(tmp_path: Path):
    ids = fill(tmp_path)
    rows = open_log(tmp_path).predictions()
    compact(tmp_path)
    compact(tmp_path, keep_days=1, today=TODAY)
    assert set(rows.collect()["id"]) == ids
    assert parquet(tmp_path) > 3


def test_readers_meanwhile_see_every_row_once(tmp_path: Path):
    ids = fill(tmp_path, rollups=3)
    wrong: list[object] = []
    reads, stop = [0], threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                seen = ids_of(tmp_path)
                if len(seen) != len(set(seen)) or not ids <= set(seen):
                    wrong.append(len(seen))
            except Exception as error:
                wrong.append(error)
            reads[0] += 1

    reader = threading.Thread(target=read)
    reader.start()
    for k in range(5):
        with bs.Recorder("m", store=tmp_path) as recorder:
            recorder.record({"x": k}, "a", id=f"later-{k}", at=at(1))
        rollup(tmp_path)
        compact(tmp_path)
    stop.set()
    reader.join()
    assert not wrong
    assert reads[0] > 1
    assert len(ids_of(tmp_path)) == len(ids) + 5


class _Killed(BaseException):
    pass


def step(do, left: list[int]):
    def wrapped(*arguments):
        left[0] -= 1
        if left[0] == 0:
            raise _Killed
        return do(*arguments)

    return wrapped


@pytest.mark.slow
def test_killed_between_any_two_steps_the_next_run_finishes(tmp_path: Path):
    whole = tmp_path / "whole"
    fill(whole, rollups=2)
    compact(whole, keep_days=29, today=TODAY, grace=0)
    wanted = sorted(ids_of(whole))
    for last in range(1, 20):
        store = tmp_path / str(last)
        fill(store, rollups=2)
        left = [last]
        with pytest.MonkeyPatch.context() as patch:
            for name in ("forget", "merge_files", "sweep"):
                patch.setattr(LogTable, name, step(getattr(LogTable, name), left))
            try:
                compact(store, keep_days=29, today=TODAY, grace=0)
                through = True
            except _Killed:
                through = False
        rollup(store)
        compact(store, keep_days=29, today=TODAY, grace=0)
        assert sorted(ids_of(store)) == wanted
        assert open_log(store).counts() == open_log(whole).counts()
        assert parquet(store) == parquet(whole)
        if through:
            return
    pytest.fail("never got through")


def test_what_is_too_old_goes_with_its_labels_and_is_not_rolled_up_again(tmp_path: Path):
    with bs.Recorder("m", store=tmp_path) as recorder:
        for day in range(10):
            recorder.record({"x": day}, "a", id=f"r-{day}", at=at(day))
            recorder.label(f"r-{day}", "b", at=at(day + 1))
        recorder.label("r-8", "early", at=at(0))
        recorder.label("r-9", "no time", at=float("nan"))
        recorder.record({"x": 0}, "a", id="no time", at=float("nan"))
    rollup(tmp_path)
    (done,) = compact(tmp_path, keep_days=3, today=at(9).date(), grace=0)
    assert done.forgotten == {"predictions": 7, "labels": 6, "events": 0}
    rows = open_log(tmp_path).predictions().collect()
    assert set(rows["id"]) == {"r-7", "r-8", "r-9", "no time"}
    values = Counter(open_log(tmp_path).labels().collect()["value"])
    assert values["early"] == values["no time"] == 1
    (again,) = compact(tmp_path, keep_days=3, today=at(9).date(), grace=0)
    assert sum(again.forgotten.values()) == 0
    assert rollup(tmp_path)[0].rows["predictions"] == 0
    texts = b"".join(file.read_bytes() for file in tmp_path.rglob("*.parquet"))
    assert b"r-2" not in texts


def test_what_cannot_be_is_said(tmp_path: Path):
    with pytest.raises(LogError, match="no log at"):
        compact(tmp_path / "none")
    fill(tmp_path, rollups=1)
    with pytest.raises(LogError, match="at least 1 day"):
        compact(tmp_path, keep_days=0)
    with pytest.raises(LogError, match="grace period"):
        compact(tmp_path, grace=-1)
    with lock_spool(tmp_path / "spool"), pytest.raises(LogError, match="another rollup or compaction"):
        compact(tmp_path)
    assert pl.Series(ids_of(tmp_path)).len() == 15
