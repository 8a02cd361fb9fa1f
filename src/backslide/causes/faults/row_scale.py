"""A column on another scale of no known unit, read row by row: its values keep the order that the others foretell.

Whatever was done to a column value by value (standardised, ranked, put between 0 and 1, another logarithm), what should be large
is still large. So values go up and down with what the other columns foretell, as they do in the reference, where values from
elsewhere would not. The map is the one that takes the values, in order, to what is foretold.
A scale on which the values lie about where they were, in the same order, is not told from a season.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.expectation import ColumnExpectation, rank_among
from backslide.causes.columns.remainder import SEASONS
from backslide.causes.faults.base import Hypothesis, Remedy
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats, Mask
from backslide.stats.two_sample import ks_limit

LEAST_SHARE = 0.2
"""Share of the rows that must not fit, ten times the usual: what drifts leaves most rows where others foretell them."""
LEAST_TIED = 0.25
"""Rank correlation of values with what is foretold of them, in the reference, from which on their order says something."""
KEPT = 0.7
"""Share of it that must be left on the rows that do not fit; values from elsewhere keep none."""
LEAST_VALUES = 10
FAR = 0.5
"""Distance of the distributions (Kolmogorov-Smirnov) from which on values in the same order are on another scale: a season that
moves one column more than the others leaves it nearer to where it was."""
CLOSER = 1.2
"""Times as many of the rows as before that must lie as near to what is foretold as half of the reference does, once the map is
undone: errors of their own on some rows are no scale, and leave the others where they were."""
AS_WIDE = 2.0
"""Times as wide, or as narrow, that values in reverse order may lie to be turned round, and on no other scale besides."""
STILL_OFF = 0.35
"""Share of those rows that may still not fit once the map is undone."""


@dataclass(frozen=True)
class RankMap(Remedy):
    """Values changed by one monotone map, known by pairs of values in the order of the new ones."""

    kind: CauseKind
    now: Floats
    before: Floats
    """What each of ``now`` was (n,)."""

    def undo(self, values: Floats) -> Floats:
        """Former values; between known ones along a line."""
        return np.interp(values, self.now, self.before)

    def do(self, values: Floats) -> Floats:
        """Current values."""
        order = np.argsort(self.before, kind="stable")
        return np.interp(values, self.before[order], self.now[order])

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Undo it on its rows."""
        (column,) = hypothesis.features
        return edit.write(frame, column, self.undo(edit.numbers_of(frame, column)), hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Do it to as many reference rows."""
        (column,) = hypothesis.features
        rows = edit.likely_rows(case, hypothesis.rows, hypothesis.features, float(hypothesis.rows.mean()))
        return edit.write(frame, column, self.do(edit.numbers_of(frame, column)), rows)


def read_scale(pair: Pair, one: ColumnExpectation) -> Hypothesis | None:
    """That the values keep the order that is foretold, or its reverse, on another scale; None where they do not."""
    values, foretold = pair.numbers[1], np.asarray(one.foretold, float)
    known, held_out = np.isfinite(values), one.held_out & np.isfinite(pair.numbers[0])
    usual = _in_order(pair.numbers[0][held_out], np.asarray(one.reference_foretold, float)[held_out])
    if usual < LEAST_TIED or len(np.unique(values[known])) < LEAST_VALUES:
        return None
    most = float(one.current.mean()) >= LEAST_SHARE
    moved = pair.moved > max(FAR, ks_limit(*map(len, pair.finite))) + SEASONS * pair.usual_drift
    for every in (known, one.current) if most else (known,):
        now = _in_order(values[every], foretold[every])
        # In reverse order no column drifts; on another scale it is only where most rows do not fit.
        # What is distributed as before and still in order is on the scale that it had: the others moved.
        if abs(now) < KEPT * usual or (now > 0 and not (most and moved)):
            continue
        remedy = _map_of(pair, values[every], np.asarray(one.current_values, float)[every], reverse=now < 0)
        undone = remedy.undo(values)
        closer = _near(pair, one, undone, every) >= CLOSER * _near(pair, one, values, every)
        if closer and _still_off(pair, one, undone, every) <= STILL_OFF:
            return _hypothesis(pair, remedy, every)
    return None


def _hypothesis(pair: Pair, remedy: RankMap, rows: Mask) -> Hypothesis:
    every, values = rows, pair.numbers[1]
    share = "" if every.all() else f" on {say.percent(float(every.mean()))} of the rows"
    how = "in reverse order" if np.corrcoef(remedy.now, remedy.before)[0, 1] < 0 else "on another scale"
    middle = float(np.median(values[rows]))
    shown = f"{say.number(middle)} where {say.number(float(remedy.undo(np.array([middle]))[0]))} was"
    return Hypothesis(
        signature=remedy,
        features=(pair.name,),
        seen=f"{pair.name} comes {how}{share}, {shown}: it still goes with the other columns as it did",
        undo=f"put {pair.name} back on the scale that it had",
        evidence=(f"DRF001:{pair.name}",),
        exact=True,
        reversible=True,
        rows=every,
    )


def _in_order(values: Floats, foretold: Floats) -> float:
    """Rank correlation; 0 where one of them is constant."""
    if len(values) < LEAST_VALUES or np.ptp(values) == 0 or np.ptp(foretold) == 0:
        return 0.0
    return float(stats.spearmanr(values, foretold).statistic)


def _map_of(pair: Pair, values: Floats, before: Floats, *, reverse: bool) -> RankMap:
    """The map that takes the values, in order, to those that would fit, in order or in reverse."""
    now, place = np.unique(np.sort(values), return_inverse=True)
    former = np.sort(before)[::-1] if reverse else np.sort(before)
    mean = np.bincount(place, former) / np.bincount(place)  # equal values stay equal
    widths = [max(float(np.ptp(np.quantile(v, [0.05, 0.95]))), 1e-300) for v in (values, pair.finite[0])]
    turned = reverse and 1 / AS_WIDE <= widths[0] / widths[1] <= AS_WIDE
    return RankMap(CauseKind.SIGN_FLIP if turned else CauseKind.UNIT_CHANGE, now, mean)


def _near(pair: Pair, one: ColumnExpectation, values: Floats, rows: Mask) -> float:
    """Share of the rows that lie as near to what is foretold as half of the reference rows do."""
    foretold = [rank_among(one.grid, np.asarray(v, float)) for v in (one.reference_foretold, one.foretold)]
    held_out = one.held_out & np.isfinite(pair.numbers[0])
    usual = float(np.median(np.abs(rank_among(one.grid, pair.numbers[0][held_out]) - foretold[0][held_out])))
    return float((np.abs(rank_among(one.grid, values) - foretold[1])[rows] <= usual).mean())


def _still_off(pair: Pair, one: ColumnExpectation, undone: Floats, rows: Mask) -> float:
    """Share of the rows whose undone values do not fit what is foretold."""
    foretold = [rank_among(one.grid, np.asarray(v, float)) for v in (one.reference_foretold, one.foretold)]
    held_out = one.held_out & ~one.reference & np.isfinite(pair.numbers[0])
    limit = float(np.abs(rank_among(one.grid, pair.numbers[0][held_out]) - foretold[0][held_out]).max(initial=0.0))
    return float((np.abs(rank_among(one.grid, undone) - foretold[1])[rows] > limit).mean())
