"""User segments: columns and boolean expressions, checked against the logged columns, and written as one kind of expression.

A segment is text in Polars' SQL dialect (``term_months > 48``, ``"my column" = 'a'``), so that whoever reads a report can paste
it back. A missing value, NaN among them, makes a comparison false: missing rows are in no segment but ``... IS NULL``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from backslide.contracts import say
from backslide.contracts.errors import ConfigError, did_you_mean
from backslide.engine.columns.kinds import ColumnKind, kind_of
from backslide.engine.sources.errors import first_line

MOST_LEVELS = 20
"""Levels of a column that become segments of their own, by rows; the rest is one group that is not tested."""
QUARTILES = (0.25, 0.5, 0.75)
_PROBE_ROWS = 200
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS = re.compile(
    "all|and|any|as|asc|between|by|case|cast|cross|date|desc|distinct|else|end|except|exists|false|from|full|group|having|if|in|"
    "inner|intersect|interval|into|is|join|left|like|limit|not|null|offset|on|or|order|outer|over|right|select|table|then|time|"
    "timestamp|true|union|using|values|when|where|with"
)


def quoted(column: str) -> str:
    """A column's name as SQL: plain where it can stand alone, in double quotes otherwise."""
    if _PLAIN_NAME.fullmatch(column) and not _KEYWORDS.fullmatch(column.lower()):
        return column
    return '"' + column.replace('"', '""') + '"'


def literal(value: Any) -> str:
    """A value as SQL. Numbers are written in full, so that reading them back gives the same number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return repr(value) if isinstance(value, (int, float)) else "'" + str(value).replace("'", "''") + "'"


def between(column: str, low: float | None, high: float | None) -> str:
    """Rows with ``low <= column < high``; None leaves a side open."""
    name = quoted(column)
    sides = [f"{name} >= {literal(low)}"] if low is not None else []
    sides += [f"{name} < {literal(high)}"] if high is not None else []
    return " and ".join(sides)


def readable(value: float) -> float:
    """A cut between bins rounded to three digits: who reads a segment wants ``income >= 2510``, not sixteen digits."""
    return say.significant(value, 3)


def without_nan(frame: pl.DataFrame | pl.LazyFrame, columns: Sequence[str]) -> Any:
    """The frame with NaN of these columns as null: to Polars NaN is larger than every number."""
    schema = frame.collect_schema()
    floats = [column for column in columns if schema[column].is_float()]
    return frame.with_columns(pl.col(floats).fill_nan(None)) if floats else frame


def columns_of(expression: str) -> tuple[str, ...]:
    """Columns that an expression reads, each once."""
    return tuple(dict.fromkeys(pl.sql_expr(expression).meta.root_names()))


def holds(frame: pl.DataFrame, expression: str) -> pl.Series:
    """Whether the expression holds for each row; false where it cannot be told."""
    columns = list(columns_of(expression))
    rows = without_nan(frame.select(columns), columns)
    mask: pl.Series = rows.select(pl.sql_expr(expression).fill_null(False)).to_series()
    return mask


def condition(expression: str) -> pl.Expr:
    """The expression as a filter over any frame that has its columns, with NaN as missing."""
    return pl.map_batches(
        [pl.col(column) for column in columns_of(expression)],
        lambda columns: holds(pl.DataFrame(list(columns)), expression),
        return_dtype=pl.Boolean,
    )


def first_that_holds(expressions: Sequence[str]) -> pl.Expr:
    """Position of the first expression that holds, null where none does. For frames that went through ``without_nan``."""
    chain = pl.lit(None, dtype=pl.Int32)
    for index in range(len(expressions) - 1, -1, -1):
        chain = pl.when(pl.sql_expr(expressions[index])).then(pl.lit(index, dtype=pl.Int32)).otherwise(chain)
    return chain


def check(wanted: Sequence[str], schemas: Mapping[str, Mapping[str, pl.DataType]]) -> None:
    """Refuse a segment that cannot be read, or that reads a column which a window does not have.

    Args:
        wanted: ``[model] segments``, columns or expressions.
        schemas: window -> its columns.

    Raises:
        ConfigError: one line, naming the nearest column.
    """
    for text in wanted:
        columns = [text] if any(text in schema for schema in schemas.values()) else _parsed(text, schemas)
        for window, schema in schemas.items():
            for column in columns:
                if column not in schema:
                    raise ConfigError(
                        f"[model] segments: {text!r} needs column {column!r}, which the {window} window does not have"
                        f"{did_you_mean(column, schema)}"
                    )


def _parsed(text: str, schemas: Mapping[str, Mapping[str, pl.DataType]]) -> tuple[str, ...]:
    columns: tuple[str, ...] = ()
    try:
        columns = columns_of(text)
        reason = "" if _is_whole(text) else "something stands behind the condition; join conditions with 'and' or 'or'"
    except pl.exceptions.PolarsError as error:
        reason = first_line(error)
    if reason:
        blanks = sorted(
            {c for schema in schemas.values() for c in schema if not _PLAIN_NAME.fullmatch(c) and c in text}
        )
        hint = f"; write {quoted(blanks[0])} with double quotes" if blanks else ""
        raise ConfigError(
            f'[model] segments: expected a column or a condition such as "age >= 30", cannot read {text!r} ({reason}){hint}'
        )
    if not columns:
        raise ConfigError(
            f"[model] segments: {text!r} reads no column, so it is not a segment; write a condition on a column"
        )
    return columns


def _is_whole(text: str) -> bool:
    """Whether an expression ends where its text does: Polars before 1.40 leaves out what stands behind one."""
    try:
        return pl.sql_expr(text).meta.eq(pl.sql_expr(f"({text}\n)"))
    except pl.exceptions.PolarsError:
        return False


def resolve(
    wanted: Sequence[str], sample: pl.DataFrame, other: pl.DataFrame
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Every wanted segment as disjoint expressions over the columns, and what could not be compared and why.

    Args:
        wanted: ``[model] segments`` that ``check`` let pass.
        sample: rows of the reference, from which levels and quartiles come.
        other: rows of the current window, on which the expressions must work as well.

    Returns:
        Name as wanted -> its expressions: a condition itself, or the levels or quartile bins of a column.

    Raises:
        ConfigError: when a condition is no yes-or-no question about single rows of the reference.
    """
    result: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    for name in dict.fromkeys(wanted):
        expressions = _of_column(sample, name) if name in sample.columns else (name,)
        if name not in sample.columns:
            _refuse_other_than_conditions(name, sample.head(_PROBE_ROWS))
        reason = "its reference values make no groups" if not expressions else _trouble(expressions, other)
        if reason:
            notes.append(f"segment {name!r} is not compared: {reason}")
        else:
            result[name] = expressions
    return result, notes


