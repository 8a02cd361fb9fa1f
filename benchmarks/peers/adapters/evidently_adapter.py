"""Evidently: the preset of data drift, and of classification."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.presets import ClassificationPreset, DataDriftPreset
from task import features, main


def _drift(reference: pd.DataFrame, current: pd.DataFrame) -> Any:
    numeric, texts = features(reference)
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=texts)
    windows = [Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference)]
    return Report([DataDriftPreset(columns=[*numeric, *texts])]).run(*windows)


def drift(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    _drift(reference, current).dict()


def drift_report(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    _drift(reference, current).save_html(str(report))


def performance(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    one = BinaryClassification(target="label", prediction_labels="prediction", pos_label="yes")
    definition = DataDefinition(categorical_columns=["label", "prediction"], classification=[one])
    windows = [
        Dataset.from_pandas(frame[["label", "prediction"]], data_definition=definition)
        for frame in (current, reference)
    ]
    Report([ClassificationPreset()]).run(*windows).save_html(str(report))


if __name__ == "__main__":
    main({"drift": drift, "report": drift_report, "performance": performance})
