"""Snapshots: what is in them, that they are small and stable, and that they are read again as they were written."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from time import process_time

import jsonschema
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler

import backslide
from backslide.contracts.errors import BackslideError, InputError
from backslide.contracts.snapshot import Snapshot
from backslide.models.load import load_model
from backslide.stack.canonical import Canon
from backslide.stack.fitted_steps import fitted_parts
from backslide.stack.golden import ask_again, decode
from backslide.stack.training import profile_of


@pytest.mark.slow
def test_the_functions_stay_functions_after_every_import():
    code = """
import backslide, pkgutil, importlib
for info in pkgutil.walk_packages(backslide.__path__, "backslide."):
    if not info.name.endswith("__main__"):
        importlib.import_module(info.name)
print(*(callable(getattr(backslide, name)) for name in ("snapshot", "integrity", "freeze", "diagnose")))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True"] * 4, done.stderr


def test_a_snapshot_is_read_again_as_it_was_written(trained, tmp_path):
    taken = backslide.snapshot(trained.pipeline, trained.rows, name="loans")
    assert taken.to_dict()["format"] == "backslide.snapshot/1"
    taken.to_json(tmp_path / "v1.json")
    assert Snapshot.load(tmp_path / "v1.json") == taken
    text = (tmp_path / "v1.json").read_text(encoding="utf-8")
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in the JSON"))


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "as JSON"), ("[]", "format"), ('{"format": "backslide.snapshot/1"}', "cannot be read at")],
)
def test_what_is_no_snapshot_is_said_in_one_line(tmp_path, content, words):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=words) as raised:
        Snapshot.load(tmp_path / "x.json")
    assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match="cannot read it"):
        Snapshot.load(tmp_path / "none.json")


def test_every_step_is_told_with_its_columns_and_values(trained):
    parts = {p.path: p for p in backslide.snapshot(trained.pipeline).fitted}
    assert list(parts) == [
        "",
        "columns",
        "columns/numbers",
        "columns/numbers/impute",
        "columns/numbers/scale",
        "columns/levels",
        "model",
    ]
    scaler = parts["columns/numbers/scale"]
    assert scaler.kind == "sklearn.preprocessing.StandardScaler"
    assert scaler.columns == ("income", "age")
    assert scaler.state["mean_"].numbers == tuple(trained.scaler.mean_)
    assert parts["columns/levels"].state["categories_"].items["0"].texts == ("branch", "phone", "web")
    assert [p.role for p in parts.values()].count("model") == 1


def test_the_environment_knows_what_the_model_is_made_of(trained):
    found = backslide.snapshot(trained.pipeline).environment
    assert found.imported == ("scikit-learn",)
    assert {"numpy", "scipy"} <= set(found.needed)
    assert found.distributions["scikit-learn"] == __import__("sklearn").__version__


def test_golden_rows_are_answered_again_to_the_digit(trained):
    taken = backslide.snapshot(trained.pipeline, trained.rows)
    assert taken.golden is not None
    again = ask_again(load_model(trained.pipeline), Snapshot.from_dict(json.loads(taken.to_json())).golden)
    assert again == taken.golden
    expected = trained.pipeline.predict_proba(decode(taken.golden).to_pandas())
    assert np.allclose(np.array(taken.golden.scores), expected, rtol=0, atol=1e-12)
    assert taken.golden.transformed_columns[:2] == ("numbers__income", "numbers__age")


def test_golden_rows_keep_every_type_of_column():
    import datetime as dt

    frame = pl.DataFrame(
        {
            "f": [1.5, float("nan"), None, float("inf")],
            "i": [1, 2**60, None, -1],
            "b": [True, None, False, True],
            "s": ["a", None, "ä", ""],
            "d": [dt.date(2026, 1, 1), None, None, None],
            "t": [dt.datetime(2026, 1, 1, 3, 4, 5, 6), None, None, None],
            "n": [None] * 4,
        },
        schema_overrides={"f": pl.Float32},
    )
    taken = backslide.snapshot(shape_of, frame)
    assert taken.golden is not None
    assert decode(Snapshot.from_dict(taken.to_dict()).golden).equals(frame, null_equal=True)


def shape_of(rows):
    return np.full(len(rows), float(rows.shape[1]))


def test_the_training_profile_gives_ranges_and_categories(trained):
    profile = profile_of(backslide.snapshot(trained.pipeline, trained.rows))
    assert profile.columns["income"].minimum == trained.rows["income"].min()
    assert profile.columns["age"].missing == trained.rows["age"].isna().sum()
    assert set(profile.columns["channel"].levels) == {"web", "phone", "branch"}
    assert abs(profile.columns["income"].quantile(0.5) / trained.rows["income"].median() - 1) < 0.05


@pytest.mark.slow
def test_two_hundred_columns_stay_under_a_megabyte():
    rng = np.random.default_rng(1)
    n = 3000
    wide = pd.DataFrame({f"n{i}": rng.normal(size=n) for i in range(180)})
    for i in range(20):
        wide[f"c{i}"] = rng.choice([f"level {k}" for k in range(30)], n).astype(object)
    names = list(wide)
    steps = ColumnTransformer([("n", StandardScaler(), names[:180]), ("c", OneHotEncoder(), names[180:])])
    model = make_pipeline(steps, RandomForestClassifier(30, random_state=0)).fit(wide, wide["n0"] > 0)
    backslide.snapshot(model, wide)  # imports
    spent = {"snapshot": [], "fit": []}
    for _ in range(3):
        for what, work in (
            ("snapshot", lambda: backslide.snapshot(model, wide)),
            ("fit", lambda: clone(model).fit(wide, wide["n0"] > 0)),
        ):
            start = process_time()
            work()
            spent[what].append(process_time() - start)
    assert min(spent["snapshot"]) < 4 * min(spent["fit"]), spent
    taken = backslide.snapshot(model, wide)
    jsonschema.validate(taken.to_dict(), taken.json_schema())
    assert len(profile_of(taken).columns) == len(wide.columns) == len(taken.golden.dtypes)
    assert len(taken.to_json().encode()) < 1_000_000


