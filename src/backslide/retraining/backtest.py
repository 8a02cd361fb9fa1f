"""Rolling origin: each candidate is trained on what was known at a moment and judged on the stretch that follows.

The champion's answers to the same rows are those that were served, so every comparison is paired. Stretches are cut from the
fresh rows, with about as many labelled rows each; the first only ever trains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.contracts.errors import InputError, ModelError
from backslide.contracts.finding import Estimate
from backslide.engine.roles.outcomes import Outcomes
from backslide.models.model import Model
from backslide.playbook.shadow.arms import Arm, Arms
from backslide.playbook.shadow.differences import difference
from backslide.retraining.history import History, Rows
from backslide.retraining.recipe import Recipe, train_model
from backslide.retraining.windows import TrainingPlan, TrainingRows, limit_rows
from backslide.stats.arrays import Mask
from backslide.stats.metrics.metric import OF_SCORES, Metric
from backslide.stats.shift.model_difference import ModelDifference

LEAST_ROWS = 20
"""Labelled rows that a candidate is trained on, and that a stretch is judged on, at least."""
MIN_FOLDS = 2
SINCE_ROWS = 200
"""Labelled rows of a stretch since the onset, on average, from which on the older ones are left out of the judgement."""


@dataclass(frozen=True)
class Fold:
    """An origin, and the rows of the stretch after it."""

    origin: float
    rows: Rows
    """Labelled rows served within it."""


@dataclass(frozen=True)
class Run:
    """One plan at one origin: what it says to every fresh row from the origin on."""

    plan: TrainingPlan
    fold: int
    trained_on: int
    rows: Rows
    outcomes: Outcomes

    def on(self, rows: Rows) -> Outcomes:
        """Its answers to some of those rows."""
        return self.outcomes.take(np.searchsorted(self.rows, rows))


@dataclass(frozen=True)
class CandidateResult:
    """A plan at every origin; ``why_not`` where it could not be tried."""

    plan: TrainingPlan
    runs: tuple[Run, ...] = ()
    arms: Arms | None = None
    found: ModelDifference | None = None
    gains: tuple[float | None, ...] = ()
    """By fold, positive is better."""
    noise: tuple[float, ...] = ()
    """Standard error of each fold's gain."""
    why_not: str = ""
    spread: tuple[float, int] | None = None
    """Variance of gains from stretch to stretch and its degrees of freedom, where other stretches tell it too."""

    def gain(self, metric: Metric) -> float:
        """Of all folds together; minus infinity where there is none."""
        return -np.inf if self.found is None else -metric.harm(self.found.estimate)


@dataclass
class Backtest:
    """What candidates are tried on."""

    history: History
    recipe: Recipe
    folds: tuple[Fold, ...]
    metric: Metric
    max_rows: int
    seed: int
    always: tuple[str, ...] = ()
    """Features that no candidate may see: not known when the row was served."""
    say: Callable[[str], None] = field(default=lambda _: None)
    picked: dict[tuple[str, float], TrainingRows] = field(default_factory=dict)
    """Rows and weights by plan and moment."""

    @property
    def case(self) -> Case:
        """The case of the history."""
        return self.history.case

    def value(self, answers: Outcomes) -> float | None:
        """The headline of some answers; None where it cannot be estimated."""
        known = answers.take(answers.known())
        if not len(known.labels):
            return None
        if self.metric.whole is not None:
            return float(self.metric.whole(known.arrays))
        value = float(self.metric.value(known.statistics(self.metric, len(self.case.problem.classes)).sum(0)))
        return value if np.isfinite(value) else None

    def rng(self, *key: object) -> np.random.Generator:
        """A generator of its own for each purpose."""
        return np.random.default_rng([self.seed, *"/".join(map(str, key)).encode()])


