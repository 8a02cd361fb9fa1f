"""What would a targeted fix return? The model's answers recalibrated along the columns whose relation changed, held out.

On half of the current labelled rows a small model learns the outcome from the served scores (or prediction) and the named
columns alone; the other half is scored with it, and the other way round. The gain over what was served is what relearning that
relation brings back, without retraining anything else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backslide.case import Case, Outcomes, decide
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.engine.columns.design_matrix import make_design
from backslide.stats.arrays import Floats
from backslide.stats.change.effect import Effect
from backslide.stats.drift.boosting import classify, regress
from backslide.stats.drift.slice_search import halves

MIN_ROWS = 400
"""Labelled current rows below which nothing is learned from half of them."""
MIN_CLASS_ROWS = 10
ROUNDS = 50
MOST_CLASSES = 60
"""Classes above which nothing is learned anew: half a window holds too few rows of each, and it takes longer than the rest."""
LEAVES = 8


def targeted_gain(bench: PricingBench, features: tuple[str, ...]) -> Effect | None:
    """Change of the target metric on the current labelled rows when the relation along ``features`` is learned anew.

    None with too few labelled rows, or classes too rare to learn.
    """
    return _gain(bench, features) if features else None


def relearning_gain(bench: PricingBench) -> Effect | None:
    """The same where the outcome is learned anew from the served scores (or prediction) alone."""
    return _gain(bench, ())


def _gain(bench: PricingBench, features: tuple[str, ...]) -> Effect | None:
    case, side = bench.case, bench.case.current
    rows = bench.rows(side)
    if len(rows) < MIN_ROWS or len(case.problem.classes) > MOST_CLASSES:
        return None
    served = side.outcomes.take(rows)
    x, categorical = _inputs(case, served, rows, features)
    half = halves(None if side.blocks is None else side.blocks[rows], case.rng("recalibrate"), len(rows))
    fixed = (
        _classes(case, served, x, categorical, half)
        if case.problem.classification
        else _numbers(served, x, categorical, half)
    )
    if fixed is None:
        return None
    draw, k = bench.draw(side), len(case.problem.classes)
    effects = [
        Effect(float(bench.target.value(s.sum(0))), bench.target.value(draw.sums(s)))
        for s in (one.statistics(bench.target, k) for one in (served, fixed))
    ]
    return effects[1] - effects[0]


def _inputs(
    case: Case, served: Outcomes, rows: NDArray[np.int64], features: tuple[str, ...]
) -> tuple[Floats, NDArray[np.bool_]]:
    design = make_design([case.pairs[f] for f in features if f in case.pairs])
    x = design.matrix(case.current.sample)[rows]
    if served.scores is not None:
        own = np.clip(served.scores, 1e-6, 1.0)
        answers = np.log(own[:, :-1] / own[:, -1:])
    else:
        answers = served.predictions.astype(float)[:, None]
    return np.hstack([answers, x]), np.r_[np.zeros(answers.shape[1], bool), design.categorical]


def _classes(
    case: Case, served: Outcomes, x: Floats, categorical: NDArray[np.bool_], half: NDArray[np.bool_]
) -> Outcomes | None:
    y, k = served.labels.astype(np.int64), len(case.problem.classes)
    chance = np.zeros((len(y), k))
    for learn in (half, ~half):
        counts = np.bincount(y[learn], minlength=k)
        usable = np.flatnonzero(counts >= MIN_CLASS_ROWS)
        if len(usable) < 2:
            return None
        known = learn & np.isin(y, usable)
        model = classify(x[known], y[known], categorical, rounds=ROUNDS, leaves=LEAVES, l2=10.0)
        chance[np.ix_(np.flatnonzero(~learn), model.classes_.astype(int))] = model.predict_proba(x[~learn])
    codes = decide(chance, case.problem)
    return Outcomes(served.labels, codes, None if served.scores is None else chance)


def _numbers(served: Outcomes, x: Floats, categorical: NDArray[np.bool_], half: NDArray[np.bool_]) -> Outcomes:
    """The error learned and taken off: a prediction keeps what it knows of everything else."""
    y, prediction = served.labels.astype(float), served.predictions.astype(float)
    fixed = prediction.copy()
    for learn in (half, ~half):
        model = regress(x[learn], (y - prediction)[learn], categorical, rounds=ROUNDS, leaves=LEAVES, l2=10.0)
        fixed[~learn] += model.predict(x[~learn])
    return Outcomes(served.labels, fixed, None)
