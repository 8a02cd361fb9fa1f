"""Values lost their precision: decimals cut off, rounded to hundreds, or gathered in bins.

**Recognised** when the current values lie on a coarser lattice than the reference did (a step, a number of significant digits,
or a few values left of many), more than half of the reference lies off it, and the reference rounded in the same way is
distributed as the current values are, to within noise or a tenth of what moved.

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
from backslide.causes.columns.resolution import Grid, grids_of
from backslide.causes.faults.base import Hypothesis, Signature
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.metrics.metric import Floats
from backslide.stats.two_sample import ks, ks_limit

OFF = 0.4
"""Share of the reference that must lie off the lattice: people record round numbers of their own accord. Of whole numbers about
half are odd."""
FEWER = 0.5
"""Distinct values that may be left, as a share of those that as many reference rows hold."""
MOST_LEFT = 0.7
"""The same where no more are left than the rounding leaves of the reference's."""
REMAINS = 0.15
"""Share of what moved that may remain once the reference is rounded too."""
DRIFT = 0.1
"""Largest distance that may remain, where the rounding itself hardly moves the distribution."""


class RoundedValues(Signature):
    kind = CauseKind.ROUNDED_VALUES
    title = "Lost precision"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """At most one hypothesis per numeric column: the rounding that explains it best."""
        for column, pair in case.pairs.items():
            grid = _rounding(pair)
            if grid is None:
                continue
            changed = np.isfinite(pair.numbers[1])
            yield Hypothesis(
                signature=self,
                features=(column,),
                seen=f"{column} is {grid.words}, it came finer before",
                undo=f"draw {column} from the finer values that round to the same",
                evidence=(f"DRF001:{column}",),
                exact=True,
                reversible=False,
                rows=changed,
                params={"grid": grid},
            )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Draw for each value one of the reference's that rounds to it; values that none rounds to stay."""
        (column,) = hypothesis.features
        grid: Grid = hypothesis.params["grid"]
        fine = case.pairs[column].finite[0]
        rounded = grid.round(fine)
        values = edit.numbers_of(frame, column)
        step = 1e-9 * max(float(np.abs(rounded).max(initial=0.0)), 1e-300)
        low, high = (np.searchsorted(rounded, values + d, side=s) for d, s in ((-step, "left"), (step, "right")))  # type: ignore[call-overload]
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
        current = scenarios.next_month(rng)
        thousands = (pl.col("income") / 2500).floor() * 2500
        current = scenarios.rescored(current.with_columns(thousands))
        reference = scenarios.rescored(scenarios.served(rng))
        return Scenario(reference, current, dict(scenarios.ROLES), scenarios.TrueModel(), "income")


def _rounding(pair: Pair) -> Grid | None:
    if not pair.numeric:
        return None
    g, b = pair.finite
    if min(len(g), len(b)) < edit.MIN_ROWS or b[0] == b[-1]:
        return None
    moved = ks(g, b)
    noise = ks_limit(len(g), len(b))
    best: tuple[float, Grid] | None = None
    for grid in grids_of(b, g, OFF):
        if not _fewer(g, b, grid):
            continue
        left = _apart(np.sort(grid.round(g)), b)
        if left <= max(noise, min(REMAINS * moved, DRIFT)) and (best is None or left < best[0] - 1e-9):
            best = left, grid
    return best[1] if best is not None else None


def _fewer(g: Floats, b: Floats, grid: Grid) -> bool:
    """Whether far fewer distinct values are left than as many rows of the reference hold, as few as the rounding would leave of
    them, or decimals fell off all of them."""
    n = min(len(g), len(b))
    spread = [values[np.linspace(0, len(values) - 1, n).astype(int)] for values in (g, b)]
    before, after = (len(np.unique(values)) for values in spread)
    left = len(np.unique(np.round(grid.round(spread[0]), 9)))
    return after <= FEWER * before or before > 0.5 * n or (left <= MOST_LEFT * before and after <= left + 1)


def _apart(rounded: Floats, b: Floats) -> float:
    """KS distance, with values that differ in the last bits counted as equal."""
    step = 1e-9 * max(float(np.abs(b).max()), 1e-300)
    return ks(np.round(rounded / step), np.round(b / step))
