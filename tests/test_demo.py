"""The simulated story: reproducible, plainly simulated, and such a drop as it tells of."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import f1_score, recall_score

from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Action, Verdict
from backslide.demo import story
from backslide.demo.desk import MODEL_VERSION, serve, train
from backslide.demo.simulate import CLASSES, FEATURES, SimulatedPeriod, documents

SCORES = [f"p_{name}" for name in CLASSES]
WEEK = SimulatedPeriod(date(2026, 2, 2), days=7)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, pl.DataFrame, pl.DataFrame]:
    """The prepared folder: its settings and both logs."""
    out = tmp_path_factory.mktemp("demo")
    settings = story.prepare(out)
    return settings, pl.read_parquet(out / story.REFERENCE_FILE), pl.read_parquet(out / story.CURRENT_FILE)


def _recall(log: pl.DataFrame, name: str) -> float:
    reviewed = log.drop_nulls("category")
    return float(recall_score(reviewed["category"], reviewed["predicted"], labels=[name], average="macro"))


def _f1(log: pl.DataFrame, name: str) -> float:
    reviewed = log.drop_nulls("category")
    return float(f1_score(reviewed["category"], reviewed["predicted"], labels=[name], average="macro"))


def _accuracy(log: pl.DataFrame) -> float:
    reviewed = log.drop_nulls("category")
    return float((reviewed["category"] == reviewed["predicted"]).mean())


def _confidence(log: pl.DataFrame) -> float:
    return float(log.select(pl.max_horizontal(SCORES).mean()).item())


def test_same_seed_same_documents():
    assert documents(WEEK, seed=3).equals(documents(WEEK, seed=3))
    assert not documents(WEEK, seed=3).equals(documents(WEEK, seed=4))


def test_documents_look_like_a_log():
    rows = documents(SimulatedPeriod(date(2026, 2, 2), days=28), seed=5)
    assert rows["document_id"].n_unique() == rows.height
    assert rows["document_id"].str.starts_with("SIM-").all()
    assert rows["received_at"].is_sorted()
    assert set(rows["category"].drop_nulls()) == set(CLASSES)
    assert 0.02 < rows["category"].null_count() / rows.height < 0.06
    per_day = rows.group_by(pl.col("received_at").dt.date().alias("day")).len()
    weekend = pl.col("day").dt.weekday() > 5
    assert per_day.height == 28
    assert per_day.filter(weekend)["len"].max() < per_day.filter(~weekend)["len"].min()


def test_the_fault_changes_the_unit_and_nothing_else():
    percent = documents(WEEK, seed=6)
    fraction = documents(replace(WEEK, ocr_as_fraction=True), seed=6)
    assert fraction.drop("ocr_confidence").equals(percent.drop("ocr_confidence"))
    np.testing.assert_allclose(fraction["ocr_confidence"] * 100, percent["ocr_confidence"])
    assert percent["ocr_confidence"].is_between(20, 100).all()


def test_email_growth_moves_the_channel():
    def share(growth: float) -> float:
        rows = documents(replace(WEEK, days=14, email_growth=growth), seed=7)
        return float((rows["source"] == "email").mean())

    assert share(2.5) > share(1.0) + 0.1


@pytest.mark.slow
def test_served_scores_are_the_model_s_own(desk):
    _, reference, _ = desk
    np.testing.assert_allclose(reference.select(SCORES).sum_horizontal(), 1.0, atol=1e-9)
    best = reference.select(pl.concat_list(SCORES).list.arg_max()).to_series()
    assert [CLASSES[i] for i in best] == reference["predicted"].to_list()
    assert reference["model_version"].unique().to_list() == [MODEL_VERSION]


def test_the_saved_model_replays_the_log_exactly(desk):
    from backslide.models.load import load_model

    settings, reference, current = desk
    path = settings.base / str(settings.artifacts.reference_model)
    model = load_model(str(path), trusted=True)
    assert model.classes == CLASSES
    for log in (reference, current):
        head = log.head(300)
        answer = model.answer(head.select(FEATURES))
        np.testing.assert_allclose(answer.scores, head.select(SCORES).to_numpy(), atol=1e-12)


def test_the_drop_is_silent(desk):
    """Accuracy hardly moves, confidence sinks, and court filings are missed: what the story says of itself."""
    _, reference, current = desk
    assert abs(_accuracy(current) - _accuracy(reference)) < 0.01
    assert _confidence(current) < _confidence(reference) - 0.02
    assert _recall(current, "court_filing") < _recall(reference, "court_filing") - 0.05
    assert _f1(current, "court_filing") < _f1(reference, "court_filing") - 0.03


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_unit_is_to_blame_whatever_the_seed(seed: int):
    """The same documents in the right unit: the hit class and the confidence come back."""
    model = train(documents(story.TRAINING, seed))
    broken = serve(model, documents(story.CURRENT, seed))
    intact = serve(model, documents(replace(story.CURRENT, ocr_as_fraction=False), seed))
    lost = {name: _recall(intact, name) - _recall(broken, name) for name in CLASSES}
    assert max(lost, key=lambda name: lost[name]) == "court_filing"
    assert lost["court_filing"] > 0.04
    assert _f1(intact, "court_filing") - _f1(broken, "court_filing") > 0.02
    assert _confidence(intact) - _confidence(broken) > 0.02


def test_everything_says_that_it_is_simulated(desk):
    settings, reference, current = desk
    written = {path.name for path in settings.base.iterdir()}
    assert all(name.startswith("simulated_") for name in written - {story.CONFIG_FILE})
    assert "simulated" in settings.model.name
    assert "simulated" in story.STORY.lower()
    for log in (reference, current):
        assert log["document_id"].str.starts_with("SIM-").all()


def test_configuration_names_columns_that_exist(desk):
    settings, reference, current = desk
    assert tomllib.loads(story.configuration())["model"]["metric"] == "accuracy"
    assert settings.model.features == FEATURES
    for log in (reference, current):
        assert {*settings.model.columns().values(), *FEATURES} <= set(log.columns)


@pytest.mark.slow  # everywhere else: the story that is told by default, tests/test_demo_letters.py
def test_the_whole_story_ends_in_a_verified_cause(tmp_path: Path):
    stages: list[str] = []
    diagnosis, page = story.run(tmp_path / "demo", stages.append)
    assert diagnosis.verdict == Verdict.DEGRADED_IN_PART
    assert [part.name for part in diagnosis.parts] == ["court_filing"]
    (cause,) = diagnosis.causes
    assert (cause.kind, cause.features) == (CauseKind.UNIT_CHANGE, ("ocr_confidence",))
    assert cause.confidence == Confidence.VERIFIED
    assert cause.points is not None
    assert cause.points.estimate < -0.03
    assert diagnosis.decision.action == Action.FIX_UPSTREAM_DATA
    assert any("confidence" in words for words in diagnosis.warnings)
    assert page.read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert type(diagnosis).from_json((tmp_path / "demo" / story.JSON_FILE).read_text(encoding="utf-8")) == diagnosis
    assert len(stages) >= 3
    faults = [c for c in diagnosis.harmless if c.kind.family == "data fault"]
    assert not faults, f"more e-mail is no fault, yet named: {faults[0].summary}"
