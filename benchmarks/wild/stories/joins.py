"""Values of another row, day or entity; the wrong key; columns in each other's place."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from wild.incident import Incident, Rng, Setting, anything, pick, story
from wild.sets import AT, WildSet


def _joinable(data: WildSet, _: str) -> bool:
    return len(data.numbers()) + len(data.codes()) > 2


def _column(setting: Setting, rng: Rng) -> str | None:
    return pick(rng, [*setting.quantities(), *setting.codes(distinct=3)])


@story("stale_values", "broken_join", needs=_joinable)
def value_of_the_previous_row(setting: Setting, rng: Rng) -> Incident | None:
    """A lagged join: one row late, or a few."""
    column, rows_late = _column(setting, rng), int(rng.integers(1, 6))
    if column is None:
        return None
    fill = setting.earlier[column][-rows_late:]

    def inputs(rows: pl.DataFrame, _: Rng) -> pl.DataFrame:
        return rows.with_columns(pl.concat([fill, rows[column].head(rows.height - rows_late)]).alias(column))

    return Incident(f"{rows_late} rows late", (column,), inputs)


@story("stale_values", "broken_join", needs=_joinable)
def value_of_an_earlier_day(setting: Setting, rng: Rng) -> Incident | None:
    """The table behind the join was not refreshed: what stood there some days before."""
    column, days = _column(setting, rng), int(pick(rng, [1, 1, 3, 7]))
    if column is None:
        return None
    history = pl.concat([setting.earlier.select(AT, column), setting.rows.select(AT, column)]).sort(AT)

    def inputs(rows: pl.DataFrame, _: Rng) -> pl.DataFrame:
        asked = rows.select((pl.col(AT) - timedelta(days=days)).alias(AT)).with_row_index("i").sort(AT)
        late = asked.join_asof(history, on=AT, strategy="backward").sort("i")[column]
        return rows.with_columns(late.fill_null(strategy="backward").alias(column))

    return Incident(f"of {days} days before", (column,), inputs)


@story("stale_values", "broken_join", needs=_joinable)
def value_of_the_previous_entity_row(setting: Setting, rng: Rng) -> Incident | None:
    """The feature store answers with what it last saw of the same customer, station or product."""
    column, key = _column(setting, rng), pick(rng, setting.entities())
    if column is None or key == column:
        return None

    def inputs(rows: pl.DataFrame, _: Rng) -> pl.DataFrame:
        return rows.with_columns(pl.col(column).shift(1).over(key).fill_null(pl.col(column)).alias(column))

    return Incident(f"of the row before with the same {key}", (column,), inputs)


@story("stale_values", "broken_join", "frozen_feature", needs=_joinable)
def table_of_entities_not_refreshed(setting: Setting, rng: Rng) -> Incident | None:
    """Each entity keeps the value that it had last in the window before."""
    column, key = _column(setting, rng), pick(rng, setting.entities())
    if column is None or key == column:
        return None
    last = setting.earlier.group_by(key).agg(pl.col(column).last().alias("last"))

    def inputs(rows: pl.DataFrame, _: Rng) -> pl.DataFrame:
        late = rows.select(key).join(last, on=key, how="left", maintain_order="left")["last"]
        return rows.with_columns(pl.coalesce(late, pl.col(column)).alias(column))

    return Incident(f"last value of each {key} before the window", (column,), inputs)


@story("broken_join", needs=_joinable)
def joined_on_the_wrong_key(setting: Setting, rng: Rng) -> Incident | None:
    """One to three columns come from a row that agrees in another key than it should."""
    options, key = [*setting.quantities(), *setting.codes(distinct=3)], pick(rng, setting.entities())
    options = [c for c in options if c != key]
    if not options:
        return None
    columns = tuple(str(c) for c in rng.choice(options, size=min(int(rng.integers(1, 4)), len(options)), replace=False))

    def inputs(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        group = rows[key].rank("dense").to_numpy()
        place = np.argsort(group, kind="stable")
        partner = np.lexsort((chance.random(rows.height), group))
        order = np.empty(rows.height, int)
        order[place] = partner
        return rows.with_columns(rows[c][order] for c in columns)

    return Incident(f"joined on {key} alone", columns, inputs, subject="some")


@story("broken_join", needs=_joinable)
def result_in_another_order(setting: Setting, rng: Rng) -> Incident | None:
    """A parallel job returns a block of columns in another order of rows."""
    options = [*setting.quantities(), *setting.codes(distinct=3)]
    if not options:
        return None
    columns = tuple(str(c) for c in rng.choice(options, size=min(int(rng.integers(1, 4)), len(options)), replace=False))

    def inputs(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        order = chance.permutation(rows.height)
        return rows.with_columns(rows[c][order] for c in columns)

    return Incident("rows of these columns in another order", columns, inputs, subject="some")


@story("swapped_columns", needs=_joinable)
def two_columns_exchanged(setting: Setting, rng: Rng) -> Incident | None:
    """A mapping by position after somebody added a column."""
    options = pick(rng, [o for o in (setting.quantities(), setting.codes()) if len(o) > 1])
    if options is None:
        return None
    one, other = (str(c) for c in rng.choice(options, size=2, replace=False))

    def inputs(rows: pl.DataFrame, _: Rng) -> pl.DataFrame:
        a, b = rows[one], rows[other]
        if a.dtype != b.dtype:
            a, b = a.cast(pl.Float64), b.cast(pl.Float64)
        return rows.with_columns(b.alias(one), a.alias(other))

    return Incident("exchanged", (one, other), inputs)


@story("stale_values", "broken_join", "frozen_feature", needs=anything, portions=("all", "40-marked", "since-middle"))
def cache_renewed_once_a_day(setting: Setting, rng: Rng) -> Incident | None:
    """The cache keeps the first value of each day (or of each block of rows, where a day holds few)."""
    column = _column(setting, rng)
    if column is None:
        return None
    a_day = setting.rows.height / max(setting.rows[AT].dt.date().n_unique(), 1)

    def inputs(rows: pl.DataFrame, _: Rng) -> pl.DataFrame:
        block = pl.col(AT).dt.date() if a_day > 5 else pl.int_range(pl.len()) // 30
        return rows.with_columns(pl.col(column).first().over(block).alias(column))

    return Incident("first value of each day" if a_day > 5 else "first of 30 rows", (column,), inputs)
