"""The main job from the outside: every way in, every promise of the answer, every error in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest

import backslide as bs
import worlds
from backslide.contracts.diagnosis import Action, Verdict
from backslide.contracts.errors import BackslideError, ColumnError, ConfigError, LabelError, SourceError, UntrustedError
from backslide.contracts.finding import Status
from backslide.jobs.diagnose import diagnose
from backslide.playbook import scenarios
from scale import runs

pytestmark = pytest.mark.core

ROLES = bs.Roles(
    label="label", prediction="prediction", scores={"yes": "p_yes"}, timestamp="served_at", features=worlds.FEATURES
)


@pytest.fixture(scope="module")
def months():
    scenario = worlds.model_change(np.random.default_rng(7))
    return scenario.reference, scenario.current


@pytest.fixture(scope="module")
def answer(months):
    return bs.diagnose(*months, roles=ROLES, reference_model=scenarios.TrueModel(), name="loans")


@pytest.fixture(scope="module")
def causes(months):
    """The same without the checks that describe."""
    return causes_of(*months, roles=ROLES, reference_model=scenarios.TrueModel(), name="loans")


def causes_of(*windows: Any, **options: Any) -> bs.Diagnosis:
    """Verdict and causes, for what does not look at checks."""
    return bs.diagnose(*windows, quick=True, **options)


def as_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: frame[name].to_list() for name in frame.columns})


def nearly(one: Any, two: Any, where: str = "") -> None:
    """Equal but for the last digits: sums over threads come in any order."""
    if isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            nearly(one[key], two[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(two), where
        for index, (a, b) in enumerate(zip(one, two, strict=True)):
            nearly(a, b, f"{where}[{index}]")
    elif isinstance(one, float) and isinstance(two, float):
        assert one == pytest.approx(two, rel=1e-6, abs=1e-9), where
    else:
        assert one == two, where


def same(one: bs.Diagnosis, two: bs.Diagnosis) -> None:
    """Equal but for where the rows came from."""
    drop = {"inputs": {"sources", "notes"}, "model": True}
    nearly(*(d.model_dump(mode="json", exclude=drop) for d in (one, two)))


@pytest.mark.slow
def test_the_answer_says_what_went_in(months, answer):
    inputs = answer.inputs
    assert answer.model == "loans"
    assert inputs.task == "binary"
    assert inputs.classes == ("no", "yes")
    assert inputs.features == worlds.FEATURES
    assert inputs.rows == inputs.labelled == inputs.sampled
    assert (inputs.rows.reference, inputs.rows.current) == (3000, 3000)
    assert set(inputs.periods) == {"reference", "current"}
    assert inputs.periods["reference"].days == 28
    assert inputs.periods["reference"].end < inputs.periods["current"].start
    assert {"python", "polars", "numpy", "scikit-learn"} <= set(inputs.versions)


@pytest.mark.slow
def test_the_metric_is_the_metric_of_all_rows(months, answer):
    before, after = map(worlds.accuracy, months)
    assert answer.metric.name == "accuracy"
    assert answer.metric.reference == pytest.approx(before, abs=1e-12)
    assert answer.metric.current == pytest.approx(after, abs=1e-12)
    assert answer.metric.change.estimate == pytest.approx(after - before, abs=1e-12)
    assert answer.verdict == Verdict.DEGRADED
    assert answer.decision.action == Action.ROLL_BACK


@pytest.mark.slow
def test_the_same_input_gives_the_same_answer(months, answer):
    again = bs.diagnose(*months, roles=ROLES, reference_model=scenarios.TrueModel(), name="loans")
    nearly(again.to_dict(), answer.to_dict())


def test_nothing_is_checked_twice_and_everything_once(answer):
    codes = [outcome.code for outcome in answer.checks]
    assert len(set(codes)) == len(codes)
    texts, vectors = {f"DRF{n:03d}" for n in range(9, 13)}, {f"DRF{n:03d}" for n in range(13, 16)}
    left_out = {"VER006", "DRF005", *texts, *vectors, "INT001", "INT002", "INT003"}
    assert {o.code for o in answer.checks if o.status != Status.RAN} == left_out, (
        "no segments and no snapshots were given, there is no date but the timestamp, no running text and no vector"
    )


@pytest.mark.parametrize(
    "way", ["pandas", "parquet", *(pytest.param(way, marks=pytest.mark.slow) for way in ("lazy", "csv", "path"))]
)
def test_every_way_in_gives_the_same_answer(months, answer, causes, way, tmp_path):
    windows = list(months)
    if way == "pandas":
        windows = [as_pandas(frame) for frame in months]
    elif way == "lazy":
        windows = [frame.lazy() for frame in months]
    else:
        for i, frame in enumerate(months):
            suffix = "csv" if way == "csv" else "parquet"
            path = tmp_path / f"{i}.{suffix}"
            frame.write_csv(path) if way == "csv" else frame.write_parquet(path)
            windows[i] = path if way == "path" else str(path)
    whole = way == "pandas"  # the checks read the same profile whatever the way
    diagnosis = bs.diagnose(*windows, roles=ROLES, reference_model=scenarios.TrueModel(), quick=not whole)
    same(diagnosis, answer if whole else causes)


def test_frames_that_are_given_are_not_changed(months):
    windows = [as_pandas(frame[:400]) for frame in months]
    copies = [frame.copy() for frame in windows]
    causes_of(*windows, roles=ROLES)
    for frame, copy in zip(windows, copies, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


@pytest.mark.slow
def test_a_configuration_file_gives_the_same_answer(months, causes, tmp_path: Path):
    for name, frame in zip(("march", "april"), months, strict=True):
        frame.write_parquet(tmp_path / f"{name}.parquet")
    joblib.dump(scenarios.TrueModel(), tmp_path / "model.joblib")
    features = ", ".join(f'"{f}"' for f in worlds.FEATURES)
    (tmp_path / "backslide.toml").write_text(
        f"""
        [model]
        name = "loans"
        label = "label"
        prediction = "prediction"
        scores = {{ yes = "p_yes" }}
        timestamp = "served_at"
        features = [{features}]
        [windows]
        reference = "march.parquet"
        current = "april.parquet"
        [artifacts]
        reference_model = "model.joblib"
        trusted = true
        """
    )
    same(diagnose(settings=bs.Settings.load(tmp_path / "backslide.toml"), quick=True), causes)


def test_a_pickle_is_refused_unless_trusted(months, tmp_path: Path):
    joblib.dump(scenarios.TrueModel(), tmp_path / "model.joblib")
    with pytest.raises(UntrustedError, match="trusted"):
        causes_of(*months, roles=ROLES, reference_model=str(tmp_path / "model.joblib"))


def test_arguments_win_over_settings(months):
    settings = bs.Settings.from_dict({"model": {"label": "nothing", "min_effect": 0.3, "metric": "accuracy"}})
    diagnosis = causes_of(*months, settings=settings, roles=ROLES, metric="macro_f1")
    assert diagnosis.metric.name == "macro_f1"
    lenient = causes_of(
        *months, settings=settings.model_copy(update={"model": settings.model}), roles=ROLES, min_effect=0.01
    )
    assert lenient.verdict == Verdict.DEGRADED


@pytest.mark.slow
def test_what_is_material_is_the_users_choice(months):
    assert causes_of(*months, roles=ROLES, min_effect=0.5).verdict == Verdict.NO_MATERIAL_CHANGE
    assert causes_of(*months, roles=ROLES, min_effect=0.02).verdict == Verdict.DEGRADED


def test_an_improvement_is_no_degradation(months):
    turned = causes_of(months[1], months[0], roles=ROLES)
    assert turned.verdict == Verdict.IMPROVED
    assert turned.decision.action == Action.NONE
    assert not turned.verdict.bad


def test_a_sample_is_said_to_be_one(months):
    settings = bs.Settings.from_dict({"engine": {"sample_rows": 1000}})
    diagnosis = causes_of(*months, roles=ROLES, settings=settings, reference_model=scenarios.TrueModel())
    assert diagnosis.inputs.sampled.current == 1000
    assert diagnosis.metric.basis == "all"
    assert diagnosis.metric.change.estimate == pytest.approx(
        worlds.accuracy(months[1]) - worlds.accuracy(months[0]), abs=1e-12
    )
    points = diagnosis.causes[0].points
    assert (points.basis, points.n) == ("sample", 1000)
    explained = sum(c.points.estimate for c in diagnosis.causes) + diagnosis.unexplained.estimate
    assert explained == pytest.approx(diagnosis.metric.change.estimate, abs=1e-9)


def test_partial_labels_are_counted_and_the_rest_is_still_used(months):
    reference, current = months
    late = pl.Series(np.arange(current.height) % 3 == 0)
    current = current.with_columns(label=pl.when(late).then(None).otherwise(pl.col("label")))
    diagnosis = causes_of(reference, current, roles=ROLES, reference_model=scenarios.TrueModel())
    assert diagnosis.inputs.labelled.current == int((~late).sum())
    assert diagnosis.inputs.rows.current == 3000
    assert diagnosis.metric.current == pytest.approx(worlds.accuracy(current.drop_nulls("label")), abs=1e-12)
    assert diagnosis.causes[0].kind == "model_change"


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [("no", "yes"), (0, 1), (False, True), (0.0, 1.0), (3, 17)], ids=["text", "int", "bool", "float", "other"]
)
def test_the_type_of_labels_does_not_matter(months, answer, kind):
    """The same log with labels of another type: same verdict, same numbers."""
    from backslide.contracts.labels import label_text

    def rewritten(frame: pl.DataFrame) -> pl.DataFrame:
        columns = {c: pl.Series([kind[v == "yes"] for v in frame[c]]) for c in ("label", "prediction")}
        return frame.with_columns(**columns)

    roles = ROLES.model_copy(update={"scores": {label_text(kind[1]): "p_yes"}, "positive": label_text(kind[1])})
    diagnosis = causes_of(*map(rewritten, months), roles=roles)
    plain = causes_of(*months, roles=ROLES.model_copy(update={"positive": "yes"}))
    assert diagnosis.inputs.classes == tuple(map(label_text, kind))
    nearly(diagnosis.metric.model_dump(), plain.metric.model_dump())
    assert diagnosis.verdict == plain.verdict
    nearly(*([(c.kind.value, c.points.model_dump()) for c in d.causes] for d in (diagnosis, plain)))


@pytest.mark.slow
def test_a_quick_diagnosis_lists_what_it_left_out(answer, causes):
    """Verdict, causes and what makes the verdict are those of the whole; the checks that describe are listed as skipped."""
    skipped = [o for o in causes.checks if o.status == Status.SKIPPED]
    assert [o.code for o in causes.checks] == [o.code for o in answer.checks]
    assert len(skipped) > 20
    assert all("--quick" in o.reason and o.findings == () for o in skipped)
    assert {o.code for o in causes.checks if o.status == Status.RAN} >= {"VER001", "VER003"}
    nearly(*(d.metric.model_dump() for d in (causes, answer)))
    nearly(*([c.points.model_dump() for c in d.causes] for d in (causes, answer)))
    assert [(c.kind, c.features, c.confidence) for c in causes.causes] == [
        (c.kind, c.features, c.confidence) for c in answer.causes
    ]
    assert (causes.verdict, causes.decision.action) == (answer.verdict, answer.decision.action)


@pytest.mark.slow
def test_progress_is_told(months):
    said: list[str] = []
    bs.diagnose(*(frame[:300] for frame in months), roles=ROLES, progress=said.append)
    assert len(said) > 10
    assert all(said)


@pytest.mark.parametrize(
    ("roles", "error", "words"),
    [
        ({"label": "lable"}, ColumnError, ["lable", "did you mean 'label'"]),
        ({"prediction": "nope"}, ColumnError, ["nope"]),
        ({"scores": {"yes": "p_yess"}}, ColumnError, ["p_yess", "p_yes"]),
        ({"timestamp": "servd_at"}, ColumnError, ["servd_at", "served_at"]),
        ({"features": ("income", "agee")}, ColumnError, ["agee", "did you mean 'age'"]),
        ({"positive": "oui"}, ConfigError, ["oui"]),
        ({"scores": {"yes": "channel"}}, ColumnError, ["channel", "score of 'yes'", "features"]),
        ({"scores": {"yes": "channel"}, "features": ("income",)}, LabelError, ["channel", "numbers"]),
    ],
)
def test_wrong_roles_are_one_line(months, roles, error, words):
    with pytest.raises(error) as caught:
        bs.diagnose(*months, roles=ROLES.model_copy(update=roles))
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"metric": "acuracy"}, ConfigError),
        ({"metric": "mae"}, ConfigError),
        ({"task": "clustering"}, ConfigError),
        ({"min_effect": -0.1}, ConfigError),
        ({"reference": "nowhere/*.parquet"}, SourceError),
        ({"reference": None}, BackslideError),
        ({"reference": 5}, BackslideError),
        ({"reference": pl.DataFrame()}, BackslideError),
        ({"reference_model": 5}, BackslideError),
        ({"reference_model": "missing.joblib"}, BackslideError),
    ],
    ids=lambda v: str(v)[:40] if isinstance(v, dict) else v.__name__,
)
def test_wrong_arguments_are_one_line(months, options, error):
    with pytest.raises(error) as caught:
        bs.diagnose(**{"reference": months[0], "current": months[1], "roles": ROLES} | options)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) > 15


def test_an_empty_window_is_an_error_that_names_it(months):
    with pytest.raises(SourceError, match="current"):
        bs.diagnose(months[0], months[1][:0], roles=ROLES)


def test_one_row_is_enough_to_answer_that_nothing_can_be_said(months):
    diagnosis = bs.diagnose(months[0], months[1][:1], roles=ROLES, reference_model=scenarios.TrueModel())
    assert diagnosis.verdict == Verdict.INCONCLUSIVE
    assert "label" in diagnosis.detectable.note
    assert [o.code for o in diagnosis.checks if o.status == Status.FAILED] == []


def test_a_class_that_fell_behind_a_headline_that_held_is_a_degradation_in_part():
    rng = np.random.default_rng(5)

    def month(rows: int, right: dict[str, float]) -> pl.DataFrame:
        label = rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])
        keep = rng.random(rows) < np.array([right[v] for v in label])
        other = {"a": "b", "b": "a", "c": "a"}
        prediction = np.where(keep, label, [other[v] for v in label])
        return pl.DataFrame({"x": rng.normal(size=rows), "label": label.tolist(), "prediction": prediction.tolist()})

    frames = month(8000, {"a": 0.85, "b": 0.85, "c": 0.9}), month(8000, {"a": 0.90, "b": 0.90, "c": 0.6})
    diagnosis = causes_of(*frames, roles=bs.Roles(label="label", prediction="prediction"), metric="accuracy")
    assert diagnosis.verdict == Verdict.DEGRADED_IN_PART
    assert diagnosis.metric.change.estimate > -0.01
    assert [(p.kind, p.name, p.metric) for p in diagnosis.parts] == [("class", "c", "f1")]
    part = diagnosis.parts[0]
    assert part.change.estimate == pytest.approx(part.current - part.reference, abs=1e-12)
    explained = sum(c.points.estimate for c in diagnosis.causes if c.points) + diagnosis.unexplained.estimate
    assert explained == pytest.approx(part.change.estimate, abs=1e-9)
    assert "c" in diagnosis.summary


@pytest.mark.slow
@pytest.mark.rates
def test_random_halves_of_one_period_are_hardly_ever_degraded():
    rng = np.random.default_rng(6)
    bad = 0
    for _ in range(runs(12, 60)):
        frame = scenarios.served(rng, rows=2500, days=56)
        half = pl.Series(rng.random(frame.height) < 0.5)
        bad += causes_of(frame.filter(half), frame.filter(~half), roles=ROLES).verdict.bad
    assert bad <= runs(1, 2)
