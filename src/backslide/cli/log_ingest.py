"""``backslide log ingest``: a file, folder or table of predictions into a log."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backslide.cli.output import note, say, shown_changes
from backslide.contracts.errors import ColumnError, ConfigError, did_you_mean
from backslide.contracts.say import count

if TYPE_CHECKING:
    from backslide.log.ingest import IngestReport


@dataclass(frozen=True)
class Columns:
    """Columns that were named; the others are guessed, or taken from a configuration."""

    config: Path | None = None
    id: str | None = None
    timestamp: str | None = None
    prediction: str | None = None
    label: str | None = None
    label_time: str | None = None
    source: str | None = None


def run(table: str, store: str, model: str, columns: Columns, *, spool: Path | None, as_json: bool) -> int:
    """Open the table, tell its columns, and take its rows in."""
    from backslide.contracts.config import Settings
    from backslide.contracts.roles import Roles
    from backslide.engine.roles.infer import infer_roles
    from backslide.engine.sources.open import open_source
    from backslide.engine.times.time_format import other_time_format, time_format
    from backslide.engine.times.timestamps import time_expression
    from backslide.log.ingest import ingest

    settings = Settings() if columns.config is None else Settings.load(columns.config)
    notes: list[str] = []
    frame = open_source(table, data=settings.data, notes=notes)
    roles: Roles = settings.model
    if columns.config is None:
        roles, remarks = infer_roles(frame)
        notes += remarks
    named = {role: getattr(columns, role) for role in ("id", "timestamp", "prediction", "label", "label_time")}
    chosen = {role: column for role, column in named.items() if column is not None}
    schema = dict(frame.collect_schema())
    for role, column in {**roles.columns(), **chosen}.items():
        if column not in schema:
            raise ColumnError(f"the table has no column {column!r} (role: {role}){did_you_mean(column, schema)}")
    roles = roles.model_copy(update=chosen)
    for column in {roles.timestamp, roles.label_time} - {None}:
        how = time_format(roles) if column == roles.timestamp else other_time_format(roles)
        frame = frame.with_columns(time_expression(frame, str(column), schema[str(column)], how).alias(str(column)))
    features = None if roles.features is None else tuple(c for c in roles.features if c not in chosen.values())
    roles = roles.model_copy(update={"features": features})
    done = ingest(frame, store, model, roles, source=columns.source, spool=spool)
    if as_json:
        document = {"format": "backslide.log-ingest/1", **asdict(done), "roles": roles.columns()}
        say(json.dumps(document, indent=2))
        return 0
    for role, column in roles.columns().items():
        note(f"{role}: {column}")
    for words in notes:
        note(f"note: {words}")
    _tell(done)
    return 0


def run_payloads(
    source: str, store: str, model: str, columns: Columns, format: str, *, spool: Path | None, as_json: bool
) -> int:
    """Read what a server logged of its calls, and take it in."""
    from backslide.contracts.config import Settings
    from backslide.contracts.roles import Roles
    from backslide.engine.sources.records import read_records
    from backslide.log.payloads.ingest import describe_skipped, ingest_payloads

    settings = Settings() if columns.config is None else Settings.load(columns.config)
    refused = [f"--{name.replace('_', '-')}" for name in ("prediction", "label_time") if getattr(columns, name)]
    if refused:
        raise ConfigError(f"{' and '.join(refused)} is not for --format; name fields of responses in [payload]")
    # Of the configuration only what can stand in a request: its windows and roles are of the log that comes out.
    roles = Roles(id=columns.id, timestamp=columns.timestamp, label=columns.label)
    done = ingest_payloads(
        read_records(source), store, model, format, settings=settings.payload, roles=roles, spool=spool
    )
    if as_json:
        say(json.dumps({"format": "backslide.log-ingest/1", **asdict(done)}, indent=2))
        return 0
    _tell(done, f"{count(done.calls)} calls in {count(done.records)} records")
    if done.without_time:
        say(f"  without a time: {count(done.without_time)} calls")
    if done.decided:
        say(f"  prediction taken from the largest score: {count(done.decided)} rows")
    for words in describe_skipped(done.skipped):
        say(f"  left out: {words}")
    return 0


def _tell(done: IngestReport, looked_at: str | None = None) -> None:
    added = ", ".join(f"{count(n)} {what}" for what, n in done.added.items() if n) or "nothing"
    say(f"{done.model}: {added} added of {looked_at or f'{count(done.rows)} rows'}")
    for change in shown_changes(done.changes):
        say(f"  {change}")
