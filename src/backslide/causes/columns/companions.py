"""What goes with the values of a column, in the labels and the other columns: by it values are told whose they are.

Two columns of like range hold each other's values without any change of their distributions. What else stands in the rows tells:
the values of a column go with the labels, and with other columns, as they did in the reference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backslide.case import Case
from backslide.engine.columns.pair import Pair
from backslide.stats.metrics.metric import Floats
from backslide.stats.sorted_search import search_sorted

BINS = 8
LEAST_ROWS = 8
"""Rows of a bin, in both windows, whose mean says something."""
MOST_COMPANIONS = 20
CLEAR = 5.0
"""Standard deviations of the distance between which two columns are told apart."""


def whose(case: Case, one: Pair, other: Pair, rows: NDArray[np.bool_]) -> Pair | None:
    """The column whose values stand in both on these current rows (n_cur,); None where it cannot be told."""
    companions = _companions(case, {one.name, other.name})
    far = [_distance(pair, companions, rows) for pair in (one, other)]
    (first, freedom), (second, _) = far
    if abs(first - second) <= CLEAR * np.sqrt(2 * max(freedom, 1)):
        return None
    return one if first < second else other


def _companions(case: Case, without: set[str]) -> list[tuple[Floats, Floats]]:
    """Values of both windows, not a number where they are not known."""
    result: list[tuple[Floats, Floats]] = []
    if case.has_labels:
        labels = [side.outcomes.labels.astype(float) for side in (case.reference, case.current)]
        if case.problem.classification:
            known = [np.where(codes >= 0, codes, np.nan) for codes in labels]
            result += [
                (
                    np.where(np.isnan(known[0]), np.nan, known[0] == k),
                    np.where(np.isnan(known[1]), np.nan, known[1] == k),
                )
                for k in range(min(len(case.problem.classes) - 1, MOST_COMPANIONS))
            ]
        else:
            result.append((labels[0], labels[1]))
    columns = [pair for name, pair in case.pairs.items() if pair.numeric and name not in without]
    return result + [_ranks(pair) for pair in columns[:MOST_COMPANIONS]]


def _ranks(pair: Pair) -> tuple[Floats, Floats]:
    grid = pair.finite[0]

    def rank(values: Floats) -> Floats:
        return np.where(np.isfinite(values), search_sorted(grid, values) / max(len(grid), 1), np.nan)

    return rank(pair.numbers[0]), rank(pair.numbers[1])


def _distance(pair: Pair, companions: list[tuple[Floats, Floats]], rows: NDArray[np.bool_]) -> tuple[float, int]:
    """How far the means of the companions lie from the reference in bins of the column: chi-squared, and its degrees."""
    if pair.numeric:
        edges = np.quantile(pair.finite[0], np.arange(1, BINS) / BINS)
        bins = [np.where(np.isfinite(v), search_sorted(edges, v), -1) for v in pair.numbers]
    else:
        bins = list(pair.codes[1])
        common = np.argsort(-np.bincount(bins[0][bins[0] >= 0]), kind="stable")[:BINS]
        bins = [np.where(np.isin(codes, common), codes, -1) for codes in bins]
    total, freedom = 0.0, 0
    for before, now in companions:
        for k in np.unique(bins[0][bins[0] >= 0]):
            parts = before[(bins[0] == k) & np.isfinite(before)], now[(bins[1] == k) & rows & np.isfinite(now)]
            if min(map(len, parts)) < LEAST_ROWS:
                continue
            spread = sum(part.var() / len(part) for part in parts) + 1 / (4 * min(map(len, parts)) ** 2)
            total += float((parts[0].mean() - parts[1].mean()) ** 2 / spread)
            freedom += 1
    return total, freedom