def twice(x):
    return x * 2


MODELS = {
    "forest": RandomForestClassifier(12, random_state=0),
    "boosting": HistGradientBoostingClassifier(max_iter=8, random_state=0),
    "calibrated": CalibratedClassifierCV(LogisticRegression()),
    "search": GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1]}),
    "union": make_pipeline(FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())]), LogisticRegression()),
    "function": make_pipeline(FunctionTransformer(twice), LogisticRegression()),
}


@pytest.mark.parametrize("name", MODELS)
def test_state_is_the_same_after_saving_and_answering_and_differs_after_refitting(name):
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    model = MODELS[name].fit(rows, rows["a"] > 0.1 * rows["b"])
    before = fitted_parts(model)
    loaded = pickle.loads(pickle.dumps(model))
    loaded.predict(rows)
    assert [p.digest for p in fitted_parts(loaded)] == [p.digest for p in before]
    other = fitted_parts(MODELS[name].fit(rows * 1.1, rows["a"] > 0.3))
    assert [p.digest for p in other] != [p.digest for p in before]
    assert [p.path for p in other] == [p.path for p in before]


def test_steps_inside_meta_estimators_are_told():
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    parts = {p.path: p for p in fitted_parts(MODELS["search"].fit(rows, rows["a"] > 0))}
    scaler = parts["best_estimator_/standardscaler"]
    assert scaler.columns == ("a", "b")
    assert len(scaler.state["mean_"].numbers) == 2


def test_a_vocabulary_is_told():
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["red fox", "blue sky", "red sky"], [0, 1, 1])
    parts = {p.path: p for p in fitted_parts(model)}
    assert set(parts["tfidfvectorizer"].state["vocabulary_"].items) == {"red", "fox", "blue", "sky"}


def test_a_function_is_told_with_the_booster_that_it_reaches(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400)})
    for seed in (1, 2):
        booster = lightgbm.train(
            {
                "objective": "binary",
                "verbose": -1,
                "num_threads": 1,
                "seed": seed,
                "bagging_fraction": 0.5,
                "bagging_freq": 1,
            },
            lightgbm.Dataset(rows, (rows["a"] > 0).astype(int)),
            num_boost_round=5,
        )
        booster.save_model(tmp_path / f"v{seed}.txt")
        (tmp_path / f"serve_v{seed}.py").write_text(
            "from pathlib import Path\nimport lightgbm\n"
            f"BOOSTER = lightgbm.Booster(model_file=Path(__file__).with_name('v{seed}.txt'))\n\n\n"
            "def score(rows):\n    return BOOSTER.predict(rows)\n"
        )
    taken = [backslide.snapshot(f"serve_v{seed}:score", rows, base=tmp_path, trusted=True) for seed in (1, 2)]
    again = backslide.snapshot("serve_v1:score", rows, base=tmp_path, trusted=True)
    assert [p.path for p in taken[0].fitted] == ["", "BOOSTER"]
    assert "lightgbm" in taken[0].environment.imported
    assert taken[0].fitted == again.fitted
    assert taken[0].golden.predictions
    assert not backslide.integrity(taken[0], again).hurts
    found = backslide.integrity(*taken)
    assert {d.kind for d in found.differences} >= {"model_change"}
    assert found.hurts


def test_objects_of_others_are_followed_by_what_they_hold():
    class Tensor:
        def __init__(self, values):
            self.values = values
            self.shape, self.dtype = values.shape, values.dtype

        def __array__(self, dtype=None, copy=None):
            return self.values

    class Net:
        def __init__(self, weight):
            self.weight = weight

        def state_dict(self):
            return {"layer.weight": Tensor(self.weight)}

    one, same, other = (Canon().value(Net(np.arange(4.0) + x)) for x in (0, 0, 1))
    assert one == same
    assert one.digest != other.digest
    assert one.items["layer.weight"].numbers == (0.0, 1.0, 2.0, 3.0)


def test_cycles_depth_and_hostile_objects_end():
    loop: dict = {}
    loop["self"] = loop
    deep: list = []
    for _ in range(300):
        deep = [deep]

    class Hostile:
        def __getattr__(self, name):
            raise RuntimeError(name)

        def __reduce_ex__(self, protocol):
            raise RuntimeError("no")

    for value in (loop, deep, Hostile(), lambda: 1, object(), {1: {2: {3}}}, np.array([{}, None], dtype=object), Path):
        assert Canon().value(value).digest
    assert [p.kind for p in fitted_parts(LogisticRegression())] == ["sklearn.linear_model.LogisticRegression"]


def test_an_untrusted_pickle_is_told_by_its_digest_and_never_loaded(trained, tmp_path):
    import joblib

    joblib.dump(trained.pipeline, tmp_path / "m.joblib")
    taken = backslide.snapshot("m.joblib", trained.rows, base=tmp_path)
    assert taken.fitted == ()
    assert taken.artefact.sha256
    assert "--trusted" in taken.notes[0]
    assert "scikit-learn" in taken.environment.imported
    assert backslide.snapshot("m.joblib", base=tmp_path, trusted=True).fitted


def test_what_is_missing_is_an_error_in_one_line(trained, tmp_path):
    with pytest.raises(BackslideError, match="no model at"):
        backslide.snapshot("nope.joblib", base=tmp_path)
    with pytest.raises(BackslideError, match="git"):
        backslide.snapshot(trained.pipeline, repository=tmp_path / "none")
