"""ONNX files and MLflow models load and replay like the scikit-learn model that they were made of; each a real file."""

from __future__ import annotations

import sys
from copy import deepcopy

import numpy as np
import pandas as pd
import polars as pl
import pytest
from packaging.version import Version
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import backslide
from backslide.contracts.errors import MissingExtraError, ModelError, UntrustedError
from backslide.models.load import load_model

others_warn = pytest.mark.filterwarnings("ignore")  # converters and MLflow warn of their dependencies
RNG = np.random.default_rng(3)
ROWS = pd.DataFrame(
    {
        "a": RNG.normal(size=300).astype(np.float32).astype(float),
        "b": (RNG.normal(size=300) * 50).astype(np.float32).astype(float),
        "c": RNG.choice(["x", "y", "z"], 300).astype(object),
    }
)
LABELS = np.where(ROWS["a"] + (ROWS["c"] == "x") > 0.3, "paid", "default")
LOGGED = pl.DataFrame({"c": ROWS["c"].tolist(), "a": ROWS["a"].to_numpy(), "b": ROWS["b"].to_numpy()})


@pytest.fixture(scope="module")
def mixed():
    columns = ColumnTransformer(
        [("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["c"])]
    )
    return make_pipeline(columns, LogisticRegression()).fit(ROWS, LABELS)


def to_onnx(model, path, *, columns, **options):
    skl2onnx = pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxruntime")
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    kinds = {"a": FloatTensorType([None, 1]), "b": FloatTensorType([None, 1]), "c": StringTensorType([None, 1])}
    types = [(name, kinds[name]) for name in columns] if columns else [("rows", FloatTensorType([None, 2]))]
    path.write_bytes(skl2onnx.convert_sklearn(model, initial_types=types, options=options or None).SerializeToString())


@others_warn
@pytest.mark.parametrize("zipmap", [True, False])
def test_an_onnx_classifier_answers_like_the_original_by_name(mixed, tmp_path, zipmap):
    to_onnx(mixed, tmp_path / "m.onnx", columns=["a", "b", "c"], **({} if zipmap else {"zipmap": False}))
    model = load_model("m.onnx", base=tmp_path)
    assert (model.features, model.classes) == (("a", "b", "c"), ("default", "paid"))
    answer = model.answer(LOGGED)
    assert answer.error is None
    assert np.abs(answer.scores - mixed.predict_proba(ROWS)).max() < 1e-5
    assert (answer.predictions == mixed.predict(ROWS)).all()


@others_warn
def test_an_onnx_regressor_of_one_table(tmp_path):
    original = make_pipeline(StandardScaler(), LinearRegression()).fit(ROWS[["a", "b"]], ROWS["a"] * 3)
    to_onnx(original, tmp_path / "m.onnx", columns=None)
    answer = load_model("m.onnx", base=tmp_path, task="regression").answer(LOGGED.select("a", "b"))
    assert np.abs(answer.predictions - original.predict(ROWS[["a", "b"]])).max() < 1e-4


@others_warn
def test_a_refitted_scaler_shows_inside_an_onnx_file(mixed, tmp_path):
    other = deepcopy(mixed)
    other[0].named_transformers_["n"].fit(ROWS[["a", "b"]] * [1, 2])
    for name, model in (("v1", mixed), ("v2", other)):
        to_onnx(model, tmp_path / f"{name}.onnx", columns=["a", "b", "c"])
    one, two = (backslide.snapshot(f"{name}.onnx", LOGGED, base=tmp_path) for name in ("v1", "v2"))
    assert "onnxruntime" in one.environment.imported
    found = backslide.integrity(one, two)
    assert (found.differences[0].kind, found.differences[0].proven) == ("scaler_refit", True)
    frozen = backslide.freeze("v1.onnx", one, base=tmp_path)
    assert (frozen.predict(ROWS) == mixed.predict(ROWS)).all()
    with pytest.raises(backslide.BackslideError):
        backslide.freeze("v2.onnx", one, base=tmp_path)


@pytest.mark.parametrize("content", [b"", b"no graph"])
def test_a_broken_onnx_file(tmp_path, content):
    pytest.importorskip("onnxruntime")
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read as an ONNX file"):
        load_model("m.onnx", base=tmp_path)


def test_without_the_extras_the_error_names_them(tmp_path, monkeypatch):
    (tmp_path / "m.onnx").write_bytes(b"x")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "MLmodel").write_text("flavors: {}")
    for module in ("onnx", "onnxruntime", "mlflow"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"backslide\[onnx\]"):
        load_model("m.onnx", base=tmp_path)
    with pytest.raises(MissingExtraError, match=r"backslide\[mlflow\]"):
        load_model("m", base=tmp_path, trusted=True)


@pytest.fixture
def saved(mixed, tmp_path):
    pytest.importorskip("mlflow")
    import mlflow.sklearn

    mlflow.sklearn.save_model(mixed, tmp_path / "model", serialization_format="cloudpickle")
    return tmp_path


@pytest.mark.slow
@others_warn
def test_an_mlflow_folder_answers_like_the_original(mixed, saved):
    model = load_model("model", base=saved, trusted=True)
    assert model.features == ("a", "b", "c")
    assert np.array_equal(model.answer(LOGGED).scores, mixed.predict_proba(ROWS))
    by_uri = load_model(f"mlflow:{saved / 'model'}", trusted=True)
    assert np.array_equal(by_uri.answer(LOGGED).scores, mixed.predict_proba(ROWS))
    taken = backslide.snapshot("model", LOGGED, base=saved, trusted=True)
    assert [p.kind for p in taken.fitted][-1] == "sklearn.linear_model.LogisticRegression"
    assert taken.artefact.sha256


@pytest.mark.slow
@others_warn
def test_an_mlflow_model_is_refused_without_trust(saved):
    with pytest.raises(UntrustedError, match="trusted = true"):
        load_model("model", base=saved)
    with pytest.raises(ModelError, match="MLflow cannot load it"):
        load_model("runs:/0123456789abcdef0123456789abcdef/model", base=saved, trusted=True)


@pytest.fixture
def registry(mixed, tmp_path, monkeypatch):
    """A tracking store and registry in a local folder, with one run and one registered model; the URI of the run's model."""
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    import mlflow
    import mlflow.sklearn

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "store").as_uri())
    with mlflow.start_run() as run:
        place = {"name" if Version(mlflow.__version__) >= Version("3") else "artifact_path": "model"}
        logged = mlflow.sklearn.log_model(mixed, **place, serialization_format="cloudpickle")
    mlflow.register_model(logged.model_uri, "loans")
    mlflow.MlflowClient().set_registered_model_alias("loans", "champion", "1")
    yield run.info.run_id
    mlflow.set_tracking_uri(before)


@pytest.mark.slow
@others_warn
def test_models_of_a_registry_and_of_a_run_answer_like_the_original(mixed, registry):
    for uri in ("models:/loans/1", "models:/loans@champion", f"runs:/{registry}/model"):
        model = load_model(uri, trusted=True)
        assert np.array_equal(model.answer(LOGGED).scores, mixed.predict_proba(ROWS)), uri
        with pytest.raises(UntrustedError):
            load_model(uri)
    taken = backslide.snapshot("models:/loans/1", LOGGED, trusted=True)
    assert [p.kind for p in taken.fitted][-1] == "sklearn.linear_model.LogisticRegression"
    with pytest.raises(ModelError, match="MLflow cannot load it"):
        load_model("models:/loans/7", trusted=True)
