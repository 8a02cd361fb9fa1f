"""A change of one's own done to a real pipeline, told through the command line: its kind, columns, proof and price."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import polars as pl
import pytest

import commands
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Verdict
from real import by_cli
from real.broken_stacks import WINDOW, Stack, by_frequency, encoder_of, fit_scaler, stack, turned
from scale import AT_FULL_SIZE, runs

pytestmark = pytest.mark.data
SCALER, PREPARED = CauseKind.SCALER_REFIT, CauseKind.PREPROCESSING_CHANGE


@dataclass(frozen=True)
class Change:
    """Which pipeline, and what was done to it for which rows."""

    period: str
    model: str
    kind: CauseKind
    serve: Callable[[Stack, pl.DataFrame], pl.DataFrame]
    columns: Callable[[Stack], set[str]]
    window: int = WINDOW

    @property
    def stack(self) -> Stack:
        return stack(self.period, self.model, self.window)


def refit_on(part: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Stack, pl.DataFrame], pl.DataFrame]:
    """The scaler was fitted again on some rows."""

    def serve(s: Stack, rows: pl.DataFrame) -> pl.DataFrame:
        chosen = s.frame(part(rows))
        return s.serve(rows, s.altered(lambda model: fit_scaler(model, chosen, s.numbers)))

    return serve


def refit_each(key: Callable[[pl.DataFrame], pl.Series]) -> Callable[[Stack, pl.DataFrame], pl.DataFrame]:
    """``fit_transform`` on every batch."""

    def serve(s: Stack, rows: pl.DataFrame) -> pl.DataFrame:
        parts = rows.with_columns(key(rows).alias("batch")).with_row_index("row").partition_by("batch")
        done = [refit_on(lambda part: part)(s, part) for part in parts]
        return pl.concat(done).sort("row").drop("row", "batch")

    return serve


def encoder(change: Callable[[Any, Stack, pl.DataFrame], None]) -> Callable[[Stack, pl.DataFrame], pl.DataFrame]:
    return lambda s, rows: s.serve(rows, s.altered(lambda model: change(model, s, rows)))


def another_order(column: str) -> Change:
    return Change(
        "census",
        "linear",
        PREPARED,
        encoder(lambda model, s, _: turned(model, s.levels.index(column))),
        lambda _: {column},
    )


def shuffled(period: str, *columns: str) -> Change:
    """Several columns at once, each in an order of nobody's."""

    def change(model: Any, s: Stack, _: pl.DataFrame) -> None:
        rng = np.random.default_rng(0)
        levels = encoder_of(model).categories_
        for k in map(s.levels.index, columns):
            known = [v for v in levels[k] if isinstance(v, str)]
            rest = [v for v in levels[k] if not isinstance(v, str)]
            levels[k] = np.array([*rng.permutation(np.array(known, object)), *rest], dtype=levels[k].dtype)

    return Change(period, "linear", PREPARED, encoder(change), lambda _: set(columns))


def rebuilt(model: Any, s: Stack, rows: pl.DataFrame) -> None:
    by_frequency(model, s.frame(rows), s.levels)


def reordered(s: Stack) -> set[str]:
    """Columns whose categories stand in another order."""
    after = s.altered(lambda model: rebuilt(model, s, s.current))
    pairs = zip(s.levels, encoder_of(s.model).categories_, encoder_of(after).categories_, strict=True)
    return {column for column, old, new in pairs if [str(v) for v in old] != [str(v) for v in new]}


def days(rows: pl.DataFrame) -> pl.Series:
    return rows["pickup_time"].dt.date()


