"""Incidents that became public, as they would look in a table of features.

Each docstring names the incident; what is done to the rows is the mechanism alone.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from wild.incident import (
    ALL,
    MARKED,
    Incident,
    Rng,
    Setting,
    anything,
    has_code,
    has_quantity,
    pick,
    replaced,
    story,
)
from wild.sets import WildSet
from wild.stories.answers import _other_model

POUND_FORCE = 4.4482216
WEEK_ROLLOVER = 1024.0


def _two_quantities(data: WildSet, _: str) -> bool:
    rows = data.rows()
    return sum(rows[c].n_unique() >= 8 for c in data.numbers() if c not in data.calendar) > 1


def _hour(data: WildSet, _: str) -> bool:
    return "hour" in data.calendar


@story("unit_change", needs=has_quantity)
def pound_force_for_newton(setting: Setting, rng: Rng) -> Incident | None:
    """Mars Climate Orbiter, 1999: one team in imperial units."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    factor = pick(rng, [POUND_FORCE, 1 / POUND_FORCE])
    return Incident(f"times {factor:.4f}", (column,), replaced(column, pl.col(column).cast(pl.Float64) * factor))


@story("default_value", needs=_two_quantities)
def null_island(setting: Setting, rng: Rng) -> Incident | None:
    """Geocoders that answer 0° N, 0° E for what they do not know: two columns are zero together."""
    columns = tuple(str(c) for c in rng.choice(setting.quantities(), size=2, replace=False))
    share = float(rng.uniform(0.3, 0.8)) if setting.portion == ALL else 1.0

    def inputs(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        lost = pl.Series(chance.random(rows.height) < share)
        return rows.with_columns(
            pl.when(lost).then(0).otherwise(pl.col(c)).cast(rows.schema[c]).alias(c) for c in columns
        )

    return Incident(f"both zero in {share:.0%}", columns, inputs)


@story("default_value", needs=has_quantity)
def centre_of_the_country(setting: Setting, rng: Rng) -> Incident | None:
    """The farm in Kansas, 2016: an address database answers with the middle of the map."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    values = setting.earlier[column].drop_nulls()
    middle = values.sort()[values.len() // 2]
    share = float(rng.uniform(0.4, 0.85)) if setting.portion == ALL else 1.0

    def inputs(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        lost = pl.Series(chance.random(rows.height) < share)
        return rows.with_columns(pl.when(lost).then(pl.lit(middle)).otherwise(pl.col(column)).alias(column))

    return Incident(f"{middle!r} in {share:.0%}", (column,), inputs)


@story("unit_change", needs=has_quantity)
def week_counter_rolled_over(setting: Setting, rng: Rng) -> Incident | None:
    """GPS week rollover, 2019: receivers count from zero again, so that all values are off by one constant."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    spread = float(setting.rows[column].cast(pl.Float64).std() or 1.0)
    offset = -WEEK_ROLLOVER * 10.0 ** np.round(np.log10(2 * spread / WEEK_ROLLOVER))
    return Incident(f"{offset:+g}", (column,), replaced(column, pl.col(column).cast(pl.Float64) + offset))


@story(
    "unrecognised_fault", "unit_change", "added_noise", needs=has_quantity, portions=(ALL, "40-marked", "since-middle")
)
def error_that_grows_with_uptime(setting: Setting, rng: Rng) -> Incident | None:
    """Patriot at Dhahran, 1991: a rounding error adds up until the next restart."""
    column, restarts = pick(rng, setting.quantities()), int(rng.integers(1, 5))
    if column is None:
        return None
    most = float(setting.rows[column].cast(pl.Float64).std() or 1.0) * float(rng.uniform(1, 4))
    uptime = np.linspace(0, restarts, setting.rows.height, endpoint=False) % 1
    made = pl.col(column).cast(pl.Float64) + pl.Series(uptime * most)
    return Incident(f"plus up to {most:.3g} between {restarts} restarts", (column,), replaced(column, made))


@story("model_change", needs=anything, portions=("10-marked", "40-marked"), slow=True)
def old_code_on_one_server(setting: Setting, rng: Rng) -> Incident | None:
    """Knight Capital, 2012: one of eight servers was not updated."""
    train = setting.world.train.head(max(setting.world.train.height // 12, 200))
    return _other_model(setting, rng, train, "an old model on these", known=False)


@story("default_value", "missing_values", needs=has_quantity)
def error_code_as_a_value(setting: Setting, rng: Rng) -> Incident | None:
    """Breck and others, Data Validation for Machine Learning, 2019: a failed call returns -1 and is logged as a value."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    share = float(rng.uniform(0.3, 0.9)) if setting.portion == ALL else 1.0

    def inputs(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        lost = pl.Series(chance.random(rows.height) < share)
        return rows.with_columns(
            pl.when(lost).then(-1).otherwise(pl.col(column)).cast(rows.schema[column]).alias(column)
        )

    return Incident(f"-1 in {share:.0%}", (column,), inputs)


@story("missing_values", needs=anything, portions=MARKED)
def signals_of_a_platform_gone(setting: Setting, rng: Rng) -> Incident | None:
    """App tracking transparency, 2021: several columns are empty from the users of one platform."""
    options = [*setting.quantities(), *setting.codes()]
    if len(options) < 2:
        return None
    columns = tuple(str(c) for c in rng.choice(options, size=min(int(rng.integers(2, 4)), len(options)), replace=False))

    def inputs(rows: pl.DataFrame, _: Rng) -> pl.DataFrame:
        return rows.with_columns(pl.lit(None).cast(rows.schema[c]).alias(c) for c in columns)

    return Incident("all missing", columns, inputs, subject="some")


@story("broken_join", "added_noise", needs=has_quantity, portions=("40-marked", "10-marked", "since-middle"))
def bad_data_of_one_large_customer(setting: Setting, rng: Rng) -> Incident | None:
    """Unity, 2022: one customer's events were wrong and spoilt the audience model: values that are no one's."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    values = setting.rows[column].drop_nulls()

    def inputs(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        return rows.with_columns(values[chance.integers(0, values.len(), rows.height)].alias(column))

    return Incident("values drawn at random", (column,), inputs)


@story("unit_change", needs=has_quantity)
def sum_for_mean(setting: Setting, rng: Rng) -> Incident | None:
    """Training and serving skew: the online store sums over seven, thirty or twelve where training took the mean."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    factor = float(pick(rng, [7.0, 30.0, 12.0]))
    return Incident(f"times {factor:g}", (column,), replaced(column, pl.col(column).cast(pl.Float64) * factor))


@story("unit_change", needs=_hour, portions=(ALL, "since-middle", "40-marked"))
def summer_time_forgotten(setting: Setting, rng: Rng) -> Incident | None:
    """Alarm clocks of 2010 and 2011: one hour off from the night of the change on."""
    hours = int(pick(rng, [-1, 1, 2]))
    return Incident(f"{hours:+d} hours", ("hour",), replaced("hour", (pl.col("hour") + hours) % 24))


@story("lost_rows", needs=anything, portions=(ALL,))
def rows_beyond_the_limit_of_a_sheet(setting: Setting, rng: Rng) -> Incident | None:
    """Public Health England, 2020: a sheet holds 65,536 rows, and the rest of each delivery is cut off: here the last of a sorted
    delivery of some weeks."""
    column, kept = pick(rng, setting.quantities() or setting.codes()), float(rng.uniform(0.5, 0.8))
    if column is None:
        return None
    weeks = setting.rows.select((pl.int_range(pl.len()) * 4 // pl.len()).alias("part"))["part"]
    place = setting.rows.select(pl.col(column).rank("ordinal").over(weeks) / pl.len().over(weeks)).to_series()
    rows = np.flatnonzero((place <= kept).fill_null(True).to_numpy())
    return Incident(f"the largest {1 - kept:.0%} by {column} lost", (column,), rows=lambda *_: rows, subject="segment")


@story("category_recode", "unseen_category", "schema_change", needs=has_code)
def codes_turned_into_dates(setting: Setting, rng: Rng) -> Incident | None:
    """Gene names in spreadsheets (Ziemann and others, 2016): codes that look like a day become a date."""
    column = pick(rng, setting.codes(distinct=3))
    if column is None:
        return None
    levels = sorted(setting.rows[column].drop_nulls().unique().to_list())
    some = [str(v) for v in rng.choice(levels, size=max(len(levels) // 2, 1), replace=False)]
    mapping = {v: f"{i % 28 + 1}-Mar" for i, v in enumerate(some)}
    return Incident(
        f"{len(some)} of {len(levels)} codes as dates", (column,), replaced(column, pl.col(column).replace(mapping))
    )


@story("clipped_range", needs=has_quantity)
def history_of_ninety_days(setting: Setting, rng: Rng) -> Incident | None:
    """Serving looks back less far than training did, since the whole history was too slow: longer values end there."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    limit = setting.rows[column].quantile(float(rng.uniform(0.2, 0.5)), "nearest")
    return Incident(f"at most {limit:.4g}", (column,), replaced(column, pl.col(column).clip(upper_bound=limit)))


@story("stale_values", "broken_join", needs=has_quantity)
def table_of_half_a_year_ago(setting: Setting, rng: Rng) -> Incident | None:
    """Rules of Machine Learning, rule about dependencies: a table that nobody refreshed: the values of one window before."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    old = setting.earlier[column]
    return Incident("of the window before, row by row", (column,), replaced(column, old.head(setting.rows.height)))
