"""Values lost their precision: decimals cut off, rounded to hundreds, or gathered in bins.

**Recognised** when the current values lie on a coarser lattice than the reference did (a step, a number of significant digits,
or a few values left of many), more than half of the reference lies off it, and the reference rounded in the same way is
distributed as the current values are, to within noise or a tenth of what moved; or where at most twenty values are left of ten
times as many, each on many rows or all equally far apart, which no drift does. Values that few rows have, one each, are left out
of it: a fault begins within a day.

**Not to be confused with** another unit, which scales the values with their lattice, or with values that were whole numbers
all along: those lie on the lattice in both windows.

**Repair** draws a value from the reference's own values that would have been rounded to the one that is there; the price
comes from the **injection**: the reference rounded in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.resolution import HELD, Rounding, evenly_spaced, grids_of, ks_of_rounded, thinned
from backslide.causes.faults.base import Hypothesis, scenario_with
from backslide.causes.faults.column_signature import ColumnSignature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats
from backslide.stats.two_sample import ks_limit

OFF = 0.4
"""Share of the reference that must lie off the lattice: people record round numbers of their own accord. Of whole numbers about
half are odd."""
FEWER = 0.5
"""Distinct values that may be left, as a share of those that as many reference rows hold."""
MOST_LEFT = 0.7
"""The same where no more are left than the rounding leaves of the reference's."""
REMAINS = 0.15
"""Share of what moved that may remain once the reference is rounded too."""
MOST_BINS, BIN_ROWS, VALUES_A_BIN, VALUES_AN_EVEN_BIN = 20, 0.005, 10, 5
"""Bins that need no more proof: values left at most, least share of rows of each, and values of the reference for each; fewer
of them where the bins lie equally far apart."""
COARSER = 1.8
"""Times as far apart as the reference's values that bins must lie to need no more proof."""
MIN_BINS = 5
"""Fewer values that are left fit any distribution."""
STRAY_ROWS, MOST_STRAY, FEW_OF = 0.002, 0.05, 0.5
"""Share of the rows under which a value is a stray one, of all rows that may have one, and part of the distinct values left."""
LAST_BITS = 1e-9
"""Relative difference up to which rounded values are equal."""
DRIFT = 0.1
"""Largest distance that may remain, where the rounding itself hardly moves the distribution."""


class RoundedValues(ColumnSignature):
    kind = CauseKind.ROUNDED_VALUES
    title = "Lost precision"
    numeric = True

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis: the rounding that explains the column best."""
        grid = _rounding(pair)
        if grid is not None:
            values = pair.numbers[1]
            rows = np.isfinite(values)
            stray = rows & ~np.isclose(grid.round(values), values, rtol=LAST_BITS, atol=0.0)
            # Of values that a step holds, a few may be off by chance; of bins they were left out, and that is said.
            but = f", but for {say.percent(float(stray.mean()))} of the rows" if stray.mean() > 1 - HELD else ""
            yield self.hypothesis(
                pair,
                f"{pair.name} is {grid.words}{but}, it came finer before",
                f"draw {pair.name} from the finer values that round to the same",
                rows & ~stray if but else rows,
                grid=grid,
            )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Draw for each value one of the reference's that rounds to it; values that none rounds to stay."""
        (column,) = hypothesis.features
        grid: Rounding = hypothesis.params["grid"]
        fine = case.pairs[column].finite[0]
        rounded = grid.round(fine)
        values = edit.numbers_of(frame, column)
        step = LAST_BITS * max(float(np.abs(rounded).max(initial=0.0)), 1e-300)
        low = np.searchsorted(rounded, values - step, side="left")
        high = np.searchsorted(rounded, values + step, side="right")
        rng = case.rng(f"unround {column}")
        pick = low + (rng.random(len(values)) * np.maximum(high - low, 1)).astype(int)
        drawn = np.where(high > low, fine[np.clip(pick, 0, len(fine) - 1)], values)
        return edit.write(frame, column, drawn, np.isfinite(values))

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Round the reference."""
        (column,) = hypothesis.features
        return edit.write(frame, column, hypothesis.params["grid"].round(edit.numbers_of(frame, column)))

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes come in thousands."""
        return scenario_with(lambda frame: frame.with_columns((pl.col("income") / 2500).floor() * 2500), rng)


def _without_stray(values: Floats) -> Floats:
    """Sorted values without a few that no other row has, where all others gather at far fewer: a fault begins within a day."""
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    often = counts >= STRAY_ROWS * len(values)
    kept = values[often[place]]
    few = len(kept) >= (1 - MOST_STRAY) * len(values) and often.sum() <= FEW_OF * len(distinct)
    return kept if few else values


def _rounding(pair: Pair) -> Rounding | None:
    ref, cur = pair.finite
    cur = _without_stray(cur) if len(cur) else cur
    if min(len(ref), len(cur)) < edit.MIN_ROWS or cur[0] == cur[-1]:
        return None
    moved = pair.moved
    noise = ks_limit(len(ref), len(cur))
    best: tuple[float, Rounding] | None = None
    for grid in grids_of(cur, ref, OFF):
        if not _fewer(ref, cur, grid):
            continue
        left = ks_of_rounded(np.sort(grid.round(ref)), cur, LAST_BITS)
        alone = _bins_alone(ref, cur, grid)
        if 0 < len(grid.levels) < MIN_BINS and not alone:
            continue
        allowed = 1.0 if alone else max(noise, min(REMAINS * moved, DRIFT))
        if left <= allowed and (best is None or left < best[0] - 1e-9):
            best = left, grid
    return best[1] if best is not None else None


def _bins_alone(ref: Floats, cur: Floats, grid: Rounding) -> bool:
    """Whether so few of so many values are left, each on many rows, that no drift of the distribution speaks against bins."""
    even = _evenly_coarser(ref, np.array(grid.levels))
    least = (VALUES_AN_EVEN_BIN if even else VALUES_A_BIN) * len(grid.levels)
    if not 0 < len(grid.levels) <= MOST_BINS or len(np.unique(thinned(ref, cur)[0])) < least:
        return False
    span = ref[-1] - ref[0]
    if cur[0] < ref[0] - span or cur[-1] > ref[-1] + span:
        return False
    rows = np.unique(cur, return_counts=True)[1]
    return even or bool(rows.min() >= BIN_ROWS * len(cur))


def _evenly_coarser(ref: Floats, levels: Floats) -> bool:
    """Whether all levels are equally far apart, and farther than the reference's values among them: what is cut off at one end
    keeps its steps."""
    step = evenly_spaced(levels) if len(levels) > 1 else None
    among = np.unique(ref[(ref >= levels[0]) & (ref <= levels[-1])]) if step is not None else ref[:0]
    return step is not None and len(among) > 1 and step >= COARSER * float(np.median(np.diff(among)))


def _fewer(ref: Floats, cur: Floats, grid: Rounding) -> bool:
    """Whether far fewer distinct values are left than as many rows of the reference hold, as few as the rounding would leave of
    them, or decimals fell off all of them."""
    spread = thinned(ref, cur)
    before, after = (len(np.unique(values)) for values in spread)
    left = len(np.unique(np.round(grid.round(spread[0]), 9)))
    return (
        after <= FEWER * before or before > 0.5 * len(spread[0]) or (left <= MOST_LEFT * before and after <= left + 1)
    )
