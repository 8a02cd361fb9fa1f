"""``backslide log to-label`` and ``backslide log label``: rows out to be labelled, and their labels back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backslide.cli.options import OneModel, PrintJson, Spool, Store, option
from backslide.cli.output import note, say, say_json
from backslide.contracts.errors import LogError
from backslide.contracts.files import whole_file
from backslide.contracts.moments import parse_moment
from backslide.contracts.say import count, counted, percent
from backslide.contracts.secrets import scrub_address

if TYPE_CHECKING:
    import polars as pl

TABLES = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
"""Ends of the names of tables; anything else is CSV, as people fill it in."""


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
    import polars as pl

    from backslide.engine.sources.errors import reading
    from backslide.log.label_sample import draw
    from backslide.log.reading import open_log
    from backslide.log.spreadsheet import guard_formulas

    if out.suffix.lower() != ".csv":
        raise LogError(f"expected a file to write that ends with .csv, got {out.name!r}")
    begun = None if since is None else pl.col("at") >= parse_moment(since, "--since")
    with reading(f"the log in {store!r}"):
        table = draw(open_log(store, model), n, since=begun, seed=seed)
    lists = [name for name, kind in table.schema.items() if isinstance(kind, pl.List)]
    table = table.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists)
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as part:
        guard_formulas(table).write_csv(part)
    if json:
        say_json("log-to-label", file=str(out), rows=table.height, of_rows=table["of_rows"][0])
    else:
        note(f"wrote {out}: {table.height} of {count(table['of_rows'][0])} rows that wait for a label")
        note(f"fill in the column 'label', then: backslide log label {out}")
    return 0


def label(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="CSV, or a table (Parquet, Delta, a URI), with the columns id and label."),
    ],
    store: Store = "log",
    model: OneModel = None,
    spool: Spool = None,
    source: Annotated[str | None, option("--source", "NAME", "Source of the labels; default: drawn, or table.")] = None,
    by: Annotated[str | None, option("--by", "NAME", "Name of the person who labelled.")] = None,
    json: PrintJson = False,
) -> int:
    """Add labels to the log, skipping those already there."""
    from backslide.log.label_sample import read_answers, take_back
    from backslide.log.paths import DRAWN, lock_spool, spool_root
    from backslide.log.reading import open_log

    table = "://" in file or Path(file).is_dir() or file.lower().endswith(TABLES)
    answers, others = None if table else read_answers(Path(file)), 0
    with lock_spool(spool_root(store, spool)):
        log = open_log(store, model)
        if answers is None:
            answers, others = _answers_of(file, log.predictions().select("id").unique())
        done = take_back(log, answers, source=source or ("table" if table else DRAWN), by=by)
    if json:
        content = asdict(done) | ({"left_out": others} if others else {})
        say_json("log-label", **content)
        return 0
    if others:
        note(f"left out: {counted(others, 'row')} of ids that are not in the log of {done.model!r}")
    say(f"{done.model}: {counted(done.added, 'label')} added; {done.labelled} of {done.rows} rows in the file have one")
    if done.right is not None and done.of_rows is not None:
        mean, low, high = done.right
        say(
            f"  right in {percent(mean, 1)} ({percent(low, 1)} to {percent(high, 1)}) of the "
            f"{count(done.of_rows)} rows they were drawn from"
        )
        if done.labelled < done.rows:
            say("  as far as the rows without a label are like the others")
    return 0


def _answers_of(source: str, ids: pl.LazyFrame) -> tuple[pl.DataFrame, int]:
    """Columns id and label of the rows of a table that have one of these ids, as texts; and how many have others."""
    import polars as pl

    from backslide.contracts.labels import label_text
    from backslide.engine.sources.open import open_source

    frame = open_source(source)
    missing = [name for name in ("id", "label") if name not in frame.collect_schema()]
    if missing:
        raise LogError(f"expected the columns 'id' and 'label' in {scrub_address(source)}; {missing[0]!r} is missing")
    every = frame.select(pl.col("id").cast(pl.String), "label").drop_nulls("id")
    total = int(every.select(pl.len()).collect(engine="streaming").item())
    rows = every.join(ids, on="id", how="semi", maintain_order="left").collect(engine="streaming")
    texts = [None if value is None else label_text(value) for value in rows["label"]]
    return rows.with_columns(pl.Series("label", texts, dtype=pl.String)), total - rows.height
