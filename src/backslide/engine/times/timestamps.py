"""A time column of any type as naive UTC, with what was read and what could not be.

Texts are read value by value: every ISO form, other usual dates and digits since 1970 may stand in one column. What is decided
for a column (whether the day or the month comes first) is decided from all of its rows, in both windows together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from backslide.contracts import say
from backslide.contracts.errors import TimestampError
from backslide.contracts.roles import Roles
from backslide.engine.columns.missing import TOKENS
from backslide.engine.sources.errors import reading
from backslide.engine.times.formats import (
    DAY_FIRST,
    EPOCHS,
    MONTH_FIRST,
    YEAR_FIRST,
    Form,
    epoch,
    form_of,
    local,
    named,
    shape,
)
from backslide.engine.times.time_format import TimeFormat

UNREADABLE = 0.001
"""Share of a column's values that may be no times; above it the column is refused."""
ISOLATED = timedelta(days=30)
"""Between the last ordinary row and rows in the future from which on these are no times but placeholders."""
FEW = 0.05
"""Share of the rows up to which rows far in the future are no times."""
_UNSET = (datetime(1901, 12, 31), datetime(1970, 1, 1), datetime(1970, 1, 2), datetime(1972, 1, 1))
"""Times up to the first, or from the second to the third, stand for none in a column of times after the last."""
SHAPES = 5_000
"""Distinct shapes looked at; a column of times has a few."""
Naive = pl.Datetime("us")


@dataclass(frozen=True)
class TimeCounts:
    """Counts of one frame."""

    rows: int = 0
    missing: int = 0
    """Without a value."""
    unreadable: int = 0
    example: str | None = None
    unset: int = 0
    """Of 1970-01-01 and the like, where other rows are of later years."""
    future: int = 0
    zoned: int = 0
    """Texts that say their offset."""
    naive: int = 0
    first: datetime | None = None
    last: datetime | None = None
    """Of the ordinary rows."""
    nearest: datetime | None = None
    latest: datetime | None = None
    """Of the rows in the future."""
    units: tuple[str, ...] = ()
    """Of numbers since 1970."""


