"""Embeddings of real texts: quiet over time, and an encoder that was swapped or lost its last step is named."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

import backslide as bs
from backslide.contracts.cause import CauseKind
from real.text_worlds import SETS
from real.worlds import table
from scale import AT_FULL_SIZE

pytestmark = pytest.mark.data
SIZE = 48


def encoder(texts: list[str], seed: int, words: int = 4_000) -> Any:
    """A small sentence encoder: weighed words, projected, of length 1."""
    made = make_pipeline(
        TfidfVectorizer(max_features=words, sublinear_tf=True, stop_words="english"),
        TruncatedSVD(SIZE, random_state=seed),
        Normalizer(),
    )
    return made.fit(texts)


class Head:
    """A classifier on vectors, as a frame holds them."""

    feature_names_in_ = np.array(["vector"])

    def __init__(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        self.model = LogisticRegression(C=50, max_iter=400).fit(vectors, labels)
        self.classes_ = self.model.classes_

    def predict_proba(self, frame: Any) -> np.ndarray:
        return self.model.predict_proba(np.stack([np.asarray(v, float) for v in frame["vector"]]))


@cache
def world(name: str) -> tuple[pl.DataFrame, Any, Head, dict[str, Any]]:
    """Later rows in order of time, the encoder, the model on its vectors, and the roles of the log."""
    _, text, label = SETS[name]
    rows = table(name)
    first = np.random.default_rng(3).permutation(rows.height) < rows.height // 3
    train, rest = rows.filter(pl.Series(first)), rows.filter(pl.Series(~first))
    made = encoder(train[text].to_list(), 0)
    head = Head(made.transform(train[text].to_list()), train[label].to_numpy())
    roles = {
        "label": label,
        "prediction": "predicted",
        "features": ("vector",),
        "scores": {str(c): f"p_{c}" for c in head.classes_},
    }
    return rest, made, head, roles


def served(name: str, rows: pl.DataFrame, made: Any, change: Any = None) -> pl.DataFrame:
    _, text, label = SETS[name]
    _, _, head, _ = world(name)
    vectors = np.asarray(made.transform(rows[text].to_list()), float)
    vectors = vectors if change is None else change(vectors)
    chance = head.predict_proba({"vector": list(vectors)})
    kept = rows.select(label, text)
    return kept.with_columns(
        pl.Series("vector", vectors).arr.to_list(),
        pl.Series("predicted", head.classes_[chance.argmax(axis=1)]),
        *(pl.Series(f"p_{c}", chance[:, i]) for i, c in enumerate(head.classes_)),
    )


def diagnosed(name: str, reference: pl.DataFrame, current: pl.DataFrame) -> bs.Diagnosis:
    _, _, head, roles = world(name)
    return bs.diagnose(
        reference=reference,
        current=current,
        roles=bs.Roles(**roles),
        reference_model=head,
        metric="accuracy",
        quick=True,
    )


def named(diagnosis: bs.Diagnosis) -> list[CauseKind]:
    return [c.kind for c in (*diagnosis.causes, *diagnosis.harmless)]


@pytest.mark.parametrize("name", SETS)
def test_no_encoder_is_accused_over_time(name: str):
    rest, made, _, _ = world(name)
    edges = np.linspace(0, rest.height, 6).astype(int)
    parts = [served(name, rest[a:b], made) for a, b in pairwise(edges)]
    for before, after in pairwise(parts):
        assert CauseKind.PREPROCESSING_CHANGE not in named(diagnosed(name, before, after))


def halves(name: str, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    rest = world(name)[0]
    order = np.random.default_rng(seed).permutation(rest.height)
    return rest[np.sort(order[: rest.height // 2])], rest[np.sort(order[rest.height // 2 :])]


@pytest.mark.parametrize("name", SETS)
def test_another_encoder_is_named(name: str):
    before, after = halves(name, 1)
    _, made, _, _ = world(name)
    other = encoder(table(name)[SETS[name][1]].to_list()[::2], 9, words=2_500)
    diagnosis = diagnosed(name, served(name, before, made), served(name, after, other))
    cause = diagnosis.causes[0]
    assert (cause.kind, cause.features) == (CauseKind.PREPROCESSING_CHANGE, ("vector",))
    assert "another encoder" in cause.summary


CHANGES = {
    "not normalised": (
        lambda v: v * np.random.default_rng(0).uniform(0.1, 0.6, len(v))[:, None],
        "no longer normalised",
    ),
    "scaled": (lambda v: v * 0.2, "no longer normalised"),
    "turned": (lambda v: v @ np.linalg.qr(np.random.default_rng(1).normal(size=(SIZE, SIZE)))[0], "another encoder"),
    "half of it": (lambda v: np.where(np.arange(len(v))[:, None] % 2, v, 3 * v), "no longer normalised"),
}


@pytest.mark.rates
@pytest.mark.parametrize(
    ("name", "change"),
    [
        (name, change)
        for k, name in enumerate(SETS)
        for j, change in enumerate(CHANGES)
        if AT_FULL_SIZE or (k + j) % 2 == 0
    ],
)
def test_what_was_done_to_the_vectors_is_named(name: str, change: str):
    before, after = halves(name, 2)
    _, made, _, _ = world(name)
    do, words = CHANGES[change]
    good, bad = served(name, after, made), served(name, after, made, do)
    label = SETS[name][2]
    harm = float((good["predicted"] == good[label]).mean() - (bad["predicted"] == bad[label]).mean())
    diagnosis = diagnosed(name, served(name, before, made), bad)
    told = [c for c in (*diagnosis.causes, *diagnosis.harmless) if c.kind is CauseKind.PREPROCESSING_CHANGE]
    assert told, named(diagnosis)
    assert words in told[0].summary
    if harm > 0.05:
        assert diagnosis.causes[0].kind is CauseKind.PREPROCESSING_CHANGE
        assert diagnosis.causes[0].points.low - 0.01 <= -harm <= diagnosis.causes[0].points.high + 0.01
