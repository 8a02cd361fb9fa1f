"""Row statistics: what each row contributes to the sums that metrics are made of (see ``stats.metrics``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backslide.stats.metrics import Floats, RowKind

Codes = NDArray[np.int64]
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

    For "log_loss" and "brier", ``labels`` are class codes and ``predictions`` scores (n, K); else both are numbers (n,).
    """
    n = len(labels)
    if kind in ("log_loss", "brier"):
        codes = labels.astype(np.int64)
        own = predictions[np.arange(n), codes]
        if kind == "log_loss":
            total = predictions.sum(axis=1)
            loss = -np.log(np.clip(own / np.where(total > 0, total, 1.0), CLIP, 1.0))
        else:
            loss = (predictions**2).sum(axis=1) - 2 * own + 1.0
            if predictions.shape[1] == 2:  # the usual binary Brier score counts one side
                loss = loss / 2
        return np.column_stack([np.ones(n), loss])
    y = labels.astype(np.float64)
    error = predictions - y
    if kind == "variance":
        return np.column_stack([np.ones(n), error**2, y, y**2])
    loss = {"absolute": np.abs(error), "squared": error**2, "signed": error}[kind]
    return np.column_stack([np.ones(n), loss])
