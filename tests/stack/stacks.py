"""A pipeline over numbers and categories that the tests of this folder break in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


@dataclass(frozen=True)
class Trained:
    """Rows, labels and what was fitted on them."""

    rows: pd.DataFrame
    labels: np.ndarray
    pipeline: Any

    @property
    def scaler(self) -> Any:
        return scaler_of(self.pipeline)


def scaler_of(pipeline: Any) -> Any:
    return pipeline["columns"].named_transformers_["numbers"]["scale"]


def unfitted(**options: Any) -> Pipeline:
    numbers = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    columns = ColumnTransformer(
        [
            ("numbers", numbers, ["income", "age"]),
            ("levels", OneHotEncoder(handle_unknown="ignore"), ["channel"]),
        ]
    )
    return Pipeline([("columns", columns), ("model", LogisticRegression(**options))])
