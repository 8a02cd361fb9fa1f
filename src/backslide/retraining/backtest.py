"""Rolling origin: each candidate is trained on what was known at a moment and judged on the stretch that follows.

The champion's answers to the same rows are those that were served, so every comparison is paired. Stretches are cut from the
fresh rows, with about as many labelled rows each; the first only ever trains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.contracts.errors import InputError, ModelError
from backslide.engine.roles.outcomes import Outcomes
from backslide.playbook.shadow.arms import Arm, Arms
from backslide.playbook.shadow.differences import difference
from backslide.retraining.history import History, Rows
from backslide.retraining.recipe import Recipe, trained
from backslide.retraining.windows import Chosen, Plan, bounded
from backslide.stats.metrics.metric import OF_SCORES, Metric
from backslide.stats.shift.paired import Difference

LEAST_ROWS = 20
"""Labelled rows that a candidate is trained on, and that a stretch is judged on, at least."""
MIN_FOLDS = 2


@dataclass(frozen=True)
class Fold:
    """An origin, and the rows of the stretch after it."""

    origin: float
    end: float
    rows: Rows
    """Labelled rows served within it."""


@dataclass(frozen=True)
class Run:
    """One plan at one origin: what it says to every fresh row from the origin on."""

    plan: Plan
    fold: int
    trained_on: int
    rows: Rows
    outcomes: Outcomes

    def on(self, rows: Rows) -> Outcomes:
        """Its answers to some of those rows."""
        return self.outcomes.take(np.searchsorted(self.rows, rows))


@dataclass(frozen=True)
class Tried:
    """A plan at every origin; ``why_not`` where it could not be tried."""

    plan: Plan
    runs: tuple[Run, ...] = ()
    arms: Arms | None = None
    found: Difference | None = None
    gains: tuple[float | None, ...] = ()
    """By fold, positive is better."""
    noise: tuple[float, ...] = ()
    """Standard error of each fold's gain."""
    why_not: str = ""

    def gain(self, metric: Metric) -> float:
        """Of all folds together; minus infinity where there is none."""
        return -np.inf if self.found is None else -metric.harm(self.found.estimate)


@dataclass
class Bench:
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
    picked: dict[tuple[str, float], Chosen] = field(default_factory=dict)
    """Rows and weights by plan and moment."""

    @property
    def case(self) -> Case:
        """The case of the history."""
        return self.history.case

    def rng(self, *key: object) -> np.random.Generator:
        """A generator of its own for each purpose."""
        return np.random.default_rng([self.seed, *"/".join(map(str, key)).encode()])


