"""``backslide log to-label`` and ``backslide log label``: rows out to be labelled, and their labels back."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backslide.cli.output import note, say
from backslide.contracts.errors import LogError
from backslide.contracts.files import whole_file
from backslide.contracts.say import count, percent
from backslide.contracts.secrets import scrub_address

if TYPE_CHECKING:
    import polars as pl

TABLES = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
"""Ends of the names of tables; anything else is CSV, as people fill it in."""


def to_label(
    store: str, out: Path, *, model: str | None, rows: int, since: str | None, seed: int | None, as_json: bool
) -> int:
    """Draw rows and write them as CSV."""
    import polars as pl

    from backslide.engine.sources.errors import reading
    from backslide.log.label_sample import draw
    from backslide.log.reading import open_log
    from backslide.log.spreadsheet import guard_formulas

    if out.suffix.lower() != ".csv":
        raise LogError(f"expected a file to write that ends with .csv, got {out.name!r}")
    begun = None if since is None else pl.col("at") >= _day(since)
    with reading(f"the log in {store!r}"):
        table = draw(open_log(store, model), rows, since=begun, seed=seed)
    lists = [name for name, kind in table.schema.items() if isinstance(kind, pl.List)]
    table = table.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists)
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as part:
        guard_formulas(table).write_csv(part)
    if as_json:
        document = {
            "format": "backslide.log-to-label/1",
            "file": str(out),
            "rows": table.height,
            "of_rows": table["of_rows"][0],
        }
        say(json.dumps(document, indent=2))
    else:
        note(f"wrote {out}: {table.height} of {count(table['of_rows'][0])} rows that wait for a label")
        note(f"fill in the column 'label', then: backslide log label {out}")
    return 0


def label(
    store: str, file: str, *, model: str | None, spool: Path | None, source: str | None, by: str | None, as_json: bool
) -> int:
    """Take labels in, and say what they tell; of a table that holds other ids, too, those of the log alone."""
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
    if as_json:
        content = asdict(done) | ({"left_out": others} if others else {})
        say(json.dumps({"format": "backslide.log-label/1", **content}, indent=2))
        return 0
    if others:
        note(f"left out: {count(others)} rows of ids that are not in the log of {done.model!r}")
    say(f"{done.model}: {done.added} labels added; {done.labelled} of {done.rows} rows in the file have one")
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


def _day(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise LogError(f"expected a date such as 2026-03-01, got --since {text!r}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