def batches(rows: pl.DataFrame) -> pl.Series:
    return (pl.int_range(rows.height, eager=True) // 50) * 50 // 100


LONG_TRIPS = refit_on(lambda rows: rows.sort("trip_distance")[-600:])
CHANGES = {
    "census, scaler fitted on the old": Change(
        "census", "linear", SCALER, refit_on(lambda rows: rows.sort("agep")[-600:]), lambda s: set(s.numbers)
    ),
    "taxi, scaler fitted on long trips": Change("taxi", "linear", SCALER, LONG_TRIPS, lambda s: set(s.numbers)),
    "taxi, scaler fitted on each day": Change("taxi", "trees", SCALER, refit_each(days), lambda s: set(s.numbers)),
    "bank, scaler fitted on each batch": Change("bank", "trees", SCALER, refit_each(batches), lambda s: set(s.numbers)),
    "census, one column encoded in another order": another_order("schl"),
    "bank, one column encoded in another order": Change(
        "bank", "linear", PREPARED, encoder(lambda model, s, _: turned(model, s.levels.index("job"))), lambda _: {"job"}
    ),
    "census, three columns encoded in orders of nobody's": shuffled("census", "schl", "mar", "relp"),
    "census, encoder rebuilt": Change("census", "trees", PREPARED, encoder(rebuilt), reordered),
    "bank, encoder rebuilt": Change("bank", "trees", PREPARED, encoder(rebuilt), reordered, 9000),
}


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("change", list(CHANGES.values())[:: runs(2, 1)], ids=list(CHANGES)[:: runs(2, 1)])
def test_it_is_proven_first_with_its_columns_and_points(change, tmp_path):
    s = change.stack
    served = change.serve(s, s.current)
    d = by_cli.diagnose(tmp_path, s.reference, served, s.roles, model=s.model, quick=True).diagnosis
    assert d.verdict is Verdict.DEGRADED
    named = d.causes[0]
    assert (named.kind, named.confidence) == (change.kind, Confidence.PROVEN), named.summary
    assert set(named.features) == change.columns(s)
    assert named.share_of_rows == pytest.approx(1.0, abs=0.2)
    harm = s.value(served, d.metric.name) - s.value(s.current, d.metric.name)
    assert named.points.estimate == pytest.approx(harm, rel=0.1, abs=1e-9)
    assert named.repair.points_back.estimate == pytest.approx(abs(harm), rel=0.1, abs=1e-9)


EQUAL = [
    ("census", "linear"),
    ("bank", "trees"),
    ("taxi", "linear"),
    ("census", "trees"),
    ("bank", "linear"),
    ("taxi", "trees"),
]


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize(("name", "kind"), EQUAL[: runs(3, 6)])
def test_nothing_is_named_where_old_and_new_are_equal(name, kind, tmp_path):
    s = stack(name, kind)
    d = by_cli.diagnose(tmp_path, s.reference, s.current, s.roles, model=s.model, quick=True).diagnosis
    assert d.verdict is not Verdict.DEGRADED
    assert [c.summary for c in (*d.causes, *d.harmless)] == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "column"), [("census", "agep"), ("taxi", "trip_distance")])
def test_what_the_model_was_given_tells_a_refit_that_no_answer_tells(name, column, tmp_path):
    """Behind trees, on rows that no log holds: the logged inputs tell it, without a second snapshot."""
    s = stack(name, "trees")
    broken = s.altered(lambda model: fit_scaler(model, s.frame(s.reference.sort(column)[-500:]), s.numbers))
    served = s.serve(s.current, broken)
    windows = [
        pl.concat([rows, given_to(model, s, rows)], how="horizontal")
        for rows, model in ((s.reference, s.model), (served, broken))
    ]
    d = by_cli.diagnose(tmp_path, *windows, s.roles | {"inputs": "given_*"}, model=s.model, quick=True).diagnosis
    first = d.causes[0]
    assert (first.kind, first.confidence) == (SCALER, Confidence.PROVEN), first.summary
    assert set(first.features) == set(s.numbers)
    harm = s.value(served, d.metric.name) - s.value(s.current, d.metric.name)
    assert first.points.estimate == pytest.approx(harm, rel=0.1)


def given_to(model: Any, s: Stack, rows: pl.DataFrame) -> pl.DataFrame:
    made = model[:-1].transform(s.frame(rows))
    return pl.DataFrame(made, schema=[f"given_{name}" for name in model[:-1].get_feature_names_out()])


# --- with snapshots ----------------------------------------------------------------------------------------------------


