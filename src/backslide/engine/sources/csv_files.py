"""Text files of separated values as lazy frames: their dialect, how missing values and numbers are written, and their types."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from backslide.contracts.config import DataSettings
from backslide.engine.columns import names
from backslide.engine.columns.missing import EVERYWHERE, TOKENS
from backslide.engine.sources.columnar_copy import columnar_copy
from backslide.engine.sources.csv_dialect import Dialect, dialect_of, unpacked_size
from backslide.engine.sources.file_notes import FileNotes

INFER_ALL_BELOW = 256 * 2**20
"""Files up to this many bytes, unpacked, have their types inferred from every row; larger ones from the first."""
_INFER_ROWS = 100_000
LOOK = 200
"""Values looked at where the first lines hold none."""
_ISO = re.compile(r"\s*\d{4}-\d")
_POINTS = r"^[+-]?[0-9]{1,3}(?:\.[0-9]{3})+$"
"""1.234, which is a thousand and more where decimals have commas."""
_PADDED = re.compile(r"0\d+")
_SPELLINGS = {
    "nan": "NaN",
    "+nan": "NaN",
    "-nan": "NaN",
    "inf": "inf",
    "+inf": "inf",
    "-inf": "-inf",
    "infinity": "inf",
    "+infinity": "inf",
    "-infinity": "-inf",
}


@dataclass(frozen=True)
class Scan:
    """A file, opened: its rows, and the columns that hold none."""

    frame: pl.LazyFrame
    blank: frozenset[str]
    """Columns without any value, which have no type of their own."""
    unknown: frozenset[str] = frozenset()
    """Text columns that hold nothing but what stands for a missing value among numbers."""


def scan_csv(name: str, separator: str, data: DataSettings, notes: FileNotes) -> Scan:
    """The rows of one file.

    Args:
        name: path or URI.
        separator: what the extension says.
        data: how it is written, where the configuration says so.
        notes: what was told of it is added.

    Raises:
        SourceError: it cannot be decoded, or a setting contradicts it.
    """
    dialect = dialect_of(name, separator, data)
    words = Path(name).name
    if dialect.notes:
        notes.add(words, " and ".join(dialect.notes))
    size = unpacked_size(name) if Path(name).exists() else None
    small = dialect.decoded is not None or (size is not None and size <= INFER_ALL_BELOW)
    frame = _typed(name, dialect, data, None if small else _INFER_ROWS, notes, words)
    missing = frozenset(data.missing) if data.missing is not None else frozenset(TOKENS)
    look = _FileHead(missing, dialect.decimal_comma)
    facts = _numbers(frame, None if small else _INFER_ROWS, look, set(data.text))
    numbers = {column: fact for column, fact in facts.items() if fact["numbers"] or fact["spelled"]}
    unknown = [column for column, fact in facts.items() if column not in numbers and fact["tokens"]]
    for column, fact in numbers.items():
        if fact["tokens"]:
            notes.add(words, f"values of {column} such as {fact['token']!r} were read as missing", fact["tokens"])
        if look.decimal_comma and fact["points"]:
            notes.add(words, f"{column}: points part thousands ({fact['points']!r})")
    frame = frame.with_columns(look.number(column, whole=fact["whole"]) for column, fact in numbers.items())
    frame = columnar_copy(frame, size or 0)
    blank = _blank(frame, dialect)
    return Scan(frame, blank, frozenset(unknown) - blank)


@dataclass(frozen=True)
class _FileHead:
    """How numbers and missing values stand in texts."""

    missing: frozenset[str]
    decimal_comma: bool

    def plain(self, column: str) -> pl.Expr:
        """Texts with decimal points, null where they are blank."""
        text = pl.col(column).str.strip_chars()
        if self.decimal_comma:
            text = (
                pl.when(text.str.contains(_POINTS))
                .then(text.str.replace_all(".", "", literal=True))
                .when(text.str.contains(".", literal=True))
                .then(pl.lit("1,234.5"))
                .otherwise(text.str.replace(",", "."))
            )
        return pl.when(text != "").then(text)

    def facts_of(self, column: str, name: str) -> list[pl.Expr]:
        """What a column holds, as ``name key``."""
        text = self.plain(column)
        spelled = text.str.to_lowercase().is_in(list(_SPELLINGS))
        token = ~spelled & text.is_in(list(self.missing))
        value = text.cast(pl.Float64, strict=False)
        number = ~token & ~spelled & value.is_not_null()
        return [
            (~number & ~spelled & ~token).any().alias(f"{name} other"),
            number.sum().alias(f"{name} numbers"),
            spelled.any().alias(f"{name} spelled"),
            token.sum().alias(f"{name} tokens"),
            text.filter(token).first().alias(f"{name} token"),
            pl.col(column)
            .filter(pl.col(column).str.strip_chars().str.contains(_POINTS))
            .first()
            .alias(f"{name} points"),
            (~(spelled | (number & text.cast(pl.Int64, strict=False).is_null()))).all().alias(f"{name} whole"),
        ]

    def number(self, column: str, *, whole: bool) -> pl.Expr:
        """Text to number, with NaN and infinities however they are spelled; ``whole`` for integers."""
        text = self.plain(column)
        lower = text.str.to_lowercase()
        text = pl.when(lower.is_in(list(_SPELLINGS)) | ~text.is_in(list(self.missing))).then(lower)
        return (text.cast(pl.Int64) if whole else text.replace(_SPELLINGS).cast(pl.Float64)).alias(column)


def _typed(
    name: str, dialect: Dialect, data: DataSettings, rows: int | None, notes: FileNotes, words: str
) -> pl.LazyFrame:
    options: dict[str, Any] = {
        "separator": dialect.separator,
        "decimal_comma": dialect.decimal_comma,
        "skip_rows": dialect.skip,
        "try_parse_dates": False,
        "infer_schema_length": rows,
        "null_values": list(data.missing if data.missing is not None else EVERYWHERE),
        "glob": False,
    }

    def scan(schema: pl.Schema | None) -> pl.LazyFrame:
        source = name if dialect.decoded is None else io.BytesIO(dialect.decoded)
        return pl.scan_csv(source, schema=schema, **options)

    schema = scan(None).collect_schema()
    _say_values(schema, dialect, data, notes, words)
    for column in data.text:
        if column in schema:
            schema[column] = pl.String()
    texts = scan(schema)  # with types, so that they are not inferred anew whenever rows are read
    dated = [
        c for c, dtype in schema.items() if dtype == pl.String and c not in data.text and _is_iso(texts, c, dialect)
    ]
    if not dated:
        return texts
    known = texts.select(dated) if rows is None else texts.select(dated).head(rows)
    return scan(pl.Schema({**schema, **_dates(known.collect())}))


def _dates(texts: pl.DataFrame) -> pl.Schema:
    """Types of columns that begin like dates; telling them is slow, and no other column need be looked at."""
    content = io.BytesIO(texts.write_csv().encode())
    schema = pl.scan_csv(content, try_parse_dates=True, infer_schema_length=None).collect_schema()
    return pl.Schema({name: dtype if _reads_as(texts[name], dtype) else pl.String() for name, dtype in schema.items()})


def _reads_as(texts: pl.Series, dtype: pl.DataType) -> bool:
    """Whether the first text is read as the type that was told: some versions of Polars tell dates that they cannot read."""
    first = texts.drop_nulls().head(1).to_frame()
    try:
        pl.read_csv(io.BytesIO(first.write_csv().encode()), schema={texts.name: dtype})
    except pl.exceptions.ComputeError:
        return False
    return True


def _is_iso(texts: pl.LazyFrame, column: str, dialect: Dialect) -> bool:
    """Whether dates have the year first; the order of day and month is not for a reader of single files to tell."""
    values = (
        dialect.values(column) or texts.select(pl.col(column).drop_nulls().head(LOOK)).collect().to_series().to_list()
    )
    return bool(values) and all(_ISO.match(value) for value in values)


def _say_values(schema: pl.Schema, dialect: Dialect, data: DataSettings, notes: FileNotes, words: str) -> None:
    """What the first lines hold that is not read as it stands there: codes filled with zeros, missing values in words."""
    for column, dtype in schema.items():
        values = [value.strip() for value in dialect.values(column)]
        if dtype.is_integer() and column not in data.text:
            padded = next((v for v in values if _PADDED.fullmatch(v)), None)
            if padded is not None:
                notes.add(
                    words,
                    f'{column}: codes such as {padded!r} were read as numbers; keep them with [data] text = ["{column}"]',
                )
        token = next((v for v in values if v in (data.missing if data.missing is not None else EVERYWHERE)), None)
        if token is not None:
            notes.add(words, f"{column}: {token!r} was read as missing")


def _numbers(frame: pl.LazyFrame, rows: int | None, look: _FileHead, as_text: set[str]) -> dict[str, dict[str, Any]]:
    """Text columns that hold numbers and what stands for missing ones only, with what was seen."""
    texts = [
        name
        for name, dtype in frame.collect_schema().items()
        if dtype == pl.String and name not in as_text and not names.is_pattern(name)  # refused once the table is open
    ]
    first = _look_at(frame.head(1000), texts, look)  # few survive, and only those are read to the end
    rest = [column for column, fact in first.items() if not fact["other"]]
    facts = _look_at(frame if rows is None else frame.head(rows), rest, look)
    return {column: fact for column, fact in facts.items() if not fact["other"]}


def _look_at(frame: pl.LazyFrame, columns: list[str], look: _FileHead) -> dict[str, dict[str, Any]]:
    if not columns:
        return {}
    select = [value for k, column in enumerate(columns) for value in look.facts_of(column, str(k))]
    row = frame.select(select).collect(engine="streaming").row(0, named=True)
    keys = ("other", "numbers", "spelled", "tokens", "token", "whole", "points")
    return {column: {key: row[f"{k} {key}"] for key in keys} for k, column in enumerate(columns)}


def _blank(frame: pl.LazyFrame, dialect: Dialect) -> frozenset[str]:
    """Text columns without any value: as many as there are, where no row is."""
    texts = [c for c, dtype in frame.collect_schema().items() if dtype == pl.String and not dialect.values(c)]
    texts = [c for c in texts if not names.is_pattern(c)]
    if not texts:
        return frozenset()
    row = (
        frame.select((pl.col(c).is_not_null() & (pl.col(c) != "")).any() for c in texts)
        .collect(engine="streaming")
        .row(0)
    )
    return frozenset(column for column, present in zip(texts, row, strict=True) if not present)
