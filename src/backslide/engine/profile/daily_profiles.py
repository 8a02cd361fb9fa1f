"""Profiles of a prepared window by day, model version and segment, in one bounded pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import polars as pl

from backslide.engine.columns import names
from backslide.engine.columns.segments import first_that_holds, without_nan
from backslide.engine.profile.plan import Plan
from backslide.engine.profile.profile import Profile, profile_batch
from backslide.engine.profile.run import LEVEL_SLACK
from backslide.engine.sources.batches import batches
from backslide.engine.sources.errors import reading

UNDATED = "undated"
"""Day of the rows without a readable time."""
ALL = ""
"""Segment that all rows are in."""
_CODE = "__segment"
_WAITING_BYTES = 128 * 2**20
"""Rows that wait for more of their day, beside the batch that is being read."""
_Group = tuple[str, str | None]


@dataclass
class _Waiting:
    """Rows of one day and version that were read but not counted yet."""

    parts: list[pl.DataFrame]
    rows: int
    bytes: int


class ProfileKey(NamedTuple):
    """Which rows a stored profile counts."""

    day: str
    """ISO date, or ``UNDATED``."""
    version: str | None
    """Of the model; None where no version is logged."""
    segment: str
    """``ALL``, or one segment as ``segment_name`` writes it."""


DailyProfiles = dict[ProfileKey, Profile]


def segment_name(variable: str, expression: str | None) -> str:
    """How a segment is named in a key; None stands for the rows for which no expression of the variable holds."""
    return f"{variable}: {'(the rest)' if expression is None else expression}"


def profile_days(frame: pl.LazyFrame, plan: Plan, *, batch_rows: int = 131_072) -> DailyProfiles:
    """Count a prepared window apart by day, version and segment; any of them add up, and all of ``ALL`` to the window's profile.

    Raises:
        ColumnError: a planned column is absent or of another kind than planned.
        SourceError: the rows cannot be read.
    """
    with reading():
        available = frame.collect_schema().names()
    plan.require(available)
    keys = [name for name in (names.DAY, names.VERSION) if name in available]
    working = replace(plan, max_levels=plan.max_levels * LEVEL_SLACK)
    inner, stored = replace(working, segments={}), replace(plan, segments={})
    totals: DailyProfiles = {}
    read = batches(frame.select(list(dict.fromkeys((*plan.columns(), *keys)))), batch_rows)
    for (day, version), rows in _together(read, keys, batch_rows):
        for segment, part in _segments(rows, plan):
            key = ProfileKey(day, version, segment)
            counted = profile_batch(part, working if segment == ALL else inner)
            totals[key] = totals[key] + counted if key in totals else counted
    return {
        key: total.under(plan if key.segment == ALL else stored)
        for key, total in sorted(totals.items(), key=lambda item: (item[0].day, item[0].version or "", item[0].segment))
    }


def _together(read: Iterator[pl.DataFrame], keys: list[str], batch_rows: int) -> Iterator[tuple[_Group, pl.DataFrame]]:
    """Rows of one day and version, as many together as fit: counting a few is as dear as counting many.

    Days that follow each other are complete after some batches; where they are mixed, each waits until it has ``batch_rows``, or
    until all that wait are beyond ``_WAITING_BYTES``, when the largest is handed out.
    """
    waiting: dict[_Group, _Waiting] = {}
    whole = 0
    for batch in read:
        for day, version, rows in _groups(batch, keys):
            own = waiting.setdefault((day, version), _Waiting([], 0, 0))
            size = int(rows.estimated_size())
            own.parts.append(rows)
            own.rows, own.bytes, whole = own.rows + rows.height, own.bytes + size, whole + size
            if own.rows >= batch_rows:
                whole -= own.bytes
                yield (day, version), pl.concat(waiting.pop((day, version)).parts)
        while whole > _WAITING_BYTES:
            group = max(waiting, key=lambda one: waiting[one].bytes)
            whole -= waiting[group].bytes
            yield group, pl.concat(waiting.pop(group).parts)
    for group, own in waiting.items():
        yield group, pl.concat(own.parts)


def _groups(batch: pl.DataFrame, keys: list[str]) -> Iterator[tuple[str, str | None, pl.DataFrame]]:
    if not keys:
        yield UNDATED, None, batch
        return
    for values, rows in batch.partition_by(keys, as_dict=True).items():
        at = dict(zip(keys, values, strict=True))
        day = at.get(names.DAY)
        yield UNDATED if day is None else day.isoformat(), at.get(names.VERSION), rows


def _segments(rows: pl.DataFrame, plan: Plan) -> Iterator[tuple[str, pl.DataFrame]]:
    yield ALL, rows
    for variable, expressions in plan.segments.items():
        codes = without_nan(rows, plan.segment_columns(variable)).select(first_that_holds(expressions).alias(_CODE))
        for (code,), part in rows.with_columns(codes.to_series()).partition_by(_CODE, as_dict=True).items():
            yield segment_name(variable, None if code is None else expressions[code]), part
