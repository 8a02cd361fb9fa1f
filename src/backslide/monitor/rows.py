"""The rows that are watched: the reference, and what came after it; with labels as they were known at an age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from backslide.contracts.config import Settings, is_auto
from backslide.contracts.errors import ConfigError, SourceError, TimestampError
from backslide.engine.columns import names
from backslide.engine.profile.daily_profiles import UNDATED
from backslide.engine.sources.errors import reading
from backslide.engine.sources.weighted_rows import open_weighted
from backslide.engine.sources.window_source import Cutting
from backslide.engine.stored_window import StoredPeriod, open_stored, stored_period
from backslide.engine.times.notes import time_notes
from backslide.engine.times.time_format import other_time_format, time_format
from backslide.engine.times.time_range import TimeRange, TimeRanges
from backslide.engine.times.timestamps import TimeReading, in_place, read_times, time_expression
from backslide.engine.window import Window, WindowPair, open_windows
from backslide.monitor.periods import MONDAY, PERIOD, PeriodGrid

NOT_WATCHED = (
    "the reference is a stored profile, which holds no rows: data faults, canary rows, estimates without labels and the ages of "
    "labels, which are learned from rows, are not watched"
)
SERVED, LABELLED = "__served", "__labelled"
INDEX = "__index"


@dataclass(frozen=True)
class PeriodRows:
    """Raw rows of the reference and after it, with their times in ``SERVED`` and ``LABELLED`` where there are any."""

    reference: pl.LazyFrame
    later: pl.LazyFrame
    settings: Settings
    grid: PeriodGrid
    has_label_times: bool
    notes: tuple[str, ...] = ()
    """How files and times were read."""
    stored: StoredPeriod | None = None
    """The reference where it is a stored profile; ``reference`` then holds no rows."""
    stored_later: StoredPeriod | None = None
    """What came after it, where that is a stored profile as well; ``later`` then holds no rows."""
    every: pl.LazyFrame | None = None
    """All later rows, where ``later`` holds those alone that are to be read."""
    held: Mapping[int, int] | None = None
    """Rows of every later period, where they are counted already."""

    @property
    def windows(self) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        """Both."""
        return self.reference, self.later


def open_rows(
    settings: Settings, grid: PeriodGrid, as_of: datetime, *, reference: Any = None, later: Any = None
) -> PeriodRows:
    """The watched rows up to ``as_of``; labels that came later are not there yet.

    ``reference`` and ``later`` are tables, paths or time ranges; default: as configured.

    Raises:
        ConfigError: no reference, nothing to watch, or no timestamp where periods are stretches of time.
    """
    model = settings.model
    if model.timestamp is None and grid.timed:
        raise ConfigError(
            'watching needs [model] timestamp, the time column; without one set [watch] period = "5000 rows"'
        )
    asked = settings.windows.reference if reference is None else reference
    stored = stored_period(asked, settings)
    if stored is not None:
        return _open_after(stored, settings, grid, as_of, later)
    cutting = Cutting(settings)
    before = cutting.window("reference", asked)[0]
    rest = _later(settings, cutting) if later is None else (cutting.window("current", later)[0], False)
    if rest[1] or cutting.times is None or not cutting.spans.keys() >= {"reference", "current"}:
        before, after, times = _read_alike(before, *rest, cutting)
    else:  # both are time ranges over one source, whose times were read together
        after, times = rest[0], cutting.times
    frames, late = [], False
    for frame in (before, after):
        frame, has = _with_times(frame, settings, as_of, times)
        frames.append(frame)
        late = late or has
    return PeriodRows(frames[0], frames[1], settings, grid, late, tuple(dict.fromkeys(cutting.notes)))


def _open_after(stored: StoredPeriod, settings: Settings, grid: PeriodGrid, as_of: datetime, later: Any) -> PeriodRows:
    """The rows after the days of a stored profile; those of the profile itself are not there."""
    if grid.name not in ("day", "week"):
        raise ConfigError(
            f'stored profiles hold whole days, and [watch] period is "{grid.name}"; set it to "day" or "week", or name rows as '
            "the reference"
        )
    roles = stored.store.manifest.problem.roles
    if settings.model.timestamp is None:
        settings = settings.model_copy(
            update={"model": settings.model.model_copy(update={"timestamp": roles.timestamp, "label": roles.label})}
        )
    column = settings.model.timestamp
    source = later if later is not None else settings.windows.current
    rest = source is None or is_auto(source)
    source = settings.data.source if rest else source
    if source is None or column is None:
        raise ConfigError(
            "nothing to monitor: set [data] source, or [windows] current to a source that grows, and [model] timestamp"
        )
    days = [day for day in stored.store.days_within(stored.span) if day != UNDATED]
    after = datetime.fromisoformat(days[-1]) + timedelta(days=1) if rest and days else None
    known = stored_period(source, settings)
    if known is not None:
        end = max(
            datetime(as_of.year, as_of.month, as_of.day), after or datetime.min
        )  # a day that is not over is not known yet
        span = TimeRanges((TimeRange(after or datetime(1, 1, 1), end),))
        nothing = pl.LazyFrame(schema={SERVED: pl.Datetime("us")})
        known = known if known.span is not None else replace(known, span=span)
        return PeriodRows(nothing, nothing, settings, grid, False, (NOT_WATCHED,), stored, known)
    cutting = Cutting(settings)
    frame = cutting.window("current", source)[0]
    times = read_times({"the rows after it": frame}, column, time_format(settings.model))
    cutting.notes += time_notes(times, {"the rows after it": frame})
    frame, _ = _with_times(in_place(frame, times, settings.model), settings, as_of, times)
    if after is not None:
        frame = frame.filter(pl.col(SERVED) >= after)
    notes = tuple(dict.fromkeys([*cutting.notes, NOT_WATCHED]))
    return PeriodRows(plain(frame).clear(), frame, settings, grid, False, notes, stored)


def _later(settings: Settings, cutting: Cutting) -> tuple[pl.LazyFrame, bool]:
    """What came after the reference: the current window, or ``[data] source``, of which the rest is meant (True)."""
    current, column = settings.windows.current, settings.model.timestamp
    if current is not None and not is_auto(current):
        return cutting.window("current", current)[0], False
    if settings.data.source is None:
        raise ConfigError("nothing to monitor: set [data] source, or [windows] current to a source that grows")
    if column is None:
        raise ConfigError("[data] source needs [model] timestamp to tell the reference from what came after it")
    if cutting.timed is not None:  # the reference is a time range over it
        end = cutting.spans["reference"].end
        cutting.spans["current"] = TimeRanges((TimeRange(end, datetime.max),))
        return cutting.timed.filter(pl.col(names.TIME) >= end).drop(names.TIME), False
    frame = open_weighted(settings.data.source, settings, cutting.notes)
    if column not in frame.collect_schema():
        raise TimestampError(f"[data] source has no column {column!r} (role: timestamp)")
    return frame, True


def _read_alike(
    before: pl.LazyFrame, after: pl.LazyFrame, rest: bool, cutting: Cutting
) -> tuple[pl.LazyFrame, pl.LazyFrame, TimeReading | None]:
    """Both with times that were read together, and how; of a whole source the rows after the reference's last."""
    settings = cutting.settings
    column, frames = settings.model.timestamp, {"the reference": before, "the rows after it": after}
    if column is None or any(column not in frame.collect_schema() for frame in frames.values()):
        return before, after, None
    times = read_times(frames, column, time_format(settings.model))
    cutting.notes += time_notes(times, frames)
    if rest:
        first, second = (times.of(frame.collect_schema()[column]) for frame in frames.values())
        with reading():
            last = before.select(first.max()).collect(engine="streaming").item()
        if last is None:
            raise SourceError("the reference holds no readable time")
        after = after.filter(second > last)
    return in_place(before, times, settings.model), in_place(after, times, settings.model), times


