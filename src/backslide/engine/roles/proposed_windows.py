"""Two windows over one table, proposed for a first look: before and after a new version of the model, else old and new days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import polars as pl

from backslide.contracts.errors import TimestampError
from backslide.contracts.roles import Roles
from backslide.engine.roles.derive import label_expression
from backslide.engine.times.timestamps import time_expression

LEAST = 30
"""Rows of a version from which windows are split where it began."""
LEAST_SHARE = 0.01
TOGETHER = 0.02
"""Share of the rows before the newest version's first that it may not have, and the other way round, for a change to be clean."""


@dataclass(frozen=True)
class Windows:
    """Settings of [windows], and why."""

    reference: str | None = None
    """Time ranges; None where both windows are the whole table, cut by version."""
    current: str | None = None
    reference_version: str | None = None
    current_version: str | None = None
    note: str | None = None


def propose_windows(frame: pl.LazyFrame, roles: Roles) -> Windows | None:
    """Windows where the newest version of the model began, else the last quarter of the days and those before.

    Returns:
        None where there are fewer than two days, or neither times nor versions.
    """
    changed = None if roles.version is None else _at_new_version(frame, roles)
    if changed is not None or roles.timestamp is None:
        return changed
    days = newest_days(frame, roles.timestamp)
    return None if days is None else Windows(*days)


def newest_days(frame: pl.LazyFrame, timestamp: str) -> tuple[str, str] | None:
    """The last quarter of the table's days, in whole weeks where there are enough, and before.

    Returns:
        ``("2026-03-01..2026-03-31", "2026-04-01..2026-04-14")``, or None where there are fewer than two days.
    """
    moment = _moment(frame, timestamp)
    if moment is None:
        return None
    ends = frame.select(moment.min().dt.date().alias("first"), moment.max().dt.date().alias("last"))
    first, last = ends.collect(engine="streaming").row(0)
    if not isinstance(first, date) or not isinstance(last, date) or first == last:
        return None
    days = (last - first).days + 1
    newest = max(1, days // 4)
    newest = newest // 7 * 7 if newest >= 7 else newest
    cut = last - timedelta(days=newest - 1)
    return f"{first}..{cut - timedelta(days=1)}", f"{cut}..{last}"


def _moment(frame: pl.LazyFrame, timestamp: str | None) -> pl.Expr | None:
    if timestamp is None:
        return None
    try:
        return time_expression(frame, timestamp, frame.collect_schema()[timestamp])
    except TimestampError:
        return None


def _at_new_version(frame: pl.LazyFrame, roles: Roles) -> Windows | None:
    version = str(roles.version)
    moment = _moment(frame, roles.timestamp)
    rows = frame.select(
        label_expression(version, frame.collect_schema()[version]).alias("version"),
        (pl.lit(None, pl.Datetime("us")) if moment is None else moment).alias("at"),
    ).drop_nulls("version")
    sentence = (
        rows.group_by("version")
        .agg(pl.len().alias("rows"), pl.col("at").min().alias("first"), pl.col("at").max().alias("last"))
        .sort("first", "version")
        .collect(engine="streaming")
    )
    total = int(sentence["rows"].sum() or 0)
    sentence = sentence.filter(pl.col("rows") >= max(LEAST, LEAST_SHARE * total))
    if sentence.height < 2:
        return None
    before, after = sentence.row(-2, named=True), sentence.row(-1, named=True)
    if after["first"] is None or before["first"] is None:
        words = f"no time was recognised; the windows are versions {before['version']} and {after['version']}"
        return Windows(reference_version=before["version"], current_version=after["version"], note=words)
    late = rows.filter((pl.col("version") == before["version"]) & (pl.col("at") >= after["first"]))
    overlap = int(late.select(pl.len()).collect(engine="streaming").item())
    if overlap > TOGETHER * before["rows"]:
        words = f"versions {before['version']} and {after['version']} answered at the same time; backslide shadow compares them"
        days = newest_days(frame, str(roles.timestamp))
        return None if days is None else Windows(*days, note=words)
    if after["first"] <= before["first"]:
        return None
    start = before["first"] if sentence.height > 2 else before["first"].date()
    ranges = _split(start.isoformat(), after["first"], after["last"])
    return Windows(*ranges, note=f"the windows are split where version {after['version']} followed {before['version']}")


def _split(start: str, cut: datetime, last: datetime) -> tuple[str, str]:
    if cut.time() == time():
        return f"{start}..{cut.date() - timedelta(days=1)}", f"{cut.date()}..{last.date()}"
    return f"{start}..{cut.isoformat()}", f"{cut.isoformat()}..{last.date()}"
