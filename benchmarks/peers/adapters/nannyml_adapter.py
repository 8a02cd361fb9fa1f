"""NannyML: univariate drift with its defaults, the same as a figure, and realised performance."""

from __future__ import annotations

import os

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

from pathlib import Path
from typing import Any

import nannyml as nml
import pandas as pd
from task import features, main


def _drift(reference: pd.DataFrame, current: pd.DataFrame) -> Any:
    numeric, texts = features(reference)
    return (
        nml.UnivariateDriftCalculator([*numeric, *texts], treat_as_categorical=texts).fit(reference).calculate(current)
    )


def drift(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    _drift(reference, current).filter(period="analysis").to_df()


def drift_report(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    _drift(reference, current).plot(kind="drift").write_html(str(report))


def performance(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    for frame in (reference, current):
        for column in ("label", "prediction"):
            frame[column] = (frame[column].astype(str) == "yes").astype(int)
    calculator = nml.PerformanceCalculator(
        metrics=["accuracy", "f1", "roc_auc"],
        y_true="label",
        y_pred="prediction",
        y_pred_proba="p_yes",
        problem_type="classification_binary",
    )
    calculator.fit(reference).calculate(current).plot().write_html(str(report))


if __name__ == "__main__":
    main({"drift": drift, "report": drift_report, "performance": performance})
