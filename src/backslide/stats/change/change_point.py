"""When did a level change, and how well can that be known? Split points of values by day or block, weekdays taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.stats.arrays import Floats, Ints, Mask

WEEK = 7
CRITICAL = 7.35
"""95 % quantile of the likelihood ratio of a threshold (Hansen 2000, table 1: -2 log(1 - sqrt(0.95)))."""
MIN_SIDE = 2
"""Blocks that a side needs before it can be told from the other."""


@dataclass(frozen=True)
class ChangePoint:
    """The first block after the change, and the first and last block that it could be instead (95 %)."""

    index: int
    low: int
    high: int
    drop: float
    """Squared standardised size of the change: gain in fit over the noise of one block."""


def without_weekdays(values: Floats, rows: Floats, days: Ints, baseline: Mask) -> Floats:
    """Daily values (D,) less the weekday means of the baseline days, where each of their weekdays was seen twice.

    ``days`` are ordinals with ``% 7`` the weekday, ``rows`` the weight of each day.
    """
    weekday = days % WEEK
    counts = np.bincount(weekday[baseline], minlength=WEEK)
    if counts.sum() < 2 * WEEK or counts[np.unique(weekday)].min() < 2:
        return values
    weight = np.bincount(weekday[baseline], rows[baseline], WEEK)
    means = np.bincount(weekday[baseline], (rows * values)[baseline], WEEK) / np.where(weight > 0, weight, 1.0)
    overall = float((rows * values)[baseline].sum() / max(float(rows[baseline].sum()), 1e-12))
    return np.asarray(values - means[weekday] + overall)


def change_point(values: Floats, rows: Floats, current: Mask) -> int:
    """Index of the first day after the change of mean that fits best, among the current days.

    ``values`` (D,) in order of time, ``rows`` their weights. When the split falls before the current window, the whole window
    moved.
    """
    first = int(np.argmax(current))
    scaled = values / max(float(np.abs(values).max()), 1e-300)  # squares of very large numbers overflow
    gain = _gains(scaled, rows)
    return max(int(np.argmax(gain)) + 1, first) if len(gain) else first


def _gains(values: Floats, weights: Floats) -> Floats:
    """Between-sum of squares of every split (B - 1,): the squared CUSUM, standardised (Page 1955; Hinkley 1970)."""
    upto = np.cumsum(weights)
    total, left = upto[-1], upto[:-1]
    cusum = np.cumsum(weights * (values - float(weights @ values) / total))[:-1]
    return np.asarray(total * cusum**2 / np.maximum(left * (total - left), 1e-300))


def locate(values: Floats, weights: Floats, *, inflation: float = 1.0) -> ChangePoint | None:
    """The single change of mean that fits best; None with too few blocks or without any spread.

    ``values`` and ``weights`` (B,) in order of time; weights are inverse variances up to a factor. The interval inverts the
    likelihood ratio of the split (Hansen 2000), with the noise inflated by ``inflation`` for autocorrelation.
    """
    blocks = len(values)
    if blocks < 2 * MIN_SIDE + 1:
        return None
    mean = float(weights @ values) / float(weights.sum())
    squares, whole = float((weights * values**2).sum()), float((weights * (values - mean) ** 2).sum())
    error = np.maximum(whole - _gains(values, weights), 0.0)
    allowed = np.arange(blocks - 1)
    usable = (allowed + 1 >= MIN_SIDE) & (blocks - 1 - allowed >= MIN_SIDE)
    error = np.where(usable, error, np.inf)
    best = int(np.argmin(error))
    noise = float(error[best]) / (blocks - 2)
    if not np.isfinite(noise) or noise <= 1e-12 * squares / blocks:
        noise = max(noise, 1e-300)
    inside = np.flatnonzero(error - error[best] <= CRITICAL * inflation * noise)
    return ChangePoint(best + 1, int(inside[0]) + 1, int(inside[-1]) + 1, (whole - float(error[best])) / noise)
