"""The real sets with a real clock, the calendar columns that a team would derive from it, and the rows of a window."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import polars as pl

from faults import sets as tables
from faults.sets import HELD_OUT, LOOKED_AT, DataSet

AT = "served_at"
PARTS = ("looked-at", "held-out")
START = {"noaa_weather": datetime(1949, 1, 1), "census_employment_ma": datetime(2015, 1, 1)}
CENSUS_ROW = timedelta(seconds=455)
"""The set gives years and an order: its rows spread evenly over 2015 to 2018."""


@dataclass(frozen=True)
class WildSet(DataSet):
    """A data set whose rows have a time; ``calendar`` names the features that are functions of it."""

    window: int = 3_000
    """Rows of a window."""
    calendar: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    """Calendar columns that the table does not hold: of hour, weekday, day_of_month and month."""

    def rows(self) -> pl.DataFrame:
        """All rows in time order, with their time under ``served_at``."""
        return _timed(self)

    def features(self) -> list[str]:
        """Columns that the model is given."""
        return [c for c in _timed(self).columns if c not in (self.label, AT, *self.left_out)]

    def codes(self) -> list[str]:
        """Features of short text: categories."""
        return [c for c in self.features() if _timed(self)[c].dtype == pl.String and c not in self.texts]

    def numbers(self) -> list[str]:
        """Features of numbers."""
        return [c for c in self.features() if _timed(self)[c].dtype.is_numeric()]


def _wild(
    name: str,
    window: int,
    left_out: tuple[str, ...],
    calendar: tuple[str, ...] = (),
    derived: tuple[str, ...] = (),
    first_row: int = 0,
) -> WildSet:
    base = tables.SETS[name]
    return WildSet(
        name,
        base.label,
        base.task,
        left_out,
        base.train_rows,
        base.texts,
        base.balanced,
        first_row,
        None,
        window,
        (*calendar, *derived),
        derived,
    )


_ALL = (
    _wild("electricity", 3_360, ("timestamp", "nsw_price"), ("day", "period"), ("day_of_month", "month"), 17_424),
    _wild("bank_marketing", 4_000, ("contact_date", "call_duration_s"), ("day_of_month", "month")),
    _wild(
        "bike_sharing_hourly",
        2_520,
        ("timestamp", "casual", "registered"),
        ("season", "year_index", "month", "hour", "weekday", "holiday", "working_day"),
        ("day_of_month",),
    ),
    _wild("census_employment_ma", 5_000, ("id", "year", "period", "prediction", "predicted_probability")),
    _wild("noaa_weather", 3_000, ("day_index",), (), ("day_of_month", "month")),
    _wild(
        "green_taxi_fares",
        5_000,
        tables.SETS["green_taxi_fares"].left_out,
        (),
        ("hour", "weekday", "day_of_month", "month"),
    ),
    _wild("reuters_news", 1_500, tables.SETS["reuters_news"].left_out),
    _wild("scotus_case_facts", 600, tables.SETS["scotus_case_facts"].left_out),
)
WILD = {s.name: s for s in _ALL}
CLOCKS = {
    "electricity": "timestamp",
    "bank_marketing": "contact_date",
    "bike_sharing_hourly": "timestamp",
    "green_taxi_fares": "pickup_time",
    "reuters_news": "published_at",
}


def part_of_set(name: str) -> str:
    """``looked-at`` or ``held-out``, as in the bench of faults: what was never looked at there is not looked at here."""
    return PARTS[name in HELD_OUT]


assert set(WILD) == {*LOOKED_AT, *HELD_OUT}


@cache
def _timed(data: WildSet) -> pl.DataFrame:
    rows = tables._table(data.name)[data.first_row : data.last_row]
    rows = rows.with_columns(_time(data.name).cast(pl.Datetime("us")).alias(AT))
    parts = {
        "hour": pl.col(AT).dt.hour(),
        "weekday": pl.col(AT).dt.weekday(),
        "day_of_month": pl.col(AT).dt.day(),
        "month": pl.col(AT).dt.month(),
    }
    return rows.with_columns(parts[c].cast(pl.Int64).alias(c) for c in data.derived)


def _time(name: str) -> pl.Expr:
    if name == "noaa_weather":
        return pl.lit(START[name]) + pl.duration(days=pl.col("day_index"))
    if name == "census_employment_ma":
        return pl.lit(START[name]) + pl.duration(seconds=pl.col("id") * int(CENSUS_ROW.total_seconds()))
    if name == "scotus_case_facts":
        return pl.datetime(pl.col("term_year"), 1, 1)
    return pl.col(CLOCKS[name])
