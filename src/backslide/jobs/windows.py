"""``current = "auto"``: the windows found from the data, at the day on which the metric changed.

The rows after the reference (or, without one, all rows) are read by day; the change point of the headline metric parts them.
Without labels the mean confidence, or the mean prediction, stands in. What is found is an ordinary time range, so a run can be
repeated with it written out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from backslide.case import Case
from backslide.causes.reporting.onset import EPOCH, MONDAY, change_point_of, metric_change_point
from backslide.contracts.config import Settings, is_auto
from backslide.contracts.errors import ConfigError, TimestampError, did_you_mean
from backslide.engine.columns import names
from backslide.engine.sources.open import open_source, parse_time_ranges
from backslide.engine.times.time_format import time_format
from backslide.engine.times.timestamps import time_expression
from backslide.engine.window import open_windows
from backslide.stats.metrics.metric import METRICS, Metric

MIN_DAYS = 6
FIRST_SHARE = 0.25
"""Share of the days that stand for the reference while the change is looked for, where none is given."""
REST_SHARE = 0.25
"""Share of the latest days compared where no change is found."""


@dataclass(frozen=True)
class WindowSources:
    """Both windows as sources or time ranges, and the sentence that says how they came about."""

    reference: Any
    current: str
    note: str


def find_windows(reference: Any, settings: Settings) -> WindowSources:
    """The reference as given (or the days before the change) and the days from the change on.

    Raises:
        ConfigError: no source to look in, or no timestamp.
        TimestampError: fewer than six days to look at.
    """
    first, last = _span(settings)
    source = None if reference is None or is_auto(reference) else reference
    start = _after(source, first, settings)
    days = (last - start).days + 1
    if days < MIN_DAYS:
        raise TimestampError(
            f'[windows] current = "auto" needs at least {MIN_DAYS} days after the reference, found {max(days, 0)} '
            f"({start} to {last}); give a time range"
        )
    if source is None:
        split = start + timedelta(days=max(int(days * FIRST_SHARE), 2))
        before, after = _range(start, split - timedelta(days=1)), _range(split, last)
    else:
        before, after = source, _range(start, last)
    onset = _onset(before, after, settings)
    if onset is None:
        cut = last - timedelta(days=max(int(days * REST_SHARE), 2) - 1)
        note = f"no day was found on which the metric changed; the latest days, {cut} to {last}, were compared"
    else:
        cut = onset
        note = f"the metric changed on {cut}; the days from then on were compared"
    if source is None:
        before = _range(start, cut - timedelta(days=1))
    return WindowSources(before, _range(cut, last), f'windows found by "auto": {note}')


def _span(settings: Settings) -> tuple[date, date]:
    """First and last day of ``[data] source``."""
    column = settings.model.timestamp
    if settings.data.source is None or column is None:
        raise ConfigError(
            '[windows] current = "auto" needs [data] source, the table to look in, and [model] timestamp, its time column'
        )
    return _days_of(
        open_source(settings.data.source, base=settings.base, data=settings.data), settings, "[data] source"
    )


def _days_of(frame: pl.LazyFrame, settings: Settings, what: str) -> tuple[date, date]:
    column = settings.model.timestamp or ""
    schema = frame.collect_schema()
    if column not in schema:
        raise ConfigError(f"[model] timestamp: {what} has no column {column!r}{did_you_mean(column, schema)}")
    time = time_expression(frame, column, schema[column], time_format(settings.model))
    low, high = frame.select(time.min().alias("a"), time.max().alias("b")).collect(engine="streaming").row(0)
    if low is None:
        raise TimestampError(f"column {column!r} of {what} holds no readable time; give time ranges instead")
    return low.date(), high.date()


def _after(reference: Any, first: date, settings: Settings) -> date:
    """The first day to look at: after the reference's last."""
    if reference is None:
        return first
    span = parse_time_ranges(reference)
    if span is not None:
        return (span.end - timedelta(microseconds=1)).date() + timedelta(days=1)
    last = _days_of(open_source(reference, base=settings.base, data=settings.data), settings, "reference")[1]
    return max(first, last + timedelta(days=1))


def _range(low: date, high: date) -> str:
    return f"{low}..{high}"


def _onset(before: Any, after: str, settings: Settings) -> date | None:
    case = Case(open_windows(before, after, settings), settings)
    if case.has_labels:
        at = metric_change_point(case, case.metric)
    else:
        column = names.CONFIDENCE if case.problem.has_scores else names.PREDICTION
        mean = Metric(column, True, "absolute", METRICS["mae"].value)
        at = change_point_of([side.mean_units(column) for side in case.sides], mean)
    if at is None:
        return None
    point, days = at
    return EPOCH + timedelta(days=int(days[point.index]) - MONDAY)
