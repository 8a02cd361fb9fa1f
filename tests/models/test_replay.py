"""A pipeline trained on a pandas frame answers the same when its rows come back from a log."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from backslide.models.load import load_model

NUMBERS = ["income", "age", "dependants", "balance"]
WORDS = ["branch", "employed", "channel"]


def applications(n: int = 1500) -> pd.DataFrame:
    """Rows with everything that logs get wrong: gaps in integers, texts and booleans, categories, large numbers."""
    rng = np.random.default_rng(20260301)
    frame = pd.DataFrame(
        {
            "income": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(8, 0.5, n)),
            "age": rng.integers(18, 90, n),
            "dependants": np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 6, n)),
            "balance": rng.integers(-(2**40), 2**40, n),
            "branch": rng.choice(["Köln", "Paris", "São Paulo", None], n),
            "employed": rng.choice([True, False], n),
            "channel": pd.Categorical(rng.choice(["web", "desk", "phone"], n)),
        }
    )
    frame["branch"] = frame["branch"].astype(object).where(frame["branch"].notna(), np.nan)
    return frame


def outcome(frame: pd.DataFrame) -> np.ndarray:
    rng = np.random.default_rng(1)
    signal = (
        np.nan_to_num(frame["income"] / 4000, nan=1.0) + (frame["branch"] == "Paris") + rng.normal(0, 0.5, len(frame))
    )
    return np.where(signal > np.median(signal), "paid", "default")


def written_by_pandas(frame: pd.DataFrame, folder) -> pl.DataFrame:
    whole = {"dependants": "Int64"} if "dependants" in frame and frame["dependants"].notna().any() else {}
    frame.astype(whole).to_parquet(folder / "log.parquet")
    return pl.read_parquet(folder / "log.parquet")


def written_by_pyarrow(frame: pd.DataFrame, folder) -> pl.DataFrame:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.Table.from_pandas(frame, preserve_index=False), folder / "log.parquet")
    return pl.read_parquet(folder / "log.parquet")


def written_by_polars(frame: pd.DataFrame, folder) -> pl.DataFrame:
    columns = {name: [None if pd.isna(v) else v for v in frame[name].tolist()] for name in frame.columns}
    pl.DataFrame(columns).write_parquet(folder / "log.parquet")
    return pl.read_parquet(folder / "log.parquet")


def encoded(encoder, model):
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
            (encoder, WORDS),
        ),
        model,
    )


PIPELINES = {
    "one-hot, logistic": lambda: encoded(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=2000)),
    "one-hot strict, forest": lambda: encoded(OneHotEncoder(), RandomForestClassifier(20, random_state=0)),
    "imputed texts, ordinal": lambda: encoded(
        make_pipeline(SimpleImputer(strategy="most_frequent"), OrdinalEncoder()), LogisticRegression(max_iter=2000)
    ),
    "ordinal with missing, boosting": lambda: make_pipeline(
        make_column_transformer(
            (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2), WORDS),
            remainder="passthrough",
        ),
        HistGradientBoostingClassifier(max_iter=20, random_state=0),
    ),
}


@pytest.mark.sample(6)
@pytest.mark.parametrize("write", [written_by_pandas, written_by_pyarrow, written_by_polars])
@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_replay_is_exact(pipeline, write, tmp_path):
    frame = applications()
    frame["channel"] = frame["channel"].astype(object)
    fitted = pipeline().fit(frame, outcome(frame))
    answer = load_model(fitted).answer(write(frame, tmp_path), batch_rows=400)
    assert not answer.failed.any(), answer.error
    assert np.abs(answer.scores - fitted.predict_proba(frame)).max() < 1e-9
    assert answer.predictions.tolist() == fitted.predict(frame).tolist()


@pytest.mark.parametrize("write", [written_by_pandas, written_by_pyarrow, written_by_polars])
def test_native_categories_of_boosting_replay_exactly(write, tmp_path):
    """Trained on pandas categories, asked with objects: the model's own encoder must find its categories."""
    frame = applications()[["income", "age", "branch", "channel"]]
    frame["branch"] = frame["branch"].astype("category")
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=20, random_state=0)
    fitted = model.fit(frame, outcome(frame))
    logged = write(frame, tmp_path)
    answer = load_model(fitted).answer(logged)
    assert not answer.failed.any(), answer.error
    assert np.abs(answer.scores - fitted.predict_proba(frame)).max() < 1e-9


def test_regression_replays_exactly(tmp_path):
    frame = applications()[NUMBERS].astype("float64")
    target = frame["income"].fillna(3000) / 7 + frame["age"]
    fitted = HistGradientBoostingRegressor(max_iter=20).fit(frame, target)
    answer = load_model(fitted).answer(written_by_pandas(frame, tmp_path))
    assert answer.scores is None
    assert answer.predictions.dtype == np.float64
    assert np.abs(answer.predictions - fitted.predict(frame)).max() < 1e-9


def test_shuffled_columns_and_extra_ones_change_nothing(tmp_path):
    frame = applications()[["income", "age", "branch"]].assign(income=lambda f: f["income"].fillna(0))
    pipeline = make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["branch"]), remainder="passthrough"),
        LogisticRegression(max_iter=2000),
    ).fit(frame, outcome(frame))
    logged = written_by_polars(frame, tmp_path).with_columns(served_at=pl.lit("2026-03-01"))
    answer = load_model(pipeline).answer(logged.select("branch", "served_at", "age", "income"))
    assert np.abs(answer.scores - pipeline.predict_proba(frame)).max() < 1e-9


def test_text_pipeline_reads_one_column_of_texts():
    texts = ["rent is due", "invoice attached", "rent increase", "please find the invoice"] * 10
    topics = ["lease", "billing", "lease", "billing"] * 10
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, topics)
    answer = load_model(pipeline).answer(pl.DataFrame({"body": texts}))
    assert answer.predictions.tolist() == pipeline.predict(texts).tolist()
    assert np.abs(answer.scores - pipeline.predict_proba(texts)).max() < 1e-9


def test_a_column_that_is_null_throughout_still_gets_an_answer(tmp_path):
    frame = applications()
    frame["channel"] = frame["channel"].astype(object)
    fitted = encoded(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=2000)).fit(
        frame, outcome(frame)
    )
    for lost in ("income", "branch"):
        logged = written_by_pandas(frame.assign(**{lost: None}), tmp_path)
        expected = fitted.predict_proba(frame.assign(**{lost: np.nan}).astype({lost: object}))
        answer = load_model(fitted).answer(logged)
        assert not answer.failed.any(), answer.error
        assert np.abs(answer.scores - expected).max() < 1e-9
