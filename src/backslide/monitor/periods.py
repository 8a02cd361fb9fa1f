"""Cutting time, or rows in their order, into periods with consecutive numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from backslide.contracts.watch_settings import WatchSettings
from backslide.stats.change.sequential import WEEK

PERIOD = "__period"
_DAY = timedelta(days=1)
MONDAY = datetime(1969, 12, 29)
"""The first Monday before 1970: day numbers counted from it have their weekday as ``% 7``, Monday 0."""
_LENGTH = {"hour": timedelta(hours=1), "day": _DAY, "week": 7 * _DAY}
YEAR = timedelta(days=365.25)
HOURS = 24


@dataclass(frozen=True)
class PeriodGrid:
    """Stretches of time of one length, or of so many rows."""

    name: str
    length: timedelta | None
    """None where periods are numbers of rows."""
    rows: int | None
    cycle: int

    @classmethod
    def of(cls, settings: WatchSettings) -> PeriodGrid:
        """As configured."""
        if settings.rows is not None:
            return cls(settings.period, None, settings.rows, 0)
        return cls(
            settings.period, _LENGTH[settings.period], None, {"hour": HOURS, "day": WEEK, "week": 0}[settings.period]
        )

    @property
    def timed(self) -> bool:
        """Whether periods are stretches of time."""
        return self.length is not None

    def number(self, moment: datetime) -> int:
        """The period that holds a moment (naive UTC)."""
        assert self.length is not None
        return (moment - MONDAY) // self.length

    def expression(self, time: str) -> pl.Expr:
        """Number of each row's period, from its time."""
        assert self.length is not None
        micro = timedelta(microseconds=1)
        since = pl.col(time).cast(pl.Datetime("us")).cast(pl.Int64) + (datetime(1970, 1, 1) - MONDAY) // micro
        return (since // (self.length // micro)).alias(PERIOD)

    def start(self, number: int) -> datetime:
        """First moment of a period."""
        assert self.length is not None
        return MONDAY + number * self.length

    def end(self, number: int) -> datetime:
        """First moment after it."""
        return self.start(number + 1)

    def label(self, number: int) -> str:
        """How a period is written: the day, the week's Monday, the hour, or the number of the rows."""
        if self.length is None:
            assert self.rows is not None
            first = number * self.rows
            return f"rows {first + 1} to {first + self.rows}" if number >= 0 else f"reference {number}"
        start = self.start(number)
        return start.strftime("%Y-%m-%dT%H:00") if self.name == "hour" else start.strftime("%Y-%m-%d")

    def a_year(self) -> float:
        """Periods of a year; numbers of rows count as days."""
        return YEAR / (self.length or _DAY)


def now() -> datetime:
    """The present as naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)
