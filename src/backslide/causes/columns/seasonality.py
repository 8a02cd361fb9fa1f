"""Columns that follow the calendar: month, day, season, a daily rate. Other days bring other values, and that is no fault."""

from __future__ import annotations

import numpy as np

from backslide.case import Case
from backslide.engine.columns.pair import MISSING, Pair, to_words
from backslide.stats.metrics.metric import Floats

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
    return all(_by_day(pair, window, days) for window, days in enumerate(blocks) if days is not None)


def _by_day(pair: Pair, window: int, days: np.ndarray[tuple[int], np.dtype[np.int64]]) -> bool:
    values, inverse = np.unique(days, return_inverse=True)
    if len(days) < MIN_ROWS * len(values):
        return False
    if pair.numeric and not pair.discrete:
        return _within_share(pair.numbers[window], inverse) < WITHIN
    texts = pair.texts[window]
    known = texts != MISSING
    _, codes = np.unique(to_words(texts[known]), return_inverse=True)
    if not len(codes):
        return True
    table = np.zeros((len(values), codes.max() + 1))
    np.add.at(table, (inverse[known], codes), 1)
    return float(table.max(axis=1).sum() / table.sum()) >= PURE


def _within_share(x: Floats, day: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    known = np.isfinite(x)
    if not known.any():
        return 0.0
    x, day = x[known], day[known]
    total = float(((x - x.mean()) ** 2).sum())
    rows = np.bincount(day)
    means = np.bincount(day, x) / np.maximum(rows, 1)
    return float(((x - means[day]) ** 2).sum()) / total if total > 0 else 0.0
