"""How labels arrive: late, by class at their own pace, and sometimes not at all.

What is labelled so far is no fair sample of what will be: where one class is labelled sooner, the share of it is too high
among young rows. Two ways around it, both unbiased while labels arrive as they used to: compare periods at equal age of their
labels, or weigh each labelled row by one over the chance that a label of its class had come by then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from backslide.stats.arrays import Floats, Mask

LEAST_CHANCE = 0.02
"""Chances of arrival under this are taken for it, so that no row weighs more than fifty."""
CHANGED = 1e-4
"""p-value of a log-rank test under which labels arrive otherwise than they did."""
MATERIAL = 0.05
"""Least difference of the arrival curves, at their widest, that is worth a word."""
MIN_LABELS = 50


@dataclass(frozen=True)
class ArrivalCurve:
    """Share of labels that have come within a delay, of those that ever come."""

    delays: Floats
    """Sorted delays of mature rows (n,), in any unit."""

    def at(self, age: Floats | float) -> Floats:
        """Share that has come by each age."""
        return np.asarray(np.searchsorted(self.delays, age, side="right") / max(len(self.delays), 1))

    def age(self, share: float) -> float:
        """Least age by which ``share`` of the labels has come."""
        return float(np.quantile(self.delays, share, method="inverted_cdf")) if len(self.delays) else 0.0


def curves(delays: Floats, labels: NDArray[np.generic]) -> dict[object, ArrivalCurve]:
    """Arrival by class from delays (n,) and labels (n,) of rows old enough to have theirs."""
    return {label: ArrivalCurve(np.sort(delays[labels == label])) for label in np.unique(labels)}


@dataclass(frozen=True)
class Arrival:
    """Whether labels arrive as they used to."""

    p_value: float
    difference: float
    """Later minus reference: largest difference of the arrival curves; negative means later than before."""

    @property
    def changed(self) -> bool:
        """Beyond noise and of a size that matters."""
        return self.p_value < CHANGED and abs(self.difference) >= MATERIAL


def compare_arrival(reference: Floats, later: Floats, later_ages: Floats) -> Arrival | None:
    """Log-rank test that the delays of later rows come from the reference's distribution.

    Args:
        reference: delays (n,) of labelled reference rows.
        later: delays (m,) of later rows; NaN where no label has come yet.
        later_ages: how old each later row is now (m,): what has not come is censored there.

    Returns:
        None with fewer than 50 labels on either side.
    """
    came = np.isfinite(later)
    if min(len(reference), int(came.sum())) < MIN_LABELS:
        return None
    # Rows that are never labelled would look like ever longer delays: both sides are cut at the age to which the reference
    # tells anything, and only labelled rows count there.
    horizon = float(np.max(later_ages))
    known = reference[reference <= horizon]
    if len(known) < MIN_LABELS:
        return None
    full = later_ages >= float(np.quantile(reference, 0.99))
    mine = later[came & full]
    if len(mine) < MIN_LABELS:
        return None
    test = stats.logrank(stats.CensoredData(uncensored=mine), stats.CensoredData(uncensored=known))
    grid = np.unique(np.r_[mine, known])
    gap = ArrivalCurve(np.sort(mine)).at(grid) - ArrivalCurve(np.sort(known)).at(grid)
    return Arrival(float(test.pvalue), float(gap[np.argmax(np.abs(gap))]))


@dataclass(frozen=True)
class Selective:
    """Whether which rows are labelled depends on the score."""

    p_value: float
    lowest: float
    highest: float
    """Labelled shares of the groups with the fewest and the most labels."""

    @property
    def found(self) -> bool:
        """Beyond noise and of a size that matters."""
        return self.p_value < CHANGED and self.highest - self.lowest >= 2 * MATERIAL


def selective_labels(scores: Floats, labelled: Mask, groups: int = 10) -> Selective | None:
    """Chi-squared test that the labelled share is the same in every tenth of the score (n,); None with too few rows."""
    known = np.isfinite(scores)
    scores, labelled = scores[known], labelled[known]
    if len(scores) < MIN_LABELS * 2 or labelled.all() or not labelled.any():
        return None
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, groups + 1)[1:-1]))
    at = np.searchsorted(edges, scores, side="right")
    rows = np.bincount(at, minlength=len(edges) + 1)
    hits = np.bincount(at, labelled, len(edges) + 1)
    used = rows >= 20
    if used.sum() < 2:
        return None
    table = np.array([hits[used], (rows - hits)[used]])
    if (table.sum(axis=1) == 0).any():
        return None
    share = hits[used] / rows[used]
    return Selective(float(stats.chi2_contingency(table).pvalue), float(share.min()), float(share.max()))
