"""The time column of both windows, read as one, and the weekdays that both hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

from backslide.contracts import say
from backslide.contracts.errors import ConfigError, TimestampError
from backslide.contracts.roles import Roles
from backslide.engine.sources.errors import reading as reading_rows
from backslide.engine.sources.window_source import Cutting
from backslide.engine.times.notes import time_notes
from backslide.engine.times.time_format import time_format
from backslide.engine.times.timestamps import TimeReading, read_times

Raw = dict[str, tuple[pl.LazyFrame, str]]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class MatchedDays:
    """What is compared when only like weekdays are."""

    sentence: str
    left_out: dict[str, int]
    """Window -> rows of other weekdays, or without a time."""


def times_of(
    raw: Raw, schemas: dict[str, dict[str, pl.DataType]], roles: Roles, cutting: Cutting, notes: list[str]
) -> TimeReading | None:
    """How the timestamp of both windows is read, which is said in ``notes``; None without one.

    What a time range cut was read then, over all rows of its source.

    Raises:
        TimestampError: values that are no times, or that may be read in two ways.
    """
    column = roles.timestamp
    if column is None:
        return None
    in_place = (pl.Datetime("us"), pl.Datetime("us", "UTC"))
    read = {n for n in raw if n in cutting.spans and schemas[n][column] in in_place}
    frames = {f"the {name} window": frame for name, (frame, _) in raw.items() if name not in read}
    if not frames:
        return TimeReading(column)
    reading = read_times(frames, column, time_format(roles))
    notes += time_notes(reading, frames)
    return reading


def match_weekdays(raw: Raw, schemas: dict[str, dict[str, pl.DataType]], roles: Roles, cutting: Cutting) -> MatchedDays:
    """Leave in both windows of ``raw`` the rows of those weekdays alone that both hold (by UTC).

    Raises:
        ConfigError: without a timestamp.
        TimestampError: no weekday is in both.
    """
    times = times_of(raw, schemas, roles, cutting, [])
    if times is None:
        raise ConfigError('[windows] match = "weekday" needs [model] timestamp, the time column')
    days = {name: times.of(schemas[name][times.column]).dt.date() for name in raw}
    counts: dict[str, dict[date | None, int]] = {}
    for name, (frame, _) in raw.items():
        with reading_rows():
            table = frame.select(days[name].alias("day")).group_by("day").len().collect(engine="streaming")
        counts[name] = {day: int(rows) for day, rows in table.iter_rows()}
    held = [{day.weekday() for day in of_day if day is not None} for of_day in counts.values()]
    both = held[0] & held[1]
    if not both:
        words = " and ".join(f"the {name} window holds {_named(part)}" for name, part in zip(raw, held, strict=True))
        raise TimestampError(f'[windows] match = "weekday": no weekday is in both windows; {words}')
    wanted = [weekday + 1 for weekday in both]  # Polars counts Monday as 1
    left_out = {}
    for name, (frame, text) in raw.items():
        raw[name] = frame.filter(days[name].dt.weekday().is_in(wanted)), text
        left_out[name] = sum(rows for day, rows in counts[name].items() if day is None or day.weekday() not in both)
    compared = [
        f"{say.counted(sum(day is not None and day.weekday() in both for day in of_day), f'{name} day')}"
        for name, of_day in counts.items()
    ]
    sentence = f"{_named(both)} of both windows: {' with '.join(compared)}"
    rest = [
        f"{say.counted(rows, f'{name} row')}" + (f" of {_named(part - both)}" if part - both else " without a time")
        for (name, rows), part in zip(left_out.items(), held, strict=True)
        if rows
    ]
    return MatchedDays(sentence + (f"; left out: {' and '.join(rest)}" if rest else ""), left_out)


def _named(weekdays: Iterable[int]) -> str:
    """``Monday, Tuesday and Friday``."""
    return say.listed([WEEKDAYS[weekday] for weekday in sorted(weekdays)], len(WEEKDAYS))
