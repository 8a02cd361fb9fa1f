"""Evidently's defaults: the data drift preset, and the classification or regression preset with its automatic tests.

A column is flagged when the preset's own test of its drift fails. The performance alarm is the automatic test of the headline
metric (accuracy, F1 or mean absolute error against the reference, within the tolerance that the preset sets).
"""

from __future__ import annotations

from typing import Any

import evidently
import pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, Regression, Report
from evidently.presets import ClassificationPreset, DataDriftPreset, RegressionPreset
from serve import Answer, Question, alarm, serve

METRIC = {"accuracy": "Accuracy", "macro_f1": "F1Score", "mae": "MAE"}


def answer(reference: pd.DataFrame, current: pd.DataFrame, question: Question) -> Answer:
    """Flagged columns and the alarm of both presets."""
    features = question["numeric"] + question["categorical"]
    definition = DataDefinition(
        numerical_columns=question["numeric"], categorical_columns=question["categorical"], **_outcomes(question)
    )
    windows = [Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference)]
    drift = _tests(DataDriftPreset(columns=features), windows)
    flagged = [column for kind, column, failed in drift if kind == "ValueDrift" and failed]
    return {"flagged": flagged, "alarms": {"performance": alarm(lambda: _headline(windows, question))}}


def _headline(windows: list[Any], question: Question) -> bool:
    preset = RegressionPreset() if question["task"] == "regression" else ClassificationPreset()
    [failed] = [failed for kind, _, failed in _tests(preset, windows) if kind == METRIC[question["metric"]]]
    return bool(failed)


def _outcomes(question: Question) -> Any:
    if question["task"] == "regression":
        return {"regression": [Regression(target=question["label"], prediction=question["prediction"])]}
    one = BinaryClassification(
        target=question["label"], prediction_labels=question["prediction"], pos_label=question["positive"]
    )
    return {"classification": [one]}


def _tests(preset: Any, windows: list[Any]) -> list[Any]:
    """Kind, column and outcome of every test of a preset."""
    tests = Report([preset], include_tests=True).run(*windows).dict()["tests"]
    rows = []
    for test in tests:
        metric = test["metric_config"]["params"]
        rows.append((metric["type"].rpartition(":")[2], metric.get("column"), test["status"].name == "FAIL"))
    return rows


if __name__ == "__main__":
    serve(answer, evidently.__version__)
