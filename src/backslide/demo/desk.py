"""The desk's model: trained once on simulated earlier months, then asked about every document."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from backslide.demo.simulate import CLASSES, FEATURES, JURISDICTIONS, LANGUAGES, SENDERS, SOURCES
from backslide.models.frame import to_pandas

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MODEL_VERSION = "triage-4.2"


def train(documents: pl.DataFrame) -> Pipeline:
    """A plain scikit-learn pipeline: one-hot categories and gradient-boosted trees, fitted on the reviewed documents."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    categories = {
        "source": SOURCES,
        "sender_type": SENDERS,
        "language": LANGUAGES,
        "jurisdiction": JURISDICTIONS,
    }
    encode = OneHotEncoder(
        categories=[list(levels) for levels in categories.values()], handle_unknown="ignore", sparse_output=False
    )
    pipeline = make_pipeline(
        make_column_transformer((encode, list(categories)), remainder="passthrough"),
        HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=12, learning_rate=0.1, min_samples_leaf=40, random_state=0
        ),
    )
    reviewed = documents.filter(pl.col("category").is_not_null())
    return pipeline.fit(to_pandas(reviewed.select(FEATURES)), reviewed["category"].to_numpy())


def serve(pipeline: Pipeline, documents: pl.DataFrame) -> pl.DataFrame:
    """The documents as the prediction log holds them: with ``predicted``, a score of each class and the version."""
    scores = pipeline.predict_proba(to_pandas(documents.select(FEATURES)))
    labels = [str(label) for label in pipeline.classes_]
    answers = np.array(labels, dtype=object)[scores.argmax(axis=1)]
    return documents.with_columns(
        pl.Series("predicted", answers, dtype=pl.String),
        *(pl.Series(f"p_{label}", scores[:, labels.index(label)]) for label in CLASSES),
        pl.lit(MODEL_VERSION).alias("model_version"),
    )
