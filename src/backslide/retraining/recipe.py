"""The user's own training recipe: an unfitted estimator, or a function of (frame, labels, weights)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import BaseEstimator

from backslide.contracts.errors import ConfigError
from backslide.contracts.labels import label_text
from backslide.models.failures import explain_failure
from backslide.models.frame import to_pandas
from backslide.models.imports import import_object, is_spec
from backslide.models.load import load_model
from backslide.models.model import Model
from backslide.models.user_code import contained
from backslide.models.wrap import wrap
from backslide.retraining.history import History, Rows
from backslide.retraining.robust_inputs import SteadyInputs, with_steady
from backslide.stats.arrays import Floats

Fit = Callable[[Any, Any, Floats | None], Any]


@dataclass(frozen=True)
class Recipe:
    """How a model is made of rows."""

    name: str
    fit: Fit
    """(frame or texts, labels, weights or None) -> fitted model; weights only where ``weighs``."""
    weighs: bool
    """Whether it takes weights; rows are drawn by weight where not."""
    columns: tuple[str, ...]
    takes_text: bool
    labels: dict[str, Any]
    """Label text -> label as the model is to know it; empty: as logged."""
    task: str
    warm: Any = None
    """The unfitted estimator, where it can learn on (``partial_fit``)."""


def recipe_of(source: Any, champion: Model | None, h: History, *, base: Path, trusted: bool) -> Recipe:
    """The recipe that was given, or a clone of the champion without what it has learned.

    Raises:
        ConfigError: there is none, or it is no recipe.
    """
    if source is None:
        if champion is None or champion.artefact is None or not hasattr(champion.artefact, "fit"):
            raise ConfigError(
                "no recipe to train with: set [retrain] recipe to module:function or an unfitted estimator, or "
                "[artifacts] reference_model to a model that can be fitted again"
            )
        source = champion.artefact
    name, source = _open(source, base, trusted)
    features = champion.features if champion is not None and champion.features is not None else h.case.problem.features
    columns = tuple(c for c in features if c in h.frame.columns)
    classes = None if champion is None else getattr(champion.artefact, "classes_", None)
    spelled = [] if classes is None or isinstance(classes, list) else np.asarray(classes).tolist()
    known = {label_text(label): label for label in spelled}
    task = h.case.problem.task
    if hasattr(source, "learn_one"):
        source = OneByOne(source)
    if hasattr(source, "fit"):
        unfitted = _unfitted_copy(source)
        reads = wrap(unfitted, name=name, task="regression").takes == "text" if hasattr(unfitted, "predict") else False
        weighs = _weight_key(unfitted) is not None
        warm = unfitted if _learns_on(unfitted) else None
        return Recipe(name, _estimator(unfitted), weighs, columns, reads, known, task, warm)
    if callable(source):
        return Recipe(name, source, True, columns, False, known, task)
    raise ConfigError(f"recipe {name}: expected an estimator with fit or a function of (frame, labels, weights)")


STATELESS = ("HashingVectorizer", "Normalizer")
"""Steps that learn nothing."""


def _learns_on(estimator: Any) -> bool:
    """Whether it can be given more rows later: every step of a pipeline must."""
    steps = getattr(estimator, "steps", None)
    if not isinstance(steps, list):
        return hasattr(estimator, "partial_fit")
    before = all(hasattr(s, "partial_fit") or type(s).__name__ in STATELESS for _, s in steps[:-1])
    return before and hasattr(steps[-1][1], "partial_fit")


def _open(source: Any, base: Path, trusted: bool) -> tuple[str, Any]:
    if not isinstance(source, (str, Path)):
        return getattr(source, "__name__", type(source).__name__), source
    text = str(source)
    if is_spec(text, base):
        return text, import_object(text, base=base, trusted=trusted, role="[retrain] recipe")
    return text, load_model(text, trusted=trusted, base=base).artefact


def _unfitted_copy(estimator: Any) -> Any:
    from sklearn.base import clone

    try:
        return clone(estimator)
    except TypeError:  # no estimator of scikit-learn's kind, but it can be fitted again
        return deepcopy(estimator)


def _weight_key(estimator: Any) -> str | None:
    """Name of the argument of ``fit`` that takes weights."""
    from sklearn.utils.validation import has_fit_parameter

    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list) and steps:
        return f"{steps[-1][0]}__sample_weight" if has_fit_parameter(steps[-1][1], "sample_weight") else None
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


def _estimator(unfitted: Any) -> Fit:
    key = _weight_key(unfitted)

    def fit(rows: Any, labels: Any, weights: Floats | None) -> Any:
        estimator = _unfitted_copy(unfitted)
        more = {key: weights} if key is not None and weights is not None else {}
        model = estimator.fit(rows, labels, **more)
        return estimator if model is None else model

    return fit


def train_model(
    recipe: Recipe,
    h: History,
    rows: Rows,
    weights: Floats | None,
    steady: SteadyInputs | None,
    rng: np.random.Generator,
    name: str,
) -> Model:
    """A model fitted on some rows of the history.

    Raises:
        ModelError: the recipe fails, in one line.
    """
    if weights is not None and not recipe.weighs:
        rows, weights = rng.choice(rows, len(rows), p=weights / weights.sum()), None
    frame, labels = inputs(recipe, h, rows), labels_of(recipe, h, rows)
    fitted_steady = None
    with (
        explain_failure(f"the recipe {recipe.name} fails on {len(rows)} rows"),
        contained(f"training with the recipe {recipe.name}"),
    ):
        warnings.simplefilter("ignore")  # of fits that stop early: the backtest judges what came of them
        if steady is not None:
            fitted_steady = deepcopy(steady).fit(frame)
            frame = fitted_steady.transform(frame)
        fitted = recipe.fit(frame.iloc[:, 0] if recipe.takes_text else frame, labels, weights)
    whole = fitted if fitted_steady is None else with_steady(fitted_steady, fitted)
    model = wrap(whole, name=name, task=h.case.problem.task)
    if model.features is None:
        model.features = recipe.columns
    return model


def inputs(recipe: Recipe, h: History, rows: Rows) -> pd.DataFrame:
    """Feature columns of some rows as the model is given them."""
    return to_pandas(h.frame[rows].select(recipe.columns))


def labels_of(recipe: Recipe, h: History, rows: Rows) -> Any:
    """Labels of some rows (n,): numbers, or the champion's own spelling of the classes, or as logged."""
    labels = h.served.labels[rows]
    problem = h.case.problem
    if not problem.classification:
        return labels.astype(float)
    codes = labels.astype(np.int64)
    if recipe.labels and set(problem.classes) <= set(recipe.labels):
        spelled = [recipe.labels[c] for c in problem.classes]
    else:
        spelled = _as_logged(h)
    return np.array(spelled, dtype=object)[codes].astype(np.asarray(spelled).dtype)


