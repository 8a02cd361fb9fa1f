"""Aliases of a real MLflow registry name models, and the snapshots that were logged with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from packaging.version import Version
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backslide as bs
from backslide.contracts.errors import InputError, MissingExtraError, ModelError
from commands import backslide

OLD, NEW = "models:/loans@champion", "models:/loans@challenger"
CONFIG = f"""
[model]
label = "outcome"
prediction = "prediction"
timestamp = "at"
features = ["income", "age"]
[windows]
reference = "march.parquet"
current = "april.parquet"
[artifacts]
reference_model = "{OLD}"
current_model = "{NEW}"
reference_snapshot = "{OLD}"
current_snapshot = "{NEW}"
trusted = true
"""


def month(seed: int, number: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"income": rng.normal(0, 1, 900), "age": rng.normal(0, 1, 900)})
    rows["at"] = pd.date_range(f"2026-0{number}-01", periods=900, freq="45min")
    paid = rng.random(900) < 1 / (1 + np.exp(-3 * rows["income"] - 2 * rows["age"]))
    return rows.assign(outcome=np.where(paid, "paid", "default"))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two versions of a model with their aliases; the challenger's scaler was fitted on other rows."""
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    import mlflow
    import mlflow.sklearn

    earlier = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "store").as_uri())
    rows = month(1, 3)
    champion = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[["income", "age"]], rows["outcome"])
    challenger = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[["income", "age"]], rows["outcome"])
    challenger[0].fit(rows[["income", "age"]] * [3.0, 1.0] + [2.0, 0.0])
    place = "name" if Version(mlflow.__version__) >= Version("3") else "artifact_path"
    with mlflow.start_run():
        for alias, model in (("champion", champion), ("challenger", challenger)):
            logged = mlflow.sklearn.log_model(model, **{place: alias}, serialization_format="cloudpickle")
            version = mlflow.register_model(logged.model_uri, "loans").version
            mlflow.MlflowClient().set_registered_model_alias("loans", alias, version)
    for name, number in (("march", 3), ("april", 4)):
        table = month(number, number)
        table.assign(prediction=champion.predict(table[["income", "age"]])).to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "backslide.toml").write_text(CONFIG, encoding="utf-8")
    yield mlflow
    mlflow.set_tracking_uri(earlier)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow warns of its dependencies
def test_champion_and_challenger_are_compared_by_their_aliases(registry: Any, tmp_path: Path):
    missing = backslide(tmp_path, "integrity", OLD, NEW)
    assert (missing.code, missing.err.count("\n")) == (2, 1)
    assert f"--out {OLD}" in missing.err
    for uri in (OLD, NEW):
        taken = backslide(tmp_path, "snapshot", "--model", uri, "--data", "march.parquet", "--out", uri, "-q")
        assert taken.code == 0, taken.err
        assert "logged runs:/" in taken.err
    compared = backslide(tmp_path, "integrity", OLD, NEW, "--json", "-")
    assert compared.code == 1
    (first, *_) = json.loads(compared.out)["differences"]
    assert (first["kind"], first["proven"]) == ("scaler_refit", True)

    gate = backslide(tmp_path, "gate", "-q", "--json", "-")
    assert gate.code == 1, gate.err
    answer = json.loads(gate.out)
    assert (answer["champion"], answer["challenger"]) == (OLD, NEW)
    assert f"{OLD}: version 1 of loans" in answer["inputs"]["notes"]
    shadow = backslide(tmp_path, "shadow", "-q", "--json", "-")
    assert json.loads(shadow.out)["verdict"] == "old_better"
    diagnosis = backslide(tmp_path, "diagnose", "-q", "--quick", "--json", "-")
    assert diagnosis.code in (0, 1), diagnosis.err

    frozen = bs.freeze(OLD, OLD, trusted=True)
    assert len(frozen.predict(month(1, 3)[["income", "age"]])) == 900
    again = bs.snapshot(NEW, against=OLD, trusted=True)
    run_id = registry.search_runs(output_format="list")[0].info.run_id
    assert again.log_to_mlflow(run_id) == f"runs:/{run_id}/backslide/snapshot.json"
    assert bs.integrity(f"runs:/{run_id}", again).differences == ()
    with pytest.raises(ModelError, match="models:/NAME@ALIAS"):
        again.log_to_mlflow("models:/loans")
    with pytest.raises(ModelError, match="cannot be logged to MLflow"):
        again.log_to_mlflow("models:/loans/9")
    with pytest.raises(InputError, match="cannot be read from MLflow"):
        bs.integrity("models:/loans/9", again)


def test_without_mlflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"backslide\[mlflow\]"):
        bs.integrity(OLD, NEW)
    with pytest.raises(MissingExtraError, match=r"backslide\[mlflow\]"):
        bs.snapshot(LogisticRegression().fit([[0.0], [1.0]], [0, 1])).log_to_mlflow(OLD)
