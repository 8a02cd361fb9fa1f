"""Loading models: what is refused, what is read, and the one line that says why not."""

from __future__ import annotations

import pickle
import sys

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from backslide.contracts.errors import MissingExtraError, ModelError, UntrustedError
from backslide.models.load import load_model

pytestmark = pytest.mark.core

ROWS = pd.DataFrame({"b": np.linspace(-1, 1, 40), "a": np.linspace(3, -3, 40)})
LABELS = np.where(ROWS["b"] + 0.1 * np.sin(20 * ROWS["a"]) > 0, "paid", "default")
LOGGED = pl.DataFrame({"a": ROWS["a"].to_numpy(), "b": ROWS["b"].to_numpy()})


@pytest.fixture(scope="module")
def fitted():
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)


def one_line(raised) -> str:
    text = str(raised.value)
    assert "\n" not in text
    return text


class Tripwire:
    """Unpickling it leaves a mark."""

    fired = False

    def __reduce__(self):
        return (_fire, ())


def _fire():
    Tripwire.fired = True
    return LogisticRegression()


@pytest.mark.parametrize("suffix", [".joblib", ".pkl", ".pickle"])
def test_pickles_are_refused_without_executing_anything(suffix, tmp_path):
    (tmp_path / f"m{suffix}").write_bytes(pickle.dumps(Tripwire()))
    Tripwire.fired = False
    with pytest.raises(UntrustedError, match="trusted = true") as raised:
        load_model(f"m{suffix}", base=tmp_path)
    assert "loading it executes code" in one_line(raised)
    assert not Tripwire.fired
    load_model(f"m{suffix}", base=tmp_path, trusted=True)
    assert Tripwire.fired, "the test would not notice an execution"


@pytest.mark.parametrize("suffix", [".joblib", ".pkl", ".pickle"])
def test_trusted_pickles_answer_like_the_original(fitted, suffix, tmp_path):
    with (tmp_path / f"m{suffix}").open("wb") as file:
        (joblib.dump if suffix == ".joblib" else pickle.dump)(fitted, file)
    model = load_model(f"m{suffix}", base=tmp_path, trusted=True)
    assert model.name == f"m{suffix}"
    assert model.features == ("b", "a")
    assert model.classes == ("default", "paid")
    assert np.array_equal(model.answer(LOGGED).scores, fitted.predict_proba(ROWS))


def test_skops_of_known_types_needs_no_trust(fitted, tmp_path):
    skops = pytest.importorskip("skops.io")
    skops.dump(fitted, tmp_path / "m.skops")
    model = load_model(tmp_path / "m.skops")
    assert np.array_equal(model.answer(LOGGED).scores, fitted.predict_proba(ROWS))


def test_skops_of_a_remainder_needs_no_trust(tmp_path):
    skops = pytest.importorskip("skops.io")
    columns = make_column_transformer((StandardScaler(), ["b"]), remainder="passthrough")
    fitted = make_pipeline(columns, LogisticRegression()).fit(ROWS, LABELS)
    skops.dump(fitted, tmp_path / "m.skops")
    assert np.array_equal(load_model(tmp_path / "m.skops").answer(LOGGED).scores, fitted.predict_proba(ROWS))


def test_skops_of_unknown_types_lists_them(tmp_path):
    skops = pytest.importorskip("skops.io")
    pipeline = make_pipeline(FunctionTransformer(twice), LinearRegression()).fit(ROWS, ROWS["b"])
    skops.dump(pipeline, tmp_path / "m.skops")
    with pytest.raises(UntrustedError, match="twice") as raised:
        load_model("m.skops", base=tmp_path)
    assert "trusted = true" in one_line(raised)
    model = load_model("m.skops", base=tmp_path, trusted=True)
    assert np.allclose(model.answer(LOGGED).predictions, ROWS["b"])


def twice(frame):
    return frame * 2