def backslide(folder: Path, *arguments: str, code: int = 0, path: Path | None = None) -> str:
    """One command; in a process of its own where a folder of libraries is to stand in front."""
    if path is None:
        here = commands.backslide(folder, *arguments)
        assert here.code == code, here.out + here.err
        return here.out
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])}
    ran = subprocess.run(
        [sys.executable, "-m", "backslide", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout


def with_snapshots(
    folder: Path,
    s: Stack,
    served: pl.DataFrame,
    models: tuple[str, str],
    paths: tuple[Path | None, Path | None] = (None, None),
    *,
    code: int = 1,
) -> tuple[Any, dict[str, Any]]:
    """Snapshots of both stacks, their comparison and the diagnosis, each by its command."""
    s.reference.write_parquet(folder / "reference.parquet")
    served.write_parquet(folder / "current.parquet")
    first = ("--model", models[0], "--data", "reference.parquet", "--out", "v1.snapshot.json")
    second = ("--model", models[1], "--against", "v1.snapshot.json", "--out", "v2.snapshot.json")
    backslide(folder, "snapshot", *first, path=paths[0])
    backslide(folder, "snapshot", *second, path=paths[1])
    ran = backslide(folder, "integrity", "v1.snapshot.json", "v2.snapshot.json", "--json", "-", code=code)
    artifacts = {
        "reference_model": models[0],
        "trusted": True,
        "reference_snapshot": "v1.snapshot.json",
        "current_snapshot": "v2.snapshot.json",
    }
    windows = {"reference": "reference.parquet", "current": "current.parquet"}
    sections = {"model": s.roles, "windows": windows, "artifacts": artifacts}
    (folder / "backslide.toml").write_text(by_cli._toml(sections), encoding="utf-8")
    backslide(folder, "diagnose", "backslide.toml", "--json", "d.json", "-q", "--quick", code=code, path=paths[0])
    return json.loads(ran), json.loads((folder / "d.json").read_text(encoding="utf-8"))


@pytest.mark.rates
@pytest.mark.parametrize(
    ("name", "column"), [("census", "agep"), ("taxi", "trip_distance")][0 if AT_FULL_SIZE else 1 :]
)
def test_a_refit_on_rows_that_no_log_holds_is_proven_by_the_snapshots(name, column, tmp_path):
    """Behind trees no answer tells a scale; the second snapshot does, and the saved model with it gives what was served."""
    s = stack(name, "trees")
    elsewhere = s.frame(s.reference.sort(column)[-500:])
    broken = s.altered(lambda model: fit_scaler(model, elsewhere, s.numbers))
    served = s.serve(s.current, broken)
    joblib.dump(s.model, tmp_path / "v1.joblib")
    joblib.dump(broken, tmp_path / "v2.joblib")
    differences, d = with_snapshots(tmp_path, s, served, ("v1.joblib", "v2.joblib"))
    assert differences["differences"][0]["kind"] == "scaler_refit"
    first = d["causes"][0]
    assert (first["kind"], first["confidence"]) == ("scaler_refit", "proven")
    assert set(first["features"]) == set(s.numbers)
    harm = s.value(served, d["metric"]["name"]) - s.value(s.current, d["metric"]["name"])
    assert first["points"]["estimate"] == pytest.approx(harm, rel=0.1)


@pytest.mark.rates
@pytest.mark.parametrize("name", ["census", "taxi"] if AT_FULL_SIZE else ["taxi"])
def test_nothing_is_named_where_both_snapshots_are_of_one_stack(name, tmp_path):
    s = stack(name, "trees")
    joblib.dump(s.model, tmp_path / "v1.joblib")
    differences, d = with_snapshots(tmp_path, s, s.current, ("v1.joblib", "v1.joblib"), code=0)
    assert differences["differences"] == []
    assert [*d["causes"], *d["harmless"]] == []


LIBRARY = '''
import numpy as np

__version__ = "{version}"


def prepared(frame):
    """Skewed amounts on a scale that models like."""
    done = frame.copy()
    for name in {columns}:
        done[name] = {formula}
    return done
'''
FORMULAS = {"1.4.2": "np.log1p(done[name].clip(lower=0))", "2.0.0": "np.log10(1 + done[name].clip(lower=0))"}


def library(folder: Path, version: str, columns: list[str]) -> Path:
    """A distribution as an installer leaves it."""
    place = folder / f"site-{version}"
    package, info = place / "amounts", place / f"amounts-{version}.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    text = LIBRARY.format(version=version, columns=columns, formula=FORMULAS[version])
    (package / "__init__.py").write_text(text, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: amounts\nVersion: {version}\n", encoding="utf-8")
    (info / "RECORD").write_text("amounts/__init__.py,,\n", encoding="utf-8")
    (info / "top_level.txt").write_text("amounts\n", encoding="utf-8")
    return place


TRAIN_AND_SERVE = """
import joblib, sys
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
import amounts

what, place = sys.argv[1:]
given = joblib.load("given.joblib")
if what == "train":
    step = FunctionTransformer(amounts.prepared, feature_names_out="one-to-one")
    model = make_pipeline(step, *[clone(part) for part in given["parts"]]).fit(given["rows"], given["labels"])
    joblib.dump(model, "model.joblib")
model = joblib.load("model.joblib")
answers = {}
for name in ("reference", "current"):
    rows = given[name]
    answers[name] = model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows)
joblib.dump(answers, place)
"""
AMOUNTS = {"taxi": ["trip_distance", "trip_duration_min"], "bank": ["age", "campaign", "pdays"]}


@cache
def _parts(name: str) -> Stack:
    return stack(name, "linear")


def logged(s: Stack, rows: pl.DataFrame, answers: Any, classes: list[str]) -> pl.DataFrame:
    if s.roles.get("task") == "regression":
        return rows.with_columns(pl.Series("served_prediction", answers))
    scores = [pl.Series(f"p_{c}", answers[:, k]) for k, c in enumerate(classes)]
    return rows.with_columns(*scores, pl.Series("served_prediction", [classes[k] for k in answers.argmax(axis=1)]))


@pytest.mark.rates
@pytest.mark.parametrize("name", ["taxi", "bank"] if AT_FULL_SIZE else ["bank"])
def test_an_upgraded_library_is_proven_by_golden_rows_and_replay(name, tmp_path):
    s = _parts(name)
    places = {version: library(tmp_path, version, AMOUNTS[name]) for version in FORMULAS}
    label = s.roles["label"]
    regression = s.roles.get("task") == "regression"
    truth = s.reference[label].to_numpy() if regression else s.reference[label].cast(pl.String).to_numpy()
    given = {
        "parts": [part for _, part in s.model.steps],
        "rows": s.frame(s.reference),
        "labels": truth,
        "reference": s.frame(s.reference),
        "current": s.frame(s.current),
    }
    joblib.dump(given, tmp_path / "given.joblib")
    (tmp_path / "work.py").write_text(TRAIN_AND_SERVE, encoding="utf-8")
    answers = {}
    for what, version in (("train", "1.4.2"), ("serve", "2.0.0")):
        environment = os.environ | {"PYTHONPATH": str(places[version])}
        subprocess.run([sys.executable, "work.py", what, f"{what}.joblib"], cwd=tmp_path, env=environment, check=True)
        answers[what] = joblib.load(tmp_path / f"{what}.joblib")
    classes = sorted(set(truth)) if not regression else []
    reference = logged(s, s.reference, answers["train"]["reference"], classes)
    sound = logged(s, s.current, answers["train"]["current"], classes)
    served = logged(s, s.current, answers["serve"]["current"], classes)
    own = Stack(s.model, s.numbers, s.levels, s.roles, reference, sound)
    found, d = with_snapshots(
        tmp_path, own, served, ("model.joblib", "model.joblib"), (places["1.4.2"], places["2.0.0"])
    )
    top = found["differences"][0]
    assert (top["kind"], top["subject"], top["proven"]) == ("library_change", "amounts", True), top
    first = d["causes"][0]
    assert (first["kind"], first["confidence"]) == ("library_change", "proven"), first["summary"]
    assert "1.4.2" in first["summary"]
    assert "2.0.0" in first["summary"]
    assert set(first["features"]) == set(AMOUNTS[name])
    harm = own.value(served, d["metric"]["name"]) - own.value(sound, d["metric"]["name"])
    assert d["verdict"] == "degraded"
    assert first["points"]["estimate"] == pytest.approx(harm, rel=0.1)
    assert first["repair"]["points_back"]["estimate"] == pytest.approx(abs(harm), rel=0.1)
