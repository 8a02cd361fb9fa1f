"""Metrics as functions of totals.

Every metric here is ``value(sums)`` of additive row statistics: a row contributes a vector, a window (or a day, or a
bootstrap replicate, or a reweighted population) is the sum of its rows' vectors. That one shape serves profiles that were
merged by day, paired repairs and importance weights alike, and its gradient gives every metric a standard error.

Classification, K classes: ``[label_1..label_K, predicted_1..predicted_K, hit_1..hit_K]``, counts. Regression and losses:
``[n, loss]`` and the like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RowKind = Literal["counts", "log_loss", "brier", "absolute", "squared", "signed", "variance"]


@dataclass(frozen=True)
class Metric:
    """A metric of summed row statistics.

    ``value`` maps sums of shape (..., F) to values of shape (...); NaN where not estimable.
    """

    name: str
    higher_is_better: bool
    rows: RowKind
    value: Callable[[Floats], Floats]
    share: bool = True
    """Whether it is a fraction, shown in points, rather than a number in the label's unit."""

    def harm(self, change: float) -> float:
        """A change as harm: positive is worse."""
        return -change if self.higher_is_better else change

    @property
    def sign(self) -> int:
        """+1 when higher is better, else -1."""
        return 1 if self.higher_is_better else -1


def _ratio(top: Floats, bottom: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)


def _split(sums: Floats) -> tuple[Floats, Floats, Floats]:
    k = sums.shape[-1] // 3
    return sums[..., :k], sums[..., k : 2 * k], sums[..., 2 * k :]


def _nanmean(values: Floats) -> Floats:
    known = np.isfinite(values)
    return _ratio(np.where(known, values, 0.0).sum(-1), known.sum(-1).astype(float))


def recalls(sums: Floats) -> Floats:
    """Recall per class, shape (..., K)."""
    label, _, hit = _split(sums)
    return _ratio(hit, label)


def precisions(sums: Floats) -> Floats:
    """Precision per class, shape (..., K); NaN where the class is never predicted."""
    _, predicted, hit = _split(sums)
    return _ratio(hit, predicted)


def f1_scores(sums: Floats) -> Floats:
    """F1 per class, shape (..., K); NaN where the class is neither label nor prediction."""
    label, predicted, hit = _split(sums)
    return _ratio(2 * hit, label + predicted)


def accuracy(sums: Floats) -> Floats:
    """Share of rows predicted right."""
    label, _, hit = _split(sums)
    return _ratio(hit.sum(-1), label.sum(-1))


def matthews(sums: Floats) -> Floats:
    """Matthews correlation, multiclass form (Gorodkin 2004); 0 where only one class is labelled or predicted."""
    label, predicted, hit = _split(sums)
    n, c = label.sum(-1), hit.sum(-1)
    top = c * n - (label * predicted).sum(-1)
    bottom = np.sqrt(np.maximum(n**2 - (predicted**2).sum(-1), 0)) * np.sqrt(np.maximum(n**2 - (label**2).sum(-1), 0))
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), 0.0)


def macro_f1(sums: Floats, classes: NDArray[np.bool_] | None = None) -> Floats:
    """Mean F1 over ``classes`` (default: those that are label or prediction)."""
    scores = f1_scores(sums)
    return _nanmean(scores if classes is None else scores[..., classes])


def macro_f1_over(classes: NDArray[np.bool_]) -> Metric:
    """Macro F1 over a fixed set of classes: those labelled in both windows, so that both sides average the same."""
    return Metric("macro_f1", True, "counts", lambda sums: macro_f1(sums, classes))


def _weighted_f1(sums: Floats) -> Floats:
    label, _, _ = _split(sums)
    scores = f1_scores(sums)
    return _ratio(np.where(label > 0, label * np.nan_to_num(scores), 0.0).sum(-1), label.sum(-1))


def _mean(sums: Floats) -> Floats:
    return _ratio(sums[..., 1], sums[..., 0])


def _rmse(sums: Floats) -> Floats:
    return np.asarray(np.sqrt(_mean(sums)))


def _r2(sums: Floats) -> Floats:
    n, squared, y, yy = (sums[..., i] for i in range(4))
    return 1.0 - _ratio(squared, yy - _ratio(y * y, n))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, "counts", accuracy),
        Metric("balanced_accuracy", True, "counts", lambda sums: _nanmean(recalls(sums))),
        Metric("macro_f1", True, "counts", macro_f1),
        Metric("micro_f1", True, "counts", accuracy),
        Metric("weighted_f1", True, "counts", _weighted_f1),
        Metric("macro_precision", True, "counts", lambda sums: _nanmean(precisions(sums))),
        Metric("macro_recall", True, "counts", lambda sums: _nanmean(recalls(sums))),
        Metric("matthews", True, "counts", matthews),
        Metric("log_loss", False, "log_loss", _mean, share=False),
        Metric("brier", False, "brier", _mean),
        Metric("mae", False, "absolute", _mean, share=False),
        Metric("rmse", False, "squared", _rmse, share=False),
        Metric("bias", False, "signed", _mean, share=False),
        Metric("r2", True, "variance", _r2),
    )
}
CLASSIFICATION = tuple(name for name, metric in METRICS.items() if metric.rows in ("counts", "log_loss", "brier"))
REGRESSION = tuple(name for name in METRICS if name not in CLASSIFICATION)


def class_metric(which: Literal["recall", "precision", "f1"], index: int, label: str) -> Metric:
    """Recall, precision or F1 of one class as a metric of its own."""
    score = {"recall": recalls, "precision": precisions, "f1": f1_scores}[which]
    return Metric(f"{which}[{label}]", True, "counts", lambda sums: score(sums)[..., index])


def gradient(metric: Metric, sums: Floats) -> Floats:
    """Derivative of the metric by each of the F sums at ``sums`` (F,), by central differences; zeros where not estimable."""
    size = np.abs(sums)
    # Counts share one step, so that a class without rows has one; sums of squares and of values have scales of their own.
    step = 1e-6 * np.maximum(size.max(initial=0.0) if metric.rows == "counts" else size, 1e-300 if size.any() else 1.0)
    step = np.broadcast_to(step, sums.shape)
    shift = np.diag(step)
    slope = (metric.value(sums + shift) - metric.value(sums - shift)) / (2 * step)
    return np.nan_to_num(slope)


def influence(metric: Metric, rows: Floats, sums: Floats) -> Floats:
    """First-order effect of each row on the metric, scaled so that the mean over rows is the metric's own noise (n,).

    ``rows`` (n, F) are row statistics that add up to ``sums``. The standard error of the metric is ``std(influence) / sqrt(n)``
    (infinitesimal jackknife; Efron 1982).
    """
    n = len(rows)
    return np.asarray((rows - sums / max(n, 1)) @ gradient(metric, sums)) * n
