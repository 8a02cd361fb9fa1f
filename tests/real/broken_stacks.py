"""Real rows served by one pipeline, and the same rows served after a change of one's own: what was served, and what it cost.

Every change is done to a copy of the fitted pipeline in the way in which services do it. Nothing here knows how it is found.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from backslide.models.frame import to_pandas
from real import worlds
from real.periods import PERIODS

FEW = 25
"""Values up to which an integer column is a code to be encoded."""
TRAIN, WINDOW = 6000, 3000


@dataclass(frozen=True)
class Stack:
    """A fitted pipeline over scaled numbers and encoded levels, and two quiet windows of rows for it."""

    model: Any
    numbers: list[str]
    levels: list[str]
    roles: dict[str, Any]
    reference: pl.DataFrame
    current: pl.DataFrame

    @property
    def features(self) -> list[str]:
        return self.roles["features"]

    @property
    def scaler(self) -> StandardScaler:
        return scaler_of(self.model)

    def serve(self, rows: pl.DataFrame, model: Any = None) -> pl.DataFrame:
        """Rows as a model answers and logs them."""
        return worlds._answered(model or self.model, rows, self.features, self.roles)

    def altered(self, change: Callable[[Any], None]) -> Any:
        copy = deepcopy(self.model)
        change(copy)
        return copy

    def frame(self, rows: pl.DataFrame) -> pd.DataFrame:
        return to_pandas(rows.select(self.features))

    def value(self, rows: pl.DataFrame, metric: str) -> float:
        """The metric by other means than the package's own."""
        label, said = rows[self.roles["label"]], rows["served_prediction"]
        if metric == "mae":
            return float((said - label).abs().mean())
        truth = label.cast(pl.String)
        if metric == "accuracy":
            return float((said == truth).mean())
        assert metric == "macro_f1"
        from sklearn.metrics import f1_score

        return float(f1_score(truth.to_numpy(), said.to_numpy(), average="macro"))


@cache
def stack(name: str, kind: str, window: int = WINDOW) -> Stack:
    """``kind`` "linear" or "trees"; ``window`` rows a window."""
    served = PERIODS[name].served
    label, regression = served.roles["label"], served.roles.get("task") == "regression"
    rows = PERIODS[name].rows
    rng = np.random.default_rng(3)
    drawn = rng.permutation(rows.height)[: TRAIN + 2 * window]
    parts = [rows[np.sort(p)] for p in (drawn[:TRAIN], drawn[TRAIN : TRAIN + window], drawn[TRAIN + window :])]
    train = parts[0]
    codes = [c for c in served.features if train[c].dtype == pl.String or train[c].n_unique() <= FEW]
    numbers = [c for c in served.features if c not in codes]
    train, *windows = (part.with_columns(pl.col(codes).cast(pl.String)) for part in parts)
    model = pipeline(numbers, codes, kind, regression=regression)
    truth = train[label].to_numpy() if regression else train[label].cast(pl.String).to_numpy()
    model.fit(to_pandas(train.select(served.features)), truth)
    made = Stack(model, numbers, codes, served.roles, *windows)
    return Stack(model, numbers, codes, served.roles, *(made.serve(rows) for rows in windows))


def pipeline(numbers: list[str], levels: list[str], kind: str, *, regression: bool) -> Pipeline:
    scaled = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    last: Any
    if kind == "linear":
        encoder: Any = OneHotEncoder(handle_unknown="ignore")
        last = Ridge() if regression else LogisticRegression(max_iter=3000, class_weight="balanced")
    else:
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
        options: dict[str, Any] = {"max_iter": 60, "random_state": 0, "early_stopping": False}
        last = (
            HistGradientBoostingRegressor(**options)
            if regression
            else HistGradientBoostingClassifier(**options, class_weight="balanced")
        )
    return make_pipeline(ColumnTransformer([("numbers", scaled, numbers), ("levels", encoder, levels)]), last)


def scaler_of(model: Any) -> Any:
    return model[0].named_transformers_["numbers"]["scale"]


def encoder_of(model: Any) -> Any:
    return model[0].named_transformers_["levels"]


def fit_scaler(model: Any, frame: pd.DataFrame, columns: list[str]) -> None:
    """The classic mistake: the scaler fitted on the rows at hand."""
    branch = model[0].named_transformers_["numbers"]
    branch["scale"].fit(branch["impute"].transform(frame[columns]))


def by_frequency(model: Any, frame: pd.DataFrame, columns: list[str]) -> None:
    """An encoder rebuilt elsewhere, which numbers the levels of every column by how frequent they are."""
    encoder = encoder_of(model)
    for k, column in enumerate(columns):
        counts = frame[column].value_counts()
        order = [v for v in counts.index if v in set(encoder.categories_[k])]
        rest = [v for v in encoder.categories_[k] if v not in set(order)]
        encoder.categories_[k] = np.array([*order, *rest], dtype=encoder.categories_[k].dtype)


def turned(model: Any, column: int) -> None:
    """One column's levels in another order."""
    encoder = encoder_of(model)
    levels = encoder.categories_[column]
    missing = [v for v in levels if v is None or v != v]
    known = [v for v in levels if not (v is None or v != v)]
    encoder.categories_[column] = np.array([*known[1:], known[0], *missing], dtype=levels.dtype)
