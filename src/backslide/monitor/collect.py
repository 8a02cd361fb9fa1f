"""From prepared rows to sums by period, in one pass and bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from backslide.engine.columns import names
from backslide.engine.columns.segments import columns_of, condition
from backslide.engine.sources.batches import batches
from backslide.engine.sources.errors import reading
from backslide.monitor.feature_values import NO_VALUES, FeatureValues, level_name, square_name, value_name
from backslide.monitor.periods import PERIOD
from backslide.monitor.sums import Moments, Sums

MOST_VOCABULARY = 1000
"""Categories of a column beyond which an unknown one is nothing special."""


@dataclass(frozen=True)
class SumPlan:
    """What is summed."""

    quantities: tuple[str, ...]
    """Row quantities of the prepared window."""
    classification: bool
    segments: tuple[str, ...]
    """Conditions over columns."""
    features: tuple[str, ...]
    """Whose missing values are counted."""
    vocabularies: Mapping[str, tuple[str, ...]]
    """Category column -> its values in the reference."""
    source: str | None = None
    """Column of who gave the label."""
    values: FeatureValues = NO_VALUES
    """Features whose values are summed."""


REVIEW = "review"
BATCH_ROWS = 262_144
"""Rows that are in memory at a time: queries over all rows that share one scan hold what the slowest of them has not read."""


def gather(frame: pl.LazyFrame, wanted: SumPlan) -> dict[int, Sums]:
    """Sums of a prepared frame that has a column ``PERIOD``, by its number.

    Raises:
        SourceError: when the rows cannot be read.
    """
    schema = frame.collect_schema()
    needed = {PERIOD, names.LABEL, names.PREDICTION, wanted.source, *wanted.quantities, *wanted.features}
    needed |= {*wanted.values.numbers, *wanted.values.levels}
    needed |= {*wanted.vocabularies, *(c for expression in wanted.segments for c in columns_of(expression))}
    sums: dict[int, Sums] = {}
    for batch in batches(frame.select(c for c in schema if c in needed), BATCH_ROWS):
        for number, part in _gather_batch(batch.lazy(), wanted, set(batch.columns)).items():
            sums[number] = sums[number] + part if number in sums else part
    return dict(sorted(sums.items()))


def _gather_batch(frame: pl.LazyFrame, wanted: SumPlan, columns: set[str]) -> dict[int, Sums]:
    quantities = [q for q in wanted.quantities if q in columns]
    features = [c for c in wanted.features if c in columns]
    known = {c: v for c, v in wanted.vocabularies.items() if c in columns}
    summed = _value_expressions(wanted.values, columns)
    inputs = _inputs(quantities, features, known, wanted, columns)
    tables = [frame.group_by(PERIOD).agg([*inputs, *(e for value in summed.values() for e in value)])]
    parts = [frame.filter(condition(expression)) for expression in wanted.segments]
    tables += [part.group_by(PERIOD).agg(_quantities(quantities, columns)) for part in parts]
    counted = wanted.classification and {names.LABEL, names.PREDICTION} <= columns
    if counted:
        both = pl.col(names.LABEL).is_not_null() & pl.col(names.PREDICTION).is_not_null()
        keys = (PERIOD, names.LABEL, names.PREDICTION)
        tables += [part.filter(both).group_by(*keys).len() for part in (frame, *parts)]
    with reading():
        results = pl.collect_all(tables)
    n = 1 + len(parts)
    totals, counts = results[:n], results[n:] if counted else [pl.DataFrame()] * n
    cells = [_by_period(table) for table in counts]
    sums = {}
    inside = [{row[PERIOD]: row for row in table.iter_rows(named=True)} for table in totals]
    # Polars groups in any order. What is summed over periods, and what is kept of them, must not depend on it.
    for number in sorted(n for n in inside[0] if n is not None):
        row = inside[0][number]
        segments = {
            expression: _sums(inside[i + 1][number], quantities, cells[i + 1].get(number, Counter()))
            for i, expression in enumerate(wanted.segments)
            if number in inside[i + 1]
        }
        whole = _sums(row, quantities, cells[0].get(number, Counter()))
        sums[int(number)] = Sums(
            whole.rows,
            whole.labelled,
            int(row.get("corrected") or 0),
            whole.cells,
            whole.moments | _moments(row, list(summed)),
            segments,
            {c: int(row[f"missing {c}"]) for c in features},
            {c: int(row[f"unknown {c}"]) for c in known},
        )
    return sums


def _quantities(quantities: list[str], columns: set[str]) -> list[pl.Expr]:
    expressions = [pl.len().alias("rows")]
    if names.LABEL in columns:
        expressions.append(pl.col(names.LABEL).count().alias("labelled"))
    for name in quantities:
        value = pl.col(name).cast(pl.Float64)
        value = pl.when(value.is_finite()).then(value)
        expressions += [value.count().alias(f"n {name}"), value.sum().alias(f"sum {name}")]
        expressions.append((value * value).sum().alias(f"square {name}"))
    return expressions


def _inputs(
    quantities: list[str], features: list[str], known: Mapping[str, tuple[str, ...]], wanted: SumPlan, columns: set[str]
) -> list[pl.Expr]:
    expressions = _quantities(quantities, columns)
    for column in features:  # null, or NaN where the column holds floats
        nan = pl.col(column).cast(pl.String, strict=False).is_in(["NaN"])
        expressions.append((pl.col(column).is_null() | nan).sum().alias(f"missing {column}"))
    for column, vocabulary in known.items():
        text = pl.col(column).cast(pl.String)
        expressions.append((text.is_not_null() & ~text.is_in(list(vocabulary))).sum().alias(f"unknown {column}"))
    if wanted.source is not None and wanted.source in columns and {names.LABEL, names.PREDICTION} <= columns:
        changed = pl.col(names.LABEL).cast(pl.String) != pl.col(names.PREDICTION).cast(pl.String)
        expressions.append(((pl.col(wanted.source) == REVIEW) & changed).sum().alias("corrected"))
    return expressions


def _value_expressions(values: FeatureValues, columns: set[str]) -> dict[str, list[pl.Expr]]:
    """Rows, sum and sum of squares of what is followed of features, by its name."""
    found: dict[str, pl.Expr] = {}
    for column, scale in values.numbers.items():
        if column in columns:
            value = scale.expression(column)
            found |= {value_name(column): value, square_name(column): value * value}
    for column, levels in values.levels.items():
        if column in columns:
            text = pl.col(column).cast(pl.String)
            found |= {level_name(column, level): (text == level).cast(pl.Float64) for level in levels}
    return {
        name: [
            value.count().alias(f"n {name}"),
            value.sum().alias(f"sum {name}"),
            (value * value).sum().alias(f"square {name}"),
        ]
        for name, value in found.items()
    }


def _by_period(table: pl.DataFrame) -> dict[int, Counter[tuple[str, str]]]:
    counts: dict[int, Counter[tuple[str, str]]] = {}
    for number, label, prediction, n in table.iter_rows():
        if number is not None:
            counts.setdefault(int(number), Counter())[(str(label), str(prediction))] += int(n)
    return counts


def _sums(row: dict[str, float], quantities: list[str], cells: Counter[tuple[str, str]]) -> Sums:
    return Sums(int(row["rows"]), int(row.get("labelled") or 0), 0, cells, _moments(row, quantities))


def _moments(row: dict[str, float], quantities: list[str]) -> dict[str, Moments]:
    return {
        name: (float(row[f"n {name}"]), float(row[f"sum {name}"]), float(row[f"square {name}"]))
        for name in quantities
        if row[f"n {name}"]
    }
