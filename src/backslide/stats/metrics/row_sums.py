"""Row statistics: what each row contributes to the sums that metrics are made of (see ``stats.metrics``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backslide.stats.arrays import Floats, Ints
from backslide.stats.metrics.metric import RowKind

Codes = Ints
CLIP = 1e-15


def count_rows(labels: Codes, predictions: Codes, classes: int) -> Floats:
    """One-hot label, prediction and hit of each row (n, 3K). A code of -1 (not one of the classes) contributes nothing."""
    n = len(labels)
    rows = np.zeros((n, 3 * classes))
    index = np.arange(n)
    for codes, offset in ((labels, 0), (predictions, classes)):
        known = codes >= 0
        rows[index[known], offset + codes[known]] = 1.0
    hit = (labels == predictions) & (labels >= 0)
    rows[index[hit], 2 * classes + labels[hit]] = 1.0
    return rows


def loss_rows(kind: RowKind, labels: NDArray[np.generic], predictions: Floats) -> Floats:
    """``[1, loss]`` per row (n, 2); for "variance" ``[1, squared, y, y^2]`` (n, 4).

    For "log_loss" and "brier", ``labels`` are class codes and ``predictions`` scores (n, K); else both are numbers (n,). A
    percentage of a label of 0 does not exist: that row is ``[0, 0]``.
    """
    n = len(labels)
    if kind in ("log_loss", "brier"):
        return np.column_stack([np.ones(n), _score_losses(kind, labels.astype(np.int64), predictions)])
    y = labels.astype(np.float64)
    error = predictions - y
    if kind == "variance":
        return np.column_stack([np.ones(n), error**2, y, y**2])
    if kind == "percentage":
        exists = y != 0
        return np.column_stack([exists, np.abs(error) / np.where(exists, np.abs(y), np.inf)])
    loss = {"absolute": np.abs(error), "squared": error**2, "signed": error}[kind]
    return np.column_stack([np.ones(n), loss])


def _score_losses(kind: RowKind, codes: Codes, scores: Floats) -> Floats:
    own = scores[np.arange(len(codes)), codes]
    if kind == "log_loss":
        total = scores.sum(axis=1)
        return np.asarray(-np.log(np.clip(own / np.where(total > 0, total, 1.0), CLIP, 1.0)))
    loss = (scores**2).sum(axis=1) - 2 * own + 1.0
    return np.asarray(loss / 2 if scores.shape[1] == 2 else loss)  # the usual binary Brier score counts one side


def value_rows(values: Floats) -> Floats:
    """``[1, value]`` per row (n, 2); a row without a value is ``[0, 0]``."""
    known = np.isfinite(values)
    return np.column_stack([known, np.where(known, values, 0.0)])


def cell_rows(labels: Codes, predictions: Codes, cells: Floats) -> Floats:
    """``[1, value]`` per row (n, 2) with the value by label and prediction; a prediction of -1 is the last column."""
    return np.column_stack([np.ones(len(labels)), cells[labels, predictions]])