def test_skops_absent_names_the_extra(fitted, tmp_path, monkeypatch):
    (tmp_path / "m.skops").write_bytes(b"PK")
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(MissingExtraError, match=r"backslide\[skops\]"):
        load_model("m.skops", base=tmp_path)


@pytest.mark.parametrize("suffix", [".skops", ".joblib", ".pkl"])
@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04garbage", b"PK\x03\x04"])
def test_corrupt_files(suffix, content, tmp_path):
    if suffix == ".skops":
        pytest.importorskip("skops")
    (tmp_path / f"m{suffix}").write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot be (read|loaded)") as raised:
        load_model(f"m{suffix}", base=tmp_path, trusted=True)
    one_line(raised)


def test_truncated_file(fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "m.joblib")
    whole = (tmp_path / "m.joblib").read_bytes()
    (tmp_path / "m.joblib").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cannot be read"):
        load_model("m.joblib", base=tmp_path, trusted=True)


def test_missing_file_suggests_its_neighbour(tmp_path):
    (tmp_path / "model_v1.joblib").write_bytes(b"")
    with pytest.raises(ModelError, match=r"did you mean 'model_v1\.joblib'"):
        load_model("model_v2.joblib", base=tmp_path)


@pytest.mark.parametrize(
    ("artefact", "words"),
    [
        ("m.onnx", "ONNX"),
        ("models:/loans/3", "MLflow"),
        ("m.h5", "expected .skops"),
        ("folder", "is a folder"),
        (object(), "no predict method"),
        ({"model": 1, "scaler": 2}, "dict with 'model', 'scaler'"),
        (LogisticRegression, "is a class"),
        (42, "no predict method"),
    ],
)
def test_what_is_no_model(artefact, words, tmp_path):
    if words == "MLflow":
        pytest.importorskip("mlflow")
    (tmp_path / "folder").mkdir()
    (tmp_path / "m.h5").write_bytes(b"")
    with pytest.raises(ModelError) as raised:
        load_model(artefact, base=tmp_path, trusted=True)
    assert words in one_line(raised)


def test_pickle_of_an_absent_module_names_it(tmp_path):
    (tmp_path / "m.pkl").write_bytes(b"cnowhere_to_be_found\nModel\n.")
    with pytest.raises(ModelError, match="needs the module 'nowhere_to_be_found'"):
        load_model("m.pkl", base=tmp_path, trusted=True)


def test_columns_are_found_inside_wrappers(fitted):
    frozen = pytest.importorskip("sklearn.frozen")  # since scikit-learn 1.6
    wrapped = {
        "pipeline": fitted,
        "pipeline behind a nameless step": make_pipeline("passthrough", fitted),
        "search": GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(ROWS, LABELS),
        "calibrated": CalibratedClassifierCV(frozen.FrozenEstimator(fitted)).fit(ROWS, LABELS),
    }
    for name, artefact in wrapped.items():
        model = load_model(artefact)
        assert model.features == ("b", "a"), name
        assert np.abs(model.answer(LOGGED).scores - artefact.predict_proba(ROWS)).max() < 1e-12, name


def test_trained_on_arrays_has_no_column_names():
    model = load_model(LogisticRegression().fit(ROWS.to_numpy(), LABELS))
    assert model.features is None
    assert not model.answer(LOGGED.select("b", "a")).failed.any()


def test_several_targets_are_refused():
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier().fit(ROWS, np.column_stack([LABELS, LABELS]))
    with pytest.raises(ModelError, match="several targets"):
        load_model(tree)


@pytest.mark.parametrize(
    ("labels", "texts"),
    [
        ([0, 1], {"0", "1"}),
        ([True, False], {"true", "false"}),
        ([1.0, 2.0], {"1", "2"}),
        (["a", "b"], {"a", "b"}),
        ([-1, 1], {"-1", "1"}),
    ],
)
def test_classes_are_label_texts(labels, texts):
    targets = np.where(ROWS["b"] > 0, *[np.array(label) for label in labels])
    model = load_model(LogisticRegression().fit(ROWS, targets))
    assert set(model.classes) == texts
    assert set(model.answer(LOGGED).predictions) == texts


