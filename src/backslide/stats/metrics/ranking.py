"""Rank metrics of scores as means of row influences: ROC AUC, average precision, and quantiles.

None of them is a function of a few sums. Each is written as the mean of one value per row, its first-order (Hajek) projection:
the mean over the rows is the metric itself, to the last digit but rounding, and the spread of the values is its noise. So days,
replicates and weights treat them as they treat a mean. Under weights far from one the mean is a first-order approximation.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from backslide.stats.arrays import Floats, Mask

Flags = Mask


def roc_auc_rows(positive: Flags, scores: Floats) -> Floats:
    """Row values (n,) whose mean is the ROC AUC; NaN where a side has no rows. Ties count half.

    Placements of each positive among the negatives and the other way round (DeLong, DeLong and Clarke-Pearson 1988),
    weighted by the inverse class shares.
    """
    n, n_positive = len(scores), int(positive.sum())
    n_negative = n - n_positive
    if n_positive == 0 or n_negative == 0:
        return np.full(n, np.nan)
    overall = stats.rankdata(scores)
    within = np.empty(n)
    within[positive], within[~positive] = stats.rankdata(scores[positive]), stats.rankdata(scores[~positive])
    beaten = overall - within
    placement = np.where(positive, beaten / n_negative, 1 - beaten / n_positive)
    auc = float(placement[positive].mean())
    share = np.where(positive, n_positive, n_negative) / n
    return np.asarray(auc + (placement - auc) / share)


def average_precision_rows(positive: Flags, scores: Floats) -> Floats:
    """Row values (n,) whose mean is the average precision (the step-wise area that scikit-learn takes); NaN without positives.

    Average precision is the mean over positives of the precision at their own score. A row moves it as a positive of its own,
    and by entering the precision at every positive with a score not above its own.
    """
    n, n_positive = len(scores), int(positive.sum())
    if n_positive == 0:
        return np.full(n, np.nan)
    thresholds, index = np.unique(-scores, return_inverse=True)  # ascending: highest score first
    hits = np.bincount(index, positive, len(thresholds))
    true_positives, called = np.cumsum(hits), np.cumsum(np.bincount(index, minlength=len(thresholds)))
    precision = true_positives / called
    value = float(hits @ precision) / n_positive
    # Sums over positives at this score and below it, of 1 / share called, and of precision / share called.
    entered = np.cumsum((hits * n / called)[::-1])[::-1] / n_positive
    diluted = np.cumsum((hits * precision * n / called)[::-1])[::-1] / n_positive
    own = (precision[index] - value) * n / n_positive
    return np.asarray(value + np.where(positive, own + entered[index], 0.0) - diluted[index])


def quantile_rows(values: Floats, q: float) -> Floats:
    """Row values (n,) whose mean is the ``q`` quantile (linear interpolation, as numpy's).

    Influence ``(q - 1[x <= Q]) / f(Q)``; the density from the spacing of the quantiles around it (Siddiqui 1960), as wide as
    the normal's mean-squared-error bandwidth (Bofinger 1975).
    """
    n = len(values)
    if n == 0:
        return values.astype(float)
    value = float(np.quantile(values, q))
    z = float(stats.norm.ppf(q))
    width = n ** (-0.2) * (4.5 * float(stats.norm.pdf(z)) ** 4 / (2 * z**2 + 1) ** 2) ** 0.2
    width = min(width, 0.9 * q, 0.9 * (1 - q))
    low, high = np.quantile(values, [q - width, q + width])
    sparsity = float(high - low) / (2 * width)
    rows = (q - (values <= value)) * sparsity
    return np.asarray(rows - rows.mean() + value)