@dataclass(frozen=True)
class TimeReading:
    """How one time column is read, in all frames it was read from."""

    column: str
    forms: tuple[Form, ...] = ()
    """Of texts, in the order tried."""
    told: Mapping[str, TimeCounts] = field(default_factory=dict)
    zone: str | None = None
    units: tuple[str, ...] = tuple(EPOCHS)
    alone: bool = False
    """Whether the only form reads every text, so that none need be picked for it."""
    unset: bool = False
    until: datetime | None = None
    """Times after it are none: rows far in the future."""

    def of(self, dtype: pl.DataType) -> pl.Expr:
        """The column of this type as naive UTC ``Datetime("us")``; null where it holds no time."""
        moment = self.raw(dtype)
        if self.unset:
            moment = pl.when(~_is_unset(moment)).then(moment)
        return moment if self.until is None else pl.when(moment <= self.until).then(moment)

    def raw(self, dtype: pl.DataType) -> pl.Expr:
        """The same with placeholders."""
        value = pl.col(self.column)
        if dtype == pl.Null:
            return pl.lit(None, dtype=Naive)
        if dtype == pl.Date:
            return local(value.cast(Naive), self.zone)
        if isinstance(dtype, pl.Datetime):
            if dtype.time_zone:
                return value.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(Naive)
            return local(value.cast(Naive), self.zone)
        if dtype.is_numeric():
            return self._number(value, dtype)
        if is_text(dtype):
            return self._text(plain(value))
        raise TimestampError(
            f"timestamp {self.column!r}: expected dates, datetimes, texts or Unix epochs, found {dtype}"
        )

    def _number(self, value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
        number = value.cast(pl.Float64) if dtype.is_decimal() or dtype == pl.Float32 else value
        moment = epoch(number.fill_nan(None) if dtype.is_float() else number, self.units)
        for form in self.forms:
            if form.pattern and not form.between:
                moment = pl.coalesce(form.read(number.cast(pl.Int64, strict=False).cast(pl.String), self.zone), moment)
        return moment

    def _text(self, text: pl.Expr) -> pl.Expr:
        if not self.forms:
            return pl.lit(None, dtype=Naive)
        if self.alone:
            return self.forms[0].read(text, self.zone)
        return pl.coalesce(
            form.read(pl.when(text.str.contains(form.regex)).then(text), self.zone) for form in self.forms
        )


def in_place(frame: pl.LazyFrame, reading: TimeReading, roles: Roles) -> pl.LazyFrame:
    """Rows with the time column in UTC, so that no look at fewer rows reads it otherwise; a feature stays as it is.

    It is naive unless the configuration names a zone for naive times, in which it would be read a second time.
    """
    dtype = frame.collect_schema()[reading.column]
    if reading.column in (roles.features or ()):
        return frame
    moment = reading.of(dtype)
    if roles.timestamp_zone is not None:
        moment = moment.dt.replace_time_zone("UTC")
    return frame.with_columns(moment.alias(reading.column))


def time_expression(frame: pl.LazyFrame, column: str, dtype: pl.DataType, form: TimeFormat | None = None) -> pl.Expr:
    """An expression for ``column`` as naive UTC ``Datetime("us")``, from the rows of one frame.

    Raises:
        TimestampError: when the column holds something else; shows a value that could not be read.
    """
    return read_times({"": frame}, column, form).of(dtype)


def read_times(frames: Mapping[str, pl.LazyFrame], column: str, form: TimeFormat | None = None) -> TimeReading:
    """How ``column`` is to be read, decided from all rows of all frames together.

    Args:
        frames: words for each (``"reference"``) -> its rows; all hold ``column``, perhaps of different types.

    Raises:
        TimestampError: more than ``UNREADABLE`` of a frame's values are no times, or day and month cannot be told apart.
        ConfigError: ``form`` is no format.
    """
    setting = form or TimeFormat()
    dtypes = {name: frame.collect_schema()[column] for name, frame in frames.items()}
    reading = TimeReading(column, zone=setting.zone)
    for dtype in dtypes.values():
        reading.raw(dtype)  # a type that holds no times is refused before anything is read
    fixed, order, units = named(setting.format) if setting.format is not None else (None, None, ())
    texts = {name: frame for name, frame in frames.items() if is_text(dtypes[name])}
    numbers = {name: frame for name, frame in frames.items() if dtypes[name].is_numeric()}
    known: dict[str, dict[str, int]] = {}
    if fixed is not None:
        reading = TimeReading(column, (fixed,), zone=setting.zone, alone=True)
    elif texts:
        known = {name: _shapes(frame, column) for name, frame in texts.items()}
        reading = _forms(reading, known, texts, order, setting.order)
    if units:
        reading = TimeReading(
            column, tuple(f for f in reading.forms if f.unit in ("", *units)), zone=setting.zone, units=units
        )
    if numbers and fixed is None and not units:
        reading = _digits(reading, numbers)
    by_window = {name: _count(reading, frame, dtypes[name], known.get(name, {})) for name, frame in frames.items()}
    for name, counts in by_window.items():
        _refuse(reading, name, counts, setting)
    return _without_placeholders(reading, by_window)


def is_text(dtype: pl.DataType) -> bool:
    """Whether values are texts."""
    return dtype in (pl.String, pl.Categorical) or isinstance(dtype, pl.Enum)


def plain(value: pl.Expr) -> pl.Expr:
    """Texts without spaces around them and the name of a zone behind its offset; null where they stand for a missing value."""
    text = value.cast(pl.String).str.strip_chars()
    text = text.str.replace(r"\[[A-Za-z_/]+\]$", "")
    return pl.when(~text.is_in([*TOKENS, ""])).then(text)


def _shapes(frame: pl.LazyFrame, column: str) -> dict[str, int]:
    """Shape -> rows, the most frequent ones."""
    shapes = frame.select(shape(plain(pl.col(column))).alias("shape")).drop_nulls()
    with reading():
        table = shapes.group_by("shape").len().sort("len", "shape", descending=[True, False]).head(SHAPES)
        return {str(text): int(rows) for text, rows in table.collect(engine="streaming").iter_rows()}


def _forms(
    reading: TimeReading,
    known: Mapping[str, dict[str, int]],
    frames: Mapping[str, pl.LazyFrame],
    order: str | None,
    usual: str | None,
) -> TimeReading:
    shapes: dict[str, int] = {}
    for counts in known.values():
        for text, rows in counts.items():
            shapes[text] = shapes.get(text, 0) + rows
    forms_of = {text: form_of(text) for text in shapes}
    forms = tuple(dict.fromkeys(form for form in forms_of.values() if form is not None))
    if order == "iso":
        forms = tuple(f for f in forms if not f.between and not f.unit and "%B" not in f.pattern)
        order = None
    every = all(forms_of.values()) and len(forms) == 1 and len(shapes) < SHAPES
    if any(form.between for form in forms):
        forms = _ordered(reading, forms, frames, order, usual)
    return TimeReading(reading.column, forms, zone=reading.zone, alone=every)


def _ordered(
    reading: TimeReading,
    forms: tuple[Form, ...],
    frames: Mapping[str, pl.LazyFrame],
    order: str | None,
    usual: str | None,
) -> tuple[Form, ...]:
    """Forms with day and month in the order that all rows of all frames allow."""
    if order is not None:
        return tuple(form.ordered(order) for form in forms)
    chosen = []
    decided: dict[str, str] = {}
    for by in dict.fromkeys(form.between for form in forms if form.between):
        these = [form for form in forms if form.between == by]
        decided[by] = _order(reading, these, frames, usual)
    for form in forms:
        chosen.append(form.ordered(decided[form.between]) if form.between else form)
    return tuple(chosen)


def _order(times: TimeReading, forms: list[Form], frames: Mapping[str, pl.LazyFrame], usual: str | None) -> str:
    by = forms[0].between
    orders = [DAY_FIRST, MONTH_FIRST]
    if by == "-" and any("%y" in form.pattern for form in forms):
        orders.append(YEAR_FIRST)
    text = plain(pl.col(times.column))
    mine = text.str.contains("|".join(form.regex for form in forms))
    read = {
        order: TimeReading(times.column, tuple(f.ordered(order) for f in forms), zone=None)._text(text)
        for order in orders
    }
    select = [mine.sum().alias("rows"), text.filter(mine).first().alias("any")]
    for order, moment in read.items():
        bad = mine & moment.is_null()
        select += [bad.sum().alias(order), text.filter(bad).first().alias(f"not {order}")]
    with reading():
        tables = [frame.select(select).collect(engine="streaming").row(0, named=True) for frame in frames.values()]
    rows = sum(table["rows"] for table in tables)
    failed = {order: sum(table[order] for table in tables) for order in orders}
    best = min(failed.values())
    fitting = [order for order in orders if failed[order] == best]
    if best > UNREADABLE * rows:
        shown = [next((t[f"not {o}"] for t in tables if t[f"not {o}"] is not None), None) for o in orders[:2]]
        raise TimestampError(
            f"timestamp {times.column!r}: {shown[0]!r} is not day{by}month and {shown[1]!r} is not "
            f"month{by}day, so neither order "
            "fits all rows; write the times alike (ISO 8601 is best), or set [model] timestamp_format"
        )
    if len(fitting) == 1:
        return fitting[0]
    if usual in fitting or (by == "." and DAY_FIRST in fitting):
        return usual if usual in fitting else DAY_FIRST
    example = next((table["any"] for table in tables if table["any"] is not None), "")
    patterns = " or ".join(f'"{forms[0].ordered(order).pattern}"' for order in reversed(fitting)).replace("%.f", "")
    raise TimestampError(
        f"timestamp {times.column!r}: it is not clear whether the day or the month comes first in {example!r}: every row "
        f"fits both; set [model] timestamp_format = {patterns}"
    )


def _digits(times: TimeReading, frames: Mapping[str, pl.LazyFrame]) -> TimeReading:
    """With 20260301 and 20260301101500 as dates and times, where a column of numbers holds nothing else."""
    value = pl.col(times.column).cast(pl.Float64).fill_nan(None)
    ranges = {8: (19_000_101, 21_001_231), 14: (19_000_101_000_000, 21_001_231_235_959)}
    inside = [(value.is_between(*ends) & (value == value.round())).sum().alias(str(n)) for n, ends in ranges.items()]
    with reading():
        tables = [
            frame.select(value.count().alias("n"), *inside).collect(engine="streaming").row(0, named=True)
            for frame in frames.values()
        ]
    known = sum(table["n"] for table in tables)
    forms = list(times.forms)
    for digits in ranges:
        form = form_of("0" * digits)
        if form is not None and known and sum(table[str(digits)] for table in tables) >= (1 - UNREADABLE) * known:
            forms.append(form)
    return TimeReading(times.column, tuple(dict.fromkeys(forms)), zone=times.zone, alone=times.alone)


def _count(times: TimeReading, frame: pl.LazyFrame, dtype: pl.DataType, shapes: Mapping[str, int]) -> TimeCounts:
    value = pl.col(times.column)
    raw = plain(value) if is_text(dtype) else value.fill_nan(None) if dtype.is_float() else value
    moment = times.raw(dtype)
    unset, future = _is_unset(moment), moment > _now()
    ordinary, ahead = moment.filter(~unset & ~future), moment.filter(future)
    bad = raw.is_not_null() & moment.is_null()
    select = {
        "rows": pl.len(),
        "missing": raw.null_count(),
        "unreadable": bad.sum(),
        "unset": unset.sum(),
        "future": future.sum(),
        "example": raw.filter(bad).first().cast(pl.String),
        "first": ordinary.min(),
        "last": ordinary.max(),
        "nearest": ahead.min(),
        "latest": ahead.max(),
    }
    if dtype.is_numeric():
        select |= {unit: raw.is_between(*EPOCHS[unit], closed="left").sum() for unit in EPOCHS}
    with reading():
        row: dict[str, Any] = frame.select(**select).collect(engine="streaming").row(0, named=True)
    units = tuple(unit for unit in EPOCHS if row.pop(unit, 0))
    forms = {text: form for text in shapes if (form := form_of(text)) is not None}
    zoned = sum(shapes[text] for text, form in forms.items() if form.zoned or form.utc or form.unit)
    naive = sum(shapes[text] for text in forms) - zoned
    if isinstance(dtype, pl.Datetime):
        zoned, naive = (row["rows"], 0) if dtype.time_zone else (0, row["rows"])
    return TimeCounts(**row, zoned=zoned, naive=naive, units=units)


def _refuse(reading: TimeReading, name: str, counts: TimeCounts, setting: TimeFormat) -> None:
    known = counts.rows - counts.missing
    if counts.unreadable <= UNREADABLE * known:
        return
    where = f" of {name}" if name else ""
    how = "such as 2026-03-01T12:00:00; correct them, or set [model] timestamp_format"
    if setting.format is not None:
        how = f'written as [model] timestamp_format = "{setting.format}" says'
    if setting.zone is not None:
        how += f"; in {setting.zone} summer time skips an hour"
    raise TimestampError(
        f"timestamp {reading.column!r}: {say.count(counts.unreadable)} of {say.count(known)} values{where} "
        "cannot be read as times, such as "
        f"{counts.example!r}; expected ISO 8601, other usual dates or Unix epochs {how}"
    )


def _without_placeholders(
    reading: TimeReading,
    counts: dict[str, TimeCounts],
) -> TimeReading:
    """Rows of 1970 among later ones, and a few far in the future, hold no time."""
    first = min((t.first for t in counts.values() if t.first is not None), default=None)
    last = max((t.last for t in counts.values() if t.last is not None), default=None)
    unset = sum(t.unset for t in counts.values())
    future = sum(t.future for t in counts.values())
    ordinary = sum(t.rows - t.missing - t.unreadable - t.unset - t.future for t in counts.values())
    drop = 0 < unset < ordinary and first is not None and first >= _UNSET[3]
    ahead = min((t.nearest for t in counts.values() if t.nearest is not None), default=None)
    far = future < FEW * ordinary and ahead is not None and last is not None and ahead - last > ISOLATED
    return TimeReading(
        reading.column, reading.forms, counts, reading.zone, reading.units, reading.alone, drop, _now() if far else None
    )


def _is_unset(moment: pl.Expr) -> pl.Expr:
    return (moment <= _UNSET[0]) | moment.is_between(_UNSET[1], _UNSET[2])


def _now() -> datetime:
    """The end of tomorrow: clocks of other zones are ahead of UTC."""
    return datetime.combine(datetime.now(UTC).date(), datetime.min.time()) + timedelta(days=2)