def folds_of(h: History, count: int) -> tuple[Fold, ...]:
    """Stretches of the fresh rows; fewer where there are few labels.

    Raises:
        InputError: not even two.
    """
    rows = np.flatnonzero(h.fresh & h.labelled & _answered(h))
    moments = np.unique(h.when[rows])
    count = min(count, len(rows) // LEAST_ROWS - 1, len(moments) - 1)
    if count < MIN_FOLDS:
        raise InputError(
            f"{len(rows)} labelled current rows are too few to train on some and judge on later ones: expected at least "
            f"{(MIN_FOLDS + 1) * LEAST_ROWS}, at different times"
        )
    cuts = [h.when[rows[len(rows) * (k + 1) // (count + 1)]] for k in range(count)]
    ends = [*cuts[1:], np.inf]
    made = []
    for origin, end in zip(cuts, ends, strict=True):
        inside = rows[(h.when[rows] >= origin) & (h.when[rows] < end)]
        if len(inside) and len(h.known_at(origin)) >= LEAST_ROWS:
            made.append(Fold(float(origin), float(end), inside))
    if len(made) < MIN_FOLDS:
        raise InputError(
            "too few labels had arrived in time to train on: expected labels of earlier rows at two moments at least; "
            "see [retrain] label_time and label_delay_days"
        )
    return tuple(made)


def _answered(h: History) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    predictions = h.served.predictions
    if predictions.dtype.kind == "f":
        return np.asarray(np.isfinite(predictions.astype(float)))
    return np.asarray(predictions.astype(np.int64) >= 0)


def try_plan(bench: Bench, plan: Plan) -> Tried:
    """Train and ask at every origin; what fails is told, never the end."""
    try:
        runs = tuple(run_of(bench, plan, k) for k in range(len(bench.folds)))
    except ModelError as error:
        return Tried(plan, why_not=str(error))
    return judged(bench, plan, runs)


def run_of(bench: Bench, plan: Plan, k: int, only: Rows | None = None) -> Run:
    """One plan at the origin of fold ``k``; ``only`` are the rows that it may choose from.

    Raises:
        ModelError: the recipe fails, or there is too little to train on.
    """
    h, fold = bench.history, bench.folds[k]
    rng = bench.rng(plan.name, k)
    rows, weights = chosen(bench, plan, fold.origin, rng)
    if only is not None:
        kept = np.isin(rows, only)
        rows, weights = rows[kept], None if weights is None else weights[kept]
    if len(rows) < LEAST_ROWS:
        raise ModelError(f"{len(rows)} rows to train on, expected at least {LEAST_ROWS}")
    model = trained(bench.recipe, h, rows, weights, plan.steady, rng, plan.name)
    later = np.flatnonzero(h.fresh & h.labelled & (h.when >= fold.origin))
    answered = bench.case.answered(model, h.frame[later])
    if answered.failed.all():
        raise ModelError(f"it answers none of the later rows: {answered.error}")
    if bench.metric.name in OF_SCORES and answered.outcomes.scores is None:
        raise ModelError(f"it gives no scores, which the headline {bench.metric.name!r} needs")
    return Run(plan, k, len(rows), later, answered.outcomes)


def chosen(bench: Bench, plan: Plan, origin: float, rng: np.random.Generator) -> Chosen:
    """Rows and weights of a plan at a moment, bounded; found once."""
    key = (plan.base or plan.name, origin)
    if key not in bench.picked:
        bench.picked[key] = bounded(plan.choose(bench.history, origin, rng), bench.max_rows, rng)
    return bench.picked[key]


def signature(bench: Bench, plan: Plan) -> tuple[bytes, ...]:
    """What it trains on at every origin: plans of the same signature are one and the same."""
    made = []
    for k, fold in enumerate(bench.folds):
        rows, weights = chosen(bench, plan, fold.origin, bench.rng(plan.name, k))
        made += [rows.tobytes(), b"" if weights is None else weights.tobytes()]
    return tuple(made)


def judged(bench: Bench, plan: Plan, runs: Sequence[Run]) -> Tried:
    """All folds together and each by itself, paired with what was served."""
    each = [arms_of(bench.history, run.on(bench.folds[run.fold].rows), bench.folds[run.fold].rows) for run in runs]
    whole = Arms(_joined([a.old for a in each]), _joined([a.new for a in each]), True)
    found = difference(bench.case, whole, bench.metric)
    by_fold = [difference(bench.case, arms, bench.metric) for arms in each]
    gains = tuple(None if d is None else -bench.metric.harm(d.estimate) for d in by_fold)
    noise = tuple(d.se for d in by_fold if d is not None)
    return Tried(plan, tuple(runs), whole, found, gains, noise, "" if found is not None else "not estimable")


def arms_of(h: History, answers: Outcomes, rows: Rows) -> Arms:
    """What was served and what a candidate says, on the same rows."""
    frame, days = h.frame[rows], None if h.days is None else h.days[rows]
    return Arms(Arm(h.served.take(rows), frame, days), Arm(answers, frame, days), True)


def _joined(arms: Sequence[Arm]) -> Arm:
    import polars as pl

    scores = [a.outcomes.scores for a in arms if a.outcomes.scores is not None]
    whole = Outcomes(
        np.concatenate([a.outcomes.labels for a in arms]),
        np.concatenate([a.outcomes.predictions for a in arms]),
        np.concatenate(scores) if len(scores) == len(arms) else None,
    )
    days = None if arms[0].days is None else np.concatenate([a.days for a in arms if a.days is not None])
    return Arm(whole, pl.concat([a.frame for a in arms]), days)


@dataclass(frozen=True)
class Future:
    """Gain to expect of the next stretch, with a prediction interval."""

    estimate: float
    low: float
    high: float


def future(tried: Tried, level: float = 0.95) -> Future | None:
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
    own = float(gains.var(ddof=1))
    variance = max((PRIOR_DF * rows + (n - 1) * own) / (PRIOR_DF + n - 1), own, rows)
    at = np.arange(n) - (n - 1) / 2
    slope = float(at @ gains / (at @ at))
    ahead = slope * ((n - 1) / 2 + 1)
    centre = float(gains.mean()) + ahead / 2
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * np.sqrt(variance * (1 + 1 / n)) + abs(ahead) / 2
    return Future(centre, centre - half, centre + half)


PRIOR_DF = 2.0


def best_first(tried: Sequence[Tried], metric: Metric) -> list[Tried]:
    """Candidates by their gain, the largest first."""
    return sorted((t for t in tried if t.found is not None), key=lambda t: -t.gain(metric))


def with_plan(plan: Plan, **changes: object) -> Plan:
    """A plan with something changed."""
    return replace(plan, **changes)  # type: ignore[arg-type]
