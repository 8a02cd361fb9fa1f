"""``backslide log ingest``: a file, folder or table of predictions into a log."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backslide.cli.options import PayloadFormat, PrintJson, Spool, Store, option
from backslide.cli.output import note, rows_by_table, say, say_json, shown_changes
from backslide.contracts.errors import ColumnError, ConfigError, did_you_mean
from backslide.contracts.say import counted

if TYPE_CHECKING:
    import polars as pl

    from backslide.contracts.config import Settings
    from backslide.contracts.roles import Roles
    from backslide.log.ingest import IngestReport


def ingest(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A file, glob, folder, Delta table or database URI.")],
    model: Annotated[str, option("--model", "NAME", "Name of the model in the log.")],
    store: Store = "log",
    config: Annotated[
        Path | None, option("--config", "FILE", "A backslide.toml that says which column is what.")
    ] = None,
    id: Annotated[
        str | None,
        option("--id", "COLUMN", "Identifies a prediction; default: guessed, else a digest of the row."),
    ] = None,
    timestamp: Annotated[
        str | None, option("--timestamp", "COLUMN", "When the prediction was served; default: guessed.")
    ] = None,
    prediction: Annotated[
        str | None, option("--prediction", "COLUMN", "What the model decided; default: guessed.")
    ] = None,
    label: Annotated[str | None, option("--label", "COLUMN", "The true outcome; default: guessed.")] = None,
    label_time: Annotated[
        str | None, option("--label-time", "COLUMN", "When the outcome became known; default: with the prediction.")
    ] = None,
    source: Annotated[str | None, option("--source", "NAME", "Source of the labels.")] = None,
    format: PayloadFormat = None,
    spool: Spool = None,
    json: PrintJson = False,
) -> int:
    """Import a table or payload log, skipping what is already there."""
    from backslide.contracts.config import Settings

    settings = Settings() if config is None else Settings.load(config)
    roles = {"id": id, "timestamp": timestamp, "prediction": prediction, "label": label, "label_time": label_time}
    named = {role: column for role, column in roles.items() if column is not None}
    if format is not None:
        return _ingest_payloads(table, store, model, settings, named, format, spool=spool, json=json)
    from backslide.engine.sources.open import open_source
    from backslide.log.ingest import ingest as take_in

    notes: list[str] = []
    frame = open_source(table, data=settings.data, notes=notes)
    frame, chosen = _with_roles(frame, None if config is None else settings.model, named, notes)
    done = take_in(frame, store, model, chosen, source=source, spool=spool)
    if json:
        say_json("log-ingest", **asdict(done), roles=chosen.columns())
        return 0
    for role, column in chosen.columns().items():
        note(f"{role}: {column}")
    for words in notes:
        note(f"note: {words}")
    _tell(done)
    return 0


def _with_roles(
    frame: pl.LazyFrame, roles: Roles | None, named: dict[str, str], notes: list[str]
) -> tuple[pl.LazyFrame, Roles]:
    """The table with its times read, and which column is what: as named, as configured, or guessed."""
    from backslide.engine.roles.infer import infer_roles
    from backslide.engine.times.time_format import other_time_format, time_format
    from backslide.engine.times.timestamps import time_expression

    if roles is None:
        roles, remarks = infer_roles(frame)
        notes += remarks
    schema = dict(frame.collect_schema())
    for role, column in (roles.columns() | named).items():
        if column not in schema:
            raise ColumnError(f"the table has no column {column!r} (role: {role}){did_you_mean(column, schema)}")
    roles = roles.model_copy(update=named)
    for name in dict.fromkeys(time for time in (roles.timestamp, roles.label_time) if time is not None):
        how = time_format(roles) if name == roles.timestamp else other_time_format(roles)
        frame = frame.with_columns(time_expression(frame, name, schema[name], how).alias(name))
    features = None if roles.features is None else tuple(c for c in roles.features if c not in named.values())
    return frame, roles.model_copy(update={"features": features})


def _ingest_payloads(
    source: str,
    store: str,
    model: str,
    settings: Settings,
    named: dict[str, str],
    format: str,
    *,
    spool: Path | None,
    json: bool,
) -> int:
    """Read what a server logged of its calls, and take it in."""
    from backslide.contracts.roles import Roles
    from backslide.engine.sources.records import read_records
    from backslide.log.payloads.ingest import describe_skipped, ingest_payloads

    refused = [f"--{name.replace('_', '-')}" for name in ("prediction", "label_time") if name in named]
    if refused:
        raise ConfigError(f"{' and '.join(refused)} is not for --format; name fields of responses in [payload]")
    # Of the configuration only what can stand in a request: its windows and roles are of the log that comes out.
    chosen = Roles.model_validate(named)
    done = ingest_payloads(
        read_records(source), store, model, format, settings=settings.payload, roles=chosen, spool=spool
    )
    if json:
        say_json("log-ingest", **asdict(done))
        return 0
    _tell(done, f"{counted(done.calls, 'call')} in {counted(done.records, 'record')}")
    if done.without_time:
        say(f"  without a time: {counted(done.without_time, 'call')}")
    if done.decided:
        say(f"  prediction taken from the largest score: {counted(done.decided, 'row')}")
    for words in describe_skipped(done.skipped):
        say(f"  left out: {words}")
    return 0


def _tell(done: IngestReport, looked_at: str | None = None) -> None:
    say(f"{done.model}: {rows_by_table(done.added, 'nothing')} added of {looked_at or counted(done.rows, 'row')}")
    for change in shown_changes(done.changes):
        say(f"  {change}")
