"""Faults of numbers, categories and joins, written from what they mean in a pipeline.

Each function draws one variant: column, factor, share and so on by chance. Returns None where the rows have no column for it.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from backslide.causes.faults import damage
from faults.fault import Fault, Rng, Scene, pick

FACTORS = (
    12.0,
    1 / 12,
    100.0,
    0.01,
    1000.0,
    0.001,
    1.609344,
    1 / 1.609344,
    2.54,
    0.3048,
    0.45359237,
    60.0,
    1 / 60,
    24.0,
    7.0,
    10.0,
)
"""Months and years, percent, kilo, miles, inches, feet, pounds, minutes, days of a week, a slipped decimal point."""
UNITS = 5
"""Distinct values from which a number is a quantity and not a code."""
NEW_CODES = ("NEW", "77", "X9", "premium_plus")
"""Codes of something new. Not words for nothing, such as n/a: those are defaults."""
CODED = 30
"""Whole numbers of at most so many values may be codes."""


def unit_change(scene: Scene, rng: Rng) -> Fault | None:
    """A column in another unit: a factor, a factor and an offset, a clock in another zone, a logarithm for the raw value."""
    column = pick(rng, scene.numbers(distinct=UNITS))
    if column is None:
        return None
    values = scene.rows[column].cast(pl.Float64)
    x = pl.col(column).cast(pl.Float64)
    spread = float(values.std() or 1.0)
    clock = set(values.unique().to_list()) <= set(map(float, range(24))) and values.n_unique() == 24
    variant = pick(rng, ["known", "known", "unusual", "fahrenheit", "offset", "log"])
    if clock:
        hours = int(rng.integers(1, 12))
        return _one("unit_change", column, f"clock {hours} hours ahead", (x + hours) % 24)
    if variant == "known":
        factor = pick(rng, list(FACTORS))
        return _one("unit_change", column, f"times {factor:.6g}", x * factor)
    if variant == "unusual":
        factor = float(np.exp(rng.choice([-1, 1]) * rng.uniform(np.log(1.3), np.log(20))))
        return _one("unit_change", column, f"times {factor:.4g}", x * factor)
    if variant == "fahrenheit":
        back = bool(rng.random() < 0.5)
        return _one(
            "unit_change", column, "to Celsius" if back else "to Fahrenheit", (x - 32) / 1.8 if back else x * 1.8 + 32
        )
    if variant == "log" and float(values.min() or 0) >= 0:
        return _one("unit_change", column, "log(1 + value)", x.log1p())
    offset = float(rng.choice([-1, 1]) * spread * rng.uniform(0.3, 3))
    return _one("unit_change", column, f"plus {offset:.4g}", x + offset)


def sign_flip(scene: Scene, rng: Rng) -> Fault | None:
    """Debits and credits, west and east: the convention of the sign changed."""
    column = pick(rng, scene.numbers(distinct=UNITS))
    return None if column is None else _one("sign_flip", column, "times -1", -pl.col(column))


def missing_values(scene: Scene, rng: Rng) -> Fault | None:
    """A lookup fails for a share of the rows, for the large values only, or for all."""
    column = pick(rng, [*scene.numbers(), *scene.codes()])
    if column is None:
        return None
    share = 1.0 if scene.partial or rng.random() < 0.25 else float(rng.uniform(0.15, 0.9))
    above = column in scene.data.numbers() and rng.random() < 0.25 and not scene.partial
    limit = scene.rows[column].quantile(1 - share * 0.6) if above else None

    if above:
        lost = pl.when(pl.col(column) > limit).then(None).otherwise(pl.col(column))
        return _one("missing_values", column, f"values above {limit:.4g} lost", lost)
    return Fault("missing_values", (column,), f"{share:.0%} lost", apply=damage.replace_at_random(column, None, share))


def default_value(scene: Scene, rng: Rng) -> Fault | None:
    """A failing lookup answers with a default that looks like a value."""
    column = pick(rng, [*scene.numbers(distinct=UNITS), *scene.codes(distinct=3)])
    if column is None:
        return None
    values = scene.rows[column].drop_nulls()
    if column in scene.data.numbers():
        default = pick(rng, [0, -1, -999, 9999, values.median(), values.mean(), values.min(), values.max()])
        default = int(default) if values.dtype.is_integer() else float(default)
    else:
        default = pick(rng, sorted(values.unique().to_list()))
    # Where the rows hit are those of one host, the lookup fails there most of the time; otherwise they are the rows hit.
    share = float(rng.uniform(0.6, 0.9)) if scene.marked else 1.0 if scene.partial else float(rng.uniform(0.25, 0.85))
    filled = damage.replace_at_random(column, default, share)
    return Fault("default_value", (column,), f"{default!r} for {share:.0%}", apply=filled)


def frozen_feature(scene: Scene, rng: Rng) -> Fault | None:
    """The feed is stuck: at one value for good, or at the first value of each day."""
    if scene.partial and not scene.marked:
        return None  # without a marker nobody can tell a stuck feed from a default
    column = pick(rng, [*scene.numbers(distinct=UNITS), *scene.codes(distinct=3)])
    if column is None:
        return None
    if scene.timed and not scene.partial and rng.random() < 0.35:
        stuck = pl.col(column).first().over(pl.col("served_at").dt.date())
        return _one("frozen_feature", column, "first value of each day", stuck)
    value = pick(rng, scene.rows[column].drop_nulls().to_list())
    return _one("frozen_feature", column, f"stuck at {value!r}", pl.lit(value))


def clipped_range(scene: Scene, rng: Rng) -> Fault | None:
    """A cap, a floor, or both: a sensor saturates or someone removes outliers."""
    column = pick(rng, scene.numbers(distinct=UNITS))
    if column is None:
        return None
    low, high = (
        scene.rows[column].quantile(float(q), "nearest") for q in (rng.uniform(0.1, 0.7), rng.uniform(0.3, 0.9))
    )
    variant = pick(rng, ["above", "below", "both"])
    if variant == "both" and low >= high:
        variant = "above"
    lower, upper = (low if variant != "above" else None), (high if variant != "below" else None)
    if scene.rows[column].clip(lower, upper).n_unique() < 2:
        return None  # all on the limit is a column that is stuck
    return _one("clipped_range", column, f"{variant}: {lower} to {upper}", pl.col(column).clip(lower, upper))


def rounded_values(scene: Scene, rng: Rng) -> Fault | None:
    """Values lose their digits: rounded, cut off, or kept to one or two significant figures."""
    column = pick(rng, scene.numbers(distinct=20))
    if column is None:
        return None
    x = pl.col(column).cast(pl.Float64)
    spread = float(scene.rows[column].cast(pl.Float64).std() or 1.0)
    variant = pick(rng, ["rounded", "cut off", "figures"])
    if variant == "figures":
        figures = int(rng.integers(1, 3))
        made, words = x.round_sig_figs(figures), f"{figures} significant figures"
    else:
        # A step that people round to, up to the spread of the values.
        steps = [m * 10.0**k for k in range(-6, 7) for m in (1, 2, 5) if 0.2 * spread < m * 10.0**k <= spread]
        step = float(pick(rng, steps))
        made = ((x / step).round() if variant == "rounded" else (x / step).floor()) * step
        words = f"{variant} to multiples of {step:g}"
    left = scene.rows.select(made.n_unique()).item()
    # Coarse enough to lose something, and not so coarse that next to nothing is left.
    return _one("rounded_values", column, words, made) if UNITS <= left < scene.rows[column].n_unique() else None


def added_noise(scene: Scene, rng: Rng) -> Fault | None:
    """A worse sensor or a rougher estimate: independent errors on every value."""
    column = pick(rng, scene.numbers(distinct=20))
    if column is None:
        return None
    whole = scene.rows[column].dtype.is_integer()
    size = float(scene.rows[column].cast(pl.Float64).std() or 1.0) * float(rng.uniform(0.4, 2.0))
    shape = pick(rng, ["normal", "laplace", "uniform"])
    noisy = damage.add_noise(column, size, shape, whole=whole)
    return Fault("added_noise", (column,), f"{shape} noise of {size:.4g}", apply=noisy)


def broken_join(scene: Scene, rng: Rng) -> Fault | None:
    """A joined table of one to three columns stands beside the wrong rows: shuffled, or off by a few."""
    options = [*scene.numbers(distinct=3), *scene.codes(distinct=3)]
    if not options:
        return None
    size = min(int(rng.integers(1, 4)), max(len(options) - 2, 1))
    columns = tuple(str(c) for c in rng.choice(options, size=size, replace=False))
    step = int(rng.integers(1, 6)) if rng.random() < 0.3 else 0
    words = f"off by {step} rows" if step else "shuffled"
    return Fault("broken_join", columns, words, apply=damage.misplace(columns, step), some_suffice=True)


def swapped_columns(scene: Scene, rng: Rng) -> Fault | None:
    """Two columns change places in the mapping."""
    kinds = [options for options in (scene.numbers(distinct=3), scene.codes()) if len(options) > 1]
    options = pick(rng, kinds)
    if options is None:
        return None
    one, other = (str(c) for c in rng.choice(options, size=2, replace=False))
    return Fault("swapped_columns", (one, other), "exchanged", apply=damage.exchange(one, other))


def category_recode(scene: Scene, rng: Rng) -> Fault | None:
    """Codes are spelled in another way, or an encoder was rebuilt and the codes stand for other categories."""
    whole = [c for c in scene.numbers(distinct=3) if _holds_codes(scene.rows[c])]
    column = pick(rng, [*scene.codes(), *whole])
    if column is None:
        return None
    levels = sorted(scene.rows[column].drop_nulls().unique().to_list())
    spelled = [
        lambda v: f"{column}_{v}",
        lambda v: f"{v}.0",
        lambda v: v.upper(),
        lambda v: f"0{v}",
        lambda v: v[:2] + "#",
    ]
    variant = pick(rng, ["permuted", "permuted", "respelled"]) if len(levels) > 2 else "respelled"
    if column in whole or variant == "permuted":
        order = rng.permutation(len(levels))
        mapping = {levels[i]: levels[int(order[i])] for i in range(len(levels))}
        words = "codes permuted"
    else:
        make = pick(rng, spelled)
        mapping = {v: make(v) for v in levels}
        words = f"respelled as {mapping[levels[0]]!r}"
        if len(set(mapping.values())) < len(levels):
            return None
    return _one("category_recode", column, words, pl.col(column).replace(mapping))


def unseen_category(scene: Scene, rng: Rng) -> Fault | None:
    """A new value comes in for a share of the rows, or in place of some of one old one."""
    column = pick(rng, scene.codes())
    if column is None:
        return None
    new = pick(rng, list(NEW_CODES))
    share = 1.0 if scene.partial and not scene.marked else float(rng.uniform(0.25, 0.8))
    if new in scene.world.train[column].unique().to_list():
        return None
    return Fault(
        "unseen_category", (column,), f"{new!r} for {share:.0%}", apply=damage.replace_at_random(column, new, share)
    )


def _holds_codes(values: pl.Series) -> bool:
    """Few whole numbers: perhaps names of something."""
    there = values.drop_nulls()
    return there.n_unique() <= CODED and bool((there == there.cast(pl.Int64, strict=False)).all())


def _one(kind: str, column: str, words: str, made: pl.Expr) -> Fault:
    return Fault(kind, (column,), words, apply=damage.map_values(column, made))
