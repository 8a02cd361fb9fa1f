"""Changes of anything that rows or days add up to, with the same day-aware noise as the verdict (see ``stats.change``).

Two ways in: values per row (``mean_change``), and smooth functions of both windows' sums (``functional_change``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.metric_change import POWER, Change, Units, compare
from backslide.stats.metrics.metric import Metric

UNDATED = 3
"""Day ordinal of rows without a readable time, as ``case.Side.blocks`` writes it."""
MAX_UNDATED = 0.05
WEEK = 7
Days = Ints | None


def _ratio(sums: Floats) -> Floats:
    n = sums[..., 0]
    return np.asarray(np.where(n > 0, sums[..., 1] / np.where(n > 0, n, 1.0), np.nan))


MEAN = Metric("mean", True, "absolute", _ratio, share=False)
"""Mean of ``[1, value]`` rows."""


def row_units(rows: Floats, days: Days) -> Units:
    """Units of row statistics (n, F) whose days (n,) are known; one pooled block where they are not.

    A few undated rows (at most 5 %) join the largest day.
    """
    second = rows.T @ rows
    if days is None or not len(rows) or (lost := days == UNDATED).mean() > MAX_UNDATED:
        return Units(rows.sum(0, keepdims=True), np.array([float(len(rows))]), second, None, None)
    distinct, index = np.unique(days[~lost], return_inverse=True)
    place = np.full(len(rows), np.bincount(index).argmax())
    place[~lost] = index
    counts = np.bincount(place, minlength=len(distinct)).astype(np.float64)
    sums = np.column_stack([np.bincount(place, column, len(distinct)) for column in rows.T]).astype(np.float64)
    return Units(sums, counts, second, distinct % WEEK, distinct)


def mean_change(reference: Floats, current: Floats, reference_days: Days, current_days: Days) -> Change:
    """Change of the mean of row values (n,) between the windows; empty windows give NaN."""
    pairs = ((reference, reference_days), (current, current_days))
    before, after = (row_units(np.column_stack([np.ones(len(v)), v]), d) for v, d in pairs)
    return compare(before, after, MEAN)


def functional_change(value: Callable[[Floats, Floats], float], reference: Units, current: Units) -> Change:
    """A smooth function of both windows' sums (F,) that does not depend on how many rows they have, with its interval.

    Linearised in each window by central differences, then judged as the difference of two linear metrics. ``reference`` and
    ``current`` of the result are NaN: the function belongs to both windows at once.
    """
    before, after = reference.total, current.total
    size = max(float(np.abs(before).max(initial=0.0)), float(np.abs(after).max(initial=0.0)), 1e-300)
    step = 1e-6 * size
    slopes = [
        np.array(
            [
                (value(*_moved(before, after, w, i, step)) - value(*_moved(before, after, w, i, -step))) / (2 * step)
                for i in range(len(before))
            ]
        )
        for w in (0, 1)
    ]
    # Both windows on one axis: the reference's sums in the first half with their sign turned, the current's in the second.
    width = len(before)
    linear = np.concatenate([-np.nan_to_num(slopes[0]), np.nan_to_num(slopes[1])])
    metric = Metric("linear", True, "absolute", lambda sums: np.asarray(sums @ linear), share=False)
    sides = [_padded(units, width * w, 2 * width) for w, units in enumerate((reference, current))]
    noise = compare(sides[0], sides[1], metric)
    estimate = value(before, after)
    half = float(stats.t.ppf(0.975, noise.df)) * noise.se
    p_worse = float(stats.t.sf(-estimate / noise.se, noise.df)) if noise.se > 0 else float(estimate >= 0)
    return replace(
        noise,
        reference=float("nan"),
        current=float("nan"),
        estimate=estimate,
        adjusted=estimate,
        low=estimate - half,
        high=estimate + half,
        p_worse=p_worse,
    )


def _moved(before: Floats, after: Floats, window: int, index: int, step: float) -> tuple[Floats, Floats]:
    both = [before.copy(), after.copy()]
    both[window][index] += step
    return both[0], both[1]


def _padded(units: Units, at: int, width: int) -> Units:
    sums, second = np.zeros((len(units.sums), width)), np.zeros((width, width))
    f = units.sums.shape[1]
    sums[:, at : at + f] = units.sums
    second[at : at + f, at : at + f] = units.second
    return replace(units, sums=sums, second=second)


def projected(units: Units, matrix: Floats) -> Units:
    """Units of linear combinations of the sums: ``matrix`` (F, G)."""
    return replace(units, sums=units.sums @ matrix, second=matrix.T @ units.second @ matrix)


def stacked(groups: Sequence[Units]) -> Units:
    """Disjoint groups of one window's rows side by side: sums (U, G * F), the days of all of them."""
    width = sum(group.sums.shape[1] for group in groups)
    filled = [group for group in groups if group.n > 0]
    dated = bool(filled) and all(group.ordinals is not None for group in filled)
    days = np.unique(np.concatenate([g.ordinals for g in filled if g.ordinals is not None])) if dated else np.zeros(1)
    sums, rows, second = np.zeros((len(days), width)), np.zeros(len(days)), np.zeros((width, width))
    at = 0
    for group in groups:
        f = group.sums.shape[1]
        if group.n > 0:
            place = np.searchsorted(days, group.ordinals) if dated and group.ordinals is not None else None
            sums[place if place is not None else 0, at : at + f] += group.sums if dated else group.total
            rows[place if place is not None else 0] += group.rows if dated else group.n
            second[at : at + f, at : at + f] = group.second
        at += f
    ordinals = days.astype(np.int64) if dated else None
    return Units(sums, rows, second, ordinals % WEEK if ordinals is not None else None, ordinals)


def two_sided(change: Change) -> float:
    """Two-sided p-value of no change; 1 where the change has no noise and no size."""
    if change.se > 0:
        return float(2 * stats.t.sf(abs(change.adjusted) / change.se, change.df))
    return float(change.adjusted == 0)


def detectable(change: Change, floor: float, alpha: float, *, sided: int = 1) -> float | None:
    """Smallest true change seen with 80 % power by a test at ``alpha`` whose estimate must reach ``floor`` too."""
    if not np.isfinite(change.se):
        return None
    quantile, power = (float(stats.t.ppf(q, change.df)) for q in (1 - alpha / sided, POWER))
    return float(min(max((quantile + power) * change.se, floor + power * change.se), change.span))
