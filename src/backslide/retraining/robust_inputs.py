"""Inputs made steady before they reach the recipe: features taken out, or known only coarsely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

LEAST_SHARE = 0.02


class SteadyInputs(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Replaces ``fixed`` columns by one usual value, and numbers of ``coarse`` columns by the median of their bin.

    The frame keeps its columns and types, so that any recipe can follow; what a fixed column holds reaches no model.
    """

    def __init__(self, fixed: Sequence[str] = (), coarse: Sequence[str] = (), bins: int = 6) -> None:
        self.fixed = fixed
        self.coarse = coarse
        self.bins = bins

    def fit(self, frame: pd.DataFrame, y: Any = None) -> SteadyInputs:
        """Learn usual values and bins."""
        self.feature_names_in_ = np.array(list(frame.columns), dtype=object)
        self.usual_ = {c: _usual(frame[c]) for c in self.fixed}
        self.bins_ = {c: self._bins(frame[c]) for c in self.coarse}
        return self

    def _bins(self, column: pd.Series) -> tuple[Any, Any]:
        """Inner edges and medians of numbers; frequent levels and a stand-in for the rest of texts."""
        if not pd.api.types.is_numeric_dtype(column):
            counts = column.value_counts(normalize=True)
            levels = set(counts[counts >= LEAST_SHARE].index)
            return levels, (counts.index[0] if len(counts) else np.nan)
        values = column.to_numpy(float)
        values = values[np.isfinite(values)]
        if not len(values):
            return np.array([]), np.array([0.0])
        edges = np.unique(np.quantile(values, np.linspace(0, 1, self.bins + 1)[1:-1]))
        at = np.searchsorted(edges, values, side="right")
        middle = float(np.median(values))
        return edges, np.array(
            [np.median(values[at == k]) if (at == k).any() else middle for k in range(len(edges) + 1)]
        )

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The same rows, made steady."""
        result = frame.copy()
        for column, usual in self.usual_.items():
            result[column] = pd.Series([usual] * len(result), index=result.index, dtype=frame[column].dtype)
        for column, (edges, medians) in self.bins_.items():
            result[column] = _coarse(frame[column], edges, medians)
        return result

    def get_feature_names_out(self, names: Any = None) -> Any:
        """The columns as they came."""
        return self.feature_names_in_


def _usual(column: pd.Series) -> Any:
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        counts = column.value_counts()
        return counts.index[0] if len(counts) else np.nan
    values = column.to_numpy(float)
    values = values[np.isfinite(values)]
    middle = float(np.median(values)) if len(values) else 0.0
    return round(middle) if pd.api.types.is_integer_dtype(column) else middle


def _coarse(column: pd.Series, edges: Any, medians: Any) -> pd.Series:
    if isinstance(edges, set):
        return column.where(column.isin(edges) | column.isna(), medians).astype(column.dtype)
    values = column.to_numpy(float)
    finite = np.isfinite(values)
    result = values.copy()
    result[finite] = medians[np.searchsorted(edges, values[finite], side="right")]
    if pd.api.types.is_integer_dtype(column):
        result = np.round(result).astype(np.int64)
    return pd.Series(result, index=column.index)


def with_steady(steady: SteadyInputs, fitted: Any) -> Any:
    """One artefact of both: a pipeline where the model is an estimator, else a function."""
    from sklearn.pipeline import Pipeline

    if hasattr(fitted, "predict"):
        return Pipeline([("inputs", steady), ("model", fitted)])

    def answer(frame: pd.DataFrame) -> Any:
        return fitted(steady.transform(frame))

    if hasattr(fitted, "classes"):
        answer.classes = fitted.classes  # type: ignore[attr-defined]  # scikit-learn has no types
    return answer
