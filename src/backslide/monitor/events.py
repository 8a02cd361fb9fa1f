"""Deploys and other events that the log holds, beside an incident that began with them."""

from __future__ import annotations

from datetime import datetime

from backslide.contracts.config import Settings
from backslide.contracts.errors import LogError
from backslide.contracts.secrets import scrub
from backslide.log.reading import is_log, open_log
from backslide.monitor.periods import PeriodGrid

Event = tuple[datetime, str]
MOST = 5


def events_of(settings: Settings) -> list[Event]:
    """Every event of the watched log in order of time (naive UTC); none where the source is no log."""
    source = settings.data.source
    if source is None or "://" in source:
        return []
    path = settings.base / source
    if path.parent.name == "tables" and is_log(path.parent.parent):
        store, name = path.parent.parent, path.name
    elif path.is_dir() and is_log(path):
        store, name = path, None
    else:
        return []
    try:
        rows = open_log(store, name).events().collect()
    except LogError:
        return []
    return [(at.replace(tzinfo=None), scrub(text)) for at, text in rows.select("at", "text").iter_rows()]


def near(events: list[Event], grid: PeriodGrid, began: int, raised: int) -> tuple[str, ...]:
    """Events from the period before it began to the one that raised it, as sentences hold them."""
    if not grid.timed:
        return ()
    low, high = grid.start(began - 1), grid.end(raised)
    return tuple(f"{text} ({at:%Y-%m-%d %H:%M})" for at, text in events if low <= at < high)[:MOST]
