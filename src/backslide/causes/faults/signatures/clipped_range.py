"""Values are cut off at a limit.

**Recognised** when the current maximum (or minimum) lies inside the reference's range, carries the mass that the reference
had beyond it (within 30 % and noise), and the values on the inner side are distributed as before.

**Repair** draws the cut values from the other columns, beyond the limit; the price comes from the **injection**: the reference
cut off at the same limit.

**Not to be confused with** a part of the traffic that stopped coming (nothing gathers at the limit then), or a default that
happens to be the largest value.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.remainder import AHEAD, is_usual
from backslide.causes.faults.base import Hypothesis, scenario_with
from backslide.causes.faults.column_signature import ColumnSignature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats
from backslide.stats.two_sample import ks, ks_limit, ks_p_value

MIN_MASS = 0.02
"""Reference mass beyond the limit."""
MATCH = 0.3
"""How far the mass gathered at the limit may be from the mass that was beyond it, relative."""

COARSER = 0.7
"""Distinct values left inside the limit, as a share of the reference's, up to which values were rounded rather than cut off."""


class ClippedRange(ColumnSignature):
    kind = CauseKind.CLIPPED_RANGE
    title = "Values cut off at a limit"
    numeric = True

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """One hypothesis per side."""
        for side, limit in limits_of(pair).items():
            yield self.cut_off(pair, side, limit)

    def cut_off(self, pair: Pair, side: str, limit: float) -> Hypothesis:
        """The column cut off ``"above"`` or ``"below"`` a limit."""
        column, mass = pair.name, say.percent(float((pair.finite[1] == limit).mean()))
        return self.hypothesis(
            pair,
            f"{column} is cut off {side} {say.number(limit)}: {mass} of the rows sit at the limit",
            f"draw {column} {side} {say.number(limit)} from the other columns",
            pair.numbers[1] == limit,
            mechanism=f"clip {column}",
            limit=limit,
            side=side,
        )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Draw from the other columns, keeping what falls beyond the limit and the limit itself elsewhere."""
        (column,) = hypothesis.features
        filled = super().repair(case, hypothesis, frame)
        bound = np.maximum if hypothesis.params["side"] == "above" else np.minimum
        drawn = bound(edit.numbers_of(filled, column), hypothesis.params["limit"])
        return edit.write(filled, column, drawn, hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Cut the reference off at the limit."""
        (column,) = hypothesis.features
        cut = np.minimum if hypothesis.params["side"] == "above" else np.maximum
        return edit.write(frame, column, cut(edit.numbers_of(frame, column), hypothesis.params["limit"]))

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes end at 2 000."""
        return scenario_with(lambda frame: frame.with_columns(pl.col("income").clip(upper_bound=2000.0)), rng)


def limits_of(pair: Pair) -> dict[str, float]:
    """The limits ``above`` and ``below`` at which values are cut off, as far as there are."""
    ends = {"above": 1, "below": -1}
    found = {name: limit for name, side in ends.items() if (limit := limit_of(pair, side)) is not None}
    if found:
        return found
    # Cut off at both ends, either end disturbs what is left when the other is looked at alone.
    both = {name: _gathering(pair, side, MATCH / 2) for name, side in ends.items()}
    if (above := both["above"]) is None or (below := both["below"]) is None or below >= above:
        return {}
    ref, cur = (v[(v > below) & (v < above)] for v in pair.finite)
    inner = len(ref) / max(len(pair.finite[0]), 1)
    return {"above": above, "below": below} if _inner_unchanged(ref, cur, inner, pair.usual_drift) else {}


def limit_of(pair: Pair, side: int) -> float | None:
    """The limit on the upper (+1) or lower (-1) side, None where nothing is cut off."""
    limit = _gathering(pair, side)
    if limit is None:
        return None
    ref, cur = (side * v for v in pair.finite)
    beyond = float((ref >= side * limit).mean())
    return (
        limit
        if _inner_unchanged(ref[ref < side * limit], cur[cur < side * limit], 1 - beyond, pair.usual_drift)
        else None
    )


def _gathering(pair: Pair, side: int, match: float = MATCH) -> float | None:
    """The current end on one side, where the mass gathered that was at it and beyond; None where none did."""
    ref, cur = (side * v for v in pair.finite)
    if min(len(ref), len(cur)) < edit.MIN_ROWS:
        return None
    limit = float(cur.max())
    if limit == float(cur.min()) or float(ref.max()) <= limit:
        return None
    beyond, gathered = float((ref >= limit).mean()), float((cur == limit).mean())
    own = float((ref == limit).mean())
    if float((ref > limit).mean()) < MIN_MASS or gathered < own + MIN_MASS:
        return None
    if _coarser(*(v[(v > cur.min()) & (v < limit)] for v in (ref, cur))):
        return None  # rounded: every value gathered what lay next to it
    noise = 4 * float(np.sqrt(beyond * (1 - beyond) * (1 / len(ref) + 1 / len(cur))))
    usual = min(AHEAD * pair.usual_drift, 0.5 * beyond)
    return side * limit if abs(gathered - beyond) <= max(match * beyond, usual) + noise else None


def _coarser(ref: Floats, cur: Floats) -> bool:
    """Whether far fewer distinct values are left, of as many rows (sorted values)."""
    n = min(len(ref), len(cur))
    if n < edit.MIN_ROWS:
        return False
    before, after = (len(np.unique(values[np.linspace(0, len(values) - 1, n).astype(int)])) for values in (ref, cur))
    return after <= COARSER * before


def _inner_unchanged(ref: Floats, cur: Floats, inner_mass: float, drift: float) -> bool:
    if min(len(ref), len(cur)) < 30:
        return inner_mass < 0.1
    distance = ks(ref, cur)
    if ks_p_value(distance, len(ref), len(cur)) > 1e-4 or distance < 0.1:
        return True
    return is_usual(distance, ks_limit(len(ref), len(cur)), drift)
