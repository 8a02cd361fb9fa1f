"""The gradient boosting behind every nuisance model: small, regularised, deterministic."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from backslide.stats.arrays import Floats, Mask
from backslide.stats.threads import one_openmp_thread


class _Classifier(HistGradientBoostingClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """The same on one thread."""

    def _raw_predict(self, *args: Any, **kwargs: Any) -> Any:
        with one_openmp_thread():
            return super()._raw_predict(*args, **kwargs)


class _Regressor(HistGradientBoostingRegressor):  # type: ignore[misc]  # scikit-learn has no types
    """The same on one thread."""

    def _raw_predict(self, *args: Any, **kwargs: Any) -> Any:
        with one_openmp_thread():
            return super()._raw_predict(*args, **kwargs)


def classify(
    x: Floats, y: NDArray[Any], categorical: Mask, *, rounds: int = 60, leaves: int = 8, l2: float = 5.0
) -> HistGradientBoostingClassifier:
    """A fitted classifier of ``y`` (n,) on ``x`` (n, p), NaN = missing; ``categorical`` (p,) marks columns of codes."""
    return _fitted(_Classifier, x, y, categorical, rounds, leaves, l2)


def regress(
    x: Floats, y: Floats, categorical: Mask, *, rounds: int = 80, leaves: int = 12, l2: float = 5.0
) -> HistGradientBoostingRegressor:
    """A fitted regressor of ``y`` (n,) on ``x`` (n, p), NaN = missing; ``categorical`` (p,) marks columns of codes."""
    return _fitted(_Regressor, x, y, categorical, rounds, leaves, l2)


def split_columns(model: HistGradientBoostingClassifier, columns: int) -> Mask:
    """Which columns (p,) the trees of ``classify`` split on, as far as scikit-learn lets see; all where it does not.

    It is no public part of scikit-learn: whoever leaves a column out asks the model whether it answers the same without.
    """
    used = np.zeros(columns, bool)
    try:
        nodes = np.concatenate([tree.nodes for trees in model._predictors for tree in trees])
        at = np.arange(columns)
        if model.categorical_features is not None:  # columns of codes are put first
            at = np.argsort(~np.asarray(model.categorical_features, bool), kind="stable")
        used[at[nodes["feature_idx"][nodes["is_leaf"] == 0]]] = True
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return np.ones(columns, bool)
    return used


class RegressorOnAsinh:
    """A regressor of numbers of very different sizes: of the inverse hyperbolic sine of their distance from the median."""

    def __init__(self, model: HistGradientBoostingRegressor, centre: float, scale: float) -> None:
        self.model, self.centre, self.scale = model, centre, scale

    def predict(self, x: Floats) -> Floats:
        """The numbers (n,)."""
        return np.asarray(self.centre + self.scale * np.sinh(self.model.predict(x)), float)


def fit_on_asinh(x: Floats, y: Floats, categorical: Mask) -> RegressorOnAsinh:
    """A fitted regressor of ``y`` (n,) whose misses count relative to how far from the median a number is."""
    centre = float(np.median(y))
    scale = float(np.median(np.abs(y - centre))) or float(np.std(y)) or 1.0
    model = regress(x, np.arcsinh((y - centre) / scale), categorical, rounds=200, leaves=31, l2=0.0)
    return RegressorOnAsinh(model, centre, scale)


def _fitted(kind: Any, x: Floats, y: NDArray[Any], categorical: Mask, rounds: int, leaves: int, l2: float) -> Any:
    model = kind(
        max_iter=rounds,
        max_leaf_nodes=leaves,
        l2_regularization=l2,
        early_stopping=False,
        random_state=0,
        categorical_features=categorical if categorical.any() else None,
    )
    # scikit-learn bins columns in threads that each reset the process's warning filters and restore them in any order;
    # the loser leaves the user's process without filters.
    filters = warnings.filters[:]
    # A column without a single value cannot be binned; as a constant it is never split on.
    empty = ~np.isfinite(x).any(axis=0)
    try:
        with one_openmp_thread():
            return model.fit(np.where(empty, 0.0, x) if empty.any() else x, y)
    finally:
        warnings.filters[:] = filters  # type: ignore[index]  # the stub calls it a sequence
