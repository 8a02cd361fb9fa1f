"""In which run of days were rows hit? A binomial step up, and perhaps down again, with an interval for the start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.change_point import CRITICAL

MOST = 120
"""Days up to which every run is tried; beyond, only those that last to the end."""
OUTSIDE = 0.25
"""Share of the rate inside that the rate outside may be: less is no period, the whole window was hit."""
ENDED = 20.0
"""Gain of the likelihood ratio, in units of the days' own spread, from which a fault ended before the window did."""

Index = Ints


@dataclass(frozen=True)
class HitPeriod:
    """Days ``start`` to ``stop`` (first one after) are hit; the first could be any of ``low`` to ``high`` (95 %)."""

    start: int
    stop: int
    low: int
    high: int


def runs(days: int) -> tuple[Index, Index]:
    """Starts and stops (m,) of every run of days that is not the whole; stops count one further."""
    start, stop = np.triu_indices(days + 1, 1)
    keep = (stop - start < days) & ((stop == days) if days > MOST else True)
    return start[keep].astype(np.int64), stop[keep].astype(np.int64)


def period(hit: Floats, rows: Floats) -> HitPeriod | None:
    """The run of days that explains the hit rows best; None without any.

    ``hit`` and ``rows`` (D,) count rows per day, in order of time. Rates inside and outside are binomial, the rate outside at
    most a quarter of the one inside; the interval of the start inverts the likelihood ratio as for a threshold (Hansen 2000),
    inflated by the spread of the days around the fit.
    """
    if not len(hit) or hit.sum() <= 0:
        return None
    k, n = (np.concatenate([[0.0], np.cumsum(v)]) for v in (hit, rows))
    start, stop = runs(len(hit))
    start, stop = np.append(start, 0), np.append(stop, len(hit))
    likelihood = _likelihood(k[stop] - k[start], n[stop] - n[start], k[-1], n[-1])
    lasting = np.flatnonzero(stop == len(hit))
    best = lasting[int(np.argmax(likelihood[lasting]))]
    spread = _spread(hit, rows, int(start[best]), int(stop[best]))
    ended = int(np.argmax(likelihood))
    if 2 * (likelihood[ended] - likelihood[best]) > ENDED:
        around = _spread(hit, rows, int(start[ended]), int(stop[ended]))
        if 2 * (likelihood[ended] - likelihood[best]) > ENDED * around:
            best, spread = ended, around
    same = np.flatnonzero(stop == stop[best])
    inside = start[same][2 * (likelihood[best] - likelihood[same]) <= CRITICAL * spread]
    return HitPeriod(int(start[best]), int(stop[best]), int(inside.min()), int(inside.max()))


def _likelihood(hit: Floats, rows: Floats, all_hit: float, all_rows: float) -> Floats:
    """Binomial log-likelihood of runs with ``hit`` of ``rows`` inside (m,)."""
    inside = hit / np.maximum(rows, 1e-12)
    rest_hit, rest = all_hit - hit, all_rows - rows
    outside = np.minimum(rest_hit / np.maximum(rest, 1e-12), OUTSIDE * inside)
    return np.asarray(
        xlogy(hit, inside)
        + xlogy(rows - hit, 1 - inside)
        + xlogy(rest_hit, np.maximum(outside, 1e-9))
        + xlogy(rest - rest_hit, 1 - outside)
    )


def _spread(hit: Floats, rows: Floats, start: int, stop: int) -> float:
    """Pearson's statistic of the days over its degrees of freedom, at least 1."""
    day = np.arange(len(hit))
    within = (day >= start) & (day < stop)
    rate = np.zeros(len(hit))
    for side in (within, ~within):
        if rows[side].sum() > 0:
            rate[side] = hit[side].sum() / rows[side].sum()
    variance = rows * rate * (1 - rate)
    open_days = variance > 0
    freedom = max(int(open_days.sum()) - 2, 1)
    return max(float((((hit - rows * rate) ** 2)[open_days] / variance[open_days]).sum()) / freedom, 1.0)
