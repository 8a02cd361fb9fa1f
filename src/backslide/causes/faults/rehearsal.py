"""The self-test's catalogue: which faults of the library fit a column, and on how many rows they are done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.causes.faults import damage
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair

SHARES = (0.1, 0.5)
"""Shares of rows of a fault that seldom hits all."""
SEGMENT = (0.05, 0.6)
"""Share of the rows of a category that may come again, or no longer."""
UNIT = 1000.0
"""Factor of another unit: a thousand is the most frequent one."""


@dataclass(frozen=True)
class Rehearsal:
    """One fault of one column (or two) on a share of the rows."""

    kind: CauseKind
    features: tuple[str, ...]
    share: float
    description: str
    damage: damage.Damage

    def apply(self, frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        """``frame`` with the fault on ``share`` of its rows."""
        rows = np.ones(frame.height, bool) if self.share >= 1 else rng.random(frame.height) < self.share
        return damage.on_rows(frame, rows, self.damage, rng)


def rehearsals(pair: Pair, others: list[Pair]) -> Iterator[Rehearsal]:
    """Faults that fit a column; ``others`` are columns it could be swapped with."""
    name = pair.name
    for share in SHARES:
        lost = damage.replace_at_random(name, None, 1.0)
        yield Rehearsal(CauseKind.MISSING_VALUES, (name,), share, "values go missing", lost)
    usual = pair.reference.drop_nulls().first()
    if usual is not None:
        stuck = damage.replace_at_random(name, usual, 1.0)
        yield Rehearsal(CauseKind.FROZEN_FEATURE, (name,), 1.0, f"every row says {usual!r}", stuck)
    misplaced = damage.misplace([name])
    yield Rehearsal(CauseKind.BROKEN_JOIN, (name,), 1.0, "values belong to other rows", misplaced)
    if pair.numeric and not pair.discrete:
        yield from _of_numbers(pair, others)
    elif pair.categorical and pair.reference.dtype == pl.String:
        renamed = damage.map_values(name, "x_" + pl.col(name))
        yield Rehearsal(CauseKind.CATEGORY_RECODE, (name,), 1.0, "codes renamed", renamed)
        for share in SHARES:
            unseen = damage.replace_at_random(name, "never seen before", 1.0)
            yield Rehearsal(CauseKind.UNSEEN_CATEGORY, (name,), share, "a category never seen", unseen)
        yield from _of_traffic(pair)


def _of_traffic(pair: Pair) -> Iterator[Rehearsal]:
    """Rows of one category that come twice, or no longer: of the largest one that is not most of the rows."""
    total = sum(pair.levels[0].values())
    sizes = {level: n for level, n in pair.levels[0].items() if SEGMENT[0] <= n / total <= SEGMENT[1]}
    if not sizes:
        return
    level = max(sizes, key=lambda level: (sizes[level], level))
    rows = pl.col(pair.name) == level
    again, gone = damage.send_again(rows, 2), damage.lose_rows(rows)
    yield Rehearsal(CauseKind.DUPLICATED_ROWS, (pair.name,), 1.0, f"rows with {level!r} come twice", again)
    yield Rehearsal(CauseKind.LOST_ROWS, (pair.name,), 1.0, f"rows with {level!r} no longer come", gone)


def _of_numbers(pair: Pair, others: list[Pair]) -> Iterator[Rehearsal]:
    name, values = pair.name, pair.finite[0]
    cap, spread = float(np.quantile(values, 0.7)), float(values.std())
    step = 10.0 ** np.floor(np.log10(max(spread, 1e-12)))
    default = 0.0 if values.min() > 0 else -999.0
    unit = damage.map_numbers(name, lambda x: x * UNIT)
    yield Rehearsal(CauseKind.UNIT_CHANGE, (name,), 1.0, f"{UNIT:g} times as large", unit)
    yield Rehearsal(CauseKind.UNIT_CHANGE, (name,), 0.4, f"{UNIT:g} times as large", unit)
    yield Rehearsal(CauseKind.SIGN_FLIP, (name,), 1.0, "the other sign", damage.map_numbers(name, lambda x: -x))
    capped = damage.map_numbers(name, lambda x: np.minimum(x, cap))
    yield Rehearsal(CauseKind.CLIPPED_RANGE, (name,), 1.0, f"capped at {say.number(cap)}", capped)
    rounded = damage.map_numbers(name, lambda x: np.round(x / step) * step)
    yield Rehearsal(CauseKind.ROUNDED_VALUES, (name,), 1.0, f"rounded to {step:g}", rounded)
    noisy = damage.add_noise(name, spread)
    yield Rehearsal(CauseKind.ADDED_NOISE, (name,), 1.0, "noise of its own spread", noisy)
    for share in SHARES:
        filled = damage.replace_at_random(name, int(default) if pair.reference.dtype.is_integer() else default, 1.0)
        yield Rehearsal(CauseKind.DEFAULT_VALUE, (name,), share, f"{default:g} in place of values", filled)
    for other in others[:1]:
        swapped = damage.exchange(name, other.name)
        yield Rehearsal(CauseKind.SWAPPED_COLUMNS, (name, other.name), 1.0, f"swapped with {other.name}", swapped)
