"""A column that is late, told by the labels: put back to the rows that its values are of, the model errs less.

Where no other column tells whose value stands in a row, the outcome does. Every delay is undone in every column that the model
leans on: the value of a row is taken from the later one in which it was served. That makes the model err more in the reference,
where values stand in their own rows, and less where they are late; a world that changes its relations makes neither fit a row
that is not its own.

**Named** where undoing one delay lowers the loss of all rows, of those from a day on, or of those that a column marks, beyond
what days differ by (Student's t between days at one in 100,000, as some hundred delays are tried), by at least half of what the
same costs in the reference, and where it does cost something there. Of several delays the one that gains most; of those that gain
about as much, the plainest. Columns that are late together are found one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl
from scipy import stats

from backslide.case import Case, Side
from backslide.causes.columns.association import usable
from backslide.causes.columns.lags import (
    Delay,
    Rows,
    delayed_rows,
    delays_in_common,
    delays_of,
    mean_and_error,
    units_of,
)
from backslide.causes.faults.base import Fault, Hypothesis, evidence_of
from backslide.causes.faults.markers import Marker, levels_of_columns
from backslide.causes.faults.row_lag import RowLag, marker_of_wrong_rows
from backslide.causes.faults.row_losses import exchanged, in_time, rises_when_exchanged, row_losses
from backslide.causes.faults.signatures.stale_values import StaleValues
from backslide.causes.pricing.counterfactual import PricingBench, price
from backslide.contracts import say
from backslide.engine.columns.pair import Pair
from backslide.playbook.clock import time_columns
from backslide.playbook.concept.screen import left_by_screen
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.shift import doubly_robust

MOST_COLUMNS, LEANS, LESS = 8, 0.02, 0.9
"""Columns that are tried, those that tell least of what they told; the share of what the most telling one told that one must have
told, and the share of its own that it may still tell."""
LEAST_SHARE = 0.005
"""Share of the variance of outcomes from which a column went with them."""
SCREENED_ROWS, TRIED_ROWS, MOST_ANSWERS = 1_000, 2_000, 150_000
"""Rows of each window on which columns, and then delays, are tried first; and what the model is asked for each at most."""
SCREEN_Z, SCREEN_Z_OF_LEVEL, LEAST_IN_LEVEL = 2.0, 3.0, 20
"""Standard errors of the gain on these rows, or on those of one level of a column, from which a delay is tried on all."""
PARTS = 4
"""Parts of the current days that are looked at by themselves."""
MOST_TRIED = 8
LEAST_ROWS = 200
BY_LUCK = 1e-5
"""Chance of such a gain between days where nothing is late: of some hundred delays none gains so much by luck."""
LEAST_DAYS = 4
USUAL_Z = 2.5
"""Standard errors by which the reference must lose by the same."""
HALF, REST_LOSES = 0.5, 0.3
"""Share of what the reference loses that the current rows must gain, and that the others must lose where only some are late."""
AS_GOOD = 0.9
"""Share of the largest gain from which a plainer delay is as good."""
MOST_LATE = 3
"""Late columns looked for, one after the other."""


@dataclass(frozen=True)
class _LateColumn:
    """A column and a delay that, undone, lowers the loss on some rows."""

    column: str
    delay: Delay
    rows: Mask
    segment: str | None
    gain: float
    """Of all rows."""


def find_late_columns(bench: PricingBench, known: Sequence[Fault], *, lost: bool) -> list[Fault]:
    """The columns without a ``known`` fault that are late, those of one delay together; empty without labels of both windows.

    ``lost``: whether some of the change is unexplained. Otherwise only columns that tell clearly less than they did are tried.
    """
    if bench.model is None or min(len(bench.rows(side)) for side in bench.case.sides) < LEAST_ROWS:
        return []
    found: list[Hypothesis] = []
    taken, repaired = {feature for fault in known for feature in fault.features}, bench
    while len(found) < MOST_LATE and (late := _latest(repaired, taken, lost=lost)) is not None:
        case = repaired.case
        found.append(_hypothesis(case, late))
        taken.add(late.column)
        restored = case.repaired(found[-1].signature.repair(case, found[-1], case.current.sample))
        repaired = PricingBench(restored, bench.target, bench.model, artefact=bench.artefact)
    together = groupby(sorted(found, key=lambda h: h.mechanism), key=lambda h: h.mechanism)
    faults: list[Fault] = []
    for _, group in together:
        faults.append(price(bench, Fault(tuple(group)), [*known, *faults]))
    return faults


def _latest(bench: PricingBench, taken: set[str], *, lost: bool) -> _LateColumn | None:
    """The column and delay that gain most when undone; None where none does."""
    case = bench.case
    columns = _columns(bench, taken, lost=lost)
    if not columns:
        return None
    delays = [one for one in delays_of(case) if one[0].rows >= 0]
    reference, current = (
        _Losses(bench, side, row_losses(bench, side.outcomes.labels, answers))
        for side, answers in zip(case.sides, (bench.reference_answers, bench.as_logged), strict=True)
    )
    trials = [_Trial(column, *delay) for delay in delays for column in columns if column != delay[0].key]
    tried = (_late(trial, reference, current) for trial in _screened(current, trials))
    found = [late for late in tried if late is not None]
    most = max((late.gain for late in found), default=0.0)
    return next((late for late in sorted(found, key=_plainness) if late.gain >= AS_GOOD * most), None)


def _plainness(late: _LateColumn) -> tuple[int, float]:
    return (0 if late.delay.rows else 1 if late.delay.days else 2), -late.gain


def _columns(bench: PricingBench, taken: set[str], *, lost: bool) -> list[str]:
    """The columns that the model leans on and that may tell less than they did, without those that tell the time."""
    case = bench.case
    out = taken | time_columns(case) | set(left_by_screen(case))
    columns = [name for name, pair in case.pairs.items() if name not in out and usable(pair)]
    if not lost:
        columns = [name for name in columns if _goes_less_with_outcomes(bench, case.pairs[name])]
    if not columns:
        return []
    rng = case.rng("columns that may be late")
    most = min(SCREENED_ROWS, MOST_ANSWERS // (4 * len(columns)))
    some = [np.sort(rng.permutation(bench.rows(side))[:most]) for side in case.sides]
    rises = [rises_when_exchanged(bench, side, columns, at) for side, at in zip(case.sides, some, strict=True)]
    before, now = (np.nanmean(rise, axis=1) for rise in rises)
    error = np.sqrt(sum(np.nanvar(rise, axis=1) / np.isfinite(rise).sum(axis=1) for rise in rises))
    # Where few rows are late a column tells hardly less.
    less = now <= before + error if lost else now <= LESS * before
    leans = (before > LEANS * max(before.max(), 0.0)) & less
    order = [place for place in np.argsort(now - before, kind="stable") if leans[place]]
    return [columns[place] for place in order[:MOST_COLUMNS]]


def _goes_less_with_outcomes(bench: PricingBench, pair: Pair) -> bool:
    """Whether a column clearly went with the outcomes and does less now: cheap beside asking the model.

    By the share of the outcomes' variance that bins of it explain, less what chance does (correlation ratio; Fisher 1925,
    "Statistical Methods for Research Workers", 45).
    """
    case, shares = bench.case, list[float]()
    rows = bench.rows(case.reference), bench.rows(case.current)
    if pair.numeric:
        ref, cur = (numbers[some] for numbers, some in zip(pair.numbers, rows, strict=True))
        codes = doubly_robust.bins_of(ref, cur, pair.discrete)[:2]
    else:
        codes = pair.codes[1][0][rows[0]], pair.codes[1][1][rows[1]]
    for code, some, side in zip(codes, rows, case.sides, strict=True):
        labels = side.outcomes.labels[some].astype(float)
        outcomes = (
            labels[:, None] == np.arange(len(case.problem.classes)) if case.problem.classification else labels[:, None]
        )
        count = np.bincount(code).astype(float)
        off = outcomes - outcomes.mean(axis=0)
        between = sum((np.bincount(code, one) ** 2 / np.maximum(count, 1)).sum() for one in off.T.astype(float))
        shares.append(float(between / max((off**2).sum(), 1e-12)) - ((count > 0).sum() - 1) / max(len(some) - 1, 1))
    return shares[0] >= LEAST_SHARE and shares[1] <= LESS * shares[0]


@dataclass(frozen=True)
class _Trial:
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
class _Losses:
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

    def moved(self, trial: _Trial) -> tuple[Floats, Floats]:
        """Where the column takes the values of later rows, and of any row beside (n,), (n,)."""
        case = self.bench.case
        order = in_time(self.side, np.arange(self.side.sample.height))
        others = trial.later(case, self.side), exchanged(order, case.rng("values of rows beside"))
        later, beside = self.of([(trial.column, other) for other in others], np.arange(len(self.logged)))
        return later, beside


def _screened(losses: _Losses, trials: Sequence[_Trial]) -> list[_Trial]:
    """What gains most on some of the rows, all of them or those of one level of another column."""
    case, side = losses.bench.case, losses.side
    asked = [(trial, later) for trial in trials if ((later := trial.later(case, side)) >= 0).sum() >= LEAST_ROWS]
    if not asked:
        return []
    most = min(TRIED_ROWS, MOST_ANSWERS // len(asked))
    some = np.sort(case.rng("delays").permutation(losses.bench.rows(side))[:most])
    moved = losses.of([(trial.column, later) for trial, later in asked], some)
    gains = np.column_stack([(losses.logged - one)[some] for one in moved])
    score = _z(gains, np.zeros(len(some), np.int64), 1)[0]
    later = np.column_stack([later[some] for _, later in asked])
    for levels in levels_of_columns(case):
        # Days are few rows each, and those that are late follow each other.
        codes = levels.current * PARTS // len(levels.texts) if levels.ordered else levels.current
        alike = np.where(codes[later] == codes[some][:, None], gains, np.nan)
        inside = _z(alike, codes[some], len(levels.texts)).max(axis=0) - (SCREEN_Z_OF_LEVEL - SCREEN_Z)
        others = np.array([trial.column != levels.column for trial, _ in asked])
        score = np.where(others, np.maximum(score, inside), score)
    order = np.argsort(-score, kind="stable")[:MOST_TRIED]
    return [asked[place][0] for place in order if score[place] >= SCREEN_Z]


def _z(gains: Floats, codes: Ints, levels: int) -> Floats:
    """Standard errors of the mean gain of each trial in each level (levels, m), 0 in those of few rows."""
    known = np.isfinite(gains) & (codes >= 0)[:, None]
    member = np.eye(levels)[np.maximum(codes, 0)].T
    values = np.where(known, gains, 0.0)
    count = member @ known
    mean = member @ values / np.maximum(count, 1)
    spread = np.sqrt(np.maximum(member @ values**2 / np.maximum(count, 1) - mean**2, 0.0))
    enough = (count >= LEAST_IN_LEVEL) & (spread > 0)
    return np.where(enough, mean * np.sqrt(count) / np.where(spread > 0, spread, 1.0), 0.0)


def _late(trial: _Trial, reference: _Losses, current: _Losses) -> _LateColumn | None:
    """A column by one delay on all rows of both windows; None where it is not late by it."""
    case = current.bench.case
    (usual_moved, usual_beside), (moved, beside) = reference.moved(trial), current.moved(trial)
    cost, gain = usual_moved - reference.logged, current.logged - moved
    marker = _marker(trial, case, cost, gain)
    rows, there = np.ones(len(gain), bool), np.ones(len(cost), bool)
    if marker is not None:
        # What stands in a row that is not late is its own value and not the one of the row before.
        rows = marker.current & marker.current[trial.later(case, case.current)]
        there = marker.reference if _mean_of(cost, marker.reference, case.reference).days else there
    usual, found = _mean_of(cost, there, case.reference), _mean_of(gain, rows, case.current)
    if usual.mean < USUAL_Z * usual.error or found.mean < HALF * usual.mean or found.days < LEAST_DAYS:
        return None
    # Another value may fit better than a wrong one, whosever it is: that of the right row tells what values of a row told.
    worth = _mean_of(beside - moved, rows, case.current)
    usual_worth = _mean_of(usual_beside - reference.logged, there, case.reference)
    least = float(stats.t.isf(BY_LUCK, found.days - 1))
    if min(found.mean / found.error, worth.mean / worth.error) < least or worth.mean < HALF * usual_worth.mean:
        return None
    late = np.ones(len(gain), bool) if marker is None else marker.current
    of_all = found.mean * float((late & np.isfinite(gain)).mean())
    return _LateColumn(trial.column, trial.delay, late, None if marker is None else marker.expression, of_all)


def _marker(trial: _Trial, case: Case, cost: Floats, gain: Floats) -> Marker | None:
    """What marks the rows that are late; None where all are, as the others do not lose clearly, though it costs them less."""
    marker = marker_of_wrong_rows(case, gain, trial.column, trial.later(case, case.current))
    if marker is None or marker.current.all():
        return None
    usual = _mean_of(cost, np.ones(len(cost), bool), case.reference)
    rest = _mean_of(-gain, ~marker.current, case.current)
    return marker if rest.mean >= max(USUAL_Z * rest.error, REST_LOSES * usual.mean) else None


@dataclass(frozen=True)
class _Mean:
    """Mean over rows, its standard error between days, and how many days; 0, infinity and 0 of too few rows."""

    mean: float = 0.0
    error: float = np.inf
    days: int = 0


def _mean_of(values: Floats, rows: Mask, side: Side) -> _Mean:
    known = np.flatnonzero(rows & np.isfinite(values))
    if len(known) < LEAST_ROWS:
        return _Mean()
    units = units_of(side)[known]
    mean, error = mean_and_error(values[known], units)
    return _Mean(mean, max(error, 1e-12), len(np.unique(units)))


def _hypothesis(case: Case, late: _LateColumn) -> Hypothesis:
    pair, delay = case.pairs[late.column], late.delay
    source = dict(delays_of(case))[delay]
    follow = bool(delays_in_common(pair, delayed_rows([(delay, source)], len(pair.reference))))
    # In rows without any order nothing is stale: the value is another row's.
    joined = bool(delay.rows) and not follow
    where = "" if late.rows.all() else f" on {say.percent(float(late.rows.mean()))} of the rows"
    return Hypothesis(
        signature=RowLag() if joined else StaleValues(),
        features=(late.column,),
        seen=f"the values of {late.column} are {delay.words}{where}: put back to those rows they make the model err less, though "
        "in the reference the same makes it err more",
        undo=f"move the values of {late.column} back to their rows, as far as they are there",
        evidence=(evidence_of(pair),),
        exact=True,
        reversible=bool(delay.rows) and bool(late.rows.all()),
        rows=late.rows,
        params={"places": delay.rows, "columns": [late.column]} if joined else {"delay": delay, "untold": True},
        mechanism=f"late {delay.words}{where}",
        segment=late.segment,
    )
