"""Metrics as functions of totals.

Every metric here is ``value(sums)`` of additive row statistics: a row contributes a vector, a window (or a day, or a
bootstrap replicate, or a reweighted population) is the sum of its rows' vectors. That one shape serves profiles that were
merged by day, paired repairs and importance weights alike, and its gradient gives every metric a standard error.

Classification, K classes: ``[label_1..label_K, predicted_1..predicted_K, hit_1..hit_K]``, counts. Regression and losses:
``[n, loss]`` and the like. Metrics of ranks are means of one value per row too (see ``stats.ranking``); metrics that give one
number for a whole window are not sums of anything and are judged by the jackknife (``stats.jackknife``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backslide.stats.arrays import Floats, Mask
from backslide.stats.metrics.costs import Costs
from backslide.stats.metrics.ranking import average_precision_rows, quantile_rows, roc_auc_rows

RowKind = Literal[
    "counts", "log_loss", "brier", "absolute", "squared", "signed", "percentage", "cost", "variance", "own"
]
Arrays = tuple[NDArray[np.generic], NDArray[np.generic], Floats | None]
"""Labels, predictions (class codes or numbers, (n,)) and scores (n, K) of some rows."""


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
    of: Callable[[Arrays], Floats] | None = field(default=None, compare=False)
    """Row values (n,) whose mean is the metric, where no sum of ``rows`` gives it; NaN where a row does not count."""
    whole: Callable[[Arrays], float] | None = field(default=None, compare=False)
    """The metric of all rows at once, where it is no mean of anything: shown with jackknife intervals, never the headline."""
    cells: Floats | None = field(default=None, compare=False)
    """Value of a row by label and prediction (K, K + 1), last column "none of the classes"; its mean is the metric."""
    event: float = 0.0
    """Size of one error: half of one is the least noise that a window without errors is credited with."""
    bounds: tuple[float, float] = (-np.inf, np.inf)
    """Smallest and largest value that there is, so that no interval of a change leaves them."""
    smoothing: float = 0.0
    """Rows added to every cell of label and prediction for the slope, where the metric has none at its edge."""
    of_class: int | None = None
    """The class whose three counts are all that it depends on; None where it may depend on every sum."""

    def harm(self, change: float) -> float:
        """A change as harm: positive is worse."""
        return -change if self.higher_is_better else change

    @property
    def span(self) -> float:
        """The largest change that there can be."""
        return float(self.bounds[1] - self.bounds[0])

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


def macro_f1(sums: Floats, classes: Mask | None = None) -> Floats:
    """Mean F1 over ``classes`` (default: those that are label or prediction)."""
    scores = f1_scores(sums)
    return _nanmean(scores if classes is None else scores[..., classes])


def macro_f1_over(classes: Mask) -> Metric:
    """Macro F1 over a fixed set of classes: those labelled in both windows, so that both sides average the same."""
    return _counted("macro_f1", lambda sums: macro_f1(sums, classes))


def _weighted_f1(sums: Floats) -> Floats:
    return _by_support(sums, f1_scores(sums))


def _by_support(sums: Floats, scores: Floats) -> Floats:
    """Mean over classes weighted by their labels; a class without a score counts zero, as in scikit-learn."""
    label, _, _ = _split(sums)
    return _ratio(np.where(label > 0, label * np.nan_to_num(scores), 0.0).sum(-1), label.sum(-1))


def mean(sums: Floats) -> Floats:
    """Mean of ``[1, value]`` rows."""
    return _ratio(sums[..., 1], sums[..., 0])


def _rmse(sums: Floats) -> Floats:
    return np.asarray(np.sqrt(mean(sums)))


def _r2(sums: Floats) -> Floats:
    n, squared, y, yy = (sums[..., i] for i in range(4))
    return 1.0 - _ratio(squared, yy - _ratio(y * y, n))


SHARE = (0.0, 1.0)


def _counted(
    name: str, value: Callable[[Floats], Floats], smoothing: float = 0.0, bounds: tuple[float, float] = SHARE
) -> Metric:
    return Metric(name, True, "counts", value, event=1.0, smoothing=smoothing, bounds=bounds)


def _ranked(name: str, rows: Callable[[Mask, Floats], Floats], classes: tuple[int, ...] | None) -> Metric:
    """One class against the rest, averaged over ``classes`` (default: all); classes that cannot be ranked are left out."""

    def of(arrays: Arrays) -> Floats:
        labels, _, scores = arrays
        if scores is None:
            return np.full(len(labels), np.nan)
        chosen = range(scores.shape[1]) if classes is None else classes
        each = [rows(labels == k, scores[:, k]) for k in chosen]
        usable = [values for values in each if np.isfinite(values).all()]
        return np.asarray(np.mean(usable, axis=0)) if usable and len(labels) else np.full(len(labels), np.nan)

    return Metric(name, True, "own", mean, of=of, bounds=SHARE)


def _error_quantile(name: str, q: float) -> Metric:
    def of(arrays: Arrays) -> Floats:
        labels, predictions, _ = arrays
        return quantile_rows(np.abs(predictions.astype(np.float64) - labels.astype(np.float64)), q)

    return Metric(name, False, "own", mean, share=False, of=of)


def roc_auc_over(classes: tuple[int, ...] | None) -> Metric:
    """ROC AUC, one class against the rest: of the positive class, or the mean over several."""
    return _ranked("roc_auc", roc_auc_rows, classes)


def pr_auc_over(classes: tuple[int, ...] | None) -> Metric:
    """Average precision, one class against the rest: of the positive class, or the mean over several."""
    return _ranked("pr_auc", average_precision_rows, classes)


def brier_of(classes: int) -> Metric:
    """Brier score: from 0 to 1 with two classes, where it counts one of them, and to 2 with more."""
    return Metric("brier", False, "brier", mean, bounds=(0.0, 1.0 if classes == 2 else 2.0))


_OF_CLASSES = (
    _counted("accuracy", accuracy),
    _counted("balanced_accuracy", lambda sums: _nanmean(recalls(sums))),
    _counted("macro_f1", macro_f1),
    _counted("micro_f1", accuracy),
    _counted("weighted_f1", _weighted_f1),
    _counted("macro_precision", lambda sums: _nanmean(precisions(sums))),
    _counted("micro_precision", accuracy),
    _counted("weighted_precision", lambda sums: _by_support(sums, precisions(sums))),
    _counted("macro_recall", lambda sums: _nanmean(recalls(sums))),
    _counted("micro_recall", accuracy),
    _counted("weighted_recall", lambda sums: _by_support(sums, recalls(sums))),
    _counted("matthews", matthews, smoothing=0.5, bounds=(-1.0, 1.0)),
    roc_auc_over(None),
    pr_auc_over(None),
    Metric("log_loss", False, "log_loss", mean, share=False),
    brier_of(3),
)
_OF_NUMBERS = (
    Metric("mae", False, "absolute", mean, share=False),
    Metric("rmse", False, "squared", _rmse, share=False),
    Metric("bias", False, "signed", mean, share=False),
    Metric("r2", True, "variance", _r2),
    Metric("mape", False, "percentage", mean),
    _error_quantile("median_absolute_error", 0.5),
    _error_quantile("p90_absolute_error", 0.9),
)
COST = "expected_cost"
METRICS: dict[str, Metric] = {metric.name: metric for metric in (*_OF_CLASSES, *_OF_NUMBERS)}
CLASSIFICATION = tuple(metric.name for metric in _OF_CLASSES)
REGRESSION = tuple(metric.name for metric in _OF_NUMBERS)
SAME = {
    "micro_f1": "accuracy",
    "micro_precision": "accuracy",
    "micro_recall": "accuracy",
    "weighted_recall": "accuracy",
    "macro_recall": "balanced_accuracy",
}
"""Metrics that are another one under a second name, where every row has one label and one prediction."""
OF_SCORES = ("log_loss", "brier", "roc_auc", "pr_auc")
"""Metrics that need scores."""


def expected_cost(costs: Costs) -> Metric:
    """Mean cost of a row."""
    if costs.matrix is None:

        def of(arrays: Arrays) -> Floats:
            labels, predictions, _ = arrays
            return costs.of_errors(predictions.astype(np.float64) - labels.astype(np.float64))

        return Metric(COST, False, "cost", mean, share=False, of=of)
    k = len(costs.matrix)
    usual = costs.matrix[~np.eye(k, k + 1, dtype=bool)].mean()
    return Metric(COST, False, "own", mean, share=False, cells=costs.matrix, event=float(usual))


def class_metric(which: Literal["recall", "precision", "f1"], index: int, label: str) -> Metric:
    """Recall, precision or F1 of one class as a metric of its own."""
    score = {"recall": recalls, "precision": precisions, "f1": f1_scores}[which]

    def value(sums: Floats) -> Floats:
        return score(sums[..., _places(index, sums.shape[-1])])[..., 0]

    return replace(_counted(f"{which}[{label}]", value), of_class=index)


def _places(index: int, length: int) -> slice:
    """Where labels, predictions and hits of one class stand among ``length`` counts."""
    return slice(index, length, length // 3)


def gradient(metric: Metric, sums: Floats) -> Floats:
    """Derivative of the metric by each of the F sums at ``sums`` (F,), by central differences; zeros where not estimable."""
    if metric.value is mean:
        n = sums[0]
        return np.array([-sums[1] / n**2, 1 / n]) if n > 0 else np.zeros(2)
    if metric.smoothing and metric.rows == "counts":
        k = len(sums) // 3
        sums = sums + metric.smoothing * np.repeat([k, k, 1.0], k)
    size = np.abs(sums)
    # Counts share one step, so that a class without rows has one; sums of squares and of values have scales of their own.
    step = 1e-6 * np.maximum(size.max(initial=0.0) if metric.rows == "counts" else size, 1e-300 if size.any() else 1.0)
    step = np.broadcast_to(step, sums.shape)
    at = slice(None) if metric.of_class is None else _places(metric.of_class, len(sums))
    own, slope = sums[at], np.zeros(len(sums))
    shift = np.zeros((len(own), len(sums)))
    shift[:, at] = np.diag(step[at])
    slope[at] = (metric.value(sums + shift) - metric.value(sums - shift)) / (2 * step[at])
    return np.nan_to_num(slope)


def influence(metric: Metric, rows: Floats, sums: Floats) -> Floats:
    """First-order effect of each row on the metric, scaled so that the mean over rows is the metric's own noise (n,).

    ``rows`` (n, F) are row statistics that add up to ``sums``. The standard error of the metric is ``std(influence) / sqrt(n)``
    (infinitesimal jackknife; Efron 1982).
    """
    n = len(rows)
    return np.asarray((rows - sums / max(n, 1)) @ gradient(metric, sums)) * n
