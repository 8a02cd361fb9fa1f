"""Numbers written or read in another way: separators, units, sign, overflow, resolution, clocks and dates."""

from __future__ import annotations

import numpy as np
import polars as pl

from wild.incident import Incident, Rng, Setting, has_quantity, pick, replaced, story
from wild.sets import WildSet


def _fractional(data: WildSet, _: str) -> bool:
    return any(data.rows()[c].dtype.is_float() for c in data.numbers() if c not in data.calendar)


def _thousands(data: WildSet, _: str) -> bool:
    rows = data.rows()
    return any(float((rows[c].abs() >= 1000).mean()) > 0.05 for c in data.numbers() if c not in data.calendar)


def _clock(data: WildSet, _: str) -> bool:
    return bool({"hour", "period"} & set(data.calendar))


def _day_and_month(data: WildSet, _: str) -> bool:
    return {"day_of_month", "month"} <= set(data.calendar) & set(data.numbers())


@story("unit_change", "schema_change", needs=_fractional)
def decimal_separator_lost(setting: Setting, rng: Rng) -> Incident | None:
    """``12.5`` is read as 125: the factor depends on how many decimals a value happens to have."""
    column = pick(rng, [c for c in setting.quantities() if setting.rows[c].dtype.is_float()])
    if column is None:
        return None
    made = pl.col(column).cast(pl.String).str.replace(".", "", literal=True).cast(pl.Float64, strict=False)
    return Incident("decimal separator lost", (column,), replaced(column, made))


@story("unit_change", needs=_thousands)
def thousands_read_as_decimals(setting: Setting, rng: Rng) -> Incident | None:
    """``1,234`` is read as 1.234; smaller values have no separator and stay."""
    large = [c for c in setting.quantities() if float((setting.rows[c].abs() >= 1000).mean()) > 0.05]
    column = pick(rng, large)
    if column is None:
        return None
    x = pl.col(column).cast(pl.Float64)
    made = pl.when(x.abs() >= 1000).then(x / 1000).otherwise(x)
    return Incident("thousands separator read as decimal mark", (column,), replaced(column, made))


@story("unit_change", needs=has_quantity)
def percent_for_fraction(setting: Setting, rng: Rng) -> Incident | None:
    """A share comes as a percentage, or the reverse."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    factor = 100.0 if float(setting.rows[column].abs().max() or 0) <= 1 else 0.01
    return Incident(f"times {factor:g}", (column,), replaced(column, pl.col(column).cast(pl.Float64) * factor))


@story("unit_change", needs=has_quantity)
def cents_for_euros(setting: Setting, rng: Rng) -> Incident | None:
    """One market books in the small coin."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    return Incident("times 100", (column,), replaced(column, pl.col(column).cast(pl.Float64) * 100))


@story("unrecognised_fault", "unit_change", needs=has_quantity)
def integer_wraparound(setting: Setting, rng: Rng) -> Incident | None:
    """A narrower integer overflows: what is above a power of two (of the column's own unit) begins again from below."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    values = setting.rows[column].cast(pl.Float64)
    bits = [k for k in range(-4, 20) if 0.05 <= float((values.abs() > 2.0**k).mean() or 0) <= 0.6]
    k = pick(rng, bits)
    if k is None:
        return None
    limit, x = 2.0**k, pl.col(column).cast(pl.Float64)
    signed = bool(rng.random() < 0.5)
    made = (x + limit) % (2 * limit) - limit if signed else x % limit
    return Incident(f"{'signed ' if signed else ''}overflow at {limit:g}", (column,), replaced(column, made))


@story("rounded_values", needs=has_quantity)
def coarse_quantisation(setting: Setting, rng: Rng) -> Incident | None:
    """Values are stored in two or three bits between the least and the greatest of the window."""
    column = pick(rng, setting.quantities(distinct=20))
    if column is None:
        return None
    low, high = (float(setting.rows[column].quantile(q) or 0) for q in (0.001, 0.999))
    steps = 2 ** int(rng.integers(2, 4)) - 1
    if high <= low:
        return None
    x = pl.col(column).cast(pl.Float64).clip(low, high)
    made = ((x - low) / (high - low) * steps).round() * ((high - low) / steps) + low
    return Incident(f"{steps + 1} levels", (column,), replaced(column, made))


@story("rounded_values", needs=_fractional)
def fraction_cut_off(setting: Setting, rng: Rng) -> Incident | None:
    """A cast to integer somewhere upstream, of a value in tens or units, or of one decimal."""
    column = pick(rng, [c for c in setting.quantities(distinct=20) if setting.rows[c].dtype.is_float()])
    if column is None:
        return None
    spread = float(setting.rows[column].std() or 1.0)
    step = 10.0 ** np.floor(np.log10(spread * 2))
    return Incident(
        f"cut to multiples of {step:g}", (column,), replaced(column, (pl.col(column) / step).floor() * step)
    )


@story("sign_flip", needs=has_quantity)
def sign_of_one_host(setting: Setting, rng: Rng) -> Incident | None:
    """Debits positive here, negative there."""
    column = pick(rng, setting.quantities())
    return None if column is None else Incident("times -1", (column,), replaced(column, -pl.col(column)))


@story("unit_change", needs=_clock)
def time_zone_of_the_hour(setting: Setting, rng: Rng) -> Incident | None:
    """The hour is written in another zone."""
    column = next(c for c in ("hour", "period") if c in setting.data.calendar)
    hours = int(pick(rng, [-8, -5, -2, 2, 5, 8]))
    x = pl.col(column)
    # ``period`` counts 48 half hours from 0 to 1.
    made = (x + hours) % 24 if column == "hour" else ((x * 47).round() + 2 * hours) % 48 / 47
    return Incident(f"{hours:+d} hours", (column,), replaced(column, made))


@story("swapped_columns", needs=_day_and_month)
def day_and_month_exchanged(setting: Setting, rng: Rng) -> Incident | None:
    """03/04 is read as April 3rd; days after the twelfth can only be read in one way and stay."""
    day, month = pl.col("day_of_month"), pl.col("month")
    either = day <= 12

    def inputs(rows: pl.DataFrame, _: Rng) -> pl.DataFrame:
        return rows.with_columns(
            pl.when(either).then(month).otherwise(day).alias("day_of_month"),
            pl.when(either).then(day).otherwise(month).alias("month"),
        )

    return Incident("day and month exchanged where both are possible", ("day_of_month", "month"), inputs)
