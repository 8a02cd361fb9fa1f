"""Columns that are a function of the clock: a month, a week number, an hour, a running count. They move because time does.

Between windows that follow each other such a column is disjoint, so that a domain classifier tells the windows apart by it alone,
no row has a counterpart, and every test of drift fires, although nothing happened but time.
"""

from __future__ import annotations

import numpy as np

from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.two_sample import ranks

MONOTONE = 0.95
"""Rank correlation with time from which a column runs with it."""
PURE = 0.95
"""Share of the rows with the most frequent value of their period (or of the variance between periods) that makes a function."""
LEAST_ROWS = 200
LEAST_STEPS = 3
"""Values that a step function of time must take: one switch is a change of a setting, and no calendar."""
ROWS_A_PERIOD = 3
"""Rows a period must hold on average: with one row each, anything is a function of the period."""
LEAST_IN_RUN = 20
RAGGED = 3
"""Changes more than one a value: rows of one second come in any order."""
AGAIN = 0.5
"""Share of the rows whose place in a cycle must have come again before the cycle can be seen."""
MOST_PERIODS = 100_000
"""Periods beyond the number of rows between the first and the last that are counted as they are; ten megabytes of counts."""
_HOUR, _DAY = 3600.0, 86_400.0


def runs_with_time(values: Floats, seconds: Floats, ranked_seconds: Floats | None = None) -> bool:
    """Whether a column rises or falls with time, row by row or in steps; ``values``, ``seconds`` (n,), NaN = unknown.

    ``ranked_seconds`` are the ranks of the times, where they are known already: taken where no row is left out.
    """
    known = np.isfinite(values) & np.isfinite(seconds)
    x, t = values[known], seconds[known]
    if len(x) < LEAST_ROWS or len(np.unique(x)) < LEAST_STEPS or np.ptp(t) == 0:
        return False
    ranked = ranks(x)
    ranked_t = ranked_seconds if ranked_seconds is not None and known.all() else ranks(t)
    if abs(float(np.corrcoef(ranked, ranked_t)[0, 1])) >= MONOTONE:
        return _monotone_means(x, t)
    return _share_between(ranked, np.floor(t / _DAY).astype(np.int64)) >= PURE and _monotone_means(x, t)


def _monotone_means(x: Floats, t: Floats) -> bool:
    """Whether means of consecutive parts of the window move in one direction: a column that drifted once has a plateau."""
    parts = np.array_split(x[np.argsort(t, kind="stable")], 10)
    steps = np.diff([float(np.median(part)) for part in parts])
    moved = steps[steps != 0]
    return len(moved) >= LEAST_STEPS - 1 and bool((moved > 0).all() or (moved < 0).all())


def comes_in_runs(values: Floats, seconds: Floats) -> bool:
    """Whether each value has one stretch of time to itself, as seasons and settings do; ``values``, ``seconds`` (n,)."""
    known = np.isfinite(values) & np.isfinite(seconds)
    x = values[known][np.argsort(seconds[known], kind="stable")]
    levels = len(np.unique(x))
    if len(x) < LEAST_ROWS or not 2 <= levels <= len(x) / LEAST_IN_RUN:
        return False
    return int((np.diff(x) != 0).sum()) < levels + RAGGED


class Cycles:
    """The place of every row in the day, the week, the month and the year."""

    def __init__(self, seconds: Floats) -> None:
        """``seconds``: time of each row (n,), since 1970 in UTC, NaN = unknown; a zone at a fixed offset shifts hours only."""
        self.known = np.isfinite(seconds)
        self.ranked = ranks(seconds) if self.known.all() else None
        t = np.where(self.known, seconds, 0.0)
        self.days = np.floor(t / _DAY).astype(np.int64)
        dates = self.days.astype("datetime64[D]")
        months = dates.astype("datetime64[M]")
        weekday, month = (self.days + 3) % 7, months.astype(np.int64)
        cycles = (
            (np.floor(t / _HOUR).astype(np.int64) % 24, self.days),
            (weekday, self.days - weekday),
            ((dates - months.astype("datetime64[D]")).astype(np.int64), month),
            (month % 12, month // 12),
        )
        self.places = tuple((place, _came_again(place, cycle, self.known)) for place, cycle in cycles)
        """Place in the day, the week, the month and the year, and whether it came again in another of them (n,) each."""


def _came_again(place: Ints, cycle: Ints, known: Mask) -> Mask:
    """Rows whose place in the cycle is that of rows of another cycle too (n,)."""
    most = int(place.max(initial=0)) + 1
    both = np.unique(cycle[known] * most + place[known])
    return np.asarray(np.bincount(both % most, minlength=most)[place] > 1)


def follows_cycle(values: Floats, seconds: Floats, cycles: Cycles | None = None) -> bool:
    """Whether the hour of the day, the day of the week or of the month, or the month tells the value.

    Only places that came again say so: in three weeks whatever differs from day to day is told by the day of the month.

    Args:
        values: numbers, or codes of categories (n,); NaN = unknown.
        seconds: time of each row (n,), since 1970 in UTC; a zone at a fixed offset shifts the hours only.
        cycles: of these times, where they are known already.
    """
    cycles = Cycles(seconds) if cycles is None else cycles
    known = np.isfinite(values) & cycles.known
    x, days = values[known], cycles.days[known]
    if len(x) < LEAST_ROWS or len(np.unique(x)) < 2 or days.min() == days.max():
        return False
    ranked = ranks(x)
    for place, again in cycles.places:
        rows = again[known]
        if rows.sum() >= max(LEAST_ROWS, AGAIN * len(x)) and _share_between(ranked[rows], place[known][rows]) >= PURE:
            return True
    return False


def _share_between(y: Floats, groups: Ints) -> float:
    """Share of the variance of the ranks ``y`` (n,) between groups, corrected for their number (epsilon squared; Kelley 1935)."""
    groups = groups - groups.min()
    if groups.max() > len(groups) + MOST_PERIODS:
        _, groups = np.unique(groups, return_inverse=True)
    rows = np.bincount(groups)
    periods = int(np.count_nonzero(rows))
    if periods < 2 or len(y) < ROWS_A_PERIOD * periods:
        return 0.0
    means = np.bincount(groups, y) / np.maximum(rows, 1)
    total, within = float(((y - y.mean()) ** 2).sum()), float(((y - means[groups]) ** 2).sum())
    if total == 0:
        return 0.0
    return 1 - (within / (len(y) - periods)) / (total / (len(y) - 1))
