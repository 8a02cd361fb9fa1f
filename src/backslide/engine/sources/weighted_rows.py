"""Tables whose rows stand for several predictions each: a column of counts, read as so many equal rows.

Every count, metric and test then is that of the table before it was aggregated. The rows are repeated as they are read, a batch
at a time, so that memory depends neither on the counts nor on the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.errors import ColumnError, InputError, did_you_mean
from backslide.engine.sources.batches import batches
from backslide.engine.sources.errors import reading
from backslide.engine.sources.open import describe, open_source

BATCH_ROWS = 65_536
MOST_ROWS = 500_000_000
"""Predictions that a table may stand for: they are gone through one by one, at some millions a second."""


def open_weighted(source: Any, settings: Settings, notes: list[str] | None = None) -> pl.LazyFrame:
    """A source of ``settings`` with one row for each prediction: where ``[model] weight`` is set, rows are repeated.

    Raises:
        SourceError: the source cannot be read.
        ColumnError, InputError: the weights are not there, or are no counts.
    """
    frame = open_source(source, base=settings.base, data=settings.data, notes=notes)
    column = settings.model.weight
    return frame if column is None else _repeated(frame, column, describe(source), [] if notes is None else notes)


def _repeated(frame: pl.LazyFrame, column: str, source: str, notes: list[str]) -> pl.LazyFrame:
    schema = frame.collect_schema()
    if column not in schema:
        raise ColumnError(f"{source} has no column {column!r} ([model] weight){did_you_mean(column, schema)}")
    if not schema[column].is_numeric():
        raise ColumnError(f"[model] weight {column!r}: expected counts of rows, found {schema[column]} in {source}")
    weight = pl.col(column).cast(pl.Float64)
    counts = weight.is_finite().fill_null(False) & (weight >= 0) & (weight == weight.round())
    with reading():
        facts = frame.select(
            pl.len().alias("rows"),
            (~counts).sum().alias("others"),
            pl.col(column).filter(~counts).first().alias("example"),
            weight.filter(counts).sum().alias("total"),
        )
        rows, others, example, total = facts.collect(engine="streaming").row(0)
    if others:
        raise InputError(
            f"[model] weight {column!r}: expected whole numbers from 0 on in each row of {source}, found "
            f"{'no value' if example is None else say.number(example)} ({say.counted(others, 'such row')})"
        )
    if total > MOST_ROWS:
        raise InputError(
            f"{source} stands for {say.count(int(total))} predictions by its column {column!r}, more than the "
            f"{say.count(MOST_ROWS)} that are gone through; name shorter windows, or ask `backslide segments` about the counts"
        )
    notes.append(f"{say.count(rows)} rows of {source} stand for {say.count(int(total))} predictions, by {column!r}")

    def rows_of(
        columns: list[str] | None, predicate: pl.Expr | None, most: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = list(schema) if columns is None else columns
        left = total if most is None else most
        for batch in batches(frame.select(list(dict.fromkeys([*wanted, column]))), BATCH_ROWS):
            ends = np.cumsum(batch[column].cast(pl.Int64).to_numpy())
            for start in range(0, int(ends[-1]) if len(ends) else 0, BATCH_ROWS):
                stop = int(min(start + BATCH_ROWS, ends[-1], start + left))
                part = batch[np.searchsorted(ends, np.arange(start, stop), side="right")].select(wanted)
                left -= part.height
                yield part if predicate is None else part.filter(predicate)
                if left <= 0:
                    return

    return register_io_source(rows_of, schema=schema)