def _of_column(sample: pl.DataFrame, column: str) -> tuple[str, ...]:
    values = sample[column]
    kind = kind_of(values.dtype)
    if kind == ColumnKind.NUMERIC and values.n_unique() > MOST_LEVELS:
        return quartile_bins(column, values)
    if kind not in (ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.CATEGORICAL):
        return ()
    return tuple(f"{quoted(column)} = {literal(level)}" for level in top_levels(values, MOST_LEVELS))


def top_levels(values: pl.Series, most: int) -> list[Any]:
    """The most frequent values without missing and infinite ones, ties by their text."""
    present = values.drop_nulls()
    if present.dtype.is_float():
        present = present.filter(present.is_finite())  # infinity cannot be written in SQL
    if present.dtype in (pl.Categorical, pl.Enum):
        present = present.cast(pl.String)
    counted = present.rename("level").value_counts(name="rows")
    rows = [(-count, str(level), level) for level, count in counted.iter_rows()]
    return [level for _, _, level in sorted(rows, key=lambda row: row[:2])[:most]]


def quartile_bins(column: str, values: pl.Series) -> tuple[str, ...]:
    """Up to four ranges with about as many reference rows each."""
    numbers = values.cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return ()
    cuts = sorted({readable(float(cut)) for cut in np.quantile(numbers, QUARTILES)})
    edges = [None, *[cut for cut in cuts if numbers.min() < cut <= numbers.max()], None]
    if len(edges) == 2:
        return ()
    return tuple(between(column, low, high) for low, high in pairwise(edges))


def _trouble(expressions: Sequence[str], rows: pl.DataFrame) -> str:
    """Why the expressions cannot be asked of these rows; empty when they can."""
    try:
        for expression in expressions:
            holds(rows.head(_PROBE_ROWS), expression)
    except pl.exceptions.PolarsError as error:
        return f"the current window's values do not fit {expressions[0]!r} ({first_line(error)})"
    return ""


def _refuse_other_than_conditions(text: str, rows: pl.DataFrame) -> None:
    try:
        dtype = rows.select(pl.sql_expr(text)).to_series().dtype
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"[model] segments: {text!r} cannot be evaluated on the rows: {first_line(error)}") from None
    if dtype != pl.Boolean:
        raise ConfigError(
            f"[model] segments: expected a yes-or-no condition, {text!r} gives {dtype}; compare it with a value"
        )
    # A condition that looks at other rows (an average, a rank) would change with the batch that a row comes in.
    half = rows.height // 2
    whole, parts = holds(rows, text), [holds(part, text) for part in (rows[:half], rows[half:])]
    if len(whole) != rows.height or not whole.equals(pl.concat(parts)):
        raise ConfigError(f"[model] segments: {text!r} depends on rows other than its own; write the value itself")
