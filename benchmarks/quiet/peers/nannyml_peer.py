"""NannyML's defaults: univariate drift, realised performance, and performance estimated without labels.

Every calculator is used as it comes: ten chunks of the current window, Jensen-Shannon distance for the drift of a column, and
an alert where a chunk leaves the mean of the reference's own chunks by three standard deviations. A column, or the
performance, is flagged when any chunk has an alert, since each is one that somebody looks at; ``chunks`` counts the
chunks of all columns, and those with an alert.
"""

from __future__ import annotations

import os

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

from typing import Any

import nannyml as nml
import pandas as pd
from serve import Answer, Question, alarm, serve


def answer(reference: pd.DataFrame, current: pd.DataFrame, question: Question) -> Answer:
    """Flagged columns, chunks with an alert, and both alarms about performance."""
    features = question["numeric"] + question["categorical"]
    timed = {"timestamp_column_name": question["timestamp"]} if question["timestamp"] else {}
    drift = nml.UnivariateDriftCalculator(
        column_names=features, treat_as_categorical=question["categorical"], **timed
    ).fit(reference)
    alerts = drift.calculate(current).filter(period="analysis").to_df()
    by_column = {
        column: alerts[(column, method, "alert")] for column, method, what in alerts.columns if what == "alert"
    }
    return {
        "flagged": [column for column in features if column in by_column and bool(by_column[column].any())],
        "chunks": {"alerts": int(sum(a.sum() for a in by_column.values())), "of": sum(map(len, by_column.values()))},
        "alarms": _performance(reference, current, question, timed),
    }


def _performance(reference: pd.DataFrame, current: pd.DataFrame, question: Question, timed: dict[str, str]) -> Any:
    metric = {"accuracy": "accuracy", "macro_f1": "f1", "mae": "mae"}[question["metric"]]
    options: Any = {"metrics": [metric], "y_true": question["label"], "y_pred": question["prediction"], **timed}
    if question["task"] == "regression":
        features = question["numeric"] + question["categorical"]
        realised = nml.PerformanceCalculator(problem_type="regression", **options)
        estimated = nml.DLE(feature_column_names=features, **options)
    else:
        for frame in (reference, current):
            for column in (question["label"], question["prediction"]):
                frame[column] = (frame[column].astype(str) == question["positive"]).astype(int)
        options.update(y_pred_proba=question["score"], problem_type="classification_binary")
        realised, estimated = nml.PerformanceCalculator(**options), nml.CBPE(**options)
    return {
        "performance": alarm(lambda: _any(realised.fit(reference).calculate(current), metric)),
        "estimated": alarm(lambda: _any(estimated.fit(reference).estimate(current), metric)),
    }


def _any(result: Any, metric: str) -> bool:
    return bool(result.filter(period="analysis").to_df()[(metric, "alert")].any())


if __name__ == "__main__":
    serve(answer, nml.__version__)
