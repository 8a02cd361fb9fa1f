"""What serves a model: snapshots and what differs between two, versions in the log, work in the background in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from markupsafe import Markup

from backslide.contracts.errors import BackslideError
from backslide.contracts.snapshot import Snapshot
from backslide.log.paths import table_of
from backslide.log.tables import LogTable
from backslide.report.documents.integrity import integrity_page
from backslide.report.render.html import page_body
from backslide.server.context import Context
from backslide.stack.compare import integrity
from backslide.store.memory import Json
from backslide.store.queue import QueuedJob

MOST_SNAPSHOTS, MOST_VERSIONS = 60, 50
NO_VERSIONS = (
    "The log of this server holds no rows of it. Versions are those that its predictions name: "
    'Recorder("name", ..., version="v2"), or the field "version" of the API.'
)


def snapshots(context: Context, model: str, earlier: str, later: str) -> Mapping[str, Any]:
    """The snapshots of a model, and what differs between two of them: by default the last two."""
    listed = context.snapshots.entries(model)[:MOST_SNAPSHOTS]
    known = [one.digest for one in listed]
    if later not in known:
        later = known[0] if known else ""
    if earlier not in known:
        earlier = known[1] if len(known) > 1 else later
    body: Markup | None = None
    if earlier and earlier != later:
        body = _differences(*(context.snapshots.snapshot(model, digest) for digest in (earlier, later)))
    return {"snapshots": listed, "earlier": earlier, "later": later, "differences": body}


def _differences(earlier: Json | None, later: Json | None) -> Markup:
    try:
        first, second = (Snapshot.from_dict(one) for one in (earlier, later))
        return Markup(page_body(integrity_page(integrity(first, second))))  # escaped by its own templates
    except BackslideError as error:
        return Markup('<p class="empty">{}</p>').format(str(error))


def versions(context: Context, model: str) -> list[Mapping[str, Any]]:
    """Versions that the log names, the newest first."""
    table = LogTable(table_of(context.store.root, model, "predictions"), "predictions")
    if not table.there:
        return []
    at = pl.col("at")
    grouped = (
        table.scan().group_by("version").agg(at.min().alias("first"), at.max().alias("last"), pl.len().alias("rows"))
    )
    shown = grouped.sort("last", descending=True).head(MOST_VERSIONS).collect(engine="streaming")
    return [{**row, "version": row["version"] or "not named"} for row in shown.iter_rows(named=True)]


def worded(job: QueuedJob) -> Mapping[str, Any]:
    """A job as lists show it."""
    return {
        "job": job.job,
        "kind": job.kind,
        "status": job.status,
        "created": job.created,
        "author": job.author,
        "words": words_of(job),
    }


def words_of(job: QueuedJob) -> str:
    """What was asked for, in words."""
    spans = []
    for side in ("reference", "current"):
        span = job.request.get(side)
        if isinstance(span, (list, tuple)) and len(span) == 2:
            span = f"{span[0]}..{span[1]}"
        if isinstance(span, str):
            spans.append(span.replace("..", " to "))
    if job.kind == "diagnose" and len(spans) == 2:
        return f"Why {spans[1]} is worse than {spans[0]}"
    named = {
        "shadow": "The current model against the former one",
        "gate": "May the candidate take over?",
        "retrain": "Is a candidate trained on later rows better?",
        "watch": f"A look at {job.model}",
    }
    return named.get(job.kind, job.kind.capitalize())
