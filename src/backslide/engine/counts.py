"""A table of counts as two periods of cells: a row for each combination of attributes and time, a numerator and a denominator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from backslide.contracts import say
from backslide.contracts.errors import ColumnError, InputError, did_you_mean
from backslide.contracts.labels import label_text
from backslide.engine.columns.kinds import ColumnKind, kind_of
from backslide.engine.columns.segments import between, literal, quoted, readable
from backslide.engine.sources.errors import reading
from backslide.engine.sources.open import describe, open_source
from backslide.engine.times.time_range import TimeSpan
from backslide.engine.times.timestamps import read_times
from backslide.stats.drift.combinations import Cells, Dispersion, dispersion

MOST_LEVELS = 200
"""Values of an attribute that are searched, those of the largest denominators; rarer ones stay in the totals."""
MOST_NUMBERS = 50
"""Distinct numbers up to which each is a value of its own; more are cut at the deciles of the reference."""
DECILES = np.arange(0.1, 0.95, 0.1)
MOST_PERIODS = 60
"""Reference times that are periods of their own for the measure of dispersion; more are joined into half as many."""
KINDS = (ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)
WINDOW, PERIOD, UP, DOWN = "__window", "__period", "__numerator", "__denominator"
_NAMES = (WINDOW, PERIOD, UP, DOWN)


@dataclass(frozen=True)
class CountColumns:
    """Which column is what."""

    numerator: str
    denominator: str
    time: str
    attributes: tuple[str, ...] | None = None
    """Default: every other column."""


@dataclass(frozen=True)
class Attribute:
    """One attribute and its values."""

    column: str
    values: tuple[str | None, ...]
    conditions: tuple[str, ...]
    """As SQL, one for each value."""


@dataclass(frozen=True)
class PeriodCounts:
    """Sums of one period."""

    rows: int
    times: int
    numerator: float
    denominator: float


@dataclass(frozen=True)
class Counts:
    """Both periods of a table, by combination of attributes."""

    source: str
    attributes: tuple[Attribute, ...]
    cells: Cells
    reference: PeriodCounts
    current: PeriodCounts
    notes: tuple[str, ...]


def read_counts(source: Any, columns: CountColumns, reference: TimeSpan, current: TimeSpan) -> Counts:
    """Read a table of counts.

    Args:
        source: anything that ``open_source`` takes.
        columns: which column is what.
        reference: the period to compare with.
        current: the period whose change is to be explained.

    Raises:
        SourceError, ColumnError, InputError, TimestampError: one line each, see the exception classes.
    """
    notes: list[str] = []
    frame = open_source(source, notes=notes)
    _check_columns(frame.collect_schema(), columns)
    attributes = _attribute_columns(frame.collect_schema(), columns, notes)
    kind = frame.collect_schema()[columns.time]
    dated = reference.dated or current.dated or not kind.is_numeric()
    moment = read_times({describe(source): frame}, columns.time).of(kind) if dated else pl.col(columns.time)
    before, after = (span.condition(moment, dated=dated) for span in (reference, current))
    window = pl.when(before & after).then(2).when(before).then(0).when(after).then(1)
    rows = frame.select(
        *attributes,
        window.alias(WINDOW),
        moment.alias(PERIOD),
        pl.col(columns.numerator).cast(pl.Float64).alias(UP),
        pl.col(columns.denominator).cast(pl.Float64).alias(DOWN),
    )
    _check_counts(rows, columns, notes)
    table = _added_up(rows.filter(pl.col(WINDOW).is_not_null() & _known()), attributes)
    for side, span, name in ((0, reference, "reference"), (1, current, "current")):
        if not table.filter(pl.col(WINDOW) == side)[DOWN].sum() > 0:
            raise InputError(
                f"no rows of the {name} period {span}: {columns.denominator!r} sums to zero there; {_extent(rows, columns)}"
            )
    counts = _counts(describe(source), table, attributes, notes)
    if counts is None:
        raise InputError(f"no attribute to search: no column of {describe(source)} has several values in these periods")
    return counts


def count(rows: pl.LazyFrame, attributes: Sequence[str], source: str) -> Counts | None:
    """The same of rows that are read already; None where no attribute has several values.

    Args:
        rows: ``attributes``, and ``WINDOW`` (0 the reference, 1 the current one), ``PERIOD``, ``UP`` and ``DOWN``.
        attributes: columns to search.
        source: words for where the rows are from.
    """
    return _counts(source, _added_up(rows, attributes), attributes, [])


def _added_up(rows: pl.LazyFrame, attributes: Sequence[str]) -> pl.DataFrame:
    with reading():
        return (
            rows.group_by(*attributes, WINDOW, PERIOD)
            .agg(pl.len().alias("rows"), pl.col(UP).sum(), pl.col(DOWN).sum())
            .collect(engine="streaming")
            .sort(*attributes, WINDOW, PERIOD)
        )


def _counts(source: str, table: pl.DataFrame, attributes: Sequence[str], notes: list[str]) -> Counts | None:
    parts = [table.filter(pl.col(WINDOW) == side) for side in (0, 1)]
    sums = [
        PeriodCounts(int(p["rows"].sum()), p[PERIOD].n_unique(), float(p[UP].sum()), float(p[DOWN].sum()))
        for p in parts
    ]
    coded = [(a, code) for column in attributes if (one := _code(table, column, notes)) for a, code in [one]]
    constant = [c for c in attributes if c not in {a.column for a, _ in coded} and table[c].n_unique() < 2]
    if constant:
        notes.append(f"not searched, because they hold one value in these periods: {say.listed(constant)}")
    if not coded:
        return None
    cells = _cells(table, [a for a, _ in coded], np.stack([code for _, code in coded], axis=1))
    return Counts(source, tuple(a for a, _ in coded), cells, sums[0], sums[1], tuple(notes))


def _check_columns(schema: pl.Schema, columns: CountColumns) -> None:
    wanted = {"numerator": columns.numerator, "denominator": columns.denominator, "time": columns.time}
    wanted |= {f"attribute {i + 1}": column for i, column in enumerate(columns.attributes or ())}
    for role, column in wanted.items():
        if column not in schema:
            raise ColumnError(f"the table has no column {column!r} ({role}){did_you_mean(column, schema)}")
    if len({columns.numerator, columns.denominator, columns.time}) < 3:
        raise ColumnError("numerator, denominator and time must be three columns; name each once")
    for role in ("numerator", "denominator"):
        if not schema[wanted[role]].is_numeric():
            raise ColumnError(f"{role} {wanted[role]!r}: expected counts or sums, found {schema[wanted[role]]}")
    taken = [name for name in _NAMES if name in schema]
    if taken:
        raise ColumnError(f"the table has a column named {taken[0]!r}, which is in use here; rename it")


def _attribute_columns(schema: pl.Schema, columns: CountColumns, notes: list[str]) -> list[str]:
    own = {columns.numerator, columns.denominator, columns.time}
    wanted = columns.attributes if columns.attributes is not None else [c for c in schema if c not in own]
    chosen = [c for c in wanted if c not in own and kind_of(schema[c]) in KINDS]
    others = [f"{c} ({schema[c]})" for c in wanted if c not in chosen]
    if others:
        notes.append(f"not searched, because they hold no plain values: {say.listed(others)}")
    return chosen


def _known() -> pl.Expr:
    return pl.col(UP).is_finite().fill_null(False) & pl.col(DOWN).is_finite().fill_null(False)


def _check_counts(rows: pl.LazyFrame, columns: CountColumns, notes: list[str]) -> None:
    """Refuse negative counts; say how many rows are in neither period, and how many hold no counts."""
    inside = pl.col(WINDOW).is_not_null()
    with reading():
        facts = rows.select(
            (~inside).sum().alias("outside"),
            (inside & ~_known()).sum().alias("unknown"),
            (pl.col(WINDOW) == 2).sum().alias("both"),
            pl.col(UP).filter(inside).min().alias("least"),
            pl.col(DOWN).filter(inside).min().alias("smallest"),
        )
        row = facts.collect(engine="streaming").row(0, named=True)
    for name, key in ((columns.numerator, "least"), (columns.denominator, "smallest")):
        if row[key] is not None and row[key] < 0:
            raise InputError(f"{name!r} holds {say.number(row[key])}: counts and sums of a ratio cannot be negative")
    if row["both"]:
        raise InputError(f"the periods share {say.counted(row['both'], 'row')}; name two that do not overlap")
    if row["unknown"]:
        notes.append(f"{say.counted(row['unknown'], 'row')} without numerator or denominator left out")
    if row["outside"]:
        notes.append(f"{say.counted(row['outside'], 'row')} in neither period")


def _extent(rows: pl.LazyFrame, columns: CountColumns) -> str:
    with reading():
        first, last = (
            rows.select(pl.col(PERIOD).min().alias("a"), pl.col(PERIOD).max().alias("b"))
            .collect(engine="streaming")
            .row(0)
        )
    return f"{columns.time!r} runs from {first} to {last}"


def _code(table: pl.DataFrame, column: str, notes: list[str]) -> tuple[Attribute, np.ndarray] | None:
    """A column as codes (n,) of few values; one more stands for values that are not searched. None with a single value."""
    values = table[column]
    if values.dtype.is_float():
        values = values.fill_nan(None)
    distinct = values.n_unique()
    if distinct < 2:
        return None
    if values.dtype.is_numeric() and distinct > MOST_NUMBERS:
        return _ranges(column, values, table[WINDOW].to_numpy() == 0)
    if distinct > max(MOST_LEVELS, len(table) / 2):
        notes.append(f"not searched, because nearly every row has a value of its own: {column}")
        return None
    sizes = table.select(values.alias("v"), pl.col(DOWN)).group_by("v").sum()
    levels = sizes.sort(DOWN, "v", descending=[True, False], nulls_last=True)["v"].to_list()
    if len(levels) > MOST_LEVELS:
        notes.append(f"{column}: the {MOST_LEVELS} largest of {say.count(len(levels))} values are searched")
    levels = sorted(levels[:MOST_LEVELS], key=lambda v: (v is None, str(v)))
    known = [v for v in levels if v is not None]
    codes = values.replace_strict(known, range(len(known)), default=len(levels), return_dtype=pl.Int64).to_numpy()
    if None in levels:
        codes = np.where(values.is_null().to_numpy(), len(known), codes)
    conditions = [_is(column, v) for v in levels]
    return Attribute(column, tuple(None if v is None else label_text(v) for v in levels), tuple(conditions)), codes


def _is(column: str, value: Any) -> str:
    return f"{quoted(column)} is null" if value is None else f"{quoted(column)} = {literal(value)}"


def _ranges(column: str, values: pl.Series, reference: np.ndarray) -> tuple[Attribute, np.ndarray] | None:
    numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = numbers[np.isfinite(numbers) & reference]
    cuts = sorted({readable(float(cut)) for cut in np.quantile(known, DECILES)}) if len(known) else []
    if not cuts:
        return None
    missing = np.isnan(numbers)
    codes = np.where(
        missing, len(cuts) + 1, np.searchsorted(np.array(cuts), np.where(missing, 0, numbers), side="right")
    )
    ends: list[float | None] = [None, *cuts, None]
    pairs = list(pairwise(ends))
    texts = [f"{'' if a is None else say.number(a)}..{'' if b is None else say.number(b)}" for a, b in pairs]
    conditions = [between(column, a, b) for a, b in pairs]
    return Attribute(column, (*texts, None), (*conditions, f"{quoted(column)} is null")), codes


def _cells(table: pl.DataFrame, attributes: Sequence[Attribute], codes: np.ndarray) -> Cells:
    """Sums of both periods by cell, and how much the reference's own periods disperse."""
    distinct, cell = np.unique(codes, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    counts = table.select(UP, DOWN).to_numpy()
    current = table[WINDOW].to_numpy() == 1
    sums = [
        np.stack([np.bincount(cell[part], counts[part, i], len(distinct)) for i in (0, 1)], axis=1).astype(float)
        for part in (~current, current)
    ]
    proportion = bool((counts[:, 0] <= counts[:, 1]).all())
    times = table.filter(pl.col(WINDOW) == 0)[PERIOD]
    ordered = times.unique().sort()
    period = ordered.search_sorted(times).to_numpy().astype(np.int64)
    periods = len(ordered)
    if periods > MOST_PERIODS:
        period, periods = period * (MOST_PERIODS // 2) // periods, MOST_PERIODS // 2
    measured: Dispersion = dispersion(cell[~current], period, counts[~current], proportion=proportion)
    levels = tuple(len(a.values) for a in attributes)
    return Cells(distinct, levels, sums[0], sums[1], periods, measured, proportion)
