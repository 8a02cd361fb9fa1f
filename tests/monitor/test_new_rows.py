"""A look reads the rows of periods that are not known yet, and says what one over all rows would."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.jobs import watch as looks
from backslide.jobs.watch import watch
from backslide.monitor import new_rows
from backslide.monitor.new_rows import read_new_rows
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.rows import SERVED, open_rows
from backslide.store.memory import Book
from streams_of_logs import REFERENCE, config, moment, served

Arrivals = Callable[[pl.DataFrame, datetime], pl.DataFrame]


def as_it_was(frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """The rows that had been served."""
    return frame.filter(pl.col("served_at") < at)


def labels_come_late(frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Labels are written into rows of before when they come, some of them after weeks."""
    return as_it_was(frame, at).with_columns(pl.when(pl.col("label_at") <= at).then(pl.col("label")).alias("label"))


def rows_come_late(frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """The fifth day comes four days after it, a tenth of the others' rows three."""
    day, place = pl.col("served_at").dt.date(), pl.int_range(pl.len())
    fifth = day == moment(5).date()
    late = pl.when(fifth).then(4).when(place % 10 == 0).then(3).otherwise(0)
    came = pl.col("served_at") + late * timedelta(days=1)
    return frame.filter(came < at)


def a_class_of_one_day(frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """On the third day some labels are of a class that no other day has."""
    third = (pl.col("served_at").dt.date() == moment(3).date()) & (pl.int_range(pl.len()) % 4 == 0)
    return as_it_was(frame, at).with_columns(
        pl.when(third).then(pl.lit("fraud")).otherwise(pl.col("label")).alias("label")
    )


def rows_come_again(frame: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Every row has an id, and some of the second day come twice."""
    frame = as_it_was(frame, at).with_row_index("request")
    return pl.concat([frame, frame.filter(pl.col("served_at").dt.date() == moment(2).date()).head(30)]).sort(
        "served_at"
    )


def of_all_rows(rows, _):  # as before new rows were read alone
    return rows


def look(settings: Settings, frame: pl.DataFrame, at: datetime, book: Book):
    frame.write_parquet(settings.base / "log.parquet")
    return watch(settings, as_of=at, book=book, deliver=False)


@pytest.mark.slow
@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("arrivals", [as_it_was, labels_come_late, rows_come_late, a_class_of_one_day, rows_come_again])
def test_looks_at_new_rows_say_what_looks_at_all_rows_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrivals: Arrivals, timed: bool
):
    _compare(tmp_path, monkeypatch, arrivals, timed=timed, seed=1, number=6)


def test_two_looks_at_new_rows_say_what_looks_at_all_rows_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _compare(tmp_path, monkeypatch, rows_come_late, timed=False, seed=3, number=2)


def _compare(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arrivals: Arrivals, *, timed: bool, seed: int, number: int
) -> None:
    rng = np.random.default_rng(seed)
    days, broken = 24, int(rng.integers(8, 16))

    def change(columns):  # an alarm, from a day on
        columns["income"] = columns["income"] / (1 + 11 * (columns["day"] >= REFERENCE + broken))

    frame = served(seed, REFERENCE + days, rows=120, change=change, late=(3.0, 1.0))
    model = {rows_come_again: {"id": "request"}, a_class_of_one_day: {"scores": {}}}.get(arrivals, {})
    settings = config(folder, frame, late=timed, model=model, watch={"estimate": True, "faults": True})
    new, every = Book(), Book()
    monkeypatch.setattr(new_rows, "LEAST_ROWS", 1)
    at = sorted(rng.choice(np.arange(4, days * 2), number, replace=False).tolist())
    for half in at:
        present = moment(half // 2, 12 * (half % 2) + 1)
        there = arrivals(frame, present)
        there = there if timed else there.drop("label_at")
        ours = look(settings, there, present, new)
        with monkeypatch.context() as context:
            context.setattr(looks, "read_new_rows", of_all_rows)
            known = look(settings, there, present, every)
        assert ours == known, present
        assert new.sums == every.sums, present
    assert len(known.streams) > 5


def test_only_periods_that_are_not_known_and_the_latest_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    frame = served(4, REFERENCE + 20, rows=100)
    settings = config(tmp_path, frame)
    book = Book()

    def days_read(day: int) -> list[str]:
        rows = read_new_rows(open_rows(settings, PeriodGrid.of(settings.watch), moment(day, 1)), book)
        assert sum((rows.held or {}).values() or [rows.later.collect().height]) == 100 * day + _first_hour(frame, day)
        dates = rows.later.select(pl.col(SERVED).dt.date().unique().sort()).collect().to_series()
        return [date.isoformat() for date in dates]

    gap = pl.col("served_at").dt.date() == moment(4).date()
    look(
        settings,
        frame.drop("label_at").with_columns(pl.when(~gap).then(pl.col("label")).alias("label")),
        moment(9, 1),
        book,
    )
    frame = frame.drop("label_at")
    frame.write_parquet(tmp_path / "log.parquet")
    # That nothing but new rows is read is for large logs: of a small one all are.
    assert len(days_read(12)) == 13
    monkeypatch.setattr(new_rows, "LEAST_ROWS", 1)
    read = days_read(12)
    assert read[0] == moment(4).date().isoformat()  # its labels have come
    assert read[1:] == [moment(day).date().isoformat() for day in (9, 10, 11, 12)]
    look(settings, frame, moment(12, 1), book)
    assert days_read(12) == [moment(12).date().isoformat()]
    monkeypatch.setattr(new_rows, "LEAST_ROWS", 350)
    assert len(days_read(12)) == 5
    monkeypatch.setattr(new_rows, "MOST_VALUES", 0)  # too many to keep in memory
    assert len(days_read(12)) == 5


def _first_hour(frame: pl.DataFrame, day: int) -> int:
    return frame.filter(pl.col("served_at").is_between(moment(day), moment(day, 1), closed="left")).height


def test_many_gaps_are_read_in_one_stretch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    frame = served(4, REFERENCE + 20, rows=100)
    settings = config(tmp_path, frame)
    book = Book()
    look(settings, frame.drop("label_at"), moment(18, 1), book)
    for kind in ("inputs", "labels"):
        for number in sorted(book.sums[kind])[2::3]:
            del book.sums[kind][number]
    monkeypatch.setattr(new_rows, "LEAST_ROWS", 1)
    rows = open_rows(settings, PeriodGrid.of(settings.watch), moment(18, 1))
    apart = read_new_rows(rows, book)
    monkeypatch.setattr(new_rows, "MOST_RUNS", 2)
    together = read_new_rows(rows, book)
    days = [
        one.later.select(pl.col(SERVED).dt.date().unique().sort()).collect().to_series().to_list()
        for one in (apart, together)
    ]
    assert set(days[0]) < set(days[1])
    assert days[0][0] == days[1][0] == moment(2).date()
    assert days[1] == [moment(day).date() for day in range(2, 19)]
