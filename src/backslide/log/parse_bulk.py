"""Lines as columns through Polars' own reader, several times as fast as one value at a time, and never otherwise.

The types are told by a sample of the lines, then the reader is held to them. It takes three things silently that must not be
taken: names it was not told of, other values where texts are expected, and names that stand twice. All three show in counts:

* ``":`` stands behind every name, and nowhere else as long as no text holds an escaped quote before a colon; so the values that
  were read and the nulls together must be as many as the names.
* ``":"`` stands before every text that is a value; so the texts that were read must be as many.

What JSON cannot say is rewritten before: NaN and infinities to numbers that occur nowhere in the lines, wrapped texts to texts.
Where anything does not fit, the answer is None, and the lines are read carefully.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import orjson
import polars as pl

from backslide.log.parse_rows import EXACT, PREFIXES, ParsedLines, answers_of

SAMPLE = 256
"""Lines that tell the types."""
_MARKS = {
    b'{"$f":"nan"}': (b"-7.120117120117e-291", float("nan")),
    b'{"$f":"inf"}': (b"-7.120117120118e-291", float("inf")),
    b'{"$f":"-inf"}': (b"-7.120117120119e-291", float("-inf")),
}
_WRAPPED = re.compile(rb'\{"\$[bdto]":("(?:[^"\\]|\\.)*")\}')
_KEYS = {
    "p": {"k": pl.String(), "i": pl.String(), "t": pl.Float64(), "v": pl.String()},
    "l": {"k": pl.String(), "i": pl.String(), "t": pl.Float64(), "o": pl.String(), "n": pl.Float64(), "b": pl.String()},
}


def parse_lines(kind: str, data: bytes, places: pl.Series) -> ParsedLines | None:
    """Columns of lines of one kind, ``p`` or ``l``, or None where that could not be done exactly.

    Args:
        kind: of all lines.
        data: lines with newlines between them.
        places: where each of them begins in its file.
    """
    schema = _schema(kind, _sample(data, len(places)))
    rewritten = _rewritten(data)
    if schema is None or rewritten is None:
        return None
    data, marks = rewritten
    try:
        with ThreadPoolExecutor(1) as beside:  # the reader leaves the interpreter alone
            reading = beside.submit(pl.read_ndjson, data, schema=schema)
            counted = _counts(data)
            read = reading.result()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    if read.height != len(places) or read["i"].null_count() or counted != _value_counts(read):
        return None
    return _rows(kind, read, places, marks)


def _rewritten(data: bytes) -> tuple[bytes, dict[float, float]] | None:
    """Lines without wrapped values, and what the numbers in the place of NaN and infinities stand for."""
    marks: dict[float, float] = {}
    if b'{"$' in data:
        for mark, (stand_in, value) in _MARKS.items():
            if mark in data:
                if stand_in in data:
                    return None
                data = data.replace(mark, stand_in)
                marks[float(stand_in)] = value
        data = _WRAPPED.sub(rb"\1", data)
    return data, marks


def _sample(data: bytes, lines: int) -> list[bytes]:
    """Some whole lines from all over."""
    if lines <= SAMPLE:
        return data.split(b"\n")
    begun = [0, *(data.find(b"\n", len(data) * k // SAMPLE) + 1 for k in range(1, SAMPLE))]
    ends = [data.find(b"\n", start) for start in begun]
    return [data[start : end if end >= 0 else len(data)] for start, end in zip(begun, ends, strict=True)]


def _schema(kind: str, lines: list[bytes]) -> dict[str, pl.DataType] | None:
    """Types by a sample of the lines; None where they are not of one type a column."""
    answer = "p" if kind == "p" else "y"
    distinct: dict[str, dict[str, set[Any]]] = {key: {} for key in (*PREFIXES, answer)}
    rewritten = _rewritten(b"\n".join(lines))
    if rewritten is None:
        return None
    for text in rewritten[0].split(b"\n"):
        try:
            record = orjson.loads(text)
        except ValueError:
            return None
        for key, own in distinct.items():
            values = {"": record.get(answer)} if key == answer else record.get(key) or {}
            if not isinstance(values, dict):
                return None
            for name, value in values.items():
                own.setdefault(name, set()).add(_kind(value))
    types = {key: {name: _type(kinds) for name, kinds in own.items()} for key, own in distinct.items()}
    known = {key: {name: dtype for name, dtype in own.items() if dtype is not None} for key, own in types.items()}
    answered = known.pop(answer).get("", pl.String())
    if isinstance(answered, (pl.Object, pl.List)) or any(
        isinstance(t, pl.Object) for own in known.values() for t in own.values()
    ):
        return None
    return {**_KEYS[kind], answer: answered, **{key: pl.Struct(own) for key, own in known.items() if own}}


def _kind(value: Any) -> Any:
    """The type of a value; of a list whether numbers are in it only."""
    if value.__class__ is list:
        return list if all(x is None or x.__class__ in (int, float) for x in value) else dict
    return value.__class__


def _type(kinds: set[Any]) -> pl.DataType | None:
    """The column type for values of these types; ``Object`` where there is none, None where all are null."""
    kinds = kinds - {type(None)}
    if not kinds:
        return None
    for known, dtype in _TYPES:
        if kinds <= known:
            return dtype
    return pl.Object()


_TYPES: tuple[tuple[set[Any], pl.DataType], ...] = (
    ({str}, pl.String()),
    ({bool}, pl.Boolean()),
    ({int}, pl.Int64()),
    ({int, float}, pl.Float64()),
    ({list}, pl.List(pl.Float64())),
)


def _counts(data: bytes) -> tuple[int, int] | None:
    """Values other than null behind a name, and texts among them; None where texts make the names hard to tell."""
    signs = np.frombuffer(data, dtype=np.uint8)
    quotes = signs == ord('"')
    behind = quotes[:-1] & (signs[1:] == ord(":"))  # of names
    if (behind[1:] & (signs[:-2] == ord("\\"))).any():
        return None
    names, texts = np.count_nonzero(behind), np.count_nonzero(behind[:-1] & quotes[2:])
    nulls = np.count_nonzero(behind[:-1] & (signs[2:] == ord("n")))
    return int(names - nulls), int(texts)


def _value_counts(read: pl.DataFrame) -> tuple[int, int]:
    """Values other than null that were read, objects among them, and texts."""
    values = texts = 0
    for column in read.get_columns():
        present = len(column) - column.null_count()
        values += present
        texts += present if column.dtype == pl.String else 0
        if isinstance(column.dtype, pl.Struct):
            for part in column.struct.unnest().get_columns():
                present = len(part) - part.null_count()
                values += present
                texts += present if part.dtype == pl.String else 0
    return values, texts


def _rows(kind: str, read: pl.DataFrame, places: pl.Series, marks: dict[float, float]) -> ParsedLines | None:
    answer = _restore_marks(read["p" if kind == "p" else "y"], marks)
    if _inexact(answer):
        return None
    answered = answers_of(answer)
    nothing = pl.lit(None, dtype=pl.String)
    own = read.select(
        places.alias("place"),
        pl.col("i").alias("id"),
        "t",
        (pl.col("v") if kind == "p" else nothing).alias("version"),
        (pl.col("o") if kind == "l" else nothing).alias("source"),
        (pl.col("b") if kind == "l" else nothing).alias("by"),
        (pl.col("n") if kind == "l" else nothing.cast(pl.Float64)).alias("n"),
        answered[0].alias("text"),
        answered[1].alias("number"),
    )
    values = []
    for key, prefix in PREFIXES.items():
        if key in read.columns:
            for part in read[key].struct.unnest().get_columns():
                if _inexact(part):
                    return None
                if part.null_count() < part.len():
                    values.append((prefix, part.name, _restore_marks(part, marks)))
    return ParsedLines(own, values)


def _inexact(column: pl.Series) -> bool:
    """Whether whole numbers may have lost digits."""
    return column.dtype == pl.Float64 and bool((column.is_finite() & (column.abs() >= EXACT)).any())


def _restore_marks(column: pl.Series, marks: dict[float, float]) -> pl.Series:
    """NaN and infinities where they were."""
    if not marks:
        return column
    if column.dtype == pl.Float64:
        return column.replace(marks)
    if column.dtype == pl.List(pl.Float64):
        return column.list.eval(pl.element().replace(marks))
    return column