def write_module(folder, name, body):
    (folder / f"{name}.py").write_text(body, encoding="utf-8")


def test_function_beside_the_configuration(tmp_path):
    write_module(tmp_path, "serve", "import helper_beside\ndef score(frame):\n    return helper_beside.rule(frame)\n")
    write_module(
        tmp_path, "helper_beside", "def rule(frame):\n    return ['yes' if b > 0 else 'no' for b in frame['b']]\n"
    )
    before = list(sys.path)
    answer = load_model("serve:score", base=tmp_path, trusted=True).answer(LOGGED)
    assert answer.predictions.tolist() == ["yes" if b > 0 else "no" for b in ROWS["b"]]
    assert answer.scores is None
    assert sys.path == before


def test_modules_of_one_name_in_two_folders_stay_apart(tmp_path):
    for folder, word in (("old", "was"), ("new", "is")):
        (tmp_path / folder).mkdir()
        write_module(tmp_path / folder, "scoring", f"def score(frame):\n    return [{word!r}] * len(frame)\n")
    found = {
        f: load_model("scoring:score", base=tmp_path / f, trusted=True).answer(LOGGED).predictions[0]
        for f in ("old", "new")
    }
    assert found == {"old": "was", "new": "is"}


def test_a_file_works_like_a_module(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my-serving.py").write_text(
        "from beside import twice\n\ndef score(frame):\n    return twice(frame['a'])\n"
    )
    (tmp_path / "code" / "beside.py").write_text("def twice(x):\n    return 2.0 * x\n")
    for spec in ("code/my-serving.py:score", str(tmp_path / "code" / "my-serving.py") + ":score"):
        model = load_model(spec, base=tmp_path, trusted=True)
        assert model.name == spec
        assert np.allclose(model.answer(LOGGED).predictions, 2 * LOGGED["a"].to_numpy())
    with pytest.raises(ModelError, match=r"no file at code/my_serving\.py; did you mean 'my-serving\.py'"):
        load_model("code/my_serving.py:score", base=tmp_path, trusted=True)
    with pytest.raises(ModelError, match="has no 'scare'; did you mean 'score'"):
        load_model("code/my-serving.py:scare", base=tmp_path, trusted=True)


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path):
    for folder, value in (("v1", 1.0), ("v2", 2.0)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "served_here.py").write_text(f"def score(frame):\n    return [{value}] * len(frame)\n")
    for folder, value in (("v1", 1.0), ("v2", 2.0), ("v1", 1.0)):
        for spec, base in ((f"{folder}/served_here.py:score", tmp_path), ("served_here:score", tmp_path / folder)):
            assert set(load_model(spec, base=base, trusted=True).answer(LOGGED).predictions) == {value}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nowhere_at_all:score", "importing 'nowhere_at_all' failed"),
        ("broken_module:score", "ZeroDivisionError"),
        ("sound_module:scare", "did you mean 'score'"),
        ("sound_module:NUMBER", "no predict method"),
    ],
)
def test_what_module_and_function_can_get_wrong(spec, words, tmp_path):
    write_module(tmp_path, "broken_module", "1 / 0\n")
    write_module(tmp_path, "sound_module", "NUMBER = 3\ndef score(frame):\n    return frame\n")
    with pytest.raises(ModelError) as raised:
        load_model(spec, base=tmp_path, trusted=True)
    assert words in one_line(raised)


def test_version_of_the_library_that_wrote_a_pickle_is_noted(fitted, tmp_path):
    import sklearn

    old = pickle.dumps(fitted).replace(sklearn.__version__.encode(), b"1.0.0"[: len(sklearn.__version__)])
    (tmp_path / "m.pkl").write_bytes(old)
    model = load_model("m.pkl", base=tmp_path, trusted=True)
    assert any("1.0.0" in note for note in model.notes)


def test_a_loaded_model_is_taken_as_it_is(fitted):
    model = load_model(fitted)
    assert load_model(model) is model
