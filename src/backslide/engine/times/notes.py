"""What must be said of how times were read: forms, zones, rows without one, hours that summer time skips."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import polars as pl

from backslide.contracts import say
from backslide.engine.sources.errors import reading
from backslide.engine.times.formats import Form
from backslide.engine.times.timestamps import TimeCounts, TimeReading

NEIGHBOURS = 20
"""Rows in the hours beside it from which on an empty or doubled hour says something."""
YEARS = 20
"""Span of the times up to which the hours of summer time are looked at."""


def time_notes(reading: TimeReading, frames: Mapping[str, pl.LazyFrame]) -> list[str]:
    """Sentences about a time column, the frames named as they were when it was read."""
    notes = [*_forms(reading), *_zones(reading), *_units(reading)]
    for name, counts in reading.told.items():
        notes += _rows(reading, name, counts)
        notes += _summer_time(reading, name, counts, frames[name])
        notes += _repeated_hours(reading, name, counts, frames[name])
    return notes


def _forms(reading: TimeReading) -> list[str]:
    doubtful = [form for form in reading.forms if form.between]
    sentences = []
    if doubtful:
        order = {"%d": "day", "%m": "month"}.get(doubtful[0].pattern[:2], "year")
        sentences.append(
            f"times in {reading.column!r} were read {order} first, as {doubtful[0].pattern.replace('%.f', '')}"
        )
    patterns = list(dict.fromkeys(_words(form) for form in reading.forms))
    if len(patterns) > 1 and not reading.alone:
        sentences.append(
            f"times in {reading.column!r} are written in {len(patterns)} ways, each read by its own: {say.listed(patterns)}"
        )
    return sentences


def _words(form: Form) -> str:
    if form.unit:
        return {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}[
            form.unit
        ] + " since 1970"
    return form.pattern.replace("%.f", "").replace("%#z", "+00:00").replace("%B", "%b").replace("%A", "%a")


def _zones(reading: TimeReading) -> list[str]:
    zoned = sum(counts.zoned for counts in reading.told.values())
    naive = {name: counts.naive for name, counts in reading.told.items() if counts.naive}
    if not zoned or not naive:
        return []
    where = " and ".join(f"{say.count(rows)} of {name}" for name, rows in naive.items())
    read = "UTC" if reading.zone is None else reading.zone
    return [
        f"times in {reading.column!r} without a zone ({where}) stand beside ones with a zone; they were read as {read}"
    ]


def _units(reading: TimeReading) -> list[str]:
    units = list(dict.fromkeys(unit for counts in reading.told.values() for unit in counts.units))
    if len(units) < 2:
        return []
    return [
        f"times in {reading.column!r} count since 1970 in different units ({', '.join(units)}), each read by its magnitude"
    ]


def _rows(reading: TimeReading, name: str, counts: TimeCounts) -> list[str]:
    sentences = []
    if counts.unreadable:
        sentences.append(
            f"{say.count(counts.unreadable)} of {say.count(counts.rows)} rows of {name} hold no readable time "
            f"in {reading.column!r}, such as "
            f"{counts.example!r}"
        )
    if counts.unset and reading.unset:
        sentences.append(
            f"{say.count(counts.unset)} rows of {name} hold a time of 1970 or before in {reading.column!r}, a "
            "placeholder: they count as "
            "rows without a time"
        )
    if counts.future and reading.until is not None:
        sentences.append(
            f"{say.count(counts.future)} rows of {name} lie far in the future in {reading.column!r} (up to "
            f"{_day(counts.latest)}): they count "
            "as rows without a time"
        )
    elif counts.future and 2 * counts.future < counts.rows:
        sentences.append(
            f"{say.count(counts.future)} rows of {name} lie in the future in {reading.column!r} (up to {_day(counts.latest)})"
        )
    return sentences


def _day(moment: datetime | None) -> str:
    return "" if moment is None else moment.date().isoformat()


def _summer_time(times: TimeReading, name: str, rows: TimeCounts, frame: pl.LazyFrame) -> list[str]:
    """Whether naive times look local: no row in the hour that summer time skips, twice as many in the one it repeats."""
    if (not rows.naive and not (times.forms == () and not rows.zoned)) or times.zone is not None:
        return []
    if rows.first is None or rows.last is None or rows.last.year - rows.first.year > YEARS or rows.units:
        return []
    hours = [
        hour
        for hour in _changes(rows.first.year, rows.last.year)
        if rows.first < hour[0] and hour[0] + timedelta(hours=1) < rows.last
    ]
    if not hours or rows.rows < 3 * NEIGHBOURS:
        return []
    moment = times.of(frame.collect_schema()[times.column])
    counts = []
    for k, (start, _) in enumerate(hours):
        for by in (-1, 0, 1):
            low = start + timedelta(hours=by)
            counts.append(((moment >= low) & (moment < low + timedelta(hours=1))).sum().alias(f"{k},{by}"))
    with reading():
        row = frame.select(counts).collect(engine="streaming").row(0, named=True)
    sentences = []
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
            sentences.append(
                f"{name} has {what} ({start:%Y-%m-%d %H:%M}): times in {times.column!r} look local and were read as UTC; set "
                "[model] timestamp_zone"
            )
    return sentences[:1]


def _repeated_hours(times: TimeReading, name: str, rows: TimeCounts, frame: pl.LazyFrame) -> list[str]:
    """How many naive times of a named zone lie in an hour that it has twice; which of the two was meant, nothing says."""
    if times.zone is None or not rows.naive or rows.first is None or rows.last is None:
        return []
    if rows.last.year - rows.first.year > YEARS:
        return []
    spans = _set_back(times.zone, rows.first, rows.last)
    if not spans:
        return []
    moment = times.of(frame.collect_schema()[times.column])
    inside = pl.any_horizontal([(moment >= start) & (moment < end) for start, end in spans])
    with reading():
        count = int(frame.select(inside.sum()).collect(engine="streaming").item())
    if not count:
        return []
    return [
        f"{say.count(count)} rows of {name} lie in an hour that the end of summer time repeats in {times.zone}: they were read "
        f"as the first of the two; write {times.column!r} in UTC or with its offset to keep them apart"
    ]


def _set_back(zone: str, first: datetime, last: datetime) -> list[tuple[datetime, datetime]]:
    """Stretches of naive UTC whose wall-clock times come again right after them."""
    from zoneinfo import ZoneInfo

    place = ZoneInfo(zone)

    def offset(moment: datetime) -> timedelta:
        return moment.replace(tzinfo=UTC).astimezone(place).utcoffset() or timedelta()

    spans = []
    day = datetime(first.year, first.month, first.day) - timedelta(days=1)
    while day <= last:
        following = day + timedelta(days=1)
        back = offset(day) - offset(following)
        if back > timedelta():
            minutes = (day + timedelta(minutes=15 * k) for k in range(1, 97))
            change = next(moment for moment in minutes if offset(moment) == offset(following))
            spans.append((change - back, change))
        day = following
    return spans


def _changes(first: int, last: int) -> list[tuple[datetime, bool]]:
    """Starts of the hours that summer time skips (True) or repeats, of Europe (two zones) and North America."""
    changes = []
    for year in range(first, last + 1):
        march, october = _sunday(year, 4, -1), _sunday(year, 11, -1)
        changes += [(_at(march, hour), True) for hour in (1, 2, 3)]
        changes += [(_at(october, hour), False) for hour in (1, 2, 3)]
        changes += [(_at(_sunday(year, 3, 1), 2), True), (_at(_sunday(year, 11, 0), 1), False)]
    return changes


def _sunday(year: int, month: int, nth: int) -> date:
    """The nth Sunday of a month from 0; -1 for the last one before it."""
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * nth)


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour)
