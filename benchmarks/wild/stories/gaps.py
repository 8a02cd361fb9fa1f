"""Values that are not there, or that something else stands in for."""

from __future__ import annotations

import polars as pl

from wild.incident import MARKED, Change, Incident, Rng, Setting, anything, has_quantity, pick, replaced, story


def _column(setting: Setting, rng: Rng) -> str | None:
    return pick(rng, [*setting.quantities(), *setting.codes(distinct=3)])


def _some(column: str, made: pl.Expr, share: float) -> Change:
    """``made`` in a share of the rows."""

    def inputs(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        lost = pl.Series(chance.random(rows.height) < share)
        return rows.with_columns(pl.when(lost).then(made).otherwise(pl.col(column)).alias(column))

    return inputs


@story("missing_values", needs=anything)
def lookup_without_answer(setting: Setting, rng: Rng) -> Incident | None:
    """The service behind the column times out."""
    column = _column(setting, rng)
    if column is None:
        return None
    share = float(rng.uniform(0.4, 1.0)) if setting.portion == "all" else 1.0
    return Incident(f"{share:.0%} missing", (column,), _some(column, pl.lit(None), share))


@story("missing_values", needs=has_quantity)
def large_values_lost(setting: Setting, rng: Rng) -> Incident | None:
    """Values above a limit fail a check upstream and are dropped: missing not at random."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    limit = setting.rows[column].quantile(float(rng.uniform(0.3, 0.7)))
    made = pl.when(pl.col(column) > limit).then(None).otherwise(pl.col(column))
    return Incident(f"values above {limit:.4g} lost", (column,), replaced(column, made))


@story("default_value", "missing_values", needs=has_quantity)
def missing_filled_with_a_statistic(setting: Setting, rng: Rng) -> Incident | None:
    """A new imputer upstream: mean, median or zero where nothing came."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    values = setting.earlier[column]
    fill = pick(rng, [values.mean(), values.median(), 0])
    share = float(rng.uniform(0.4, 0.9)) if setting.portion == "all" else 1.0
    made = pl.lit(int(fill) if values.dtype.is_integer() else float(fill))
    return Incident(f"{fill:.4g} in {share:.0%}", (column,), _some(column, made, share))


@story("default_value", needs=anything)
def most_common_level_for_all(setting: Setting, rng: Rng) -> Incident | None:
    """A drop-down with a preselected answer."""
    column = pick(rng, setting.codes(distinct=3) or setting.quantities())
    if column is None:
        return None
    level = setting.rows[column].drop_nulls().mode().sort()[0]
    share = float(rng.uniform(0.5, 0.9))
    return Incident(f"{level!r} in {share:.0%}", (column,), _some(column, pl.lit(level), share))


@story("frozen_feature", "default_value", needs=has_quantity, portions=MARKED)
def sensor_stuck(setting: Setting, rng: Rng) -> Incident | None:
    """A device repeats its last value."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    value = pick(rng, setting.rows[column].drop_nulls().to_list())
    return Incident(f"stuck at {value!r}", (column,), replaced(column, pl.lit(value)))


@story("clipped_range", needs=has_quantity)
def sensor_saturated(setting: Setting, rng: Rng) -> Incident | None:
    """Nothing above a cap, or nothing below a floor."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    above = bool(rng.random() < 0.6)
    limit = setting.rows[column].quantile(float(rng.uniform(0.25, 0.6) if above else rng.uniform(0.4, 0.75)), "nearest")
    made = pl.col(column).clip(upper_bound=limit) if above else pl.col(column).clip(lower_bound=limit)
    return Incident(f"nothing {'above' if above else 'below'} {limit:.4g}", (column,), replaced(column, made))


@story("added_noise", needs=has_quantity)
def worse_sensor(setting: Setting, rng: Rng) -> Incident | None:
    """A cheaper device, or noise added for privacy."""
    column = pick(rng, setting.quantities(distinct=20))
    if column is None:
        return None
    size = float(setting.rows[column].cast(pl.Float64).std() or 1) * float(rng.uniform(0.7, 2))

    def inputs(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        return rows.with_columns((pl.col(column) + pl.Series(chance.laplace(0, size * 0.7, rows.height))).alias(column))

    return Incident(f"noise of {size:.3g}", (column,), inputs)


@story("schema_change", "missing_values", needs=has_quantity)
def client_that_logs_numbers_as_text(setting: Setting, rng: Rng) -> Incident | None:
    """A client version writes the number with a unit or a comma, and the parser gives up."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    text = pl.col(column).cast(pl.String)
    unit = pick(rng, [" kg", " EUR", "%"])
    made = pick(rng, [text.str.replace(".", ",", literal=True) + pl.lit(";"), text + pl.lit(unit)])
    return Incident("as text that no parser takes", (column,), replaced(column, made))
