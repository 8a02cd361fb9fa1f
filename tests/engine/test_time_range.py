"""Time ranges as users write them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from backslide.contracts.errors import TimestampError
from backslide.engine.sources.open import TimeRange, parse_time_range


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-03-01..2026-03-31", datetime(2026, 3, 1), datetime(2026, 4, 1)),
        (" 2026-03-01 .. 2026-03-01 ", datetime(2026, 3, 1), datetime(2026, 3, 2)),
        ("2026-03-01T10:00..2026-03-01T12:30:15", datetime(2026, 3, 1, 10), datetime(2026, 3, 1, 12, 30, 15)),
        ("2026-03-01 10:00..2026-03-02", datetime(2026, 3, 1, 10), datetime(2026, 3, 3)),
        ("2026-03-01T02:00+02:00..2026-03-01T10:00Z", datetime(2026, 3, 1), datetime(2026, 3, 1, 10)),
    ],
)
def test_reads_dates_times_and_zones(text, start, end):
    assert parse_time_range(text) == TimeRange(start, end)


@pytest.mark.parametrize(
    "text",
    [
        "april.parquet",
        "../data/april.parquet",
        "data/2026-03-01..2026-03-31/*.parquet",
        "..",
        "2026-03-01..",
        "a..b",
        "",
    ],
)
def test_leaves_paths_alone(text):
    assert parse_time_range(text) is None


@pytest.mark.parametrize(
    "text",
    ["2026-02-30..2026-03-01", "2026-03-01..soon", "2026-3-1..2026-3-31", "2026-03-31..2026-03-01"],
)
def test_refuses_what_looks_like_a_range_and_is_none(text):
    with pytest.raises(TimestampError) as caught:
        parse_time_range(text)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_last_day_is_whole_and_the_next_midnight_is_out():
    instants = [datetime(2026, 2, 28, 23, 59, 59), datetime(2026, 3, 1), datetime(2026, 3, 31, 23, 59, 59, 999_999)]
    frame = pl.DataFrame({"at": [*instants, datetime(2026, 4, 1), None]})
    chosen = frame.filter(parse_time_range("2026-03-01..2026-03-31").condition("at"))
    assert chosen["at"].to_list() == instants[1:]


def test_condition_reads_zones_and_dates():
    condition = parse_time_range("2026-03-01..2026-03-31").condition("at")
    # 23:30 of the last day of February in New York is already March in UTC.
    zoned = pl.DataFrame({"at": [datetime(2026, 2, 28, 23, 30, tzinfo=ZoneInfo("America/New_York"))]})
    assert zoned.filter(condition).height == 1
    utc = pl.DataFrame({"at": [datetime(2026, 3, 31, 23, tzinfo=UTC), datetime(2026, 4, 1, 1, tzinfo=UTC)]})
    assert utc.filter(condition).height == 1
    days = pl.DataFrame({"at": [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 31), date(2026, 4, 1)]})
    assert days.filter(condition).height == 2
    nanoseconds = pl.DataFrame({"at": pl.Series([datetime(2026, 3, 5)], dtype=pl.Datetime("ns"))})
    assert nanoseconds.filter(condition).height == 1
