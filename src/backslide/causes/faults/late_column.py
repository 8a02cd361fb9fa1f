"""A column that is late, told by the labels: put back to the rows that its values are of, the model errs less.

Where no other column tells whose value stands in a row, the outcome does. Every delay is undone in every column that the model
leans on: the value of a row is taken from the later one in which it was served. That makes the model err more in the reference,
where values stand in their own rows, and less where they are late.

**Named** where undoing one delay lowers the loss of all rows, of those from a day on, or of those that a column marks, beyond
what days differ by (Student's t between days at one in 100,000, as some hundred delays are tried), by at least half of what the
same costs in the reference, and where it does cost something there; where the values taken back tell at least half of what
values in their own rows told; and where nothing else looks the same (``delay_trials``). Where every column that the model leans
on gains by the same, the labels may have slipped, and nothing is named. Of several delays the one that gains most; of those that
gain about as much, the plainest. Columns that are late together are found one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.causes.columns.association import usable
from backslide.causes.columns.lags import (
    Delay,
    delayed_rows,
    delays_in_common,
    delays_of,
)
from backslide.causes.faults.base import Fault, Hypothesis, evidence_of
from backslide.causes.faults.delay_trials import (
    LEAST_ROWS,
    DelayLosses,
    DelayTrial,
    beats_the_cycle,
    goes_to_and_fro,
    mean_by_day,
)
from backslide.causes.faults.markers import Marker, levels_of_columns
from backslide.causes.faults.row_lag import RowLag, marker_of_wrong_rows
from backslide.causes.faults.row_losses import mean_and_variance, rises_when_exchanged, row_losses
from backslide.causes.faults.signatures.stale_values import StaleValues
from backslide.causes.pricing.counterfactual import PricingBench, price
from backslide.contracts import say
from backslide.engine.columns.pair import Pair
from backslide.playbook.clock import time_columns
from backslide.playbook.concept.screen import left_by_screen
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.shift import doubly_robust

MOST_SCREENED = 30
"""Columns that the model is asked about at all, those that went most with the outcomes."""
MOST_COLUMNS, LEANS, LESS = 8, 0.02, 0.9
"""Columns that are tried, those that tell least of what they told; the share of what the most telling one told that one must have
told, and the share of its own that it may still tell."""
LEAST_SHARE = 0.005
"""Share of the variance of outcomes from which a column went with them."""
SCREENED_ROWS, TRIED_ROWS, MOST_ANSWERS = 1_000, 2_000, 120_000
"""Rows of each window on which columns, and then delays, are tried first; and what the model is asked for each at most."""
SCREEN_Z, SCREEN_Z_OF_LEVEL, LEAST_IN_LEVEL = 2.0, 3.0, 20
"""Standard errors of the gain on these rows, or on those of one level of a column, from which a delay is tried on all."""
PARTS = 4
"""Parts of the current days that are looked at by themselves."""
MOST_TRIED = 8
BY_LUCK = 1e-5
"""Chance of such a gain between days where nothing is late: of some hundred delays none gains so much by luck."""
LEAST_DAYS = 4
USUAL_Z = 2.5
"""Standard errors by which the reference must lose by the same."""
HALF, REST_LOSES = 0.5, 0.3
"""Share of what the reference loses that the current rows must gain, and that the others must lose where only some are late."""
AS_GOOD = 0.9
"""Share of the largest gain from which a plainer delay is as good."""
MOST_LATE = 5
"""Late columns looked for, one after the other."""
ALIKE_Z = 3.0
"""Standard errors by which every column that the model leans on must gain for it to be the labels that slipped."""
RESTORED = 0.9
"""Share of the late rows whose values are there for the repair to price them."""


@dataclass(frozen=True)
class _LateColumn:
    """A column and a delay that, undone, lowers the loss on some rows."""

    column: str
    delay: Delay
    rows: Mask
    segment: str | None
    gain: float
    """Of all rows."""
    alone: bool = False
    """Whether the model leans on no other column."""


def find_late_columns(bench: PricingBench, known: Sequence[Fault], *, lost: bool) -> list[Fault]:
    """The columns without a ``known`` fault that are late, those of one delay together; empty without labels of both windows.

    ``lost``: whether some of the change is unexplained. Otherwise only columns that tell clearly less than they did are tried.
    """
    if bench.model is None or min(len(bench.rows(side)) for side in bench.case.sides) < LEAST_ROWS:
        return []
    found: list[Hypothesis] = []
    taken, repaired = {feature for fault in known for feature in fault.features}, _repaired(bench, known)
    while len(found) < MOST_LATE and (late := _latest(repaired, taken, lost=lost)) is not None:
        case = repaired.case
        found.append(_hypothesis(case, late))
        taken.add(late.column)
        repaired = _repaired(repaired, [Fault((found[-1],))])
    faults: list[Fault] = []
    for _, group in groupby(sorted(found, key=_cause), key=_cause):
        faults.append(price(bench, Fault(tuple(group)), [*known, *faults]))
    return faults


def _cause(hypothesis: Hypothesis) -> tuple[str, str]:
    return hypothesis.kind.value, hypothesis.mechanism


def _repaired(bench: PricingBench, faults: Sequence[Fault]) -> PricingBench:
    """The bench over the current rows with what is certain of ``faults`` undone: beside a unit that changed nothing fits."""
    case, certain = bench.case, [fault for fault in faults if fault.exact]
    if not certain:
        return bench
    frame = case.current.sample
    for fault in certain:
        frame = fault.repair(case, frame)
    return PricingBench(case.repaired(frame), bench.target, bench.model, artefact=bench.artefact)


def _latest(bench: PricingBench, taken: set[str], *, lost: bool) -> _LateColumn | None:
    """The column and delay that gain most when undone; None where none does."""
    case = bench.case
    columns, leaned = _columns(bench, taken, lost=lost)
    if not columns:
        return None
    delays = [one for one in delays_of(case) if one[0].rows >= 0]
    reference, current = (
        DelayLosses(bench, side, row_losses(bench, side.outcomes.labels, answers))
        for side, answers in zip(case.sides, (bench.reference_answers, bench.as_logged), strict=True)
    )
    trials = [DelayTrial(column, *delay) for delay in delays for column in columns if column != delay[0].key]
    tried = [(trial, _late(trial, reference, current)) for trial in _screened(current, trials)]
    found = [(trial, late) for trial, late in tried if late is not None]
    most = max((late.gain for _, late in found), default=0.0)
    good = [(trial, late) for trial, late in found if late.gain >= AS_GOOD * most]
    if not good:
        return None
    trial, best = min(good, key=lambda one: _plainness(one[1]))
    return None if _labels_slipped(current, trial, best, leaned) else replace(best, alone=len(leaned) == 1)


def _labels_slipped(losses: DelayLosses, trial: DelayTrial, late: _LateColumn, leaned: Sequence[str]) -> bool:
    """Whether every column that the model leans on, of several, gains by the same: then it is the labels that are of other rows,
    or all of them came late, and nothing says which."""
    case, side = losses.bench.case, losses.side
    later = trial.later(case, side)
    if len(leaned) < 2:
        return False
    gains = [losses.logged - one for one in losses.of([(name, later) for name in leaned], np.flatnonzero(late.rows))]
    means = [mean_by_day(gain, late.rows, side) for gain in gains]
    return all(mean.mean >= ALIKE_Z * mean.error for mean in means)


def _plainness(late: _LateColumn) -> tuple[int, float]:
    return (0 if late.delay.rows else 1 if late.delay.days else 2), -late.gain


def _columns(bench: PricingBench, taken: set[str], *, lost: bool) -> tuple[list[str], list[str]]:
    """The columns that may tell less than they did, and all that the model leans on, without those that tell the time."""
    case = bench.case
    out = time_columns(case) | set(left_by_screen(case))
    columns = [name for name, pair in case.pairs.items() if name not in out and usable(pair) and not pair.free_text]
    if not lost or len(columns) > MOST_SCREENED:
        shares = {name: _shares_of_outcomes(bench, case.pairs[name]) for name in columns}
        if not lost and not any(before >= LEAST_SHARE and now <= LESS * before for before, now in shares.values()):
            return [], []
        columns = sorted(columns, key=lambda name: -shares[name][0])[:MOST_SCREENED]
    if not columns:
        return [], []
    rng = case.rng("columns that may be late")
    most = min(SCREENED_ROWS, MOST_ANSWERS // (4 * len(columns)))
    some = [np.sort(rng.permutation(bench.rows(side))[:most]) for side in case.sides]
    rises = [rises_when_exchanged(bench, side, columns, at) for side, at in zip(case.sides, some, strict=True)]
    (before, noise), (now, more_noise) = (mean_and_variance(rise) for rise in rises)
    error = np.sqrt(noise + more_noise)
    leans = before > LEANS * max(before.max(), 0.0)
    # Where few rows are late a column tells hardly less.
    less = leans & (now <= before + error if lost else now <= LESS * before)
    order = [columns[place] for place in np.argsort(now - before, kind="stable") if less[place]]
    leaned = [name for name, does in zip(columns, leans, strict=True) if does]
    return [name for name in order if name not in taken][:MOST_COLUMNS], leaned


def _shares_of_outcomes(bench: PricingBench, pair: Pair) -> tuple[float, float]:
    """Share of the outcomes' variance that bins of a column explain in both windows, less what chance does: cheap beside asking
    the model (correlation ratio; Fisher 1925, "Statistical Methods for Research Workers", 45)."""
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
    return shares[0], shares[1]


def _screened(losses: DelayLosses, trials: Sequence[DelayTrial]) -> list[DelayTrial]:
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


def _late(trial: DelayTrial, reference: DelayLosses, current: DelayLosses) -> _LateColumn | None:
    """A column by one delay on all rows of both windows; None where it is not late by it."""
    case = current.bench.case
    (usual_moved, usual_beside), (moved, beside) = reference.moved(trial), current.moved(trial)
    cost, gain = usual_moved - reference.logged, current.logged - moved
    marker = _marker(trial, case, cost, gain)
    rows, there = np.ones(len(gain), bool), np.ones(len(cost), bool)
    if marker is not None:
        # What stands in a row that is not late is its own value and not the one of the row before.
        rows = marker.current & marker.current[trial.later(case, case.current)]
        there = marker.reference if mean_by_day(cost, marker.reference, case.reference).days else there
    usual, found = mean_by_day(cost, there, case.reference), mean_by_day(gain, rows, case.current)
    if usual.mean < USUAL_Z * usual.error or found.mean < HALF * usual.mean or found.days < LEAST_DAYS:
        return None
    # Another value may fit better than a wrong one, whosever it is: that of the right row tells what values of a row told.
    worth = mean_by_day(beside - moved, rows, case.current)
    usual_worth = mean_by_day(usual_beside - reference.logged, there, case.reference)
    least = float(stats.t.isf(BY_LUCK, found.days - 1))
    if min(found.mean / found.error, worth.mean / worth.error) < least or worth.mean < HALF * usual_worth.mean:
        return None
    turns = trial.delay.rows and goes_to_and_fro(case.pairs[trial.column], trial.source[: len(cost)])
    if turns or not beats_the_cycle(trial, current, moved, rows):
        return None
    late = np.ones(len(gain), bool) if marker is None else marker.current
    of_all = found.mean * float((late & np.isfinite(gain)).mean())
    return _LateColumn(trial.column, trial.delay, late, None if marker is None else marker.expression, of_all)


def _marker(trial: DelayTrial, case: Case, cost: Floats, gain: Floats) -> Marker | None:
    """What marks the rows that are late; None where all are, as the others do not lose clearly, though it costs them less."""
    marker = marker_of_wrong_rows(case, gain, trial.column, trial.later(case, case.current))
    if marker is None or marker.current.all():
        return None
    usual = mean_by_day(cost, np.ones(len(cost), bool), case.reference)
    rest = mean_by_day(-gain, ~marker.current, case.current)
    return marker if rest.mean >= max(USUAL_Z * rest.error, REST_LOSES * usual.mean) else None


def _hypothesis(case: Case, late: _LateColumn) -> Hypothesis:
    pair, delay = case.pairs[late.column], late.delay
    source = dict(delays_of(case))[delay]
    follow = bool(delays_in_common(pair, delayed_rows([(delay, source)], len(pair.reference))))
    # In rows without any order nothing is stale: the value is another row's.
    joined = bool(delay.rows) and not follow
    where = "" if late.rows.all() else f" on {say.percent(float(late.rows.mean()))} of the rows"
    label = case.problem.roles.label or "label"
    where += f" (or {label} is of earlier ones)" if late.alone else ""
    later = DelayTrial(late.column, delay, source).later(case, case.current)
    restored = late.rows & (later >= 0) & late.rows[later]
    return Hypothesis(
        signature=RowLag() if joined else StaleValues(),
        features=(late.column,),
        seen=f"the values of {late.column} are {delay.words}{where}: put back to those rows they make the model err less, though "
        "in the reference the same makes it err more",
        undo=f"move the values of {late.column} back to their rows, as far as they are there",
        evidence=(evidence_of(pair),),
        exact=True,
        reversible=float(restored.sum()) >= RESTORED * float(late.rows.sum()),
        rows=late.rows,
        params={"places": delay.rows, "columns": [late.column]} if joined else {"delay": delay, "untold": True},
        mechanism=f"late {delay.words}{where}",
        segment=late.segment,
    )
