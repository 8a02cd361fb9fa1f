"""Frouros: the Kolmogorov-Smirnov test of every column of numbers, the chi-squared test of every column of texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from frouros.detectors.data_drift import ChiSquareTest, KSTest
from task import features, main


def drift(reference: pd.DataFrame, current: pd.DataFrame, report: Path) -> None:
    numeric, texts = features(reference)
    for columns, detector in ((numeric, KSTest), (texts, ChiSquareTest)):
        for column in columns:
            one = detector()
            one.fit(X=_values(reference, column, detector is KSTest))
            one.compare(X=_values(current, column, detector is KSTest))


def _values(frame: pd.DataFrame, column: str, numbers: bool) -> np.ndarray:
    values = frame[column].dropna()
    return values.to_numpy(float) if numbers else values.to_numpy(str)


if __name__ == "__main__":
    main({"drift": drift})
