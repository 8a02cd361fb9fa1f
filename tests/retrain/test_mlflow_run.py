"""A diagnosis logged to a run of a real MLflow store."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import worlds
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.errors import MissingExtraError, ModelError


@pytest.fixture(scope="module")
def diagnosis() -> Diagnosis:
    return worlds.causes_of(worlds.model_change(np.random.default_rng(2)))


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield mlflow
    mlflow.set_tracking_uri(before)


@pytest.mark.slow
def test_report_verdict_cause_and_metrics_are_in_the_run(mlflow, diagnosis, tmp_path):
    run_id = diagnosis.log_to_mlflow()
    client = mlflow.MlflowClient()
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    tags, metrics = run.data.tags, run.data.metrics
    assert tags["backslide.verdict"] == "degraded"
    assert tags["backslide.cause"] == "model_change"
    assert tags["backslide.decision"] == "roll_back"
    assert metrics["backslide.accuracy.change"] == pytest.approx(diagnosis.metric.change.estimate)
    assert metrics["backslide.cause_1.points.low"] == pytest.approx(diagnosis.causes[0].points.low)
    folder = Path(client.download_artifacts(run_id, "backslide", str(tmp_path)))
    assert Diagnosis.from_dict(json.loads((folder / "diagnosis.json").read_text())) == diagnosis
    assert "<html" in (folder / "diagnosis.html").read_text()[:200]
    with mlflow.start_run() as active:
        assert diagnosis.log_to_mlflow() == active.info.run_id
    assert diagnosis.log_to_mlflow(run_id) == run_id
    with pytest.raises(ModelError, match="cannot be logged to MLflow"):
        diagnosis.log_to_mlflow("f" * 32)


def test_without_mlflow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    answer = worlds.diagnosis_named("quiet")
    with pytest.raises(MissingExtraError, match=r"backslide\[mlflow\]"):
        answer.log_to_mlflow()
