"""The real data sets as prediction logs: a plain scikit-learn pipeline trained on an early part answers the later rows.

Read through the environment variable BACKSLIDE_DATA alone. Nothing here knows which fault or drift a test looks for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from backslide.models.frame import to_pandas


def data_dir() -> Path:
    """Folder of the data sets; tests that need it are marked ``data``."""
    return Path(os.environ["BACKSLIDE_DATA"])


@cache
def table(name: str) -> pl.DataFrame:
    """A whole data set in time order."""
    return pl.read_parquet(data_dir() / f"{name}.parquet")


@dataclass
class Served:
    """A model and its logs."""

    log: pl.DataFrame
    model: Pipeline
    features: list[str]
    roles: dict[str, Any] = field(default_factory=dict)

    def serve(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows as they would be logged, had they been served as they stand."""
        return _answered(self.model, rows, self.features, self.roles)


def _frame(rows: pl.DataFrame, features: list[str]) -> pd.DataFrame:
    return to_pandas(rows.select(features))


def pipeline(rows: pl.DataFrame, features: list[str], *, regression: bool = False, balanced: bool = False) -> Pipeline:
    """Gradient boosting behind an ordinal encoder for text columns, unfitted."""
    text = [c for c in features if rows[c].dtype == pl.String]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    transform = make_column_transformer((encoder, text), remainder="passthrough", verbose_feature_names_out=False)
    options: dict[str, Any] = {"max_iter": 100, "random_state": 0, "early_stopping": False}
    if regression:
        return make_pipeline(transform, HistGradientBoostingRegressor(**options))
    weight = "balanced" if balanced else None
    return make_pipeline(transform, HistGradientBoostingClassifier(**options, class_weight=weight))


def _answered(model: Pipeline, rows: pl.DataFrame, features: list[str], roles: dict[str, Any]) -> pl.DataFrame:
    frame = _frame(rows, features)
    if roles.get("task") == "regression":
        return rows.with_columns(pl.Series("served_prediction", model.predict(frame)))
    scores = model.predict_proba(frame)
    columns = [pl.Series(f"p_{label}", scores[:, k]) for k, label in enumerate(model.classes_)]
    predicted = pl.Series("served_prediction", model.classes_[np.argmax(scores, axis=1)].astype(str))
    return rows.with_columns(*columns, predicted)


def serve(
    train: pl.DataFrame,
    rows: pl.DataFrame,
    label: str,
    features: list[str],
    *,
    regression: bool = False,
    balanced: bool = False,
    timestamp: str | None = None,
    **model: Any,
) -> Served:
    """Train on ``train``, answer ``rows``."""
    fitted = pipeline(train, features, regression=regression, balanced=balanced)
    fitted.fit(
        _frame(train, features), train[label].to_numpy() if regression else train[label].cast(pl.String).to_numpy()
    )
    roles: dict[str, Any] = {"label": label, "prediction": "served_prediction", "features": features, **model}
    if timestamp:
        roles["timestamp"] = timestamp
    if regression:
        roles["task"] = "regression"
    else:
        roles["scores"] = {str(c): f"p_{c}" for c in fitted.classes_}
    served = Served(rows, fitted, features, roles)
    served.log = served.serve(rows)
    return served


class TextModel:
    """TF-IDF and logistic regression over one text column, called with a frame."""

    def __init__(self, column: str) -> None:
        self.column = column
        self.pipe = make_pipeline(
            TfidfVectorizer(max_features=20_000, sublinear_tf=True), LogisticRegression(max_iter=300, C=5)
        )
        self.feature_names_in_ = np.array([column], object)

    def fit(self, frame: pd.DataFrame, labels: Any) -> TextModel:
        """Fit on the text column."""
        self.pipe.fit(frame[self.column].fillna("").astype(str), labels)
        self.classes_ = self.pipe.classes_
        return self

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Scores (n, K)."""
        return self.pipe.predict_proba(frame[self.column].fillna("").astype(str))

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Classes (n,)."""
        return self.pipe.predict(frame[self.column].fillna("").astype(str))


TAXI_LEAKS = {
    "fare_amount",
    "total_amount",
    "tip_amount",
    "pickup_time",
    "dropoff_time",
    "tolls_amount",
    "extra",
    "mta_tax",
    "improvement_surcharge",
    "congestion_surcharge",
    "ehail_fee",
}


