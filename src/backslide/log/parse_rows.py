"""Lines as columns, one Python value at a time: takes whatever a line can say. ``bulk`` does the usual lines much faster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from backslide.contracts.labels import label_text
from backslide.log.lines import WHOLE, unwrap, value_of

PlacedLine = tuple[int, bytes]
"""Where a line begins in its file, and the line."""
Record = tuple[int, dict[str, Any]]
FEATURE, SCORE, EXTRA = "f_", "s_", "x_"
PREFIXES = {"f": FEATURE, "s": SCORE, "x": EXTRA}
HEAD = b'{"k":"'
"""How every line begins; within a line it cannot stand, for quotes in texts are escaped."""
EXACT = 2**53
"""Up to here floats hold every whole number."""


class UnreadableError(Exception):
    """A whole line of JSON that is no record; says what was expected."""


@dataclass(frozen=True)
class ParsedLines:
    """Lines of one kind as columns.

    ``own`` holds ``place``, ``id``, ``t`` (seconds), ``version``, ``source``, ``by``, ``n`` (seconds), and ``text`` and
    ``number`` of what was answered; ``values`` what stands under the names that the caller gave, each with its kind's prefix.
    """

    own: pl.DataFrame
    values: list[tuple[str, str, pl.Series]]


def records_of(lines: Iterable[PlacedLine]) -> tuple[list[Record], int]:
    """Records of lines, and how many lines are none.

    Where a line was cut off and another writer's went on in it, the last one is whole and counts.

    Raises:
        UnreadableError: a line is whole and still no record.
    """
    records, broken = [], 0
    for place, text in lines:
        try:
            records.append((place, record_of(text)))
        except ValueError:
            broken += 1
            begun = text.rfind(HEAD)
            if begun > 0:
                try:
                    records.append((place + begun, record_of(text[begun:])))
                except ValueError:
                    continue
    return records, broken


def record_of(text: bytes) -> dict[str, Any]:
    """The record of a line.

    Raises:
        ValueError: the line is no JSON; it was cut off.
        UnreadableError: it is, and no record.
    """
    record: dict[str, Any] = orjson.loads(text)
    if not isinstance(record, dict) or record.get("k") not in ("p", "l", "e"):
        raise UnreadableError("expected a prediction, a label or an event (k: p, l or e)")
    if record["k"] != "e" and (record.get("i") is None or isinstance(record["i"], (dict, list))):
        raise UnreadableError("expected an id (i)")
    if record["k"] == "p":
        for key in PREFIXES:
            if not isinstance(record.get(key) or {}, dict):
                raise UnreadableError(f"expected names and values under {key!r}, got {type(record[key]).__name__}")
    return record


def parse_records(kind: str, records: list[Record]) -> ParsedLines:
    """Columns of records of one kind."""
    answers = [record.get("p" if kind == "p" else "y") for _, record in records]
    own = pl.DataFrame(
        [
            pl.Series("place", [place for place, _ in records], dtype=pl.Int64),
            pl.Series("id", [str(record.get("i")) for _, record in records], dtype=pl.String),
            pl.Series("t", [_seconds(record.get("t")) for _, record in records], dtype=pl.Float64),
            pl.Series("version", [_text_or_none(record.get("v")) for _, record in records], dtype=pl.String),
            pl.Series("source", [_text_or_none(record.get("o")) for _, record in records], dtype=pl.String),
            pl.Series("by", [_text_or_none(record.get("b")) for _, record in records], dtype=pl.String),
            pl.Series("n", [_seconds(record.get("n")) for _, record in records], dtype=pl.Float64),
            pl.Series("text", [_text(answer) for answer in answers], dtype=pl.String),
            pl.Series("number", [_number(answer) for answer in answers], dtype=pl.Float64),
        ]
    )
    values = []
    for key, prefix in PREFIXES.items() if kind == "p" else ():
        for name, column in _columns_of([record.get(key) or {} for _, record in records]):
            parsed = column if _PLAIN.issuperset(map(type, column)) else [value_of(value) for value in column]
            series = _series(parsed)
            if series is not None:
                values.append((prefix, name, series))
    return ParsedLines(own, values)


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)


def _columns_of(records: list[dict[str, Any]]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Names and their values by record, None where a record has none."""
    shapes = {tuple(values) for values in records}
    if len(shapes) == 1:  # the usual case, several times as fast
        yield from zip(next(iter(shapes)), zip(*(values.values() for values in records), strict=True), strict=True)
        return
    names: dict[str, None] = {}
    for shape in shapes:
        names.update(dict.fromkeys(shape))
    for name in sorted(names):
        yield name, [values.get(name) for values in records]


def _text(value: Any) -> str | None:
    if value.__class__ is str:
        return value
    own = unwrap(value) if isinstance(value, list) else value_of(value)
    return None if own is None or own != own else label_text(own)


def _number(value: Any) -> float | None:
    own = value_of(value)
    return float(own) if isinstance(own, (int, float)) and not isinstance(own, bool) else None


def _series(values: Sequence[Any]) -> pl.Series | None:
    """Values as the narrowest type that holds them all; None where all are null."""
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return None
    if kinds == {bool}:
        return pl.Series(values, dtype=pl.Boolean)
    if kinds == {int} and all(value is None or -WHOLE <= value < WHOLE for value in values):
        return pl.Series(values, dtype=pl.Int64)
    if kinds <= {int, float} and float in kinds and not any(isinstance(v, int) and int(float(v)) != v for v in values):
        return pl.Series([None if value is None else float(value) for value in values], dtype=pl.Float64)
    if kinds == {list} and all(
        _number(x) is not None or value_of(x) is None for v in values if v is not None for x in v
    ):
        lists = [None if v is None else [None if x is None else float(x) for x in map(value_of, v)] for v in values]
        return pl.Series(lists, dtype=pl.List(pl.Float64))
    return pl.Series(
        [None if v is None else v if isinstance(v, str) else label_text(unwrap(v)) for v in values], dtype=pl.String
    )


_PLAIN = frozenset((str, int, float, bool, type(None)))


def answers_of(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Text and number of predictions or labels that are a column of texts, numbers or booleans."""
    nothing = pl.Series([None], dtype=pl.Float64).new_from_index(0, len(column))
    if column.dtype == pl.String:
        return column, nothing
    number = nothing if column.dtype == pl.Boolean else column.cast(pl.Float64)
    if column.dtype == pl.Float64:
        column = column.fill_nan(None)
    names = {value: label_text(value) for value in column.drop_nulls().unique().to_list()}
    # With nothing to replace, the column would keep its own type.
    return column.replace_strict(names, return_dtype=pl.String).cast(pl.String), number
