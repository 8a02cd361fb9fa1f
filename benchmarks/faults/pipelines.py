"""The models that serve: a linear pipeline and gradient boosting, each one scikit-learn artefact from raw columns to scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from backslide.models.frame import to_pandas
from faults.sets import DataSet

MODELS = ("linear", "boosting")
PREDICTION = "served_prediction"


class Coerce(TransformerMixin, BaseEstimator):
    """The door of a serving stack: numbers that are not numbers and columns that did not come are missing."""

    def __init__(
        self,
        numbers: Sequence[str] = (),
        codes: Sequence[str] = (),
        texts: Sequence[str] = (),
        exchanged: Sequence[str] = (),
    ) -> None:
        self.numbers = numbers
        self.codes = codes
        self.texts = texts
        self.exchanged = exchanged
        """Two columns that are handed on in each other's place, where the list of columns went wrong; of a sound door, none."""

    def fit(self, frame: pd.DataFrame, labels: Any = None) -> Coerce:
        """Remember the columns."""
        self.feature_names_in_ = np.array(list(frame.columns), object)
        self.n_features_in_ = frame.shape[1]
        return self

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """(n, columns as fitted): floats, and text with NaN for missing ('' in running text)."""
        frame = frame.reindex(columns=list(self.feature_names_in_))
        made = {}
        for column in self.feature_names_in_:
            values = frame[column]
            if column in self.numbers:
                made[column] = pd.to_numeric(values, errors="coerce").astype(float)
            else:
                text = values.astype(object).where(values.notna(), "" if column in self.texts else np.nan)
                made[column] = text.map(lambda v: v if isinstance(v, float) else str(v)).astype(object)
        if self.exchanged:
            one, other = self.exchanged
            made[one], made[other] = made[other], made[one]
        return pd.DataFrame(made, index=frame.index)


def unfitted(data: DataSet, model: str, seed: int) -> Pipeline:
    """Coerce, columns, model."""
    numbers, codes, texts = data.numbers(), data.codes(), list(data.texts)
    door = Coerce(numbers, codes, texts)
    columns = _linear_columns if model == "linear" else _boosting_columns
    transform = ColumnTransformer(
        columns(numbers, codes, texts), sparse_threshold=1.0 if texts and model == "linear" else 0
    )
    return Pipeline([("door", door), ("columns", transform), ("model", _estimator(data, model, seed))])


def _linear_columns(numbers: list[str], codes: list[str], texts: list[str]) -> list[tuple[str, Any, Any]]:
    scaled = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return [
        ("numbers", scaled, numbers),
        ("codes", one_hot, codes),
        *((t, TfidfVectorizer(max_features=5_000, sublinear_tf=True), t) for t in texts),
    ]


def _boosting_columns(numbers: list[str], codes: list[str], texts: list[str]) -> list[tuple[str, Any, Any]]:
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    topics = [
        (t, make_pipeline(TfidfVectorizer(max_features=5_000, sublinear_tf=True), TruncatedSVD(25, random_state=0)), t)
        for t in texts
    ]
    return [("numbers", "passthrough", numbers), ("codes", ordinal, codes), *topics]


def _estimator(data: DataSet, model: str, seed: int) -> Any:
    weight = "balanced" if data.balanced else None
    if model == "linear":
        return Ridge() if data.regression else LogisticRegression(max_iter=400, class_weight=weight)
    options: dict[str, Any] = {"max_iter": 40 if data.texts else 100, "random_state": seed, "early_stopping": False}
    if data.regression:
        return HistGradientBoostingRegressor(**options)
    return HistGradientBoostingClassifier(**options, class_weight=weight)


@dataclass(frozen=True)
class World:
    """A data set with a model trained on a random part of it; the other rows wait to be served."""

    data: DataSet
    model: str
    seed: int
    pipeline: Pipeline
    train: pl.DataFrame
    rest: pl.DataFrame
    """In time order."""

    def fit(self, rows: pl.DataFrame, labels: Any = None, seed: int | None = None) -> Pipeline:
        """The same recipe on other rows."""
        return _fitted(self.data, self.model, self.seed if seed is None else seed, rows, labels)

    def serve(self, rows: pl.DataFrame, pipeline: Pipeline | None = None) -> pl.DataFrame:
        """Rows as they would be logged, had they been served as they stand."""
        return answered(self.data, pipeline or self.pipeline, rows)


def labels_of(data: DataSet, rows: pl.DataFrame) -> np.ndarray:
    """Labels as the model is trained on them: numbers, or text."""
    return rows[data.label].to_numpy() if data.regression else rows[data.label].cast(pl.String).to_numpy()


def answered(data: DataSet, pipeline: Pipeline, rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with prediction and scores."""
    frame = to_pandas(rows.select(c for c in data.features() if c in rows.columns))
    if data.regression:
        return rows.with_columns(pl.Series(PREDICTION, pipeline.predict(frame).astype(float)))
    classes = [str(c) for c in pipeline.classes_]
    scores = pipeline.predict_proba(frame)
    columns = [pl.Series(f"p_{label}", scores[:, k]) for k, label in enumerate(classes)]
    predicted = pl.Series(PREDICTION, np.array(classes, object)[scores.argmax(axis=1)].tolist(), dtype=pl.String)
    return rows.with_columns(*columns, predicted)


def make_world(data: DataSet, model: str, seed: int, cache: Path | None) -> World:
    """Train, or read what was trained before from the folder ``cache``."""
    rows = data.rows()
    chosen = np.random.default_rng([seed, 1]).permutation(rows.height) < data.train_rows
    train, rest = rows.filter(pl.Series(chosen)), rows.filter(pl.Series(~chosen))
    path = cache / f"{data.name}.{model}.{seed}.joblib" if cache else None
    if path is not None and path.exists():
        return World(data, model, seed, joblib.load(path), train, rest)
    pipeline = _fitted(data, model, seed, train, None)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{id(pipeline)}")  # two workers may train the same
        joblib.dump(pipeline, unfinished)
        unfinished.replace(path)
    return World(data, model, seed, pipeline, train, rest)


def _fitted(data: DataSet, model: str, seed: int, rows: pl.DataFrame, labels: Any) -> Pipeline:
    frame = to_pandas(rows.select(data.features()))
    return unfitted(data, model, seed).fit(frame, labels_of(data, rows) if labels is None else labels)
