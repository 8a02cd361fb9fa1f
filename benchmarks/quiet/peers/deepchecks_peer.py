"""Deepchecks' defaults: feature drift and train-test performance, with the conditions of its own suites.

A column is flagged when its drift score reaches the default of the condition that the train-test validation suite puts on
it. The performance alarm is the condition of the model evaluation suite: some default metric fell by a tenth of its value.
"""

from __future__ import annotations

import inspect
from typing import Any

import deepchecks
import numpy as np
import pandas as pd
from deepchecks.tabular import Dataset
from deepchecks.tabular.checks import FeatureDrift, TrainTestPerformance
from serve import Answer, Question, alarm, serve

DEFAULTS = inspect.signature(FeatureDrift.add_condition_drift_score_less_than).parameters
LIMITS = {kind: DEFAULTS[f"max_allowed_{kind}_score"].default for kind in ("numeric", "categorical")}


def answer(reference: pd.DataFrame, current: pd.DataFrame, question: Question) -> Answer:
    """Flagged columns and the alarm of the performance condition."""
    features = question["numeric"] + question["categorical"]
    windows = [
        Dataset(
            frame[[*features, question["label"]]],
            label=question["label"],
            cat_features=question["categorical"],
            label_type="regression" if question["task"] == "regression" else "binary",
        )
        for frame in (reference, current)
    ]
    scores = FeatureDrift().run(*windows, with_display=False).value
    flagged = []
    for column in features:
        limit = LIMITS["categorical" if column in question["categorical"] else "numeric"]
        if column in scores and scores[column]["Drift score"] is not None and scores[column]["Drift score"] >= limit:
            flagged.append(column)
    fell = alarm(lambda: _fell(windows, (reference, current), question))
    return {"flagged": flagged, "alarms": {"performance": fell}}


def _fell(windows: list[Dataset], frames: tuple[pd.DataFrame, pd.DataFrame], question: Question) -> bool:
    answers: dict[str, Any] = {}
    for side, frame in {"train": frames[0], "test": frames[1]}.items():
        answers["y_pred_" + side] = frame[question["prediction"]].to_numpy()
        if question["score"]:  # columns in the order of the sorted classes; the positive one is the last
            score = frame[question["score"]].to_numpy()
            answers["y_proba_" + side] = np.column_stack([1 - score, score])
    check = TrainTestPerformance().add_condition_train_test_relative_degradation_less_than()
    result = check.run(*windows, **answers, with_display=False)
    return not all(condition.is_pass() for condition in result.conditions_results)


if __name__ == "__main__":
    serve(answer, deepchecks.__version__)
