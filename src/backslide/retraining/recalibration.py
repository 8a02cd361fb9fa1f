"""The champion with its answers fitted again to later labels: where it still orders the rows, it need not be trained anew.

Scores go through one sigmoid a class (Platt 1999; scikit-learn's ``CalibratedClassifierCV`` over the fitted model), answers of a
regressor through a straight line by least squares.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin

from backslide.models.model import Model
from backslide.retraining.history import History
from backslide.retraining.recipe import Recipe
from backslide.retraining.windows import TrainingPlan, TrainingRows, since_the_onset
from backslide.stats.arrays import Floats

NAME = "recalibrated"


def recalibration(champion: Model | None, recipe: Recipe, h: History) -> TrainingPlan | None:
    """The plan that keeps the champion and fits its answers to later labels; None where it gives nothing to be fitted."""
    artefact = None if champion is None else champion.artefact
    asked = ("predict_proba", "classes_") if h.case.problem.classification else ("predict",)
    if champion is None or artefact is None or not all(hasattr(artefact, name) for name in asked):
        return None
    fit = _fit_scores if h.case.problem.classification else _fit_line
    columns = recipe.columns if champion.features is None else tuple(champion.features)
    if not set(columns) <= set(h.frame.columns):
        return None
    calibrate = replace(
        recipe,
        name=f"{recipe.name}, {NAME}",
        fit=lambda rows, labels, weights: fit(artefact, rows, labels, weights),
        weighs=True,
        columns=columns,
        takes_text=champion.takes == "text",
        warm=None,
    )
    words = "the champion as it is, its answers fitted to the labels since "
    words += "the metric changed" if h.onset is not None else "the current window began"
    return TrainingPlan(NAME, words, _latest, recipe=calibrate)


def _latest(h: History, origin: float, rng: np.random.Generator) -> TrainingRows:
    if h.onset is not None:
        return since_the_onset(h, origin, rng)
    rows = h.known_at(origin)
    return rows[h.fresh[rows]], None


def _fit_scores(model: Any, rows: Any, labels: Any, weights: Floats | None) -> Any:
    from sklearn.calibration import CalibratedClassifierCV

    try:
        from sklearn.frozen import FrozenEstimator
    except ImportError:  # before 1.6
        return CalibratedClassifierCV(model, method="sigmoid", cv="prefit").fit(rows, labels, sample_weight=weights)
    return CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid").fit(rows, labels, sample_weight=weights)


def _fit_line(model: Any, rows: Any, labels: Any, weights: Floats | None) -> Any:
    return StraightenedRegressor(model).fit(rows, labels, weights)


class StraightenedRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fitted regressor whose answers go through ``slope_ * answer + offset_``."""

    def __init__(self, regressor: Any) -> None:
        self.regressor = regressor

    def fit(self, rows: Any, labels: ArrayLike, weights: Floats | None = None) -> StraightenedRegressor:
        """Find the line by least squares: n rows, labels (n,), weights (n,) or None."""
        answers, wanted = np.asarray(self.regressor.predict(rows), float), np.asarray(labels, float)
        share = np.full(len(wanted), 1 / len(wanted)) if weights is None else weights / weights.sum()
        middle, level = float(share @ answers), float(share @ wanted)
        spread = float(share @ (answers - middle) ** 2)
        self.slope_ = float(share @ ((answers - middle) * (wanted - level))) / spread if spread > 0 else 1.0
        self.offset_ = level - self.slope_ * middle
        return self

    def predict(self, rows: Any) -> Floats:
        """Answers (n,)."""
        return np.asarray(self.slope_ * np.asarray(self.regressor.predict(rows), float) + self.offset_)
