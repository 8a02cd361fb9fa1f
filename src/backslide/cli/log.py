"""``backslide log``: roll up what recorders wrote, count it, hand it out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backslide.cli.log_event import event
from backslide.cli.log_ingest import ingest
from backslide.cli.log_label import label, to_label
from backslide.cli.log_profile import profile
from backslide.cli.options import OneModel, PrintJson, Spool, Store, option
from backslide.cli.output import note, rows_by_table, say, say_json, shown_changes
from backslide.cli.streams import Commands
from backslide.contracts.errors import LogError
from backslide.contracts.files import whole_file
from backslide.contracts.say import counted

if TYPE_CHECKING:
    from backslide.log.rollup import RollupReport

TABLES = ("predictions", "labels", "events")
WRITERS = {
    ".parquet": "sink_parquet",
    ".csv": "sink_csv",
    ".arrow": "sink_ipc",
    ".feather": "sink_ipc",
    ".jsonl": "sink_ndjson",
}


def rollup(
    store: Store = "log",
    model: OneModel = None,
    spool: Spool = None,
    replay: Annotated[bool, typer.Option("--replay", help="Retry the lines that no table could take.")] = False,
    json: PrintJson = False,
) -> int:
    """Move what recorders wrote into tables.

    It can be killed and rerun at any moment.
    """
    from backslide.log.rollup import roll_up_each

    done = roll_up_each(store, spool=spool, model=model, replay=replay)
    stopped = [one for one in done if one.error is not None]
    if json:
        say_json("log-rollup", models=[asdict(one) for one in done])
    else:
        _tell(done)
    if stopped:
        raise LogError(
            "; ".join(
                f"the rollup of {one.model!r} stopped, its lines stay in the spool: {one.error}" for one in stopped
            )
        )
    return 0


def _tell(done: list[RollupReport]) -> None:
    for one in done:
        if one.error is not None and not any(one.rows.values()):
            continue
        rows = rows_by_table(one.rows, "nothing new")
        say(f"{one.model}: {rows}; {counted(one.files, 'file')} read, {one.removed} finished and removed")
        if one.broken:
            say(f"  {counted(one.broken, 'line')} cut off before being acknowledged, left out")
        if one.set_aside:
            say(f"  {counted(one.set_aside, 'line')} set aside, fitting no table: {'; '.join(one.reasons[:3])}")
        if one.replayed:
            say(f"  {counted(one.replayed, 'line')} accepted that had been set aside")
        for change in shown_changes(one.changes):
            say(f"  {change}")


def compact(
    store: Store = "log",
    model: OneModel = None,
    spool: Spool = None,
    keep_days: Annotated[
        int | None, option("--keep-days", "N", "Drop rows older than this; default: keep all.")
    ] = None,
    grace: Annotated[
        int,
        option("--grace", "HOURS", "How long to keep replaced files for readers still using them."),
    ] = 24,
    json: PrintJson = False,
) -> int:
    """Merge many files into few, while others read.

    It can be killed and rerun at any moment.
    """
    from backslide.engine.sources.errors import reading
    from backslide.log.retention import compact as do

    with reading(f"the log in {store!r}"):
        done = do(store, spool=spool, model=model, keep_days=keep_days, grace=grace)
    if json:
        say_json("log-compact", models=[asdict(one) for one in done])
        return 0
    for one in done:
        before, after = (sum(files[k] for files in one.files.values()) for k in (0, 1))
        say(
            f"{one.model}: {counted(before, 'file')} made {after}; {counted(one.removed, 'old one')} removed from the disk"
        )
        if keep_days is not None:
            rows = rows_by_table(one.forgotten, "nothing")
            say(f"  {rows} older than {counted(keep_days, 'day')} left out")
    return 0


def stats(store: Store = "log", model: OneModel = None, spool: Spool = None, json: PrintJson = False) -> int:
    """Count rows, lines not yet rolled up and lines set aside."""
    from backslide.engine.sources.errors import reading
    from backslide.log.paths import is_uri, models_of, quarantine_of
    from backslide.log.quarantine import Quarantine
    from backslide.log.reading import open_log

    root = spool or Path(store) / "spool"
    names = [model] if model is not None else models_of(store, spool) if spool or not is_uri(store) else []
    if not names:
        raise LogError(f"no log at {store!r}; record something there first, or check the path")
    models: list[dict[str, Any]] = []
    for name in names:
        waiting = sum(file.stat().st_size for file in (root / name).glob("*.jsonl"))
        folder = quarantine_of(store, root, name)
        try:
            with reading(f"the log of {name!r}"):
                counts = open_log(store, name).counts()
        except LogError:
            counts = {}
        aside = {"set_aside": Quarantine(folder).count(), "quarantine": str(folder)}
        models.append({"model": name, **counts, "waiting_bytes": waiting, **aside})
    if json:
        say_json("log-stats", models=models)
        return 0
    for one in models:
        rows = ", ".join(counted(n, table.removesuffix("s")) for table, n in one.items() if table in TABLES)
        say(f"{one['model']}: {rows or 'nothing rolled up yet'}; {counted(one['waiting_bytes'], 'byte')} waiting")
        if one["set_aside"]:
            say(f"  {counted(one['set_aside'], 'line')} set aside in {one['quarantine']}, fitting no table")
            say("  try them again: backslide log rollup --replay")
    return 0


def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="A .parquet, .csv, .arrow or .jsonl file.")],
    store: Store = "log",
    model: OneModel = None,
    spreadsheet: Annotated[
        bool, typer.Option("--spreadsheet", help="Write an apostrophe before texts of a CSV that are formulas there.")
    ] = False,
    json: PrintJson = False,
) -> int:
    """Write predictions with their latest labels to a file.

    The column `id` holds the ids.
    """
    from backslide.engine.sources.errors import reading
    from backslide.log.reading import open_log
    from backslide.log.spreadsheet import guard_formulas

    writer = WRITERS.get(out.suffix.lower())
    if writer is None:
        raise LogError(f"expected a file to write that ends with {', '.join(WRITERS)}, got {out.name!r}")
    if spreadsheet and out.suffix.lower() != ".csv":
        raise LogError(f"--spreadsheet is for a file that ends with .csv, got {out.name!r}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as part, reading(f"the log in {store!r}"):
        rows = open_log(store, model).predictions()
        getattr(guard_formulas(rows) if spreadsheet else rows, writer)(part)
    if json:
        columns = list(rows.collect_schema())
        say_json("log-export", file=str(out), columns=columns)
    else:
        note(f"wrote {out}")
    return 0


log = Commands(help="Import, roll up, label and export logged predictions.", rich_markup_mode=None)
for command in (rollup, ingest, compact, stats, export, to_label, profile, event, label):
    log.command()(command)