@cache
def census() -> Served:
    """Trained on reference ids 0-33 999; serves everything after."""
    rows = table("census_employment_ma").sort("id")
    features = [
        c for c in rows.columns if c not in ("id", "year", "period", "employed", "prediction", "predicted_probability")
    ]
    reference = rows.filter(pl.col("period") == "reference")
    return serve(reference.filter(pl.col("id") < 34_000), rows.filter(pl.col("id") >= 34_000), "employed", features)


@cache
def taxi() -> Served:
    """Trained on 2021-01 to 2022-02; serves 2022-03 to 2023-04."""
    rows = table("green_taxi_fares")
    features = [c for c in rows.columns if c not in TAXI_LEAKS]
    cut = pl.datetime(2022, 3, 1)
    return serve(
        rows.filter(pl.col("pickup_time") < cut),
        rows.filter(pl.col("pickup_time") >= cut),
        "fare_amount",
        features,
        regression=True,
        timestamp="pickup_time",
    )


BANK_OUT = {"subscribed", "contact_date", "month", "day_of_month", "call_duration_s"}


@cache
def bank() -> Served:
    """Unweighted pipeline trained before 2009; serves 2009 on."""
    rows = table("bank_marketing").with_columns(pl.col("contact_date").cast(pl.Datetime("us")))
    features = [c for c in rows.columns if c not in BANK_OUT]
    cut = pl.datetime(2009, 1, 1)
    return serve(
        rows.filter(pl.col("contact_date") < cut),
        rows.filter(pl.col("contact_date") >= cut),
        "subscribed",
        features,
        timestamp="contact_date",
        metric="accuracy",
    )


@cache
def bank_balanced() -> Served:
    """Balanced pipeline trained on a random third; serves the rest, which is therefore quiet."""
    rows = table("bank_marketing")
    features = [c for c in rows.columns if c not in BANK_OUT]
    third = np.random.default_rng(5).random(rows.height) < 1 / 3
    return serve(
        rows.filter(pl.Series(third)),
        rows.filter(pl.Series(~third)),
        "subscribed",
        features,
        balanced=True,
        metric="macro_f1",
    )


@cache
def electricity() -> Served:
    """Trained on rows 0-11 999; serves rows 12 000-23 999."""
    rows = table("electricity")
    features = [c for c in rows.columns if c not in ("timestamp", "price_change")]
    return serve(rows[:12_000], rows[12_000:24_000], "price_change", features, timestamp="timestamp")


@cache
def noaa() -> Served:
    """Trained on the first third; serves the rest."""
    rows = table("noaa_weather")
    features = [c for c in rows.columns if c not in ("day_index", "rain")]
    return serve(rows[:6000], rows[6000:], "rain", features)


@cache
def bike() -> Served:
    """Trained on a random third of 2012; serves the rest of it."""
    rows = table("bike_sharing_hourly").filter(pl.col("timestamp").dt.year() == 2012)
    features = [c for c in rows.columns if c not in ("timestamp", "count", "casual", "registered")]
    third = np.random.default_rng(5).random(rows.height) < 1 / 3
    return serve(rows.filter(pl.Series(third)), rows.filter(pl.Series(~third)), "count", features, regression=True)


@cache
def reuters() -> Served:
    """Trained on articles before 20 March; serves those of March and April after it."""
    rows = table("reuters_news").with_columns(pl.col("published_at").cast(pl.Datetime("us")))
    model = TextModel("body")
    early = rows.filter(pl.col("published_at") < pl.datetime(1987, 3, 20))
    late = rows.filter(
        (pl.col("published_at") >= pl.datetime(1987, 3, 20)) & (pl.col("published_at") < pl.datetime(1987, 5, 1))
    )
    model.fit(_frame(early, ["body"]), early["topic"].to_numpy())
    roles: dict[str, Any] = {
        "label": "topic",
        "prediction": "served_prediction",
        "features": ["body"],
        "scores": {str(c): f"p_{c}" for c in model.classes_},
    }
    served = Served(late, model, ["body"], roles)
    served.log = served.serve(late)
    return served


def halves(rows: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A random split of rows into two halves, each in its original order."""
    first = np.random.default_rng(seed).permutation(rows.height) < rows.height // 2
    return rows.filter(pl.Series(first)), rows.filter(pl.Series(~first))
