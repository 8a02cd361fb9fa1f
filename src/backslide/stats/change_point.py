"""When did a level change, and how well can that be known?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.stats.metrics import Floats

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


def locate(values: Floats, weights: Floats, *, inflation: float = 1.0) -> ChangePoint | None:
    """The single change of mean that fits best; None with too few blocks or without any spread.

    ``values`` and ``weights`` (B,) in order of time; weights are inverse variances up to a factor. The interval inverts the
    likelihood ratio of the split (Hansen 2000), with the noise inflated by ``inflation`` for autocorrelation.
    """
    blocks = len(values)
    if blocks < 2 * MIN_SIDE + 1:
        return None
    total, weighted = np.cumsum(weights), np.cumsum(weights * values)
    squares = float((weights * values**2).sum())
    left, right = total[:-1], total[-1] - total[:-1]
    fit = weighted[:-1] ** 2 / left + (weighted[-1] - weighted[:-1]) ** 2 / np.maximum(right, 1e-300)
    error = np.maximum(squares - fit, 0.0)
    allowed = np.arange(blocks - 1)
    usable = (allowed + 1 >= MIN_SIDE) & (blocks - 1 - allowed >= MIN_SIDE)
    error = np.where(usable, error, np.inf)
    best = int(np.argmin(error))
    noise = float(error[best]) / (blocks - 2)
    if not np.isfinite(noise) or noise <= 1e-12 * squares / blocks:
        noise = max(noise, 1e-300)
    inside = np.flatnonzero(error - error[best] <= CRITICAL * inflation * noise)
    whole = squares - float(weighted[-1] ** 2 / total[-1])
    return ChangePoint(best + 1, int(inside[0]) + 1, int(inside[-1]) + 1, (whole - float(error[best])) / noise)
