"""Models that learn one row after the other (River's interface) behind the interface of scikit-learn."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator


class OneByOne(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A model with ``learn_one`` and ``predict_one`` as an estimator; missing values are left out of a row."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, frame: pd.DataFrame, labels: Any) -> OneByOne:
        """Start anew."""
        self.__dict__.pop("learned_", None)
        return self.partial_fit(frame, labels)

    def partial_fit(self, frame: pd.DataFrame, labels: Any, classes: Any = None) -> OneByOne:
        """Learn these rows in their order."""
        if not hasattr(self, "learned_"):
            self.learned_ = self.model.clone() if hasattr(self.model, "clone") else deepcopy(self.model)
            self.classes_ = np.array([], dtype=object)
        if hasattr(self.learned_, "predict_proba_one"):
            present = np.unique(np.asarray(labels if classes is None else classes))
            self.classes_ = np.array(sorted({*self.classes_.tolist(), *present.tolist()}))
        self.feature_names_in_ = np.array(list(frame.columns), dtype=object)
        targets = np.asarray(labels)
        if len(self.classes_) == 2:  # linear models among them know true and false only
            targets = targets == self.classes_[1]
        for row, label in zip(_rows(frame), targets.tolist(), strict=True):
            self.learned_.learn_one(row, label)
        return self

    def __getattr__(self, name: str) -> Any:
        """``predict_proba`` only where the model gives probabilities."""
        if name == "predict_proba" and hasattr(self.__dict__.get("learned_"), "predict_proba_one"):
            return self._probabilities
        raise AttributeError(name)

    def _probabilities(self, frame: pd.DataFrame) -> Any:
        chances = [self.learned_.predict_proba_one(row) for row in _rows(frame)]
        known = [False, True] if len(self.classes_) == 2 else self.classes_.tolist()
        result = np.array([[float(one.get(c, 0.0)) for c in known] for one in chances])
        total = result.sum(1, keepdims=True)
        return np.where(total > 0, result / np.where(total > 0, total, 1.0), 1 / max(len(self.classes_), 1))

    def predict(self, frame: pd.DataFrame) -> Any:
        """Classes or numbers (n,)."""
        if hasattr(self.learned_, "predict_proba_one"):
            return self.classes_[self._probabilities(frame).argmax(1)]
        return np.array([self.learned_.predict_one(row) for row in _rows(frame)], dtype=float)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    columns = list(frame.columns)
    values = [frame[c].tolist() for c in columns]
    return [
        {c: v for c, v in zip(columns, row, strict=True) if v is not None and v == v}
        for row in zip(*values, strict=True)
    ]
