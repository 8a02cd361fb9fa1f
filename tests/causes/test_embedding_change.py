"""Embeddings: another encoder is named by what stands beside the vectors, and a natural change of topics is not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.faults.signatures.embedding_change import EmbeddingChange
from backslide.contracts.cause import CauseKind
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.drift.embedding.clusters import EmbeddingClusters
from backslide.playbook.runner import run_checks

WORDS = sorted({w for words in scenarios.TOPICS.values() for w in words.split()} | set(scenarios.SMALL_WORDS))
SPACE = np.random.default_rng(3).standard_normal((len(WORDS), 24))
TURN = np.linalg.qr(np.random.default_rng(4).standard_normal((24, 24)))[0]


def encode(texts: list[str], *, turn: np.ndarray | None = None) -> np.ndarray:
    """A tiny encoder: the words' directions added up, of length 1."""
    place = {w: i for i, w in enumerate(WORDS)}
    counts = np.zeros((len(texts), len(WORDS)))
    for row, text in enumerate(texts):
        for word in text.lower().rstrip(".").split():
            counts[row, place[word]] += 1
    made = counts @ SPACE
    made /= np.linalg.norm(made, axis=1)[:, None]
    return made if turn is None else made @ turn


def month(rng, make, *, topics=None, change=lambda x: x, turn=None) -> pl.DataFrame:
    frame = scenarios.with_notes(make(rng, rows=1500), rng, topics=topics)
    made = np.ascontiguousarray(change(encode(frame["note"].to_list(), turn=turn)), np.float32)
    return frame.with_columns(pl.Series("vector", made).arr.to_list())


def found(seed: int, *, as_text: bool = False, **now) -> list:
    rng = np.random.default_rng(seed)
    frames = [month(rng, scenarios.served), month(rng, scenarios.next_month, **now)]
    if as_text:
        texts = pl.concat_str(pl.lit("["), pl.col("vector").cast(pl.List(pl.String)).list.join(", "), pl.lit("]"))
        frames = [frame.with_columns(texts.alias("vector")) for frame in frames]
    case = worlds.case_of(Scenario(*frames, dict(scenarios.ROLES)))
    return list(EmbeddingChange().recognise(case))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_quiet_month_and_other_topics_are_no_other_encoder(seed):
    assert found(seed) == []
    assert found(seed, topics={"loan": 0.2, "health": 4.0, "claim": 0.2}) == []


@pytest.mark.slow
def test_other_topics_are_clusters_that_grew():
    rng = np.random.default_rng(1)
    frames = (
        month(rng, scenarios.served),
        month(rng, scenarios.next_month, topics={"health": 3.0, "loan": 1.0, "claim": 1.0}),
    )
    outcomes = {o.code: o for o in run_checks(worlds.case_of(Scenario(*frames, dict(scenarios.ROLES))))}
    (finding,) = outcomes[EmbeddingClusters.code].findings
    assert finding.severity.rank >= 2
    assert "grew" in finding.summary


@pytest.mark.parametrize("seed", range(3))
def test_a_turned_space_is_another_encoder_and_is_turned_back(seed):
    (hypothesis,) = found(seed, turn=TURN)
    assert hypothesis.kind == CauseKind.PREPROCESSING_CHANGE
    assert "another encoder" in hypothesis.seen


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda x: x * 0.3, "normalised"),
        (lambda x: x * np.linspace(0.4, 2.5, len(x))[:, None], "normalised"),
        (lambda x: x[:, :16], "16 numbers, 24 before"),
    ],
    ids=["scaled", "unnormalised", "cut"],
)
def test_norm_and_dimension(change, word):
    (hypothesis,) = found(0, change=change)
    assert word in hypothesis.seen


def test_vectors_written_as_text_are_read_too():
    assert found(0, as_text=True) == []
    (hypothesis,) = found(0, as_text=True, change=lambda x: x * 0.3)
    assert "normalised" in hypothesis.seen
