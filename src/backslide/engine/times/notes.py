"""What must be said of how times were read: forms, zones, rows without one, hours that summer time skips."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import polars as pl

from backslide.contracts import say
from backslide.engine.sources.errors import reading
from backslide.engine.times.formats import Form
from backslide.engine.times.timestamps import TimeCounts, TimeReading

NEIGHBOURS = 20
"""Rows in the hours beside it from which on an empty or doubled hour says something."""
YEARS = 20
"""Span of the times up to which the hours of summer time are looked at."""


def time_notes(found: TimeReading, frames: Mapping[str, pl.LazyFrame]) -> list[str]:
    """Sentences about a time column, the frames named as they were when it was read."""
    notes = [*_forms(found), *_zones(found), *_units(found)]
    for name, told in found.told.items():
        notes += _rows(found, name, told)
        notes += _summer_time(found, name, told, frames[name])
    return notes


def _forms(found: TimeReading) -> list[str]:
    doubtful = [form for form in found.forms if form.between]
    said = []
    if doubtful:
        order = {"%d": "day", "%m": "month"}.get(doubtful[0].pattern[:2], "year")
        said.append(f"times in {found.column!r} were read {order} first, as {doubtful[0].pattern.replace('%.f', '')}")
    patterns = list(dict.fromkeys(_words(form) for form in found.forms))
    if len(patterns) > 1 and not found.alone:
        said.append(
            f"times in {found.column!r} are written in {len(patterns)} ways, each read by its own: {say.listed(patterns)}"
        )
    return said


def _words(form: Form) -> str:
    if form.unit:
        return {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}[
            form.unit
        ] + " since 1970"
    return form.pattern.replace("%.f", "").replace("%#z", "+00:00").replace("%B", "%b").replace("%A", "%a")


def _zones(found: TimeReading) -> list[str]:
    zoned = sum(told.zoned for told in found.told.values())
    naive = {name: told.naive for name, told in found.told.items() if told.naive}
    if not zoned or not naive:
        return []
    where = " and ".join(f"{say.count(rows)} of {name}" for name, rows in naive.items())
    read = "UTC" if found.zone is None else found.zone
    return [
        f"times in {found.column!r} without a zone ({where}) stand beside ones with a zone; they were read as {read}"
    ]


def _units(found: TimeReading) -> list[str]:
    units = list(dict.fromkeys(unit for told in found.told.values() for unit in told.units))
    if len(units) < 2:
        return []
    return [
        f"times in {found.column!r} count since 1970 in different units ({', '.join(units)}), each read by its magnitude"
    ]


def _rows(found: TimeReading, name: str, told: TimeCounts) -> list[str]:
    said = []
    if told.unreadable:
        said.append(
            f"{say.count(told.unreadable)} of {say.count(told.rows)} rows of {name} hold no readable time "
            f"in {found.column!r}, such as "
            f"{told.example!r}"
        )
    if told.unset and found.unset:
        said.append(
            f"{say.count(told.unset)} rows of {name} hold a time of 1970 or before in {found.column!r}, a "
            "placeholder: they count as "
            "rows without a time"
        )
    if told.future and found.until is not None:
        said.append(
            f"{say.count(told.future)} rows of {name} lie far in the future in {found.column!r} (up to "
            f"{_day(told.latest)}): they count "
            "as rows without a time"
        )
    elif told.future and 2 * told.future < told.rows:
        said.append(
            f"{say.count(told.future)} rows of {name} lie in the future in {found.column!r} (up to {_day(told.latest)})"
        )
    return said


def _day(moment: datetime | None) -> str:
    return "" if moment is None else moment.date().isoformat()


def _summer_time(found: TimeReading, name: str, told: TimeCounts, frame: pl.LazyFrame) -> list[str]:
    """Whether naive times look local: no row in the hour that summer time skips, twice as many in the one it repeats."""
    if (not told.naive and not (found.forms == () and not told.zoned)) or found.zone is not None:
        return []
    if told.first is None or told.last is None or told.last.year - told.first.year > YEARS or told.units:
        return []
    hours = [
        hour
        for hour in _changes(told.first.year, told.last.year)
        if told.first < hour[0] and hour[0] + timedelta(hours=1) < told.last
    ]
    if not hours or told.rows < 3 * NEIGHBOURS:
        return []
    moment = found.of(frame.collect_schema()[found.column])
    counts = []
    for k, (start, _) in enumerate(hours):
        for by in (-1, 0, 1):
            low = start + timedelta(hours=by)
            counts.append(((moment >= low) & (moment < low + timedelta(hours=1))).sum().alias(f"{k},{by}"))
    with reading():
        row = frame.select(counts).collect(engine="streaming").row(0, named=True)
    said = []
    for k, (start, skipped) in enumerate(hours):
        before, within, after = (row[f"{k},{by}"] for by in (-1, 0, 1))
        if min(before, after) < NEIGHBOURS:
            continue
        if (skipped and within == 0) or (
            not skipped and within > 1.7 * max(before, after) and within > before + after - 2 * NEIGHBOURS
        ):
            what = (
                "no row of an hour that summer time skips"
                if skipped
                else "twice the rows in an hour that the end of summer time repeats"
            )
            said.append(
                f"{name} has {what} ({start:%Y-%m-%d %H:%M}): times in {found.column!r} look local and were read as UTC; set "
                "[model] timestamp_zone"
            )
    return said[:1]


def _changes(first: int, last: int) -> list[tuple[datetime, bool]]:
    """Starts of the hours that summer time skips (True) or repeats, of Europe (two zones) and North America."""
    found = []
    for year in range(first, last + 1):
        march, october = _sunday(year, 4, -1), _sunday(year, 11, -1)
        found += [(_at(march, hour), True) for hour in (1, 2, 3)]
        found += [(_at(october, hour), False) for hour in (1, 2, 3)]
        found += [(_at(_sunday(year, 3, 1), 2), True), (_at(_sunday(year, 11, 0), 1), False)]
    return found


def _sunday(year: int, month: int, nth: int) -> date:
    """The nth Sunday of a month from 0; -1 for the last one before it."""
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * nth)


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour)
