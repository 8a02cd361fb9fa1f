"""How well scores match what happens: reliability curves, calibration error, and Cox's recalibration line, with row influences.

Figures of one window come with a pseudo-value per row, whose mean is the figure and whose spread is its noise, so that their
change is judged like any other mean, by day (``stats.units.mean_change``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats
from sklearn.linear_model import LogisticRegression

from backslide.stats.arrays import Floats
from backslide.stats.sorted_search import search_sorted
from backslide.stats.two_sample import wilson

BINS = 10
SCORE_CLIP = 1e-4
"""Scores are taken as at least this far from 0 and 1 on the log odds scale: a sure score has no finite log odds."""
STEEPEST = 20.0
"""A fitted slope beyond this says that the classes are separated, not how steep the line is."""


@dataclass(frozen=True)
class CalibrationCurve:
    """Rows of one window by bins of the score (bins,); NaN where a bin is empty."""

    rows: Floats
    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: mean |observed - predicted| over rows, without what sampling noise adds to it.

        The plug-in is far above 0 for perfect scores. Here a bin's gap counts with the sign that one half of its rows gives it,
        measured on the other half, averaged over all splits (in closed form, gaps taken as normal): ``g (2 F(g/s) - 1) - 2 s
        f(g/s)`` with s the gap's standard error. Its mean is 0 for perfect scores and the gap for gaps well above noise; in
        between it is too low. Never under 0; NaN without rows. See Kumar, Liang and Ma (2019) on the bias.
        """
        used = self.rows > 1
        if not used.any():
            return float("nan")
        gap = np.abs(self.observed - self.predicted)[used]
        spread = np.sqrt(np.maximum(self.observed * (1 - self.observed), 0.0)[used] / (self.rows[used] - 1))
        t = gap / np.where(spread > 0, spread, 1.0)
        clean = np.where(spread > 0, gap * (2 * stats.norm.cdf(t) - 1) - 2 * spread * stats.norm.pdf(t), gap)
        return max(float((self.rows[used] * clean).sum() / self.rows[used].sum()), 0.0)


def bin_edges(reference_scores: Floats, bins: int = BINS) -> Floats:
    """Inner edges with about as many reference rows between them; fewer where scores repeat."""
    return np.unique(np.quantile(reference_scores, np.linspace(0, 1, bins + 1)[1:-1]))


def bin_sums(scores: Floats, hits: Floats, edges: Floats) -> Floats:
    """Row statistics for resampling: one-hot bin, bin times hit, bin times score (n, 3 * bins)."""
    bins = len(edges) + 1
    at = search_sorted(edges, scores, "right")
    one = np.zeros((len(scores), bins))
    one[np.arange(len(scores)), at] = 1.0
    return np.hstack([one, one * hits[:, None], one * scores[:, None]])


def curve_of(sums: Floats) -> CalibrationCurve:
    """The curve that sums (3 * bins,) of ``bin_sums`` make, with Wilson intervals."""
    rows, hits, scores = np.split(np.asarray(sums, float), 3)
    safe = np.where(rows > 0, rows, 1.0)
    observed, predicted = (np.where(rows > 0, v / safe, np.nan) for v in (hits, scores))
    bounds = [wilson(h, n) if n > 0 else (np.nan, np.nan) for h, n in zip(hits, rows, strict=True)]
    low, high = np.array(bounds).T
    return CalibrationCurve(rows, predicted, observed, low, high)


def plain_errors(sums: Floats) -> Floats:
    """Calibration error of each replicate's sums (B, 3 * bins), not corrected for noise (B,): for its spread only."""
    rows, hits, scores = np.split(sums, 3, axis=-1)
    return np.asarray(np.abs(hits - scores).sum(-1) / np.maximum(rows.sum(-1), 1e-12))


@dataclass(frozen=True)
class RecalibrationLine:
    """Cox's recalibration of one window, ``logit P(hit) = a + b logit(score)``."""

    intercept: float
    """``a`` with ``b`` held at 1: calibration in the large, in log odds; 0 is perfect, negative means too sure."""
    slope: float
    """``b`` with ``a`` free; 1 is perfect, under 1 means scores too extreme."""
    intercept_rows: Floats
    """Pseudo-values (n,) whose mean is the intercept."""
    slope_rows: Floats


def _separated(x: Floats, hits: Floats) -> bool:
    """Whether a threshold tells hits from the rest, ties at it aside: the likelihood then rises with the slope without end."""
    one, other = x[hits > 0], x[hits <= 0]
    return bool(one.min() >= other.max() or other.min() >= one.max())


def recalibrate(scores: Floats, hits: Floats) -> RecalibrationLine | None:
    """Fit Cox's line (Cox 1958); None where the rows cannot tell it: one outcome only, one score only, or separated."""
    if len(hits) < 3 or hits.min() == hits.max():
        return None
    x = special.logit(np.clip(scores, SCORE_CLIP, 1 - SCORE_CLIP))
    if np.ptp(x) < 1e-9 or _separated(x, hits):
        return None
    intercept = float(optimize.brentq(lambda a: float((hits - special.expit(x + a)).mean()), -60, 60))
    fitted = special.expit(x + intercept)
    intercept_rows = intercept + (hits - fitted) / float((fitted * (1 - fitted)).mean())
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=200).fit(x[:, None], hits)
    a, b = float(model.intercept_[0]), float(model.coef_[0, 0])
    if abs(b) > STEEPEST:
        return None
    p = special.expit(a + b * x)
    weight = p * (1 - p)
    design = np.column_stack([np.ones(len(x)), x])
    information = (design * weight[:, None]).T @ design / len(x)
    if np.linalg.cond(information) > 1e12:
        return None
    influence = (design * (hits - p)[:, None]) @ np.linalg.inv(information)[:, 1]
    return RecalibrationLine(intercept, b, intercept_rows, b + influence)
