"""The rows that an incident is about: a sample of the log in its stretch of time, and what marks them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from threading import Semaphore

import polars as pl

from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.errors import BackslideError
from backslide.engine.sources.errors import reading
from backslide.monitor.periods import PeriodGrid, now
from backslide.monitor.rows import SERVED, between, open_rows, plain
from backslide.store.memory import Json

MOST_ROWS = 60
MOST_COLUMNS = 12
LONGEST_CELL = 80
READING = Semaphore(1)
"""One page at a time reads rows: each may go through the whole log."""
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class RowSample:
    """Rows spread evenly over a stretch."""

    columns: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()
    total: int = 0
    condition: str = ""
    marked: tuple[str, ...] = ()
    """Columns that the cause is about."""
    trouble: str = ""


def rows_concerned(settings: Settings, incident: Json, cause: Json | None) -> RowSample:
    """Rows of an incident from its onset to its end; of the segment that its first cause names, where it names one."""
    if not READING.acquire(timeout=PATIENCE_SECONDS):
        return RowSample(trouble="Rows are being read for another page; load this one again in a while.")
    try:
        return _sample(settings, incident, cause)
    except BackslideError as error:
        return RowSample(trouble=f"The rows cannot be read: {error}")
    finally:
        READING.release()


def _sample(settings: Settings, incident: Json, cause: Json | None) -> RowSample:
    grid = PeriodGrid.of(settings.watch)
    if not grid.timed:
        return RowSample(trouble="Rows are shown where periods are stretches of time; here they are counted rows.")
    first = grid.number(datetime.fromisoformat(incident["began"]))
    closed = incident["closed"]
    last = grid.number(now()) if closed is None else grid.number(datetime.fromisoformat(closed))
    frame = between(open_rows(settings, grid, now()), first, last).later
    named = f"from {incident['began']} to {closed or 'now'}"
    segment = None if cause is None else cause.get("segment")
    if segment:
        frame = frame.filter(_condition(segment))
        named += f" where {segment}"
    marked = tuple(() if cause is None else cause.get("features") or ())
    with reading():
        total = int(frame.select(pl.len()).collect(engine="streaming").item())
        apart = max(1, -(-total // MOST_ROWS))
        frame = frame.with_row_index("__row").filter(pl.col("__row") % apart == 0).sort(SERVED)  # few are sorted
        shown = plain(frame.drop("__row")).collect(engine="streaming")
    columns = _columns(settings, shown.columns, marked)
    lines = tuple(tuple(map(_cell, row)) for row in shown.select(columns).iter_rows())
    return RowSample(tuple(columns), lines, total, named, marked)


def _condition(segment: str) -> pl.Expr:
    return pl.sql_expr(segment)


def _columns(settings: Settings, there: list[str], marked: tuple[str, ...]) -> list[str]:
    """When and who, answer and label, what the cause is about, then as many others as fit."""
    model = settings.model
    first = [model.timestamp, model.id, model.version, model.label, model.prediction, *marked]
    known = [name for name in dict.fromkeys(first) if name in there]
    rest = [name for name in there if name not in known]
    return [*known, *rest][:MOST_COLUMNS]


def _cell(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, float):
        return say.number(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    text = str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