def _with_times(
    frame: pl.LazyFrame, settings: Settings, as_of: datetime, times: TimeReading | None
) -> tuple[pl.LazyFrame, bool]:
    """Rows up to ``as_of`` with their times, and whether they say when labels came; ``times`` as they were read, if they were."""
    model, schema = settings.model, frame.collect_schema()
    if model.timestamp is not None and model.timestamp in schema:
        dtype = schema[model.timestamp]
        form = time_format(model)
        time = time_expression(frame, model.timestamp, dtype, form) if times is None else times.of(dtype)
        frame = frame.with_columns(time.alias(SERVED)).filter(pl.col(SERVED) < as_of)
    if model.label is None or model.label_time is None or model.label_time not in schema or model.label not in schema:
        return frame, False
    came = time_expression(frame, model.label_time, schema[model.label_time], other_time_format(model))
    known = came.is_null() | (came <= as_of)
    return frame.with_columns(came.alias(LABELLED), pl.when(known).then(pl.col(model.label)).alias(model.label)), True


def at_age(rows: PeriodRows, age: int | None) -> PeriodRows:
    """The rows with only the labels that had come ``age`` periods after their period ended; all of them for None."""
    if age is None or not rows.has_label_times or rows.grid.length is None or rows.settings.model.label is None:
        return rows
    label, length = rows.settings.model.label, rows.grid.length

    def aged(frame: pl.LazyFrame) -> pl.LazyFrame:
        if LABELLED not in frame.collect_schema():
            return frame
        end = pl.lit(MONDAY) + (rows.grid.expression(SERVED) + 1 + age) * pl.lit(length)
        known = pl.col(LABELLED).is_null() | (pl.col(LABELLED) <= end.cast(pl.Datetime("us")))
        return frame.with_columns(pl.when(known).then(pl.col(label)).alias(label))

    return replace(rows, reference=aged(rows.reference), later=aged(rows.later))