def _as_logged(h: History) -> list[Any]:
    """Classes in the type of the label column."""
    column = h.case.problem.roles.label
    assert column is not None
    values = h.frame[column].drop_nulls().unique()
    if values.dtype in (pl.String, pl.Categorical) or isinstance(values.dtype, pl.Enum):
        return list(h.case.problem.classes)
    logged = {label_text(v): v for v in values.to_list()}
    known = [logged.get(c) for c in h.case.problem.classes]
    return list(h.case.problem.classes) if None in known else known


# Models that learn one row after the other (River's interface) behind the interface of scikit-learn.


class OneByOne(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A model with ``learn_one`` and ``predict_one`` as an estimator; missing values are left out of a row."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, frame: pd.DataFrame, labels: Any) -> OneByOne:
        """Start anew."""
        self.__dict__.pop("learned_", None)
        return self.partial_fit(frame, labels)

    def partial_fit(self, frame: pd.DataFrame, labels: Any, classes: Any = None) -> OneByOne:
        """Learn these rows in their order."""
        if not hasattr(self, "learned_"):
            self.learned_ = self.model.clone() if hasattr(self.model, "clone") else deepcopy(self.model)
            self.classes_ = np.array([], dtype=object)
        if hasattr(self.learned_, "predict_proba_one"):
            present = np.unique(np.asarray(labels if classes is None else classes))
            self.classes_ = np.array(sorted({*self.classes_.tolist(), *present.tolist()}))
        self.feature_names_in_ = np.array(list(frame.columns), dtype=object)
        targets = np.asarray(labels)
        if len(self.classes_) == 2:  # linear models among them know true and false only
            targets = targets == self.classes_[1]
        for row, label in zip(_rows(frame), targets.tolist(), strict=True):
            self.learned_.learn_one(row, label)
        return self

    def __getattr__(self, name: str) -> Any:
        """``predict_proba`` only where the model gives probabilities."""
        if name == "predict_proba" and hasattr(self.__dict__.get("learned_"), "predict_proba_one"):
            return self._probabilities
        raise AttributeError(name)

    def _probabilities(self, frame: pd.DataFrame) -> Any:
        chances = [self.learned_.predict_proba_one(row) for row in _rows(frame)]
        known = [False, True] if len(self.classes_) == 2 else self.classes_.tolist()
        result = np.array([[float(one.get(c, 0.0)) for c in known] for one in chances])
        total = result.sum(1, keepdims=True)
        return np.where(total > 0, result / np.where(total > 0, total, 1.0), 1 / max(len(self.classes_), 1))

    def predict(self, frame: pd.DataFrame) -> Any:
        """Classes or numbers (n,)."""
        if hasattr(self.learned_, "predict_proba_one"):
            return self.classes_[self._probabilities(frame).argmax(1)]
        return np.array([self.learned_.predict_one(row) for row in _rows(frame)], dtype=float)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    columns = list(frame.columns)
    values = [frame[c].tolist() for c in columns]
    return [
        {c: v for c, v in zip(columns, row, strict=True) if v is not None and v == v}
        for row in zip(*values, strict=True)
    ]
