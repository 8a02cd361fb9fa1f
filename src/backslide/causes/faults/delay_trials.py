"""Delays tried on a column: values taken back from later rows, what the model loses then, and what else would look the same.

Outcomes that come an hour earlier, as where clocks were set or the seasons turn, make later values fit: own ones that are moved
on by the hour's usual step fit even better. A relation that turned does the same in a column that goes to and fro.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case, Side
from backslide.causes.columns import edit
from backslide.causes.columns.lags import Delay, Rows, mean_and_error, units_of
from backslide.causes.faults.row_losses import exchanged, in_time, row_losses
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats, Ints, Mask

LEAST_ROWS = 200
HOUR = 3_600
TURNS = -0.1
"""Correlation with the earlier row under which a column goes to and fro: there a relation that turned looks like a delay."""
CYCLE, CYCLE_Z = 0.05, 3.0
"""Deviations of the column by which a cycle of hours and weekdays must move it on to be asked about, and the standard errors by
which the values of the right rows must fit better than own ones that are moved on by it."""


@dataclass(frozen=True)
class DelayTrial:
    """A column, a delay, and the earlier row of every row of both windows (n_ref + n_cur,)."""

    column: str
    delay: Delay
    source: Rows

    def later(self, case: Case, side: Side) -> Rows:
        """The row of the same window in which the value of each row was served, were it late (n,); -1 where there is none."""
        n_ref = case.reference.sample.height
        first, last = (0, n_ref) if side is case.reference else (n_ref, len(self.source))
        source = self.source[first:last] - first
        later = np.full(last - first, -1)
        at = np.flatnonzero(source >= 0)
        later[source[at]] = at
        return later


@dataclass(frozen=True)
class DelayLosses:
    """What the model loses on every row of a window as logged (n,), NaN without a label, and with values of other rows."""

    bench: PricingBench
    side: Side
    logged: Floats

    def of(self, asked: Sequence[tuple[str, Rows]], rows: Ints) -> Iterator[Floats]:
        """Where columns take their values from other rows (n,), on ``rows`` for which there is one; NaN elsewhere."""
        sample, frames, places = self.side.sample, [], []
        for column, other in asked:
            at = rows[(other[rows] >= 0) & np.isfinite(self.logged[rows])]
            frames.append(sample[at].with_columns(sample[column][other[at]].alias(column)))
            places.append(at)
        answers, begin = self.bench.answer(pl.concat(frames)), 0
        for at in places:
            part = answers.take(np.arange(begin, begin + len(at)))
            losses = np.full(sample.height, np.nan)
            losses[at] = row_losses(self.bench, self.side.outcomes.labels[at], part)
            begin += len(at)
            yield losses

    def moved(self, trial: DelayTrial) -> tuple[Floats, Floats]:
        """Where the column takes the values of later rows, and of any row beside (n,), (n,)."""
        case = self.bench.case
        order = in_time(self.side, np.arange(self.side.sample.height))
        others = trial.later(case, self.side), exchanged(order, case.rng("values of rows beside"))
        later, beside = self.of([(trial.column, other) for other in others], np.arange(len(self.logged)))
        return later, beside


@dataclass(frozen=True)
class MeanByDay:
    """Mean over rows, its standard error between days, and how many days; 0, infinity and 0 of too few rows."""

    mean: float = 0.0
    error: float = np.inf
    days: int = 0


def mean_by_day(values: Floats, rows: Mask, side: Side) -> MeanByDay:
    known = np.flatnonzero(rows & np.isfinite(values))
    if len(known) < LEAST_ROWS:
        return MeanByDay()
    units = units_of(side)[known]
    mean, error = mean_and_error(values[known], units)
    return MeanByDay(mean, max(error, 1e-12), len(np.unique(units)))


def goes_to_and_fro(pair: Pair, source: Rows) -> bool:
    """Whether reference values of numbers go against those of their earlier rows (n_ref,), -1 for none."""
    if not pair.numeric:
        return False
    values = pair.numbers[0]
    at = np.flatnonzero(source >= 0)
    at = at[np.isfinite(values[at]) & np.isfinite(values[source[at]])]
    if len(at) < LEAST_ROWS or not (values[at].std() and values[source[at]].std()):
        return False
    return float(np.corrcoef(values[at], values[source[at]])[0, 1]) < TURNS


def beats_the_cycle(trial: DelayTrial, losses: DelayLosses, moved: Floats, rows: Mask) -> bool:
    """Whether values of the right rows fit better than own ones moved on by the cycle of hours and weekdays: outcomes that come
    an hour earlier, as where clocks were set, make later values fit, and the own ones with the hour's step even better."""
    case, side = losses.bench.case, losses.side
    pair, seconds = case.pairs[trial.column], [one.seconds for one in case.sides]
    if not pair.numeric or seconds[0] is None or seconds[1] is None:
        return True
    level = _cycle(pair.numbers[0], seconds[0])(seconds[1])
    later = trial.later(case, side)
    step = np.where(later >= 0, level[later] - level, 0.0)
    if float(np.std(step)) < CYCLE * float(np.std(pair.finite[0])):
        return True
    at = np.flatnonzero((later >= 0) & np.isfinite(losses.logged) & rows)
    made = edit.write(side.sample[at], trial.column, (pair.numbers[1] + step)[at])
    on_its_own = np.full(len(moved), np.nan)
    on_its_own[at] = row_losses(losses.bench, side.outcomes.labels[at], losses.bench.answer(made))
    better = mean_by_day(on_its_own - moved, rows, side)
    return better.mean >= CYCLE_Z * better.error


def _cycle(values: Floats, seconds: Floats) -> Callable[[Floats], Floats]:
    """What the hour and the weekday add to a value, as learned of ``values`` at ``seconds`` (n,)."""
    known = np.isfinite(values) & np.isfinite(seconds)
    left, levels = values[known] - values[known].mean(), list[tuple[int, int, Floats]]()
    for unit, cycle in ((HOUR, 24), (24 * HOUR, 7)):
        place = (seconds[known] // unit).astype(np.int64) % cycle
        count = np.bincount(place, minlength=cycle)
        level = np.bincount(place, left, cycle) / np.maximum(count, 1)
        left = left - level[place]
        levels.append((unit, cycle, level))

    def added(at: Floats) -> Floats:
        whole = np.where(np.isfinite(at), at, 0.0)
        return np.asarray(sum(level[(whole // unit).astype(np.int64) % cycle] for unit, cycle, level in levels))

    return added
