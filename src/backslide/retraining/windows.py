"""Which rows a candidate is trained on, and how much each counts; nothing later than the origin is ever seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from backslide.contracts import say
from backslide.contracts.retrain_settings import RetrainSettings
from backslide.engine.columns.design_matrix import make_design
from backslide.engine.columns.segments import holds
from backslide.retraining.history import History, Rows
from backslide.retraining.recipe import Recipe
from backslide.retraining.robust_inputs import SteadyInputs
from backslide.stats.arrays import Floats
from backslide.stats.shift.doubly_robust import domain_weights

TrainingRows = tuple[Rows, Floats | None]
"""Rows of the history, and their weights (mean 1) or None."""
HALF_LIFE = 0.25
"""Of the weight of ``recency``, as a share of the labelled rows there are."""
LEAST_SINCE = 100
"""Rows since the onset under which all rows are taken: a policy that is played over the history trains before it as well."""
SINCE_WEIGHT = 0.8
"""Of all weight, what the rows since the onset have in ``since, weighted``."""
MOST_WEIGHT = 20.0
IMPORTANCE_ROWS = 8_000
LEAST_OF_A_PART = 200
"""Rows of a class or segment that ``top_up`` fills up to."""


@dataclass(frozen=True)
class TrainingPlan:
    """One candidate: what it is trained on, and which of its inputs are held steady."""

    name: str
    description: str
    choose: Callable[[History, float, np.random.Generator], TrainingRows]
    steady: SteadyInputs | None = None
    base: str = ""
    """The plan that it changes."""
    recipe: Recipe | None = None
    """How it is fitted, where that is not the recipe that was given."""


def plans(policy: RetrainSettings, h: History) -> list[TrainingPlan]:
    """The candidates that ``[retrain] windows`` names; those since the onset where it is dated."""
    options: dict[str, list[TrainingPlan]] = {
        "all": [
            TrainingPlan(
                "all", "every labelled row with the same weight", lambda h, origin, _: (h.known_at(origin), None)
            )
        ],
        "recent": [
            TrainingPlan(
                f"recent {say.fixed(100 * share, 0)} %",
                f"the most recent {say.percent(share, 0)} of the labelled rows",
                partial(_recent, share),
            )
            for share in policy.recent
        ],
        "recency": [TrainingPlan("recency", "every labelled row, the recent ones with more weight", _recency)],
        "balanced": [
            TrainingPlan("reference + fresh", "reference and fresh rows with the same total weight", _balanced)
        ],
        "importance": [
            TrainingPlan("importance", "every labelled row, those like the latest inputs with more weight", _importance)
        ],
        "top_up": [TrainingPlan("top-up", "recent rows, rare classes and segments filled up with older ones", _top_up)],
        "since": [
            TrainingPlan("since the onset", "labelled rows since the metric changed", since_the_onset),
            TrainingPlan(
                "since, weighted", "every labelled row, those since the metric changed with more weight", _weighted
            ),
        ],
    }
    if h.onset is None:
        options["since"] = []
    options["recalibrated"] = []  # needs the champion: see ``recalibration``
    return [plan for name in dict.fromkeys(policy.windows) for plan in options[name]]


def limit_rows(chosen: TrainingRows, most: int, rng: np.random.Generator) -> TrainingRows:
    """At most ``most`` rows: drawn evenly, or by weight where they have weights."""
    rows, weights = chosen
    if len(rows) <= most:
        return chosen
    subset = np.sort(rng.choice(len(rows), most, replace=False))
    return rows[subset], None if weights is None else weights[subset]


def _recent(share: float, h: History, origin: float, rng: np.random.Generator) -> TrainingRows:
    rows = h.known_at(origin)
    return rows[-max(round(share * len(rows)), 1) :], None


def _recency(h: History, origin: float, rng: np.random.Generator) -> TrainingRows:
    rows = h.known_at(origin)
    age = np.arange(len(rows))[::-1] / max(len(rows), 1)
    weights = 0.5 ** (age / HALF_LIFE)
    return rows, weights / weights.mean()


def _balanced(h: History, origin: float, rng: np.random.Generator) -> TrainingRows:
    rows = h.known_at(origin)
    fresh = h.fresh[rows]
    share = fresh.mean() if len(rows) else 0.0
    if not 0 < share < 1:
        return rows, None
    weights = np.where(fresh, 0.5 / share, 0.5 / (1 - share))
    return rows, np.minimum(weights, MOST_WEIGHT)


def since_the_onset(h: History, origin: float, rng: np.random.Generator) -> TrainingRows:
    """Rows known at a moment and served since the onset; all of them where those are few."""
    rows = h.known_at(origin)
    later = rows[h.when[rows] >= (h.onset or 0.0)]
    return (later if len(later) >= LEAST_SINCE else rows), None


def _weighted(h: History, origin: float, rng: np.random.Generator) -> TrainingRows:
    rows = h.known_at(origin)
    later = h.when[rows] >= (h.onset or 0.0)
    share = later.mean() if len(rows) else 0.0
    if not 0 < share < SINCE_WEIGHT:
        return rows, None
    weights = np.where(later, SINCE_WEIGHT / share, (1 - SINCE_WEIGHT) / (1 - share))
    return rows, np.minimum(weights, MOST_WEIGHT)


def _importance(h: History, origin: float, rng: np.random.Generator) -> TrainingRows:
    """Weights of the density ratio between the latest inputs, labelled or not, and the labelled rows."""
    rows = h.known_at(origin)
    before = h.served_before(origin)
    latest = before[h.fresh[before]]
    latest = latest[-max(len(rows) // 4, 200) :]
    if min(len(rows), len(latest)) < 100:
        return rows, None
    design = make_design(h.case.pairs.values())
    if not design.columns:
        return rows, None
    sample = rows if len(rows) <= IMPORTANCE_ROWS else np.sort(rng.choice(rows, IMPORTANCE_ROWS, replace=False))
    some = latest[-IMPORTANCE_ROWS:]
    result = domain_weights(design.matrix(h.frame[sample]), design.matrix(h.frame[some]), design.categorical, rng)
    weights = np.clip(np.asarray(result.weights, float), 1 / MOST_WEIGHT, MOST_WEIGHT)
    return sample, weights / weights.mean()


def _top_up(h: History, origin: float, rng: np.random.Generator) -> TrainingRows:
    """The most recent quarter, and the latest older rows of every class and user segment that it has few of."""
    rows = h.known_at(origin)
    start = len(rows) - max(len(rows) // 4, 1)
    mask = np.zeros(len(rows), bool)
    mask[start:] = True
    for part in _parts(h, rows):
        missing = LEAST_OF_A_PART - int((mask & part).sum())
        if missing > 0:
            mask[np.flatnonzero(part & ~mask)[-missing:]] = True
    return rows[mask], None


def _parts(h: History, rows: Rows) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    results = []
    if h.case.problem.classification:
        labels = h.served.labels[rows].astype(np.int64)
        results += [labels == k for k in range(len(h.case.problem.classes))]
    some = h.frame[rows]
    for expressions in h.case.segments.values():
        results += [holds(some, expression).to_numpy() for expression in expressions]
    return results
