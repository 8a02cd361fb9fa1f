"""Records as columns: one type a column, kept over the life of the log; a value of another type goes to a column beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

import polars as pl

from backslide.contracts.labels import label_text
from backslide.log.lines import value_of
from backslide.log.tables import Table

Record = tuple[int, dict[str, Any]]
"""Place in its file, and what the line says."""
FEATURE, SCORE, EXTRA = "f_", "s_", "x_"
BESIDE = "~"
"""Between a column's name and the type of values that do not fit it."""
TIME = pl.Datetime("us", "UTC")
LEAST, MOST = -62_135_596_800.0, 253_402_300_799.0
"""Seconds of the years 1 and 9999."""


def frames(
    records: list[Record], start: int, tables: Mapping[str, Table]
) -> Iterator[tuple[str, pl.DataFrame, list[str]]]:
    """Table, rows (with their place as ``_at``) and changes of columns, for every table that the records have rows for."""
    kinds: dict[str, list[Record]] = {"p": [], "l": [], "e": []}
    for record in records:
        kinds[record[1]["k"]].append(record)
    changes: list[str] = []
    made = _predictions(kinds["p"], tables["predictions"], changes)
    yield "predictions", made, changes
    yield "labels", _labels(kinds["l"]), []
    yield "events", _events(kinds["e"]), []


def _times(records: list[Record]) -> tuple[pl.Series, pl.Series]:
    told = [record.get("t") for _, record in records]
    seconds = [float(t) if isinstance(t, (int, float)) and LEAST <= t <= MOST else None for t in told]
    at = pl.Series("at", [None if s is None else round(s * 1e6) for s in seconds], dtype=pl.Int64).cast(
        pl.Datetime("us")
    )
    at = at.dt.replace_time_zone("UTC")
    return at, at.dt.date().alias("day")


def _turned(held: list[dict[str, Any]]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Names and their values by record, None where a record has none."""
    shapes = {tuple(values) for values in held}
    if len(shapes) == 1:  # the usual case, several times as fast
        yield from zip(next(iter(shapes)), zip(*(values.values() for values in held), strict=True), strict=True)
        return
    names: dict[str, None] = {}
    for shape in shapes:
        names.update(dict.fromkeys(shape))
    for name in sorted(names):
        yield name, [values.get(name) for values in held]


def _text(value: Any) -> str | None:
    if value.__class__ is str:
        return value
    own = value_of(value)
    return None if own is None or own != own else label_text(own)


def _number(value: Any) -> float | None:
    own = value_of(value)
    return float(own) if isinstance(own, (int, float)) and not isinstance(own, bool) else None


def _predictions(records: list[Record], table: Table, changes: list[str]) -> pl.DataFrame:
    at, day = _times(records)
    said = [record.get("p") for _, record in records]
    columns = [
        pl.Series("_at", [place for place, _ in records], dtype=pl.Int64),
        pl.Series("id", [str(record.get("i")) for _, record in records], dtype=pl.String), at, day,
        pl.Series("version", [None if r.get("v") is None else str(r["v"]) for _, r in records], dtype=pl.String),
        pl.Series("prediction", [_text(p) for p in said], dtype=pl.String),
        pl.Series("prediction_number", [_number(p) for p in said], dtype=pl.Float64),
    ]  # fmt: skip
    schema = table.schema()
    for key, prefix in (("f", FEATURE), ("s", SCORE), ("x", EXTRA)):
        held: list[dict[str, Any]] = [record.get(key) or {} for _, record in records]
        for name, values in _turned(held):
            if not _PLAIN.issuperset(map(type, values)):
                values = [value_of(value) for value in values]
            columns += _fitted(prefix + quote(name, safe=""), name, values, schema, changes)
    return pl.DataFrame(columns)


def _fitted(
    column: str, name: str, values: Sequence[Any], schema: dict[str, pl.DataType], changes: list[str]
) -> list[pl.Series]:
    """A column of the type that the table has; values of another type in a column beside it."""
    made = _typed(column, values)
    if made is None:
        return []
    known = schema.get(column)
    if known is None:
        if schema:
            changes.append(f"{name!r} appeared")
        return [made]
    if made.dtype == known:
        return [made]
    if known == pl.Float64 and made.dtype == pl.Int64:
        return [made.cast(pl.Float64)]
    if known == pl.Int64 and made.dtype == pl.Float64:
        whole = made.is_nan() | (made != made.round()) | (made.abs() >= 2**63)
        if not whole.fill_null(False).any():
            return [made.cast(pl.Int64)]
    changes.append(f"{name!r} holds {made.dtype} now, {known} before")
    return [made.rename(f"{column}{BESIDE}{str(made.dtype).split('(')[0].lower()}")]


def _typed(column: str, values: Sequence[Any]) -> pl.Series | None:
    """Values as the narrowest type that holds them all; None where all are null."""
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return None
    if kinds == {bool}:
        return pl.Series(column, values, dtype=pl.Boolean)
    if kinds == {int}:
        return pl.Series(column, values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series(column, values, dtype=pl.Float64, strict=False)
    if kinds == {list} and all(_numeric(v) for v in values if v is not None):
        lists = [None if v is None else [None if x is None else float(x) for x in map(value_of, v)] for v in values]
        return pl.Series(column, lists, dtype=pl.List(pl.Float64))
    return pl.Series(
        column, [None if v is None else v if isinstance(v, str) else label_text(v) for v in values], dtype=pl.String
    )


_PLAIN = frozenset((str, int, float, bool, type(None)))


def _numeric(values: list[Any]) -> bool:
    return all(v is None or (isinstance(v, (int, float)) and not isinstance(v, bool)) for v in map(value_of, values))


def _labels(records: list[Record]) -> pl.DataFrame:
    at, day = _times(records)
    told = [record.get("y") for _, record in records]
    recorded = [record.get("n") for _, record in records]
    return pl.DataFrame(
        [
            pl.Series("_at", [place for place, _ in records], dtype=pl.Int64),
            pl.Series("id", [str(record.get("i")) for _, record in records], dtype=pl.String), at, day,
            pl.Series("value", [_text(y) for y in told], dtype=pl.String),
            pl.Series("number", [_number(y) for y in told], dtype=pl.Float64),
            pl.Series("source", [None if r.get("o") is None else str(r["o"]) for _, r in records], dtype=pl.String),
            pl.Series("recorded", [None if n is None else datetime.fromtimestamp(n, UTC) for n in recorded], dtype=TIME),
            pl.Series("place", [place for place, _ in records], dtype=pl.Int64),
        ]
    )  # fmt: skip


def _events(records: list[Record]) -> pl.DataFrame:
    at, day = _times(records)
    return pl.DataFrame(
        [
            pl.Series("_at", [place for place, _ in records], dtype=pl.Int64), at, day,
            pl.Series("text", [str(record.get("y")) for _, record in records], dtype=pl.String),
        ]
    )  # fmt: skip


def plain_names(columns: list[str]) -> dict[str, tuple[str, list[str]]]:
    """Columns of the predictions table -> (kind, those that hold its values), by the name that the caller gave.

    The kind is the prefix; values beside a column belong to it.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    for column in columns:
        prefix = column[:2]
        if prefix in (FEATURE, SCORE, EXTRA):
            stem = column.split(BESIDE)[0]
            found.setdefault(stem, (unquote(stem[2:]), []))[1].append(column)
    return found
