"""Deploys and other dated changes into a log, one by one or as others keep them; what is there already is left out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from backslide.contracts.errors import LogError
from backslide.contracts.secrets import scrub
from backslide.log.columns import TIME
from backslide.log.paths import check_name, lock_spool, spool_root, table_of
from backslide.log.tables import LogTable

OURS = "backslide"
"""Tag of the annotations that tell of alarms of watching; they are no causes of themselves."""
LONGEST = 500
"""Characters of an event's text; an annotation may hold a page."""


@dataclass(frozen=True)
class DatedText:
    """A change and when it was made (UTC)."""

    at: datetime
    text: str
    cut: bool = field(default=False, compare=False)
    """Whether the text was longer than an event keeps."""


def to_event(at: datetime, text: str) -> DatedText:
    """A change as an event holds it: one line, without secrets, not too long."""
    words = scrub(" ".join(text.split()))  # before it is cut: half a password is not recognised
    return DatedText(at, words[:LONGEST], cut=len(words) > LONGEST)


def read_annotations(data: Any) -> tuple[list[DatedText], int]:
    """Events of what Grafana's API gives (``GET /api/annotations``), and how many are alarms of our own and left out.

    Raises:
        LogError: it is not that; the first entry that cannot be read is named.
    """
    if isinstance(data, dict):
        data = data.get("annotations")
    if not isinstance(data, list):
        raise LogError("expected a JSON list of annotations, as GET /api/annotations of Grafana gives them")
    events, ours = [], 0
    for number, one in enumerate(data, 1):
        time, text, tags = (one.get(key) for key in ("time", "text", "tags")) if isinstance(one, dict) else (None,) * 3
        if isinstance(time, bool) or not isinstance(time, (int, float)) or not isinstance(text or "", str):
            raise LogError(f"annotation {number}: expected a time in milliseconds and a text")
        names = [str(tag) for tag in tags] if isinstance(tags, list) else []
        if OURS in names:
            ours += 1
            continue
        words = text or ", ".join(names)
        if not words.strip():
            raise LogError(f"annotation {number}: expected a text or tags, got neither")
        try:
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=float(time))
        except (OverflowError, ValueError):
            raise LogError(f"annotation {number}: expected a time in milliseconds, got {time}") from None
        events.append(to_event(at, words))
    return events, ours


def add_events(
    store: str | os.PathLike[str],
    model: str,
    events: list[DatedText],
    *,
    spool: str | os.PathLike[str] | None = None,
) -> int:
    """Write events of a model; returns how many were not there yet.

    Raises:
        LogError: the name cannot be a folder's, or a rollup is at work.
        MissingExtraError: deltalake is not installed.
    """
    check_name(model)
    at = pl.Series("at", [one.at for one in events], dtype=TIME)
    rows = pl.DataFrame({"at": at, "day": at.dt.date(), "text": [one.text for one in events]}).unique(
        ["at", "text"], maintain_order=True
    )
    with lock_spool(spool_root(store, spool)):
        table = LogTable(table_of(store, model, "events"), "events")
        if table.there:
            known = table.scan().select("at", "text").collect()
            rows = rows.join(known, on=["at", "text"], how="anti", nulls_equal=True)
        if rows.height:
            table.append(rows)
    return rows.height
