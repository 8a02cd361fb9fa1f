"""The commands of ``backslide log`` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backslide.cli.options import Config, PayloadFormat, PrintJson, Quiet, option
from backslide.cli.streams import Commands

log = Commands(
    help="Import, roll up, label and export logged predictions.",
    rich_markup_mode=None,
)

Store = Annotated[str, option("--store", "DIR", "Folder of the log.")]
OneModel = Annotated[str | None, option("--model", "NAME", "Name of the model; default: all, or the only one.")]
Spool = Annotated[
    Path | None,
    option("--spool", "DIR", "Folder of the lines not yet rolled up; default: inside the store."),
]


@log.command()
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
    from backslide.cli.log import rollup as run

    return run(store, model=model, spool=spool, as_json=json, replay=replay)


@log.command()
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
    from backslide.cli.log_ingest import Columns, run, run_payloads

    columns = Columns(config, id, timestamp, prediction, label, label_time, source)
    if format is not None:
        return run_payloads(table, store, model, columns, format, spool=spool, as_json=json)
    return run(table, store, model, columns, spool=spool, as_json=json)


@log.command()
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
    from backslide.cli.log import compact as run

    return run(store, model=model, spool=spool, keep_days=keep_days, grace=grace, as_json=json)


@log.command()
def stats(store: Store = "log", model: OneModel = None, spool: Spool = None, json: PrintJson = False) -> int:
    """Count rows, lines not yet rolled up and lines set aside."""
    from backslide.cli.log import stats as run

    return run(store, model=model, as_json=json, spool=spool)


@log.command()
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
    from backslide.cli.log import export as run

    return run(store, out, model=model, as_json=json, spreadsheet=spreadsheet)


@log.command()
def to_label(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv file to write.")],
    store: Store = "log",
    model: OneModel = None,
    n: Annotated[int, option("--n", "N", "How many rows.")] = 200,
    since: Annotated[
        str | None, option("--since", "DATE", "Sample predictions from this date on; default: all.")
    ] = None,
    seed: Annotated[int | None, option("--seed", "N", "Seed, to draw the same rows again.")] = None,
    json: PrintJson = False,
) -> int:
    """Sample the unlabelled rows that are most worth a label.

    Each is drawn with a known probability, so that the labels estimate the accuracy of all.
    """
    from backslide.cli.log_label import to_label as run

    return run(store, out, model=model, rows=n, since=since, seed=seed, as_json=json)


@log.command()
def profile(
    config: Config = Path("backslide.toml"),
    out: Annotated[Path, option("--out", "DIR", "Folder of the stored profiles.")] = Path("profiles"),
    window: Annotated[
        str, option("--window", "WINDOW", "Which of [windows] to profile, reference or current.")
    ] = "reference",
    rows: Annotated[str | None, option("--rows", "SOURCE", "Rows to profile in its place.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Only days from the last stored one on.")] = False,
    quiet: Quiet = False,
    json: PrintJson = False,
) -> int:
    """Store profiles of rows by day, model version and segment.

    A folder of them serves as `[windows] reference`, and any two periods of it compare without the rows.
    """
    from backslide.cli.log_profile import run

    return run(config, out, window=window, rows=rows, new=new, as_json=json, quiet=quiet)


@log.command()
def event(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="What changed, such as 'deploy v2'.")] = None,
    source: Annotated[
        Path | None,
        option(
            "--from",
            "FILE",
            "Instead of a text: JSON of Grafana, GitHub, GitLab, Kubernetes, MLflow; a CSV; a git checkout.",
        ),
    ] = None,
    at: Annotated[str | None, option("--at", "TIME", "When it changed (ISO, UTC); default: now.")] = None,
    store: Store = "log",
    model: OneModel = None,
    spool: Spool = None,
    json: PrintJson = False,
) -> int:
    """Add a deploy or another dated change, or many; those already there are not added again."""
    from backslide.cli.log_event import run

    return run(text, store, source=source, model=model, at=at, spool=spool, as_json=json)


@log.command()
def label(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="CSV, or a table (Parquet, Delta, a URI), with the columns id and label."),
    ],
    store: Store = "log",
    model: OneModel = None,
    spool: Spool = None,
    source: Annotated[str | None, option("--source", "NAME", "Source of the labels; default: drawn, or table.")] = None,
    by: Annotated[str | None, option("--by", "NAME", "Who labelled.")] = None,
    json: PrintJson = False,
) -> int:
    """Add labels to the log, skipping those already there."""
    from backslide.cli.log_label import label as run

    return run(store, file, model=model, spool=spool, source=source, by=by, as_json=json)
