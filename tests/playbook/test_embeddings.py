"""Columns of vectors through a whole diagnosis: however they are written, and whatever is wrong with some of them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import backslide as bs
import worlds
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.contracts.finding import Outcome, Severity, Status
from backslide.playbook.base import Scenario
from backslide.playbook.drift.embedding.clusters import EmbeddingClusters
from backslide.playbook.drift.embedding.drift import EmbeddingDrift
from backslide.playbook.drift.embedding.health import EmbeddingHealth
from backslide.playbook.runner import control_false_discoveries
from scale import runs

ROLES = {"label": "label", "prediction": "prediction", "timestamp": "at", "features": ["x", "vector"], "id": "id"}
CODES = ("DRF013", "DRF014", "DRF015")


def month(
    rng: np.random.Generator, month: int, rows: int = 800, size: int = 8, shares: tuple[float, ...] = (0.5, 0.3, 0.2)
) -> pl.DataFrame:
    """Three topics, whose vectors lie around three places."""
    topic = rng.choice(3, rows, p=shares)
    centres = np.random.default_rng(5).normal(size=(3, size)) * 2
    vectors = centres[topic] + rng.normal(size=(rows, size))
    label = np.where(rng.random(rows) < 0.3 + 0.2 * topic, "yes", "no")
    when = [datetime(2026, month, 1) + timedelta(days=float(d)) for d in np.sort(rng.uniform(0, 28, rows))]
    return pl.DataFrame(
        {
            "at": when,
            "id": [f"{month}-{i}" for i in range(rows)],
            "x": rng.normal(size=rows),
            "vector": pl.Series(vectors).arr.to_list(),
            "label": label,
            "prediction": np.where(topic == 2, "yes", "no"),
        }
    )


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.Series("vector", [json.dumps(v) for v in frame["vector"].to_list()]))


WRITTEN = {
    "lists": lambda f: f,
    "arrays": lambda f: f.with_columns(pl.col("vector").list.to_array(8)),
    "floats of 32 bit": lambda f: f.with_columns(pl.col("vector").cast(pl.List(pl.Float32))),
    "text": as_text,
    "pandas": lambda f: f.to_pandas().assign(vector=[np.asarray(v) for v in f["vector"].to_list()]),
}


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "way", [way if way in ("lists", "text") else pytest.param(way, marks=pytest.mark.slow) for way in WRITTEN]
)
def test_however_vectors_are_written_a_topic_that_grew_is_found(way: str):
    rng = np.random.default_rng(1)
    frames = [month(rng, 3), month(rng, 4, shares=(0.2, 0.3, 0.5))]
    made = [WRITTEN[way](f) for f in frames]
    found = bs.diagnose(reference=made[0], current=made[1], roles=bs.Roles(**{**ROLES, "features": ("x", "vector")}))
    by_code = {o.code: o for o in found.checks}
    assert all(by_code[code].status is Status.RAN for code in CODES)
    assert by_code["DRF013"].severity.rank >= Severity.WARN.rank
    assert by_code["DRF015"].severity.rank >= Severity.WARN.rank
    assert not [
        c for c in (*found.causes, *found.harmless) if "vector" in c.features and c.kind.value == "preprocessing_change"
    ]
    assert "vector" in found.to_html()


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("check", [EmbeddingDrift, EmbeddingHealth, EmbeddingClusters])
def test_quiet_pairs_stay_quiet(check: type):
    rng = np.random.default_rng(2)
    said, pairs = 0, runs(16, 40)
    for _ in range(pairs):
        case = worlds.case_of(Scenario(month(rng, 3, 500), month(rng, 4, 500), ROLES))
        outcome = Outcome(
            code=check.code,
            title=check.title,
            step=check.step,
            status=Status.RAN,
            findings=tuple(check(check.thresholds).run(case)),
        )
        (controlled,) = control_false_discoveries((outcome,), {check.code}, case.settings.engine.false_discovery_rate)
        said += controlled.severity.rank >= Severity.WARN.rank
    assert said <= runs(1, 2), (
        f"{said} of {pairs}; at most 1 % are stated, and more than 2 of 40 have a chance of 0.7 %"
    )


def test_whatever_is_wrong_with_some_vectors_the_run_goes_on_and_says_so():
    rng = np.random.default_rng(3)
    reference, current = month(rng, 3), month(rng, 4)
    vectors = current["vector"].to_list()
    for i in range(0, 800, 8):
        vectors[i] = [None, [], [0.0] * 8, [float("nan")] * 8, [1.0, 2.0], [float("inf")] * 8, [7.0] * 8, None][
            (i // 8) % 8
        ]
    current = current.with_columns(pl.Series("vector", vectors, dtype=pl.List(pl.Float64)))
    found = worlds.diagnosis_of(Scenario(reference, current, ROLES))
    assert not [o for o in found.checks if o.status is Status.FAILED]
    health = next(o for o in found.checks if o.code == "DRF014")
    assert health.severity.rank >= Severity.WARN.rank


def test_another_dimension_is_named():
    rng = np.random.default_rng(4)
    found = worlds.diagnosis_of(Scenario(month(rng, 3), month(rng, 4, size=12), ROLES))
    told = [c for c in (*found.causes, *found.harmless) if c.kind.value == "preprocessing_change"]
    assert [c.features for c in told] == [("vector",)]
    assert "vectors of 12 numbers, 8 before" in told[0].summary


FUNCTION = """
import numpy as np

def embed(texts):
    return np.array([[len(t), t.count("e"), t.count(" "), t.count("a")] for t in texts], float)

def broken(texts):
    raise RuntimeError("no GPU here")

def short(texts):
    return np.zeros((1, 3))
"""


def written(rng: np.random.Generator, number: int, *, long: bool) -> pl.DataFrame:
    said = "a letter on the delivery of seven chairs that never came and the refund we asked for"
    words = np.array(said.split(), object)
    texts = [" ".join(words[rng.integers(len(words), size=rng.integers(8, 30 if long else 16))]) for _ in range(600)]
    return month(rng, number, 600).drop("vector").with_columns(pl.Series("note", texts))


@pytest.mark.slow
@pytest.mark.usefixtures("contained")
def test_texts_are_embedded_by_the_users_own_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "own_vectors.py").write_text(FUNCTION)
    monkeypatch.syspath_prepend(str(tmp_path))
    rng = np.random.default_rng(5)
    frames = [written(rng, 3, long=False), written(rng, 4, long=True)]

    def diagnosed(name: str) -> bs.Diagnosis:
        model = {**ROLES, "name": "notes", "features": ["x", "note"], "embed": {"note": f"own_vectors:{name}"}}
        return bs.diagnose(
            reference=frames[0],
            current=frames[1],
            settings=Settings.from_dict({"model": model}, where="test"),
            trusted=True,
        )

    outcome = next(o for o in diagnosed("embed").checks if o.code == "DRF013")
    assert outcome.status is Status.RAN
    assert outcome.severity.rank >= Severity.WARN.rank
    for name, words in {"broken": "no GPU here", "short": "vectors of one dimension"}.items():
        found = diagnosed(name)
        failed = next(o for o in found.checks if o.code == "DRF013")
        assert failed.status is Status.FAILED
        assert words in failed.reason
        assert any(words in warning for warning in found.warnings)
    with pytest.raises(ConfigError, match="gone"):
        diagnosed("gone")
