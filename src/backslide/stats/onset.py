"""Since when? The day from which a daily statistic stays elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backslide.stats.metrics import Floats

WEEK = 7


def without_weekdays(values: Floats, rows: Floats, days: NDArray[np.int64], baseline: NDArray[np.bool_]) -> Floats:
    """Daily values (D,) less the weekday means of the baseline days, where each of their weekdays was seen twice.

    ``days`` are ordinals with ``% 7`` the weekday, ``rows`` the weight of each day.
    """
    weekday = days % WEEK
    seen = np.bincount(weekday[baseline], minlength=WEEK)
    if seen.sum() < 2 * WEEK or seen[np.unique(weekday)].min() < 2:
        return values
    weight = np.bincount(weekday[baseline], rows[baseline], WEEK)
    means = np.bincount(weekday[baseline], (rows * values)[baseline], WEEK) / np.where(weight > 0, weight, 1.0)
    overall = float((rows * values)[baseline].sum() / max(float(rows[baseline].sum()), 1e-12))
    return np.asarray(values - means[weekday] + overall)


def change_point(values: Floats, rows: Floats, current: NDArray[np.bool_]) -> int:
    """Index of the first day after the change of mean that fits best, among the current days.

    ``values`` (D,) in order of time, ``rows`` their weights. The split maximises the between-sum of squares, which is the peak
    of the standardised CUSUM (Page 1955; Hinkley 1970). When it falls before the current window, the whole window moved.
    """
    first = int(np.argmax(current))
    weight = np.cumsum(rows)
    total = weight[-1]
    scaled = values / max(float(np.abs(values).max()), 1e-300)  # squares of very large numbers overflow
    centred = scaled - float(rows @ scaled) / total
    cusum = np.cumsum(rows * centred)[:-1]
    left = weight[:-1]
    gain = cusum**2 / np.maximum(left * (total - left), 1e-300)
    return max(int(np.argmax(gain)) + 1, first) if len(gain) else first