def open_both(rows: PeriodRows) -> WindowPair:
    """Both windows, prepared."""
    if rows.stored is not None:
        pair = open_stored(rows.stored, rows.stored_later or plain(rows.later), rows.settings)
        assert pair is not None
        return replace(pair, notes=tuple(dict.fromkeys([*rows.notes, *pair.notes])))
    order = [SERVED] if rows.settings.model.timestamp is not None and not rows.grid.timed else []
    sides = [frame.sort(SERVED, maintain_order=True) if order else frame for frame in rows.windows]
    pair = open_windows(plain(sides[0]), plain(sides[1]), rows.settings)
    return replace(pair, notes=tuple(dict.fromkeys([*rows.notes, *pair.notes])))


def with_every_row(rows: PeriodRows) -> PeriodRows:
    """The rows with all later ones, whichever are to be read."""
    return rows if rows.every is None else replace(rows, later=rows.every, every=None)


def between(rows: PeriodRows, first: int, last: int) -> PeriodRows:
    """The rows with only periods ``first`` to ``last`` after the reference."""
    grid, rows = rows.grid, with_every_row(rows)
    if rows.stored_later is not None:
        span = TimeRanges((TimeRange(grid.start(first), grid.end(last)),))
        return replace(rows, stored_later=replace(rows.stored_later, span=span))
    if grid.timed:
        inside = (pl.col(SERVED) >= grid.start(first)) & (pl.col(SERVED) < grid.end(last))
        return replace(rows, later=rows.later.filter(inside))
    assert grid.rows is not None
    ordered = rows.later.sort(SERVED, maintain_order=True) if rows.settings.model.timestamp is not None else rows.later
    return replace(rows, later=ordered.slice(first * grid.rows, (last - first + 1) * grid.rows))


def plain(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Rows without the columns that watching adds."""
    return frame.drop([c for c in (SERVED, LABELLED) if c in frame.collect_schema()])


def numbered_between(rows: PeriodRows, first: int, last: int) -> pl.LazyFrame:
    """Later raw rows with the number of each one's period: at least those of periods ``first`` to ``last``."""
    return number_periods(between(rows, first, last) if rows.grid.timed else with_every_row(rows), reference=False)


def number_periods(rows: PeriodRows, *, reference: bool) -> pl.LazyFrame:
    """Raw rows with the number of each one's period, as ``with_periods`` numbers prepared ones."""
    frame, grid = rows.reference if reference else rows.later, rows.grid
    if grid.timed:
        return frame.with_columns(grid.expression(SERVED))
    assert grid.rows is not None
    ordered = frame.sort(SERVED, maintain_order=True) if rows.settings.model.timestamp is not None else frame
    number, whole = (x.cast(pl.Int64) for x in (pl.int_range(pl.len()) // grid.rows, pl.len() // grid.rows))
    shown = number - whole if reference else number
    return ordered.with_columns(pl.when(number < whole).then(shown).alias(PERIOD))


def with_periods(window: Window, grid: PeriodGrid, *, reference: bool) -> pl.LazyFrame:
    """A prepared window with the number of each row's period; incomplete numbers of rows are left out."""
    if grid.timed:
        return window.frame.with_columns(grid.expression(names.TIME))
    assert grid.rows is not None
    whole = window.rows // grid.rows
    frame = window.frame.with_row_index(INDEX)
    number = (pl.col(INDEX) // grid.rows).cast(pl.Int64) - (whole if reference else 0)
    return frame.filter(pl.col(INDEX) < whole * grid.rows).with_columns(number.alias(PERIOD)).drop(INDEX)
