"""Deepchecks: feature drift, the same as a page, and performance in both windows as a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from deepchecks.tabular import Dataset
from deepchecks.tabular.checks import FeatureDrift, TrainTestPerformance
from task import features, main


def _windows(frames: tuple[pd.DataFrame, pd.DataFrame], label: str | None) -> list[Dataset]:
    numeric, texts = features(frames[0])
    columns = [*numeric, *texts, *([] if label is None else [label])]
    kind = None if label is None else "binary"
    return [Dataset(frame[columns], label=label, cat_features=texts, label_type=kind) for frame in frames]


def drift(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    FeatureDrift().run(*_windows((reference, current), None), with_display=False)


def drift_report(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    FeatureDrift().run(*_windows((reference, current), None)).save_as_html(str(report), as_widget=False)


def performance(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    answers = {}
    for side, frame in (("train", reference), ("test", current)):
        answers["y_pred_" + side] = frame["prediction"].to_numpy()
        score = frame["p_yes"].to_numpy()
        answers["y_proba_" + side] = np.column_stack([1 - score, score])
    result = TrainTestPerformance().run(*_windows((reference, current), "label"), **answers)
    result.save_as_html(str(report), as_widget=False)


if __name__ == "__main__":
    main({"drift": drift, "report": drift_report, "performance": performance})
