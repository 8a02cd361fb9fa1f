"""Performance before labels: what the reference's rows lead one to expect of rows like these.

For every row the headline's influence given its columns and scores is learned on the reference (a loss regression); its mean by
period is a stream. For the periods whose labels have not come an estimate is made, doubly robust: importance weights correct
what the regression misses (``stats.shift``). Neither sees a relation that changed, so the assumption is always said, and no
estimate is given where inputs are corrupt or outside what the reference holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.faults.recognition import find_faults
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.contracts.watch import EstimatedPerformance
from backslide.engine.columns import names
from backslide.engine.columns.design_matrix import Design, make_design
from backslide.engine.columns.pair import Pair
from backslide.engine.columns.sample import sample_groups
from backslide.engine.roles.outcomes import Outcomes, outcomes
from backslide.monitor.periods import PERIOD, PeriodGrid
from backslide.monitor.sums import Moments
from backslide.stats.arrays import Floats
from backslide.stats.drift.boosting import regress
from backslide.stats.metrics.metric import Metric, influence
from backslide.stats.shift import doubly_robust
from backslide.stats.shift.label_free import LabelFreeEstimate, estimate_moved

MOST_ROWS = 5000
"""Rows of a period that are looked at."""
MIN_ROWS = 200
FOLDS = 3
NATURAL = (CauseKind.UNSEEN_CATEGORY, CauseKind.MISSING_VALUES)
"""Faults that the world brings about as well; whether the reference still supports such rows is judged by itself."""
ASSUMPTION = (
    "assumes that inputs are intact and that the same inputs still mean the same outcomes; what changed in that relation "
    "shows only once labels come"
)


@dataclass(frozen=True)
class Expectation:
    """The fitted loss regression."""

    design: Design
    models: tuple[Any, ...]
    level: float
    out_of_fold: Floats
    """Expected value of each labelled reference row by models that did not see it (n,)."""
    actual: Floats
    rows: np.ndarray
    """Indices of those rows in the reference sample."""

    def of(self, frame: pl.DataFrame, answered: Outcomes) -> Floats:
        """Expected value of each row (n,)."""
        x = _matrix(self.design, frame, answered)
        return np.asarray(self.level + np.mean([m.predict(x) for m in self.models], axis=0))


def learn_expectation(case: Case, metric: Metric) -> Expectation | None:
    """Learn the headline's influence from the labelled rows of the reference sample; None where they are too few."""
    sample, answered = case.reference.sample, case.reference.outcomes
    rows = np.flatnonzero(answered.known())
    if len(rows) < MIN_ROWS:
        return None
    own = answered.take(rows)
    if metric.whole is not None or (metric.of is not None and metric.rows == "own" and metric.cells is None):
        return None
    statistics = own.statistics(metric, len(case.problem.classes))
    sums = statistics.sum(0)
    pull = influence(metric, statistics, sums)
    level = float(metric.value(sums))
    design = make_design(
        Pair(pair.name, pair.kind, pair.reference, pair.reference) for pair in case.pairs.values()
    )  # of the reference alone, so that every look learns the same
    x = _matrix(design, sample, answered)[rows]
    if x.shape[1] == 0 or not np.isfinite(pull).all():
        return None
    days = None if case.reference.blocks is None else case.reference.blocks[rows]
    fold = _folds(len(rows), days, case.rng("expectation"))
    expected, models = np.zeros(len(rows)), []
    for k in range(FOLDS):
        model = regress(x[fold != k], pull[fold != k], _categorical(design, x.shape[1]))
        expected[fold == k] = model.predict(x[fold == k])
        models.append(model)
    return Expectation(design, tuple(models), level, level + expected, level + pull, rows)


