"""Logs as calendars and deliveries make them: clocks that change, days that are missing, rows and labels that come again."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from backslide.contracts.watch import Level, WatchReport
from backslide.jobs.watch import settings_key, watch
from backslide.store.database import open_database
from streams_of_logs import REFERENCE, after, config, moment, served

CHANGES = {"spring": datetime(2026, 3, 29), "autumn": datetime(2026, 10, 25)}
BERLIN, UTC = "Europe/Berlin", "UTC"
IN_BERLIN = pl.col("served_at").dt.replace_time_zone(UTC).dt.convert_time_zone(BERLIN)
TIMES = {
    "with their zone": IN_BERLIN,
    "as text with an offset": IN_BERLIN.dt.to_string("%Y-%m-%dT%H:%M:%S%:z"),
    "of the wall clock": IN_BERLIN.dt.replace_time_zone(None),
}


def looked(folder: Path, frame: pl.DataFrame, change: datetime, period: str, **model: str) -> WatchReport:
    """The watch of a log that begins 15 days before the clocks change, five days after that."""
    last = (change - timedelta(days=2)).date()
    windows = {"reference": f"{(change - timedelta(days=15)).date()}..{last}"}
    settings = config(folder, frame, windows=windows, watch={"period": period, "recover_after": 7}, model=model)
    return watch(settings, replay=True, as_of=change + timedelta(days=5, hours=2))


@pytest.mark.sample(4)
@pytest.mark.parametrize("writing", TIMES)
@pytest.mark.parametrize("period", ["hour", "day"])
@pytest.mark.parametrize("name", CHANGES)
def test_the_clocks_change_under_the_watch(tmp_path, name, period, writing):
    change = CHANGES[name]
    frame = served(5, 20, rows=240)
    at = [change - timedelta(days=15) + timedelta(minutes=6 * k) for k in range(frame.height)]
    frame = frame.with_columns(pl.Series("served_at", at))
    truth = looked(tmp_path, frame, change, period)
    zone = {"timestamp_zone": BERLIN} if writing == "of the wall clock" else {}
    other = looked(tmp_path, frame.with_columns(TIMES[writing].alias("served_at")), change, period, **zone)
    assert other.last == truth.last
    assert other.incidents == truth.incidents == ()
    if zone and name == "autumn":  # ten rows of each of two hours have the same ten times
        assert any(
            "20 rows of [data] source lie in an hour that the end of summer time repeats" in n for n in other.notes
        )
    else:
        assert not any("summer time" in note for note in other.notes)
    if not (zone and name == "autumn" and period == "hour"):
        assert other.streams == truth.streams


@pytest.fixture(name="rows", scope="module")
def _rows():
    return served(21, REFERENCE + 25, rows=60).with_row_index("id").with_columns(pl.col("id").cast(pl.String))


def days(first: int, last: int) -> pl.Expr:
    return (pl.col("served_at") >= moment(first)) & (pl.col("served_at") < moment(last))


def said(folder: Path, frame: pl.DataFrame, **more: object) -> tuple[str, ...]:
    found = watch(config(folder, frame, model={"id": "id"}, **more), replay=True, as_of=moment(25))
    assert found.status != Level.ALARM
    return found.notes


def test_days_without_rows_are_said(tmp_path, rows):
    assert said(tmp_path, rows) == ()
    (note,) = said(tmp_path, rows.filter(~days(10, 16)))
    assert note.startswith(f"no rows of {after(10)} to {after(15)}: what happened then is not known")
    (note,) = said(tmp_path, rows.filter(~days(10, 11) & ~days(15, 17)))
    assert note.startswith(f"no rows of {after(15)} to {after(16)}, and in 1 other gap:")
    holidays = {"watch": {"holidays": [after(10)]}}
    assert said(tmp_path, rows.filter(~days(10, 11)), **holidays) == ()
    weekdays = pl.col("served_at").dt.weekday() <= 5  # as empty as the reference
    assert said(tmp_path, rows.filter(weekdays)) == ()


def test_a_file_that_was_delivered_twice_is_said_and_raises_nothing(tmp_path, rows):
    (note,) = said(tmp_path, pl.concat([rows, rows.filter(days(10, 12))]).sort("served_at"))
    assert note.startswith("120 rows of the latest 25 periods came again with an id")
    twice = pl.concat([rows, rows]).sort("served_at")
    (note,) = said(tmp_path, twice)
    assert note.startswith("1,500 rows of")


def test_the_order_of_rows_changes_nothing(tmp_path, rows):
    settings = config(tmp_path, rows, model={"id": "id"})
    ordered = watch(settings, replay=True, as_of=moment(25))
    config(tmp_path, rows.sample(fraction=1.0, shuffle=True, seed=1), model={"id": "id"})
    found = watch(settings, replay=True, as_of=moment(25))
    assert found.incidents == ordered.incidents
    assert [(s.name, s.periods) for s in found.streams] == [(s.name, s.periods) for s in ordered.streams]


def test_labels_that_are_corrected_later_change_no_judgement(tmp_path, rows):
    """Nor do rows that are withdrawn: what was judged stays as it was known then."""
    settings = config(tmp_path, rows, model={"id": "id"})
    database = open_database(None, tmp_path)
    book = database.book("loans", settings_key(settings))
    first = watch(settings, as_of=moment(15, 12), book=book)
    wrong = pl.when(days(3, 9)).then(pl.lit("default")).otherwise("label").alias("label")
    config(tmp_path, rows.with_columns(wrong), model={"id": "id"})
    second = watch(settings, as_of=moment(15, 12), book=book)
    assert (second.streams, second.incidents) == (first.streams, first.incidents)
    config(tmp_path, rows.filter(~days(3, 9)), model={"id": "id"})
    third = watch(settings, as_of=moment(15, 12), book=book)
    assert (third.streams, third.incidents) == (first.streams, first.incidents)
    assert any(f"no rows of {after(3)} to {after(8)}" in note for note in third.notes)
    database.close()
