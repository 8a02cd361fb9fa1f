"""Columns that follow the calendar: month, day, season, a daily rate. Other days bring other values, and that is no fault."""

from __future__ import annotations

import numpy as np

from backslide.case import Case
from backslide.engine.columns.pair import MISSING, Pair, to_words
from backslide.stats.arrays import Floats

PURE = 0.95
"""Share of a day's rows with the day's own most frequent value, from which a column says the day rather than the row."""
WITHIN = 0.05
"""Share of the variance that may lie within days, for numbers."""
MIN_ROWS = 3.0
"""Rows per day on average, below which days say nothing about it."""


def follows_calendar(case: Case, column: str) -> bool:
    """Whether the column is told by the day, in both windows, and several days differ in it."""
    pair = case.pairs.get(column)
    blocks = (case.reference.blocks, case.current.blocks)
    if pair is None or any(b is None for b in blocks):
        return False
    told = [_by_day(pair, window, days) for window, days in enumerate(blocks) if days is not None]
    if min(pure for pure, _ in told) < PURE:
        return False
    # A rare flag is the same on most rows of every day, which is not the day's doing.
    return any(differ for _, differ in told) or all(pure == 1.0 for pure, _ in told)


def told_by_day(pair: Pair | None, window: int, days: np.ndarray[tuple[int], np.dtype[np.int64]] | None) -> bool:
    """Whether a column says the day rather than the row in one window (0 the reference); False where no days are known."""
    return pair is not None and days is not None and _by_day(pair, window, days)[0] >= PURE


def _by_day(pair: Pair, window: int, days: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[float, bool]:
    """How much of a column the day says, and whether days differ in it."""
    values, inverse = np.unique(days, return_inverse=True)
    if len(days) < MIN_ROWS * len(values):
        return 0.0, False
    if pair.numeric and not pair.discrete:
        return (PURE, True) if _within_share(pair.numbers[window], inverse) < WITHIN else (0.0, False)
    texts = pair.texts[window]
    known = texts != MISSING
    _, codes = np.unique(to_words(texts[known]), return_inverse=True)
    if not len(codes):
        return 1.0, True
    table = np.zeros((len(values), codes.max() + 1))
    np.add.at(table, (inverse[known], codes), 1)
    return float(table.max(axis=1).sum() / table.sum()), len(np.unique(table[table.any(axis=1)].argmax(axis=1))) > 1


def _within_share(x: Floats, day: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    known = np.isfinite(x)
    if not known.any():
        return 0.0
    x, day = x[known], day[known]
    total = float(((x - x.mean()) ** 2).sum())
    rows = np.bincount(day)
    means = np.bincount(day, x) / np.maximum(rows, 1)
    return float(((x - means[day]) ** 2).sum()) / total if total > 0 else 0.0
