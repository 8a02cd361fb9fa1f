"""The raw rows of a window: a source as it is, or a time range and a model version over one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.errors import ColumnError, ConfigError, did_you_mean
from backslide.engine.columns import names
from backslide.engine.roles import types
from backslide.engine.roles.derive import label_expression
from backslide.engine.sources.errors import reading
from backslide.engine.sources.open import describe, parse_time_ranges
from backslide.engine.sources.snapshot import is_snapshot, open_snapshot
from backslide.engine.sources.weighted_rows import open_weighted
from backslide.engine.times.notes import time_notes
from backslide.engine.times.time_format import time_format
from backslide.engine.times.time_range import TimeRanges
from backslide.engine.times.timestamps import TimeReading, in_place, read_times

SOURCE = "[data] source"


@dataclass
class Cutting:
    """What both windows of one run share: the source that time ranges cut, read once, and what must be said."""

    settings: Settings
    notes: list[str] = field(default_factory=list)
    spans: dict[str, TimeRanges] = field(default_factory=dict)
    """Window -> its time ranges."""
    source: pl.LazyFrame | None = None
    """With times as they are."""
    timed: pl.LazyFrame | None = None
    """With times as naive UTC in ``names.TIME``."""
    times: TimeReading | None = None

    def __post_init__(self) -> None:
        kind = self.settings.engine.kind
        if kind != "local":
            raise ConfigError(
                f'[engine] kind = "{kind}" serves `backslide diagnose` and `backslide log profile`; what needs rows runs here: '
                "leave kind out"
            )

    def window(self, name: str, source: Any) -> tuple[pl.LazyFrame, str]:
        """The raw rows of a window, and words for them.

        Raises:
            SourceError, ColumnError, ConfigError, TimestampError: one line each, see the exception classes.
        """
        settings = self.settings
        if source is None:
            raise ConfigError(f"no {name} window: set [windows] {name} or give --{name}")
        if isinstance(source, str) and source.strip() == "auto":
            raise ConfigError(
                f'[windows] {name} = "auto" is not supported by this version; give a path or a time range'
            )
        span = parse_time_ranges(source)
        if span is not None:
            written = source if isinstance(source, str) else say.listed(source, len(source))
            frame = self._within(name, written, span)
            text = f"{describe(settings.data.source)}, {written}"
        elif is_snapshot(source, settings.base):
            frame, text = open_snapshot(source, settings.base, settings.model)
        else:
            frame, text = (
                open_weighted(source, settings, self.notes),
                describe(source),
            )
        types.check(frame.collect_schema(), name, settings, unread=True)
        version = getattr(settings.windows, f"{name}_version")
        if version is not None:
            if settings.model.version is None:
                raise ConfigError(f"[windows] {name}_version needs [model] version, the column of model versions")
            need(settings.model.version, "version", name, dict(frame.collect_schema()))
            logged = label_expression(settings.model.version, frame.collect_schema()[settings.model.version])
            frame = frame.filter(logged == version)
            text += f", version {version}"
        return frame, text

    def _within(self, name: str, source: str, span: TimeRanges) -> pl.LazyFrame:
        settings, column = self.settings, self.settings.model.timestamp
        if settings.data.source is None:
            raise ConfigError(
                f"[windows] {name} = {source!r} is a time range: set [data] source to the table it selects from"
            )
        if column is None:
            raise ConfigError(
                f"[windows] {name} = {source!r} is a time range: set [model] timestamp to the time column"
            )
        if self.source is None:
            self.source = open_weighted(settings.data.source, settings, self.notes)
        if self.times is None or self.timed is None:
            types.check(self.source.collect_schema(), name, settings, unread=True)
            need(column, "timestamp", name, dict(self.source.collect_schema()))
            self.times = read_times({SOURCE: self.source}, column, time_format(settings.model))
            self.notes += time_notes(self.times, {SOURCE: self.source})
            time = self.times.of(self.source.collect_schema()[column])
            self.timed = in_place(self.source.with_columns(time.alias(names.TIME)), self.times, settings.model)
        self.spans[name] = span
        return self.timed.filter(span.condition(names.TIME)).drop(names.TIME)

    def say_rows(self, rows: dict[str, int]) -> list[str]:
        """How many rows the source holds, how many each window, and how many neither; empty where no range cuts it."""
        if not self.spans or self.times is None or self.timed is None:
            return []
        counts = self.times.told[SOURCE]
        (first, *others) = self.spans.values()
        apart = all(first.apart_from(other) for other in others)
        versions = any(getattr(self.settings.windows, f"{name}_version") is not None for name in self.spans)
        if apart and not versions:
            outside = counts.rows - sum(rows[name] for name in self.spans)
        else:
            inside = pl.any_horizontal([span.condition(names.TIME) for span in self.spans.values()]).fill_null(False)
            with reading():
                outside = int(self.timed.select((~inside).sum()).collect(engine="streaming").item())
        untimed = counts.missing + counts.unreadable
        untimed += counts.unset if self.times.unset else 0
        untimed += counts.future if self.times.until is not None else 0
        where = " and ".join(f"{say.count(rows[name])} in the {name} window" for name in self.spans)
        sentence = (
            f"{say.count(counts.rows)} rows read from {describe(self.settings.data.source)}: {where}, "
            f"{say.count(outside)} outside"
        )
        return [sentence + (f", {say.count(untimed)} of them without a time" if untimed else "")]


def cut_window(name: str, source: Any, settings: Settings, cutting: Cutting | None = None) -> tuple[pl.LazyFrame, str]:
    """The raw rows of a window, and words for them: a source, or a time range and version over one."""
    return (cutting or Cutting(settings)).window(name, source)


def need(column: str, role: str, window: str, schema: dict[str, pl.DataType]) -> None:
    """That a window has a column.

    Raises:
        ColumnError: it has not.
    """
    if column not in schema:
        raise ColumnError(f"the {window} window has no column {column!r} (role: {role}){did_you_mean(column, schema)}")
