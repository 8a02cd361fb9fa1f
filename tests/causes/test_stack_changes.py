"""Snapshots in the main job: the specific name for what a replay proves, a suspicion where nothing can be replayed."""

from __future__ import annotations

import json
from copy import deepcopy

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer

import backslide
from backslide.contracts.config import Settings
from backslide.contracts.errors import InputError
from backslide.contracts.snapshot import Snapshot
from backslide.models.load import load_model
from backslide.stack.restore import with_state

N = 2500
ROLES = {
    "label": "label",
    "prediction": "prediction",
    "scores": {"yes": "p_yes"},
    "timestamp": "at",
    "features": ["a", "b", "c"],
}


def served(rng, model, start):
    """A month of rows with what ``model`` answers."""
    rows = pd.DataFrame({name: rng.lognormal(0, 0.6, N) for name in "abc"})
    labels = np.where(1.5 * np.log(rows["a"]) - np.log(rows["b"]) + rng.logistic(size=N) * 0.6 > 0, "yes", "no")
    scores = model.predict_proba(rows)[:, 1]
    frame = pl.DataFrame({name: rows[name].to_numpy() for name in "abc"})
    return frame.with_columns(
        label=pl.Series(labels),
        p_yes=pl.Series(scores),
        prediction=pl.Series(np.where(scores >= 0.5, "yes", "no")),
        at=pl.Series(pd.date_range(start, periods=N, freq="15min").to_numpy()),
    )


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A power transformer whose exponents were fitted again in production; windows, models and snapshots."""
    folder = tmp_path_factory.mktemp("stacks")
    rng = np.random.default_rng(5)
    rows = pd.DataFrame({name: rng.lognormal(0, 0.6, 3000) for name in "abc"})
    labels = np.where(1.5 * np.log(rows["a"]) - np.log(rows["b"]) + rng.logistic(size=3000) * 0.6 > 0, "yes", "no")
    good = make_pipeline(PowerTransformer(standardize=False), LogisticRegression()).fit(rows, labels)
    bad = deepcopy(good)
    bad[0].lambdas_ = bad[0].lambdas_ + np.array([1.6, 0.0, 0.0])
    taken = [backslide.snapshot(model, rows, name=name, base=folder) for model, name in ((good, "v1"), (bad, "v2"))]
    for snapshot in taken:
        snapshot.to_json(folder / f"{snapshot.name}.json")
    return folder, good, bad, taken, served(rng, good, "2026-03-01"), served(rng, bad, "2026-04-01")


def diagnosed(story, model, *, quick=True, **artifacts):
    folder, _, _, _, reference, current = story
    settings = Settings.from_dict({"model": ROLES, "artifacts": artifacts}, base=folder)
    return backslide.diagnose(reference, current, settings=settings, reference_model=model, quick=quick)


def test_the_replayed_change_gets_the_name_that_the_snapshots_give_it(story):
    found = diagnosed(story, story[1], quick=False, reference_snapshot="v1.json", current_snapshot="v2.json")
    first = found.causes[0]
    assert (first.kind, first.features, first.confidence) == ("scaler_refit", ("a",), "proven")
    assert "INT003:powertransformer" in first.evidence
    lost = -found.metric.change.estimate
    assert first.repair.points_back.estimate > 0.8 * lost
    assert found.decision.action == "fix_pipeline"
    assert not any("is set and not evaluated" in note for note in found.inputs.notes)
    steps = {o.code: o for o in found.checks}
    assert steps["INT003"].severity == "fail"


def test_the_saved_model_stands_in_for_the_first_snapshot(story):
    found = diagnosed(story, story[1], current_snapshot="v2.json")
    assert found.causes[0].kind == "scaler_refit"


@pytest.mark.slow
def test_without_snapshots_it_is_another_model(story):
    assert diagnosed(story, story[1]).causes[0].kind == "model_change"


def test_without_a_model_it_is_supported_by_the_golden_rows_and_priced_by_a_stand_in(story):
    found = diagnosed(story, None, reference_snapshot="v1.json", current_snapshot="v2.json")
    assert found.verdict == "degraded"
    ours = [c for c in found.causes if c.kind.family == "our own change"]
    assert [(c.kind, c.confidence) for c in ours] == [("scaler_refit", "supported")]
    assert ours[0].points.estimate == pytest.approx(found.metric.change.estimate, abs=0.05)
    assert [c.rank for c in found.causes] == list(range(1, len(found.causes) + 1))
    assert backslide.Diagnosis.from_dict(json.loads(found.to_json())) == found


@pytest.mark.slow
def test_nothing_is_named_when_nothing_is_worse(story):
    folder, good, _, _, reference, _ = story
    again = served(np.random.default_rng(9), good, "2026-04-01")
    settings = Settings.from_dict(
        {"model": ROLES, "artifacts": {"reference_snapshot": "v1.json", "current_snapshot": "v2.json"}}, base=folder
    )
    for model in (good, None):
        found = backslide.diagnose(reference, again, settings=settings, reference_model=model, quick=True)
        assert found.causes == ()


@pytest.mark.slow
def test_a_library_is_named_where_golden_rows_prove_it(story):
    folder, good, _, (first, second), *_ = story
    held = first.environment.distributions | {"scikit-learn": "99.0"}
    later = first.model_copy(
        update={"golden": second.golden, "environment": first.environment.model_copy(update={"distributions": held})}
    )
    later.to_json(folder / "library.json")
    found = diagnosed(story, good, reference_snapshot="v1.json", current_snapshot="library.json")
    assert (found.causes[0].kind, found.causes[0].confidence) == ("library_change", "proven")
    assert "INT001:scikit-learn" in found.causes[0].evidence


def test_a_snapshot_that_cannot_be_read_is_an_error_before_any_work(story):
    with pytest.raises(InputError, match=r"none\.json"):
        diagnosed(story, None, reference_snapshot="v1.json", current_snapshot="none.json")


def test_a_restored_model_answers_as_the_other_stack_did(story):
    _, good, bad, (first, second), _, current = story
    model = with_state(load_model(good), first, Snapshot.from_dict(second.to_dict()))
    rows = current.select("a", "b", "c")
    assert np.allclose(model.answer(rows).scores, load_model(bad).answer(rows).scores, rtol=0, atol=1e-12)
    assert with_state(load_model(good), first, second.model_copy(update={"fitted": second.fitted[:-1]})) is None


def test_a_difference_is_not_suspected_where_a_data_fault_explains_the_drop(story):
    folder, good, _, _, reference, _ = story
    again = served(np.random.default_rng(9), good, "2026-04-01").with_columns(pl.col("a") * 1000)
    scores = good.predict_proba(again.select("a", "b", "c").to_pandas())[:, 1]
    again = again.with_columns(p_yes=pl.Series(scores), prediction=pl.Series(np.where(scores >= 0.5, "yes", "no")))
    settings = Settings.from_dict(
        {"model": ROLES, "artifacts": {"reference_snapshot": "v1.json", "current_snapshot": "v2.json"}}, base=folder
    )
    found = backslide.diagnose(reference, again, settings=settings, quick=True)
    assert [(c.kind, c.features) for c in found.causes] == [("unit_change", ("a",))]
