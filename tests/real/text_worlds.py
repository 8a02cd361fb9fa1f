"""Two sets of real texts behind a plain TF-IDF pipeline, and the vectorisers that a careless deployment puts in its place."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from backslide.models.frame import to_pandas
from real.text_faults import ACCENTS
from real.worlds import Served, table

SETS = {"reuters_news": ("title", "body", "topic"), "scotus_case_facts": ("case_name", "facts", "issue_area")}
"""Heading, text and label."""
TRAINED_ON = {"reuters_news": 2_500, "scotus_case_facts": 1_000}


@cache
def world(name: str, *, accented: bool = False) -> Served:
    """Trained on random rows; serves the others in order of time. ``accented``: all its letters written with accents."""
    heading, text, label = SETS[name]
    rows = table(name)
    if accented:
        rows = rows.with_columns(pl.Series(text, [t.translate(ACCENTS) for t in rows[text]]))
    first = np.random.default_rng(5).permutation(rows.height) < TRAINED_ON[name]
    train, rest = rows.filter(pl.Series(first)), rows.filter(pl.Series(~first))
    features = [heading, text]
    model = unfitted(features).fit(to_pandas(train.select(features)), train[label].to_numpy())
    roles: dict[str, Any] = {
        "label": label,
        "prediction": "served_prediction",
        "features": features,
        "scores": {str(c): f"p_{c}" for c in model.classes_},
        "metric": "accuracy",
    }
    served = Served(rest, model, features, roles)
    served.log = served.serve(rest)
    return served


def unfitted(features: list[str]) -> Pipeline:
    """A vectoriser for each column and logistic regression."""
    vectorisers = [(c, TfidfVectorizer(max_features=3_000, sublinear_tf=True), c) for c in features]
    return Pipeline([("texts", ColumnTransformer(vectorisers)), ("model", LogisticRegression(max_iter=300, C=10))])


def vectoriser_of(model: Pipeline, column: str) -> TfidfVectorizer:
    """The one of a column."""
    return model["texts"].named_transformers_[column]


def beginning(text: str) -> str:
    """What a service that pads and cuts to a fixed length hands on."""
    return text[:128].lower()


def with_other_vectoriser(served: Served, column: str, rows: pl.DataFrame, variant: int) -> Pipeline:
    """The same model behind a vectoriser that reads the beginning alone, was fitted on the rows served, or on other texts."""
    model = deepcopy(served.model)
    vectoriser = vectoriser_of(model, column)
    if variant == 0:
        vectoriser.set_params(preprocessor=beginning)
    else:
        texts = rows[column] if variant == 1 else served.log[column].sample(fraction=0.5, seed=7)
        vectoriser.fit(texts.to_list())
    return model
