"""Labels, predictions and scores of some rows as arrays, ready to be scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.engine.columns import names
from backslide.engine.columns.pair import codes_in, to_numbers
from backslide.engine.roles.problem import Problem
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.metrics.metric import Arrays, Metric
from backslide.stats.metrics.row_sums import Codes, cell_rows, count_rows, loss_rows, value_rows


@dataclass(frozen=True)
class Outcomes:
    """Labels, predictions and scores of some rows, ready to be scored.

    Classification: codes (n,) into the problem's classes, -1 where unknown; scores (n, K) or None. Regression: floats, NaN
    where unknown.
    """

    labels: NDArray[np.generic]
    predictions: NDArray[np.generic]
    scores: Floats | None

    def take(self, rows: Mask | Ints) -> Outcomes:
        """Some of the rows."""
        return Outcomes(self.labels[rows], self.predictions[rows], None if self.scores is None else self.scores[rows])

    def known(self) -> Mask:
        """Rows with label, prediction and, where there are scores, all of them."""
        if self.labels.dtype.kind == "f":
            return np.asarray(np.isfinite(self.labels.astype(float)) & np.isfinite(self.predictions.astype(float)))
        scored = True if self.scores is None else np.isfinite(self.scores).all(axis=1)
        return np.asarray((self.labels.astype(np.int64) >= 0) & (self.predictions.astype(np.int64) >= 0) & scored)

    @property
    def arrays(self) -> Arrays:
        """Labels, predictions and scores, as metrics take them."""
        return self.labels, self.predictions, self.scores

    def statistics(self, metric: Metric, classes: int) -> Floats:
        """Row statistics of the metric (n, F); see ``stats.rows``."""
        if metric.of is not None:
            return value_rows(metric.of(self.arrays))
        if metric.cells is not None:
            return cell_rows(self.labels.astype(np.int64), self.predictions.astype(np.int64), metric.cells)
        if metric.rows == "counts":
            return count_rows(self.labels.astype(np.int64), self.predictions.astype(np.int64), classes)
        if metric.rows in ("log_loss", "brier"):
            assert self.scores is not None
            return loss_rows(metric.rows, self.labels, self.scores)
        return loss_rows(metric.rows, self.labels, self.predictions.astype(np.float64))


def outcomes(frame: pl.DataFrame, problem: Problem) -> Outcomes:
    """What a prepared frame says was labelled, predicted and scored."""
    if not problem.classification:
        none = np.full(frame.height, np.nan)
        arrays = [to_numbers(frame[n]) if n in frame.columns else none for n in (names.LABEL, names.PREDICTION)]
        return Outcomes(arrays[0], arrays[1], None)
    codes = [
        codes_of(frame[n], problem.classes) if n in frame.columns else np.full(frame.height, -1, np.int64)
        for n in (names.LABEL, names.PREDICTION)
    ]
    columns = [names.score(label) for label in problem.classes]
    scores = None
    if problem.has_scores and all(c in frame.columns for c in columns):
        scores = np.column_stack([to_numbers(frame[c]) for c in columns])
    return Outcomes(codes[0], codes[1], scores)


def decide(scores: Floats, problem: Problem) -> Codes:
    """Codes of the classes that scores (n, K) decide for; -1 where they are NaN."""
    unknown = ~np.isfinite(scores).all(axis=1)
    if problem.task == "binary" and problem.positive is not None:
        positive = problem.classes.index(problem.positive)
        codes = np.where(scores[:, positive] >= problem.threshold, positive, 1 - positive)
    else:
        codes = np.argmax(np.nan_to_num(scores, nan=-1.0), axis=1)
    return np.where(unknown, -1, codes).astype(np.int64)


def codes_of(
    labels: pl.Series | NDArray[np.object_], classes: tuple[str, ...], spellings: Mapping[str, str] | None = None
) -> Codes:
    """Codes of label texts into ``classes``, -1 for anything else; ``spellings`` are other texts of a class."""
    index = {label: code for code, label in enumerate(classes)}
    index = {other: index[label] for other, label in (spellings or {}).items() if label in index} | index
    return codes_in(labels, index, -1)
