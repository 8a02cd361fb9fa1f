"""Metrics computed by other means than the package's own, with the noise of their unpaired change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, root_mean_squared_error

from faults.pipelines import PREDICTION
from faults.sets import DataSet

REPLICATES = 60
POINTS = 0.02
"""Two points: from where an effect counts as large, for classification."""
SHARE_OF_DEVIATION = 0.04
"""The same for regression: of the labels' mean absolute deviation."""

Score = Callable[[np.ndarray, np.ndarray], float]
KNOWN: dict[str, Score] = {
    "accuracy": lambda truth, said: float(accuracy_score(truth, said)),
    "macro_f1": lambda truth, said: float(
        f1_score(truth, said, average="macro", labels=np.unique(truth), zero_division=0)
    ),
    "mae": lambda truth, said: float(mean_absolute_error(truth, said)),
    "rmse": lambda truth, said: float(root_mean_squared_error(truth, said)),
}


def headline(data: DataSet, reference: pl.DataFrame) -> str:
    """The metric that users get who name none: macro F1 where a label is rare, else accuracy; for numbers the absolute error."""
    if data.regression:
        return "mae"
    shares = reference[data.label].value_counts(normalize=True)["proportion"]
    return "macro_f1" if float(shares.min()) < 0.5 / len(shares) else "accuracy"


def higher_is_better(metric: str) -> bool:
    """Whether more is good."""
    return metric in ("accuracy", "macro_f1")


def pair(data: DataSet, rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions."""
    if data.regression:
        return rows[data.label].to_numpy().astype(float), rows[PREDICTION].to_numpy().astype(float)
    return rows[data.label].cast(pl.String).to_numpy(), rows[PREDICTION].cast(pl.String).to_numpy()


def score(data: DataSet, metric: str, rows: pl.DataFrame) -> float:
    """The metric on served rows."""
    return KNOWN[metric](*pair(data, rows))


def noise(data: DataSet, metric: str, rows: pl.DataFrame) -> float:
    """Standard error of the metric on these rows, by the bootstrap of rows."""
    truth, said = pair(data, rows)
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(truth), len(truth)) for _ in range(REPLICATES)]
    if metric == "accuracy":
        right = truth == said
        return float(np.std([right[i].mean() for i in drawn]))
    if metric == "mae":
        error = np.abs(truth - said)
        return float(np.std([error[i].mean() for i in drawn]))
    levels, coded = np.unique(np.concatenate([truth, said]), return_inverse=True)
    t, s = coded[: len(truth)], coded[len(truth) :]
    return (
        float(np.std([_macro_f1(t[i], s[i], len(levels)) for i in drawn]))
        if metric == "macro_f1"
        else float(np.std([KNOWN[metric](truth[i], said[i]) for i in drawn]))
    )


def _macro_f1(truth: np.ndarray, said: np.ndarray, k: int) -> float:
    table = np.bincount(truth * k + said, minlength=k * k).reshape(k, k)
    there = table.sum(axis=1) > 0
    f1 = 2 * np.diag(table) / np.maximum(table.sum(axis=0) + table.sum(axis=1), 1)
    return float(f1[there].mean())


def material(data: DataSet, reference: pl.DataFrame) -> float:
    """The smallest effect that counts as large whatever the noise, in the metric's unit."""
    if not data.regression:
        return POINTS
    label = reference[data.label].to_numpy().astype(float)
    return SHARE_OF_DEVIATION * float(np.abs(label - label.mean()).mean())
