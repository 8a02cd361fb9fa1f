"""A metric of unlabelled rows, estimated doubly robust from labelled reference rows, with a band from past estimates.

``L = mean over new rows of E[s | x] + weighted mean over reference rows of (s - E[s | x])``, the metric read off the moved sums:
consistent when either the regression or the importance weights are right (Robins, Rotnitzky and Zhao 1994). The band is the
90 % quantile of past errors (split conformal; Vovk and others 2005): it holds while the relation stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backslide.contracts import finding, say
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.metrics.metric import Metric
from backslide.stats.shift import doubly_robust

MIN_ESS = 200.0
LEVEL = 0.9
MIN_HISTORY = 8
"""Past stretches from which their errors make the band; with fewer, splits of the reference stand in."""
SPLITS = 12


@dataclass(frozen=True)
class LabelFreeEstimate:
    """A value with its 90 % band."""

    value: float
    half: float
    ess: float

    def published(self) -> finding.Estimate:
        """As contracts hold it."""
        return finding.Estimate(estimate=self.value, low=self.value - self.half, high=self.value + self.half)


def estimate_moved(
    metric: Metric,
    statistics: Floats,
    x_ref: Floats,
    x_cur: Floats,
    categorical: Mask,
    rng: np.random.Generator,
    *,
    history: list[tuple[float, float]],
    classes: int,
    labels: Ints | None = None,
    predictions: tuple[NDArray[np.generic], NDArray[np.generic]] | None = None,
) -> tuple[LabelFreeEstimate | None, str | None]:
    """The metric of rows ``x_cur`` (m, p) without labels, or why there is none.

    Args:
        metric: a sum of row statistics.
        statistics: of the labelled reference rows (n, F).
        x_ref: columns and scores of those rows (n, p).
        x_cur: the same of the new rows (m, p).
        categorical: which columns are codes (p,).
        rng: for folds.
        history: pairs of past estimates and what labels said later.
        classes: number of classes; 0 for regression.
        labels: class codes (n,) of the reference rows, for metrics of counts.
        predictions: of both sides, for metrics of counts.
    """
    domain = doubly_robust.domain_weights(x_ref, x_cur, categorical, rng)
    if domain.outside > doubly_robust.MAX_OUTSIDE:
        return None, f"{say.percent(domain.outside, 0)} of the rows lie outside what the reference holds"
    if domain.ess < MIN_ESS:
        return None, f"too few reference rows are like these (effective sample size {say.fixed(domain.ess, 0)})"
    m_ref, m_cur = _expected(statistics, x_ref, x_cur, categorical, rng, labels, predictions, classes)
    w = domain.weights[:, None]
    estimate = np.asarray(m_cur.mean(0) + (w * (statistics - m_ref)).sum(0) / max(float(w.sum()), 1e-12))
    spread = _own_error(metric, statistics, m_ref, rng, history, len(x_cur))
    return LabelFreeEstimate(float(metric.value(estimate)), spread, domain.ess), None


def _expected(
    statistics: Floats,
    x_ref: Floats,
    x_cur: Floats,
    categorical: Mask,
    rng: np.random.Generator,
    labels: Ints | None,
    predictions: tuple[NDArray[np.generic], NDArray[np.generic]] | None,
    classes: int,
) -> tuple[Floats, Floats]:
    """E[statistics | x] of both sides; for counts through P(label | x), since the prediction is known."""
    if labels is not None and predictions is not None and 0 < classes <= doubly_robust.MAX_CLASSES:
        chances = doubly_robust.class_probabilities(x_ref, labels, x_cur, classes, categorical, rng)
        likelihoods = [
            doubly_robust.count_expectations(chance, prediction.astype(np.int64))
            for chance, prediction in zip(chances, predictions, strict=True)
        ]
        return likelihoods[0], likelihoods[1]
    if labels is not None:
        return np.zeros_like(statistics), np.zeros((len(x_cur), statistics.shape[1]))
    ref, cur = doubly_robust.expected_losses(x_ref, statistics[:, 1:], x_cur, categorical, rng)
    return np.column_stack([np.ones(len(ref)), ref]), np.column_stack([np.ones(len(cur)), cur])


def _own_error(
    metric: Metric,
    statistics: Floats,
    m_ref: Floats,
    rng: np.random.Generator,
    history: list[tuple[float, float]],
    rows: int,
) -> float:
    """90 % quantile of past errors; else of the error on random parts of the reference as large as what is estimated."""
    if len(history) >= MIN_HISTORY:
        past = sorted(abs(estimate - true) for estimate, true in history)
        place = int(np.ceil(LEVEL * (len(past) + 1))) - 1
        return past[min(place, len(past) - 1)]
    n = len(statistics)
    size = int(min(max(rows, 50), n // 2))
    errors: list[float] = []
    for _ in range(SPLITS):
        part = rng.choice(n, size, replace=False)
        rest = np.setdiff1d(np.arange(n), part)
        estimate = m_ref[part].mean(0) + (statistics[rest] - m_ref[rest]).mean(0)
        errors.append(abs(float(metric.value(estimate)) - float(metric.value(statistics[part].mean(0)))))
    return float(np.quantile(errors, LEVEL))