def _folds(n: int, days: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    if days is not None and len(distinct := np.unique(days)) >= 4 * FOLDS:
        return np.asarray(rng.permutation(np.arange(len(distinct)) % FOLDS)[np.searchsorted(distinct, days)])
    return np.asarray(rng.permutation(np.arange(n) % FOLDS))


def _matrix(design: Design, frame: pl.DataFrame, answered: Outcomes) -> Floats:
    x = design.matrix(frame)
    if answered.scores is not None and answered.scores.shape[1] <= doubly_robust.MAX_CLASSES:
        return np.hstack([x, answered.scores[:, :-1], answered.predictions.astype(float)[:, None]])
    return np.column_stack([x, answered.predictions.astype(float)])


def _categorical(design: Design, width: int) -> np.ndarray:
    return np.asarray(np.r_[design.categorical, np.zeros(width - len(design.categorical), bool)])


def of_reference(expectation: Expectation, periods: np.ndarray) -> dict[int, Moments]:
    """Moments by period of the reference sample; ``periods`` (sample rows,) are the periods of its rows."""
    return _moments(periods[expectation.rows], expectation.out_of_fold)


def of_later(expectation: Expectation, case: Case, frame: pl.LazyFrame, wanted: Iterable[int]) -> dict[int, Moments]:
    """Moments by period of later rows, of at most ``MOST_ROWS`` a period."""
    scores = {names.score(label) for label in case.problem.classes}
    needed = {*expectation.design.columns, names.PREDICTION, *scores}
    columns = [c for c in frame.collect_schema().names() if c in needed]
    later = frame.filter(pl.col(PERIOD).is_in(list(wanted))).select(*columns, PERIOD)
    parts = sample_groups(later, PERIOD, MOST_ROWS, seed=0)
    if not parts:
        return {}
    rows = pl.concat(parts[number] for number in sorted(parts))
    return _moments(rows[PERIOD].to_numpy(), expectation.of(rows, outcomes(rows, case.problem)))


def _moments(periods: np.ndarray, values: Floats) -> dict[int, Moments]:
    known = np.isfinite(values)
    distinct, at = np.unique(periods[known], return_inverse=True)
    n, total = np.bincount(at), np.bincount(at, values[known])
    square = np.bincount(at, values[known] ** 2)
    return {int(p): (float(n[i]), float(total[i]), float(square[i])) for i, p in enumerate(distinct)}


def estimate_performance(
    case: Case,
    metric: Metric,
    grid: PeriodGrid,
    numbers: list[int],
    history: list[tuple[float, float]],
    broken: str | None,
) -> EstimatedPerformance | None:
    """Performance of the rows of ``case.current``, periods ``numbers``, that have no labels yet.

    Args:
        case: reference against the unlabelled rows.
        metric: the headline as it is followed.
        grid: how periods are written.
        numbers: the periods, in order.
        history: expected and actual value of stretches that were labelled since; the band is calibrated on them.
        broken: why inputs cannot be trusted, where that is known already.
    """
    if not numbers:
        return None
    side = case.current
    answered = case.reference.outcomes
    known = np.flatnonzero(answered.known())
    if len(known) < MIN_ROWS or side.sample.height < MIN_ROWS:
        return None
    own = answered.take(known)
    statistics = own.statistics(metric, len(case.problem.classes))
    reference = float(metric.value(statistics.sum(0)))
    reason, estimate = broken or _fault(case), None
    if reason is None:
        estimate, reason = _estimate(case, metric, statistics, known, history)
    return EstimatedPerformance(
        metric=metric.name,
        since=grid.label(numbers[0]),
        until=grid.label(numbers[-1]),
        rows=side.window.rows,
        estimate=None if estimate is None else estimate.published(),
        reference=reference,
        assumption=ASSUMPTION,
        suppressed=reason,
    )


def _fault(case: Case) -> str | None:
    """A fault whose signature is exact enough to be named without labels."""
    faults = [fault for fault in find_faults(case) if fault.exact and fault.kind not in NATURAL]
    if not faults:
        return None
    first = faults[0]
    return f"inputs are not intact ({say.listed(first.features)}: {first.kind.words}); run the diagnosis"


def _estimate(
    case: Case, metric: Metric, statistics: Floats, known: np.ndarray, history: list[tuple[float, float]]
) -> tuple[LabelFreeEstimate | None, str | None]:
    design = make_design(case.pairs.values())
    ref, cur = case.reference.outcomes, case.current.outcomes
    predictions = cur.predictions.astype(float)
    answered = np.flatnonzero(predictions >= 0 if case.problem.classification else np.isfinite(predictions))
    if len(answered) < MIN_ROWS:
        return None, "too few rows with a prediction"
    x_ref = _matrix(design, case.reference.sample, ref)[known]
    x_cur = _matrix(design, case.current.sample, cur)[answered]
    if x_ref.shape[1] == 0:
        return None, "no column to estimate from"
    labels = ref.labels[known].astype(np.int64) if case.problem.classification and metric.rows == "counts" else None
    return estimate_moved(
        metric,
        statistics,
        x_ref,
        x_cur,
        _categorical(design, x_ref.shape[1]),
        case.rng("estimate"),
        history=history,
        labels=labels,
        predictions=(ref.predictions[known], cur.predictions[answered]),
        classes=len(case.problem.classes),
    )


def sample_periods(case: Case, grid: PeriodGrid) -> Any:
    """Period of every row of the reference sample; None where rows in their order are periods and the sample is not whole."""
    sample = case.reference.sample
    if grid.timed:
        return sample.select(grid.expression(names.TIME).fill_null(-1)).to_series().to_numpy()
    if not case.reference.complete:
        return None
    assert grid.rows is not None
    whole = sample.height // grid.rows
    number = np.arange(sample.height) // grid.rows
    return np.where(number < whole, number - whole, 10**9)
