"""Lines as rows of tables: one type a column, kept over the life of the log.

A value of another type goes to a column beside it. Tables do not tell names apart by case; where two names differ in nothing
else, every letter of the later one is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, unquote

import numpy as np
import polars as pl

from backslide.contracts.say import count
from backslide.log.parse_bulk import parse_lines
from backslide.log.parse_rows import (
    EXACT,
    EXTRA,
    FEATURE,
    HEAD,
    PREFIXES,
    SCORE,
    ParsedLines,
    PlacedLine,
    Record,
    UnreadableError,
    parse_records,
    record_of,
    records_of,
)
from backslide.log.tables import LogTable
from backslide.log.timestamps import LEAST, MOST

MOST_COLUMNS = 10_000
"""Of a table. A model that is given names that are values, such as ids of customers, would widen it without end."""
BESIDE = "~"
"""Between a column's name and the type of values that do not fit it."""
TIME = pl.Datetime("us", "UTC")
Places = np.ndarray[tuple[int], np.dtype[np.int64]]


def rows_of(data: bytes, start: int, *, quick: bool = True) -> tuple[dict[str, ParsedLines], int]:
    """Columns of whole lines by kind, and how many lines are no records.

    Args:
        data: the lines, each with its newline.
        start: where the first begins in its file.
        quick: lets the usual lines be read in bulk; the outcome is the same.
    """
    signs = np.frombuffer(data, dtype=np.uint8)
    starts: Places = np.concatenate([[0], np.flatnonzero(signs == ord("\n"))[:-1] + 1]).astype(np.int64)
    places, head = start + pl.Series(starts), _HEADS["p"]
    fits = int(starts[-1]) + len(head) <= len(signs)
    if quick and fits and all((signs[starts + k] == sign).all() for k, sign in enumerate(head)):
        bulk = parse_lines("p", data[:-1], places)
        if bulk is not None:
            return {"p": bulk, "l": parse_records("l", []), "e": parse_records("e", [])}, 0
        quick = False
    lines = [(place, text) for place, text in zip(places, data[:-1].split(b"\n"), strict=True) if text]
    groups: dict[str, list[PlacedLine]] = {
        kind: [line for line in lines if line[1].startswith(head)] for kind, head in _HEADS.items()
    }
    rest = [line for line in lines if not line[1].startswith(tuple(_HEADS.values()))]
    others, broken = records_of(rest)
    by_kind: dict[str, ParsedLines] = {}
    for kind in "ple":
        records: list[Record] = [record for record in others if record[1]["k"] == kind]
        group = groups.get(kind, [])
        bulk = _bulk(kind, group) if quick and group and not records else None
        if bulk is None:
            texts, cut = records_of(group)
            broken += cut
            bulk = parse_records(kind, sorted(records + texts, key=lambda record: record[0]))
        by_kind[kind] = bulk
    return by_kind, broken


_HEADS = {kind: HEAD + kind.encode() + b'"' for kind in "pl"}


def _bulk(kind: str, lines: Sequence[PlacedLine]) -> ParsedLines | None:
    places = pl.Series([place for place, _ in lines], dtype=pl.Int64)
    return parse_lines(kind, b"\n".join([text for _, text in lines]), places)


def frames(
    by_kind: Mapping[str, ParsedLines], tables: Mapping[str, LogTable]
) -> Iterator[tuple[str, pl.DataFrame, list[str]]]:
    """Table, rows (with their place as ``_at``) and changes of columns, for every table."""
    changes: list[str] = []
    yield "predictions", _predictions(by_kind["p"], tables["predictions"].schema(), changes), changes
    yield "labels", _labels(by_kind["l"].own), []
    yield "events", by_kind["e"].own.select(pl.col("place").alias("_at"), *_TIMES, "text"), []


