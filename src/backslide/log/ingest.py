"""Tables that others wrote into a log: what is there already is left out, so the same rows may come any number of times."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from backslide.contracts.errors import LogError
from backslide.contracts.roles import Roles
from backslide.log.columns import frames
from backslide.log.lines import TIME, line, to_json_value, value_of
from backslide.log.parse_rows import EXTRA, FEATURE, SCORE, ParsedLines, UnreadableError, answers_of
from backslide.log.paths import TABLES, check_name, lock_spool, spool_root, table_of
from backslide.log.tables import PARTITION, LogTable

BATCH = 262_144
"""Rows that one commit takes."""
TOGETHER = 4096
"""Rows that are objects of Python at a time."""
_KEYS = {"predictions": ["id", "at"], "labels": ["id", "value", "at", "source"]}
_WHOLE = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)


@dataclass
class IngestReport:
    """What came in."""

    model: str
    rows: int = 0
    """Rows looked at."""
    added: dict[str, int] = field(default_factory=lambda: {"predictions": 0, "labels": 0})
    changes: list[str] = field(default_factory=list)
    """Features that appeared or changed their type."""


def ingest(
    frame: pl.LazyFrame,
    store: str | os.PathLike[str],
    model: str,
    roles: Roles,
    *,
    source: str | None = None,
    spool: str | os.PathLike[str] | None = None,
) -> IngestReport:
    """Take rows into a log.

    A prediction is known by its id and time; a row of a table without ids by all that it says, and how often that was said
    before. A label is known by id, value, time and source. A label without a time of its own is told as of its prediction's;
    when it arrived is not known.

    Args:
        frame: the rows; times are dates or datetimes (naive: UTC).
        store: the log.
        model: its name there.
        roles: which column is what; columns that are no features and have no role are extras.
        source: whose the labels are, where no column says it.
        spool: folder of what waits, where it is not within the store.

    Raises:
        LogError: the name cannot be a folder's, nothing says what was predicted, or a rollup is at work.
        MissingExtraError: deltalake is not installed.
    """
    check_name(model)
    if roles.prediction is None and not roles.scores and roles.label is None:
        raise LogError("expected a column of predictions, scores or labels; name one with --prediction or --label")
    counts: Counter[str] = Counter()
    batches = (
        (batch.height, _read_batch(batch, roles, source, counts))
        for batch in frame.collect_batches(chunk_size=BATCH, maintain_order=True)
    )
    return add_rows(batches, store, model, spool=spool)


def _columns_of(
    by_kind: Mapping[str, ParsedLines], tables: Mapping[str, LogTable]
) -> Iterator[tuple[str, pl.DataFrame, list[str]]]:
    try:
        yield from frames(by_kind, tables)
    except UnreadableError as error:
        raise LogError(str(error)) from None


def add_rows(
    batches: Iterable[tuple[int, Mapping[str, ParsedLines]]],
    store: str | os.PathLike[str],
    model: str,
    *,
    spool: str | os.PathLike[str] | None = None,
) -> IngestReport:
    """Take rows that were read into a log, but those that it has: predictions by id and time, labels by all that they say.

    Args:
        batches: how many rows were looked at, and what they say by kind of line.
        store: the log.
        model: its name there.
        spool: folder of what waits, where it is not within the store.

    Raises:
        LogError: the name cannot be a folder's, or a rollup is at work.
        MissingExtraError: deltalake is not installed.
    """
    check_name(model)
    done = IngestReport(model)
    with lock_spool(spool_root(store, spool)):
        tables = {kind: LogTable(table_of(store, model, kind), kind) for kind in TABLES}
        known = {kind: KnownRows(tables[kind], keys) for kind, keys in _KEYS.items()}
        for rows_read, by_kind in batches:
            done.rows += rows_read
            for kind, rows, changes in _columns_of(by_kind, tables):
                if kind == "events":
                    continue
                fresh = known[kind].without_known(rows)
                if fresh.height:
                    tables[kind].append(fresh.drop("_at"))
                    known[kind].add(fresh)
                done.added[kind] += fresh.height
                done.changes = list(dict.fromkeys([*done.changes, *changes]))
    return done


def _read_batch(batch: pl.DataFrame, roles: Roles, source: str | None, counts: Counter[str]) -> dict[str, ParsedLines]:
    taken = set(roles.columns().values())
    features = [column for column in batch.columns if column not in taken] if roles.features is None else roles.features
    ids = pl.Series(_names(batch, counts)) if roles.id is None else _text(batch[roles.id])
    at = _seconds(batch, roles.timestamp)
    values = [(SCORE, label, batch[column].cast(pl.Float64, strict=False)) for label, column in roles.scores.items()]
    values += [(FEATURE, column, _plain(batch[column])) for column in features if column in batch.columns]
    values += [(EXTRA, c, _plain(batch[c])) for c in batch.columns if c not in taken and c not in features]
    own = pl.DataFrame({"id": ids, "t": at}).with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
    nothing = pl.lit(None, dtype=pl.String)
    version = nothing if roles.version is None else _text(batch[roles.version])
    empty = own.with_columns(
        version=nothing,
        source=nothing,
        by=nothing,
        n=nothing.cast(pl.Float64),
        text=nothing,
        number=nothing.cast(pl.Float64),
    )
    served, labels = empty.with_columns(version=version), empty.clear()
    if roles.prediction is not None:
        text, number = answers_of(_plain(batch[roles.prediction]))
        served = served.with_columns(text=text, number=number)
    if roles.label is not None:
        text, number = answers_of(_plain(batch[roles.label]))
        when = at if roles.label_time is None else _seconds(batch, roles.label_time)
        whose = pl.lit(source, dtype=pl.String)
        if roles.label_source is not None:
            whose = pl.coalesce(_text(batch[roles.label_source]), whose)
        labels = empty.with_columns(text=text, number=number, t=when, source=whose)
        labels = labels.filter(pl.col("text").is_not_null())
    return {
        "p": ParsedLines(served, [v for v in values if v[2].null_count() < v[2].len()]),
        "l": ParsedLines(labels, []),
        "e": ParsedLines(empty.clear(), []),
    }


def _names(batch: pl.DataFrame, counts: Counter[str]) -> list[str]:
    """Ids of rows without any: a digest of what the row says, with its number among equal rows."""
    names = []
    for part in batch.iter_slices(TOGETHER):
        for values in zip(*(_json_values(column) for column in part), strict=True):
            row = line({"r": dict(zip(batch.columns, values, strict=True))})
            digest = hashlib.blake2b(row, digest_size=16).hexdigest()
            counts[digest] += 1
            names.append(digest if counts[digest] == 1 else f"{digest}-{counts[digest]}")
    return names


def _json_values(column: pl.Series) -> list[Any]:
    """Values as JSON can say them; most columns hold nothing else."""
    kind, values = column.dtype, column.to_list()
    if kind in (pl.String, pl.Boolean) or kind.is_integer() or (kind.is_float() and column.is_finite().all()):
        return values
    if kind in (pl.Datetime, pl.Date):
        return [None if value is None else {TIME: value.isoformat()} for value in values]
    return [to_json_value(value) for value in values]


def _seconds(batch: pl.DataFrame, column: str | None) -> pl.Series:
    if column is None:
        return pl.Series([None], dtype=pl.Float64).new_from_index(0, batch.height)
    times = batch[column].cast(pl.Datetime("us")) if batch.schema[column] == pl.Date else batch[column]
    if not isinstance(times.dtype, pl.Datetime):
        raise LogError(f"expected times in the column {column!r}, found {times.dtype}")
    return times.dt.epoch("us") / 1e6


def _text(column: pl.Series) -> pl.Series:
    return answers_of(_plain(column))[0]


def _plain(column: pl.Series) -> pl.Series:
    """A column of one of the types that a log keeps."""
    kind = column.dtype
    if kind in (pl.String, pl.Boolean, pl.Float64, pl.Int64, pl.List(pl.Float64)):
        return column
    if kind in _WHOLE or kind == pl.Null:
        return column.cast(pl.Int64)
    # The scalar is a number, though Polars allows for texts and dates:
    if kind == pl.UInt64 and (column.max() or 0) < 2**63:  # type: ignore[operator]
        return column.cast(pl.Int64)
    if kind.is_numeric():
        return column.cast(pl.Float64)
    if kind in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    if isinstance(kind, (pl.List, pl.Array)) and isinstance(kind.inner, pl.DataType) and kind.inner.is_numeric():
        return column.cast(pl.List(pl.Float64))
    return pl.Series(
        column.name,
        [None if value is None else _words(to_json_value(value)) for value in column.to_list()],
        dtype=pl.String,
    )


def _words(value: Any) -> str:
    if isinstance(value, list):
        return str([value_of(one) for one in value])
    return str(value_of(value))


# Which rows a table has, for imports that may come again: eight bytes a row, and what looks known is read and compared.


RUN = 2**23
"""Digests up to which two runs of them become one: in few runs they are found quickly, and joining long ones takes memory."""
_Digests = np.ndarray[tuple[int], np.dtype[np.uint64]]


class KnownRows:
    """The rows of a table by digests of their keys, in runs that are each in order."""

    def __init__(self, table: LogTable, keys: list[str]) -> None:
        self._table = table
        self._keys = keys
        self._runs: list[_Digests] = []
        if table.there:
            for batch in table.scan().select(keys).collect_batches(maintain_order=False):
                self.add(batch)

    def add(self, rows: pl.DataFrame) -> None:
        """Rows that the table has from now on."""
        run = np.sort(self._digests(rows))
        while self._runs and len(self._runs[-1]) <= len(run) and len(self._runs[-1]) + len(run) <= RUN:
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        if len(run):
            self._runs.append(run)

    def without_known(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those that the table has not, each once: of several with the same keys the last."""
        rows = rows.unique(self._keys, keep="last", maintain_order=True)
        digests = self._digests(rows)
        order = np.argsort(digests)
        wanted = digests[order]  # in order they are found several times as fast
        suspected = np.zeros(len(digests), bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, wanted), len(run) - 1)
            suspected[order] |= run[places] == wanted
        if not suspected.any():
            return rows
        suspects = rows.filter(pl.Series(suspected))
        days = suspects[PARTITION].unique()
        stored = self._table.scan().filter(pl.col(PARTITION).is_in(days.implode(), nulls_equal=True)).select(self._keys)
        known = stored.join(suspects.lazy().select(self._keys), on=self._keys, how="semi", nulls_equal=True)
        return rows.join(
            known.collect(engine="streaming"), on=self._keys, how="anti", nulls_equal=True, maintain_order="left"
        )

    def _digests(self, rows: pl.DataFrame) -> _Digests:
        return rows.select(self._keys).hash_rows().to_numpy()
