"""``mlflow.models.evaluate`` with backslide as the evaluator: the diagnosis of the evaluated data, in the run."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from backslide.contracts.errors import ColumnError, ConfigError
from backslide.jobs.mlflow_evaluator import BackslideEvaluator

ROOT = Path(__file__).resolve().parents[2]


def month(rows: int, factor: float, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    income, age = rng.lognormal(3, 0.5, rows), rng.integers(20, 70, rows).astype(float)
    paid = np.log(income) + rng.normal(0, 0.3, rows) > 3
    return pd.DataFrame({"income": income * factor, "age": age, "outcome": paid.astype(int)})


class Dataset:
    """What MLflow hands over of the evaluated data."""

    def __init__(self, rows: pd.DataFrame, answers: Any = None, targets: str | None = "outcome") -> None:
        self.features_data = rows.drop(columns="outcome")
        self.labels_data, self.targets_name = rows["outcome"].to_numpy(), targets
        self.has_targets, self.has_predictions = targets is not None, answers is not None
        self.predictions_data = answers


def test_it_is_declared_where_mlflow_looks():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, name = project["entry-points"]["mlflow.model_evaluator"]["backslide"].split(":")
    assert getattr(import_module(module), name) is BackslideEvaluator


@pytest.mark.parametrize(
    ("model_type", "config", "takes_part"),
    [
        ("classifier", {"reference": 1}, True),
        ("regressor", {"reference": 1}, True),
        ("question-answering", {"reference": 1}, False),
        ("classifier", {}, False),
        ("classifier", None, False),
    ],
)
def test_it_takes_part_where_a_reference_is_named(model_type: str, config: Any, takes_part: bool):
    assert BackslideEvaluator.can_evaluate(model_type=model_type, evaluator_config=config) is takes_part


@pytest.mark.parametrize(
    ("config", "dataset", "error", "words"),
    [
        ({"reference": month(40, 1, 1)}, Dataset(month(40, 1, 2), targets=None), ConfigError, "name their column"),
        ({"reference": month(40, 1, 1)}, Dataset(month(40, 1, 2)), ConfigError, "needs predictions in both tables"),
        ({"reference": month(40, 1, 1), "speed": 1}, Dataset(month(40, 1, 2)), ConfigError, "unknown setting 'speed'"),
        (
            {"reference": month(40, 1, 1).drop(columns="outcome")},
            Dataset(month(40, 1, 2)),
            ColumnError,
            "no column 'outcome'",
        ),
    ],
)
def test_mistakes_are_one_line(config: Any, dataset: Dataset, error: type[Exception], words: str):
    pytest.importorskip("mlflow")
    with pytest.raises(error, match=words):
        BackslideEvaluator().evaluate(model_type="classifier", dataset=dataset, run_id="r", evaluator_config=config)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow warns of its own signatures, and of how it asks its store
def test_the_diagnosis_is_in_the_run_of_the_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    from mlflow.models.evaluation.evaluator_registry import _model_evaluation_registry as registry

    registry.register(
        "backslide", BackslideEvaluator
    )  # an environment made before the entry point was declared lacks it
    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    march, april = month(3000, 1, 1), month(3000, 12, 2)
    model = LogisticRegression(max_iter=1000).fit(march[["income", "age"]], march["outcome"])
    try:
        with mlflow.start_run() as run:
            served = april.assign(said=model.predict(april[["income", "age"]]))
            done = mlflow.models.evaluate(
                data=served,
                targets="outcome",
                predictions="said",
                model_type="classifier",
                evaluators="backslide",
                evaluator_config={"reference": march.assign(prediction=model.predict(march[["income", "age"]]))},
            )
        data = mlflow.MlflowClient().get_run(run.info.run_id).data
    finally:
        mlflow.set_tracking_uri(before)
    assert data.tags["backslide.cause"] == "unit_change income"
    assert done.metrics["backslide.accuracy.change"] == data.metrics["backslide.accuracy.change"] < -0.2