def _moment(seconds: str) -> pl.Expr:
    """Seconds since 1970 as a time; null where no calendar has it."""
    known = pl.when(pl.col(seconds).is_between(LEAST, MOST)).then(pl.col(seconds) * 1e6)
    return known.round(mode="half_to_even").cast(pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


_TIMES = (_moment("t").alias("at"), _moment("t").dt.date().alias("day"))


def _labels(own: pl.DataFrame) -> pl.DataFrame:
    return own.select(
        pl.col("place").alias("_at"),
        "id",
        *_TIMES,
        pl.col("text").alias("value"),
        "number",
        "source",
        _moment("n").alias("recorded"),
        "place",
        "by",
        pl.lit(None, dtype=pl.Float64).alias("inclusion"),
    )


def _predictions(rows: ParsedLines, schema: dict[str, pl.DataType], changes: list[str]) -> pl.DataFrame:
    frame = rows.own.select(
        pl.col("place").alias("_at"),
        "id",
        *_TIMES,
        "version",
        pl.col("text").alias("prediction"),
        pl.col("number").alias("prediction_number"),
    )
    called = _columns([(prefix, name) for prefix, name, _ in rows.values], schema)
    new = set(called) - schema.keys()
    if new and len(schema) + len(new) > MOST_COLUMNS:
        raise TooManyNamesError(
            f"expected at most {count(MOST_COLUMNS)} names of features, scores and extras in a log, got more"
        )
    return frame.with_columns(
        _fit_to_schema(column, name, values, schema, changes)
        for column, (_, name, values) in zip(called, rows.values, strict=True)
    )


class TooManyNamesError(UnreadableError):
    """Lines with more names than a log may have."""


def lines_beyond(lines: Sequence[PlacedLine], schema: Mapping[str, object]) -> list[PlacedLine]:
    """Predictions whose new names a log has no room for, beside those of the lines before them."""
    known, room = {column.split(BESIDE)[0] for column in schema}, MOST_COLUMNS - len(schema)
    beyond = []
    for place, text in lines:
        try:
            record = record_of(text)
        except (ValueError, UnreadableError):
            continue
        keys = PREFIXES.items() if record["k"] == "p" else ()
        new = {prefix + column_name(name) for key, prefix in keys for name in record.get(key) or {}} - known
        if len(new) > room:
            beyond.append((place, text))
        else:
            known, room = known | new if new else known, room - len(new)
    return beyond


def column_name(name: str, *, escaped: bool = False) -> str:
    """A caller's name as part of a column's; ``escaped`` leaves no letter whose case could matter."""
    if escaped:
        return "".join(chr(c) if c in b"0123456789" else f"%{c:02X}" for c in name.encode())
    return quote(name, safe="").replace(BESIDE, "%7E")


def _columns(names: Sequence[tuple[str, str]], schema: Mapping[str, object]) -> list[str]:
    """Columns for names with their prefixes; those that the table has keep what they are called there."""
    plain = [prefix + column_name(name) for prefix, name in names]
    stems = {column.split(BESIDE)[0] for column in schema}
    taken = {column.lower() for column in stems}
    matches = [column if column in stems else "" for column in plain]
    for k, column in enumerate(plain):
        if not matches[k]:
            matches[k] = column if column.lower() not in taken else names[k][0] + column_name(names[k][1], escaped=True)
            taken.add(column.lower())
    return matches


def _fit_to_schema(
    column: str, name: str, values: pl.Series, schema: dict[str, pl.DataType], changes: list[str]
) -> pl.Series:
    """A column of the type that the table has; values of another type as a column beside it."""
    known = schema.get(column)
    if known is None or values.dtype == known:
        if known is None and schema:
            changes.append(f"{name!r} appeared")
        return values.alias(column)
    if known == pl.Float64 and values.dtype == pl.Int64 and not (values.abs() > EXACT).any():
        return values.cast(pl.Float64).alias(column)
    if known == pl.Int64 and values.dtype == pl.Float64:
        broken = values.is_nan() | (values != values.round()) | (values.abs() >= 2**63)
        if not broken.fill_null(False).any():
            return values.cast(pl.Int64).alias(column)
    changes.append(f"{name!r} holds {values.dtype} now, {known} before")
    return values.alias(f"{column}{BESIDE}{str(values.dtype).split('(')[0].lower()}")


def plain_names(columns: list[str]) -> dict[str, tuple[str, list[str]]]:
    """Columns of the predictions table -> (kind, those that hold its values), by the name that the caller gave.

    The kind is the prefix; values beside a column belong to it.
    """
    by_stem: dict[str, tuple[str, list[str]]] = {}
    for column in columns:
        prefix = column[:2]
        if prefix in (FEATURE, SCORE, EXTRA):
            stem = column.split(BESIDE)[0]
            name = unquote(stem[2:])
            by_stem.setdefault(prefix + name, (name, []))[1].append(column)
    return by_stem
