"""Days put together into weeks or months, so that a long log stays a short line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backslide.stats.arrays import Floats

Dates = NDArray[Any]
"""datetime64[D]"""
Every = Literal["day", "week", "month"]
MOST_BLOCKS = 130
"""Days drawn one by one; longer logs are drawn by week, and beyond as many weeks by month."""
MONDAY = np.datetime64("1970-01-05", "D")


@dataclass(frozen=True)
class Blocks:
    """Additive sums of one period by block of time: first days (B,), rows (B,), sums (B, F)."""

    starts: Dates
    rows: Floats
    sums: Floats
    row_variance: float = float("nan")
    """Of one row's effect on what is drawn."""

    def by(self, every: Every) -> Blocks:
        """The same sums in longer blocks, in the order of time."""
        starts, place = np.unique(block_start(self.starts, every), return_inverse=True)
        sums = np.zeros((len(starts), self.sums.shape[1]))
        np.add.at(sums, place, self.sums)
        rows = np.bincount(place, self.rows, len(starts)).astype(np.float64)
        return Blocks(starts, rows, sums, self.row_variance)


def block_start(days: Dates, every: Every) -> Dates:
    """First day of the block that each day lies in; weeks start on Monday."""
    if every == "week":
        return np.asarray(MONDAY + (days - MONDAY) // np.timedelta64(7, "D") * np.timedelta64(7, "D"))
    return days if every == "day" else np.asarray(days.astype("datetime64[M]").astype("datetime64[D]"))


def fitting(days: Dates) -> Every:
    """The shortest block in which a span of days is drawn with few enough points."""
    span = int((days.max() - days.min()) / np.timedelta64(1, "D")) + 1
    return "day" if span <= MOST_BLOCKS else "week" if span <= 7 * MOST_BLOCKS else "month"
