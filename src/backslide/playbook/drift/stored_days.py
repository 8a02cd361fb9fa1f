"""Quantities by day of a window that is a stored profile, for the questions that a sample of rows answers elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backslide.case import Side
from backslide.engine.columns.pair import to_numbers
from backslide.engine.profile.daily_profiles import UNDATED
from backslide.engine.profile.daily_sums import MAX_UNDATED
from backslide.engine.profile.profile import Profile
from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.day_noise import DayCounts

UNKNOWN_DAY = 3
"""Ordinal of rows without a readable time, as ``Side.blocks`` writes it."""


@dataclass(frozen=True)
class DayMeans:
    """A quantity by day where rows are not at hand: ordinals (D,), means (D,) and rows (D,)."""

    days: Ints
    means: Floats
    rows: Floats


Quantity = Floats | DayMeans
"""Of the sampled rows (NaN = not counted), or by day of a window that is a stored profile."""


def stored_days(side: Side) -> list[tuple[int, Profile]] | None:
    """Day ordinals and their profiles, in their order, of a window that is a stored profile; None where it holds rows.

    A few undated rows join the largest day, as those of a sample do; with more of them there are no days.
    """
    if side.stored is None:
        return None
    days = dict(side.stored.days)
    undated = days.pop(UNDATED, None)
    if undated is not None and undated.rows > MAX_UNDATED * side.window.rows:
        return []
    if undated is not None and days:
        largest = max(days, key=lambda day: days[day].rows)
        days[largest] = days[largest] + undated
    return [(int(np.datetime64(day, "D").astype(int)) + 3, profile) for day, profile in sorted(days.items())]


def stored_counts(side: Side, cells: Callable[[Profile], Floats]) -> DayCounts | None:
    """Cells of each day of a stored profile; None where the window holds rows."""
    days = stored_days(side)
    if days is None:
        return None
    if not days:
        return DayCounts(cells(side.profile)[None, :], None)
    table = np.array([cells(profile) for _, profile in days], float)
    used = table.sum(axis=1) > 0
    return DayCounts(table[used], np.array([day for day, _ in days], np.int64)[used])


def values_of(side: Side, column: str) -> Quantity:
    """The values of a column of numbers."""
    days = stored_days(side)
    if days is None:
        return to_numbers(side.sample[column])
    known = [(day, profile.columns[column]) for day, profile in days if profile.columns[column].finite]
    means = [(day, profile.mean, profile.finite) for day, profile in known]
    return _day_means(means)


def share_by_day(side: Side, counts: Callable[[Profile], tuple[int, int]]) -> DayMeans | None:
    """The share of rows that ``counts`` gives as (hits, rows) of each day's profile; None where the window holds rows."""
    days = stored_days(side)
    if days is None:
        return None
    parts = [(day, *counts(profile)) for day, profile in days or [(UNKNOWN_DAY, side.profile)]]
    return _day_means([(day, hits / rows, rows) for day, hits, rows in parts if rows])


def _day_means(parts: Sequence[tuple[int, float, int]]) -> DayMeans:
    table = np.array(parts, float).reshape(-1, 3)
    return DayMeans(table[:, 0].astype(np.int64), table[:, 1], table[:, 2])