def folds_of(h: History, count: int) -> tuple[Fold, ...]:
    """Stretches of the fresh rows, since the onset where it is dated and enough were labelled since; fewer with few labels.

    What a candidate gains where nothing had changed yet says nothing about what it is worth now.

    Raises:
        InputError: not even two.
    """
    rows = np.flatnonzero(h.fresh & h.labelled & _has_answer(h))
    if h.onset is not None and (h.when[rows] >= h.onset).sum() >= (MIN_FOLDS + 1) * SINCE_ROWS:
        rows = rows[h.when[rows] >= h.onset]
    moments = np.unique(h.when[rows])
    count = min(count, len(rows) // LEAST_ROWS - 1, len(moments) - 1)
    if count < MIN_FOLDS:
        raise InputError(
            f"{len(rows)} labelled current rows are too few to train on some and judge on later ones: expected at least "
            f"{(MIN_FOLDS + 1) * LEAST_ROWS}, at different times"
        )
    cuts = [h.when[rows[len(rows) * (k + 1) // (count + 1)]] for k in range(count)]
    folds = [f for f in folds_at(h, rows, cuts) if len(f.rows) and len(h.known_at(f.origin)) >= LEAST_ROWS]
    if len(folds) < MIN_FOLDS:
        raise InputError(
            "too few labels had arrived in time to train on: expected labels of earlier rows at two moments at least; "
            "see [retrain] label_time and label_delay_days"
        )
    return tuple(folds)


def folds_at(h: History, rows: Rows, cuts: Sequence[float]) -> list[Fold]:
    """The stretches from each of some moments to the next, of these rows."""
    pairs = zip(cuts, [*cuts[1:], np.inf], strict=True)
    return [Fold(float(low), rows[(h.when[rows] >= low) & (h.when[rows] < high)]) for low, high in pairs]


def _has_answer(h: History) -> Mask:
    predictions = h.served.predictions
    return np.asarray(np.isfinite(predictions) if predictions.dtype.kind == "f" else predictions.astype(np.int64) >= 0)


def try_plan(bench: Backtest, plan: TrainingPlan) -> CandidateResult:
    """Train and ask at every origin; what fails is told, never the end."""
    try:
        runs = tuple(run_of(bench, plan, k) for k in range(len(bench.folds)))
    except ModelError as error:
        return CandidateResult(plan, why_not=str(error))
    return judge_runs(bench, plan, runs)


def run_of(bench: Backtest, plan: TrainingPlan, k: int, only: Rows | None = None) -> Run:
    """One plan at the origin of fold ``k``; ``only`` are the rows that it may choose from.

    Raises:
        ModelError: the recipe fails, or there is too little to train on.
    """
    h, fold = bench.history, bench.folds[k]
    model, rows = fit_plan(bench, plan, fold.origin, bench.rng(plan.name, k), only)
    later = np.flatnonzero(h.fresh & h.labelled & (h.when >= fold.origin))
    answered = bench.case.answered(model, h.frame[later])
    if answered.failed.all():
        raise ModelError(f"it answers none of the later rows: {answered.error}")
    if bench.metric.name in OF_SCORES and answered.outcomes.scores is None:
        raise ModelError(f"it gives no scores, which the headline {bench.metric.name!r} needs")
    return Run(plan, k, len(rows), later, answered.outcomes)


def training_rows(bench: Backtest, plan: TrainingPlan, origin: float, rng: np.random.Generator) -> TrainingRows:
    """Rows and weights of a plan at a moment, bounded; found once."""
    key = (plan.base or plan.name, origin)
    if key not in bench.picked:
        bench.picked[key] = limit_rows(plan.choose(bench.history, origin, rng), bench.max_rows, rng)
    return bench.picked[key]


def fit_plan(
    bench: Backtest, plan: TrainingPlan, origin: float, rng: np.random.Generator, only: Rows | None = None
) -> tuple[Model, Rows]:
    """A model of a plan at a moment, and the rows that it was trained on, of ``only`` where these are given.

    Raises:
        ModelError: the recipe fails, or there is too little to train on.
    """
    rows, weights = training_rows(bench, plan, origin, rng)
    if only is not None:
        inside = np.isin(rows, only)
        rows, weights = rows[inside], None if weights is None else weights[inside]
    if len(rows) < LEAST_ROWS:
        raise ModelError(f"{len(rows)} rows to train on, expected at least {LEAST_ROWS}")
    return train_model(plan.recipe or bench.recipe, bench.history, rows, weights, plan.steady, rng, plan.name), rows


def signature(bench: Backtest, plan: TrainingPlan) -> tuple[bytes, ...]:
    """What it trains on at every origin: plans of the same signature are one and the same."""
    parts = [b"" if plan.recipe is None else plan.recipe.name.encode()]
    for k, fold in enumerate(bench.folds):
        rows, weights = training_rows(bench, plan, fold.origin, bench.rng(plan.name, k))
        parts += [rows.tobytes(), b"" if weights is None else weights.tobytes()]
    return tuple(parts)


def judge_runs(bench: Backtest, plan: TrainingPlan, runs: Sequence[Run]) -> CandidateResult:
    """All folds together and each by itself, paired with what was served."""
    each = [arms_of(bench.history, run.on(bench.folds[run.fold].rows), bench.folds[run.fold].rows) for run in runs]
    whole = Arms(_join([a.old for a in each]), _join([a.new for a in each]), True)
    result = difference(bench.case, whole, bench.metric)
    by_fold = [difference(bench.case, arms, bench.metric) for arms in each]
    gains = tuple(None if d is None else -bench.metric.harm(d.estimate) for d in by_fold)
    noise = tuple(d.se for d in by_fold if d is not None)
    return CandidateResult(
        plan, tuple(runs), whole, result, gains, noise, "" if result is not None else "not estimable"
    )


def arms_of(h: History, answers: Outcomes, rows: Rows) -> Arms:
    """What was served and what a candidate says, on the same rows."""
    frame, days = h.frame[rows], None if h.days is None else h.days[rows]
    return Arms(Arm(h.served.take(rows), frame, days), Arm(answers, frame, days), True)


def _join(arms: Sequence[Arm]) -> Arm:
    import polars as pl

    scores = [a.outcomes.scores for a in arms if a.outcomes.scores is not None]
    whole = Outcomes(
        np.concatenate([a.outcomes.labels for a in arms]),
        np.concatenate([a.outcomes.predictions for a in arms]),
        np.concatenate(scores) if len(scores) == len(arms) else None,
    )
    days = None if arms[0].days is None else np.concatenate([a.days for a in arms if a.days is not None])
    return Arm(whole, pl.concat([a.frame for a in arms]), days)


def future(tried: CandidateResult, level: float = 0.95) -> Estimate | None:
    """Prediction interval (Student) for the gain on one more stretch like those of the backtest.

    The spread of the folds' gains holds both what differs from stretch to stretch and the luck of the rows; with few folds it
    may be small by chance, so it is moderated towards what the rows alone would give (``PRIOR_DF`` degrees of freedom). A trend
    over the folds is carried on by half, and its size widens the interval.
    """
    gains = np.array([g for g in tried.gains if g is not None])
    n = len(gains)
    if n < MIN_FOLDS:
        return None
    rows = float(np.mean(np.square(tried.noise))) if tried.noise else 0.0
    own, df = (float(gains.var(ddof=1)), n - 1) if tried.spread is None else tried.spread
    variance = max((PRIOR_DF * rows + df * own) / (PRIOR_DF + df), own, rows)
    at = np.arange(n) - (n - 1) / 2
    slope = float(at @ gains / (at @ at))
    ahead = slope * ((n - 1) / 2 + 1)
    centre = float(gains.mean()) + ahead / 2
    half = float(stats.t.ppf(0.5 + level / 2, df)) * np.sqrt(variance * (1 + 1 / n)) + abs(ahead) / 2
    return Estimate(estimate=centre, low=centre - half, high=centre + half)


PRIOR_DF = 2.0


def best_first(tried: Sequence[CandidateResult], metric: Metric) -> list[CandidateResult]:
    """Candidates by their gain, the largest first."""
    return sorted((t for t in tried if t.found is not None), key=lambda t: -t.gain(metric))
