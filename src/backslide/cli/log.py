"""``backslide log``: roll up what recorders wrote, count it, hand it out."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backslide.cli.log_ingest import ingest
from backslide.cli.log_label import label, to_label
from backslide.cli.memory import bounded_memory
from backslide.cli.options import Config, OneModel, PrintJson, Quiet, Spool, Store, option
from backslide.cli.output import note, progress, rows_by_table, say, say_json, shown_changes
from backslide.cli.streams import Commands
from backslide.contracts.errors import ConfigError, LogError
from backslide.contracts.files import whole_file
from backslide.contracts.moments import parse_moment
from backslide.contracts.say import count, counted

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


def profile(
    config: Config = Path("backslide.toml"),
    out: Annotated[Path, option("--out", "DIR", "Folder of the stored profiles.")] = Path("profiles"),
    window: Annotated[
        str, option("--window", "WINDOW", "Which of [windows] to profile, reference or current.")
    ] = "reference",
    rows: Annotated[str | None, option("--rows", "SOURCE", "Rows to profile instead of a configured window.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Profile only days from the last stored one on.")] = False,
    quiet: Quiet = False,
    json: PrintJson = False,
) -> int:
    """Store profiles of rows by day, model version and segment.

    A folder of them serves as `[windows] reference`, and any two periods of it compare without the rows.
    """
    if window not in ("reference", "current"):
        raise ConfigError(f"--window: expected reference or current, got {window!r}")
    from backslide.contracts.config import Settings

    settings = Settings.load(config)
    from backslide.jobs.profile_days import store_profiles  # after the quick refusals: it is heavy

    with bounded_memory(settings.engine.max_memory), progress(quiet=quiet) as report_progress:
        done = store_profiles(settings, out, window=window, rows=rows, new=new, progress=report_progress)
    for line in done.notes:
        note(line)
    if json:
        say_json("log-profile", **asdict(done))
        return 0
    period = f" ({done.days[0]} to {done.days[-1]})" if done.days else ""
    say(
        f"{counted(len(done.days), 'day')}{period} of {count(done.rows)} rows stored in {done.folder}: "
        f"{count(done.columns)} columns, {count(done.bytes)} bytes; {counted(done.stored, 'day')} in all"
    )
    return 0


def event(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="What changed, such as 'deploy v2'.")] = None,
    source: Annotated[
        Path | None,
        option(
            "--from",
            "FILE",
            "Read events instead: JSON of Grafana, GitHub, GitLab, Kubernetes or MLflow, a CSV, or a git checkout.",
        ),
    ] = None,
    at: Annotated[str | None, option("--at", "TIME", "When it changed (ISO, UTC); default: now.")] = None,
    store: Store = "log",
    model: OneModel = None,
    spool: Spool = None,
    json: PrintJson = False,
) -> int:
    """Add one or many deploys or other dated changes, skipping those already there."""
    from backslide.log.dated_events import LONGEST, add_events, to_event
    from backslide.log.event_files import read_events
    from backslide.log.reading import open_log

    if (text is None) == (source is None):
        raise LogError('expected either a text, backslide log event "deploy v2", or --from FILE')
    if source is not None and at is not None:
        raise LogError("--at belongs to a text; what a file holds has times of its own")
    ours = others = 0
    if source is not None:
        events, ours, others = read_events(source)
    else:
        if not str(text).strip():
            raise LogError("expected a text that says what changed, got an empty one")
        events = [to_event(datetime.now(UTC) if at is None else parse_moment(at, "--at"), str(text))]
    name = open_log(store).name if model is None else model
    added = add_events(store, name, events, spool=spool)
    cut = sum(event.cut for event in events)
    if json:
        content = {"model": name, "read": len(events) + ours + others, "added": added, "alarms_left_out": ours}
        content |= {"left_out": others} if others else {}
        content |= {"cut": cut} if cut else {}
        say_json("log-event", **content)
        return 0
    rest = f", {len(events) - added} there already" if added < len(events) else ""
    rest += f", {ours} of our own alarms left out" if ours else ""
    rest += f", {others} entries left out that tell of no deploy" if others else ""
    rest += f", {counted(cut, 'text')} cut after {LONGEST} characters" if cut else ""
    say(f"{name}: {counted(added, 'event')} added{rest}")
    return 0


log = Commands(help="Import, roll up, label and export logged predictions.", rich_markup_mode=None)
for command in (rollup, ingest, compact, stats, export, to_label, profile, event, label):
    log.command()(command)
