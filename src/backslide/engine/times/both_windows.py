"""The time column of both windows, read as one."""

from __future__ import annotations

import polars as pl

from backslide.contracts.roles import Roles
from backslide.engine.sources.window_source import Cutting
from backslide.engine.times.notes import time_notes
from backslide.engine.times.time_format import time_format
from backslide.engine.times.timestamps import TimeReading, read_times

Raw = dict[str, tuple[pl.LazyFrame, str]]


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
    read = {n for n in raw if n in cutting.spans and schemas[n][column] == pl.Datetime("us")}
    frames = {f"the {name} window": frame for name, (frame, _) in raw.items() if name not in read}
    if not frames:
        return TimeReading(column)
    reading = read_times(frames, column, time_format(roles))
    notes += time_notes(reading, frames)
    return reading
