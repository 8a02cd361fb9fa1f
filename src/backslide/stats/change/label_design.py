"""Labels for a few rows that speak for all: which to ask for, and what the metric of the window is by their answers.

Before any label comes, each current row is expected to fare like the reference rows that were answered alike (the same class, the
same confidence). Labels then correct that expectation on the rows that were drawn (difference estimator; Saerndal, Swensson,
Wretman 1992, 6.3), so that only what differs from it is noise, and rows whose outcome is uncertain are drawn more often. Every
row has a number of its own, and is in the draw when its probability lies above it (permanent random numbers, Poisson sampling):
a larger draw holds the smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from backslide.log.label_sample import inclusion
from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.metric_change import Change, change_of
from backslide.stats.metrics.metric import Metric, gradient

BINS = 10
"""Levels of confidence, or of the predicted number, by quantiles of the reference."""
LEAST_CELL = 20
"""Reference rows of a level from which on it has an expectation of its own."""
FEWEST = 50
"""Rows of the smallest draw: fewer do not know their own spread."""


@dataclass(frozen=True)
class RowExpectation:
    """What is expected of each current row by its answer, from labelled reference rows answered alike."""

    sums: Floats
    """(n, F), mean row statistics."""
    influence: Floats
    """(n,), standard deviation of what a row's label adds to the metric beyond it, times n."""
    usual: float
    """The same of a row about which nothing is expected, (1,)."""


def expect(
    metric: Metric, rows: Floats, reference: tuple[Ints, Floats], current: tuple[Ints, Floats]
) -> RowExpectation:
    """Expectations for the current rows.

    Args:
        metric: of row statistics.
        rows: (n_ref, F), those of the labelled reference rows.
        reference: group (n_ref,) such as the predicted class, and a number (n_ref,) such as the confidence.
        current: the same of the current rows (n,).
    """
    slope = gradient(metric, rows.sum(0)) * len(rows)
    values = rows @ slope
    sums = np.broadcast_to(rows.mean(0), (len(current[0]), rows.shape[1])).copy()
    spread = np.full(len(current[0]), values.std())
    for group in np.unique(current[0]):
        own, mine = reference[0] == group, current[0] == group
        cuts = np.unique(np.quantile(reference[1][own], np.arange(1, BINS) / BINS)) if own.any() else np.empty(0)
        levels = [
            np.searchsorted(cuts, number[part], side="right")
            for number, part in ((reference[1], own), (current[1], mine))
        ]
        for level in range(len(cuts) + 1):
            alike = np.flatnonzero(own)[levels[0] == level]
            alike = alike if len(alike) >= LEAST_CELL else np.flatnonzero(own)
            if len(alike) >= LEAST_CELL:
                place = np.flatnonzero(mine)[levels[1] == level]
                sums[place], spread[place] = rows[alike].mean(0), values[alike].std()
    return RowExpectation(sums, spread, float(values.std()))


def permanent_numbers(ids: Sequence[str]) -> Floats:
    """A number in [0, 1) for each id, the same whenever and wherever it is asked for."""
    return np.array([int.from_bytes(blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56 for text in ids])


def chances(expectation: RowExpectation, rows: int) -> Floats:
    """Probabilities (n,) of being drawn that sum to ``rows``: half alike, half by how uncertain a row's part is."""
    return inclusion(expectation.influence, min(rows, len(expectation.influence)))


def design_error(expectation: RowExpectation, rows: int) -> float:
    """Standard error that so many labels leave to the metric of all rows, as far as rows are as uncertain as in the reference."""
    chance = chances(expectation, rows)
    return float(np.sqrt(((1 - chance) / chance * expectation.influence**2).sum()) / len(chance))


def rows_for(expectation: RowExpectation, error: float) -> int | None:
    """Fewest rows, to two digits, that leave no more than ``error``; None where all of them do not."""
    n, low, high = len(expectation.influence), FEWEST, len(expectation.influence)
    if high <= low or design_error(expectation, n - 1) > error:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if design_error(expectation, middle) <= error else (middle + 1, high)
    step = 10 ** max(len(str(low)) - 2, 0)
    return int(min(-(-low // step) * step, n))


def uniform_rows(expectation: RowExpectation, error: float) -> int:
    """Rows that a draw with equal chances needs for the same error, without any expectation."""
    n = len(expectation.influence)
    if not expectation.usual > 0:  # the reference holds no error: any few rows tell as much
        return min(FEWEST, n)
    return int(np.ceil(1 / (error**2 / expectation.usual**2 + 1 / n)))


def error_df(ideal: Change, variance: Floats, rows: Floats) -> Floats:
    """Degrees of freedom of the noise that all labels leave and of a draw's own, by their shares of the variance.

    Satterthwaite 1946: few days make the first uncertain, few labels the second; where one is small its uncertainty is as well.

    Args:
        ideal: with the noise that labels of all current rows would leave.
        variance: (k,), that of the draw.
        rows: (k,), labelled rows of the draw.
    """
    own, drawn = ideal.se**2, np.asarray(variance, float)
    apart = own**2 / ideal.df + drawn**2 / np.maximum(np.asarray(rows, float) - 1, 1)
    df: Floats = np.where(apart > 0, (own + drawn) ** 2 / np.where(apart > 0, apart, 1.0), ideal.df)
    return df


def estimate(
    metric: Metric, ideal: Change, expectation: RowExpectation, places: Ints, rows: Floats, chance: Floats
) -> Change:
    """The change by the labels of a draw.

    Args:
        metric: of row statistics.
        ideal: the change to expect, with the noise that labels of all current rows would leave.
        expectation: of every current row (n).
        places: (m,) of the labelled rows among them.
        rows: (m, F), their row statistics.
        chance: (m,), with which each was drawn; 1 for rows that were labelled anyway.
    """
    n, weight = len(expectation.sums), 1 / chance
    apart = rows - expectation.sums[places]
    sure = chance >= 1
    rest = n - int(sure.sum())
    drawn = ~sure
    known = expectation.sums.sum(0) + apart[sure].sum(0)
    mean = (weight[drawn] @ apart[drawn]) / weight[drawn].sum() if drawn.any() else np.zeros(rows.shape[1])
    total = known + rest * mean
    slope = gradient(metric, total)
    error = (apart[drawn] - mean) @ slope
    scale = rest / max(weight[drawn].sum(), 1.0)
    variance = float(((1 - chance[drawn]) * weight[drawn] ** 2 * error**2).sum()) * scale**2
    m = max(int(drawn.sum()), 2)
    # A draw without any surprise does not know its own spread; half a row of one keeps the interval honest.
    least = rest * metric.event * 0.5 / m / n if metric.event else 0.0
    own = variance * m / (m - 1) + least**2
    df = float(error_df(ideal, np.array(own), np.array(m)))
    return change_of(ideal, metric, float(metric.value(total)), float(np.sqrt(ideal.se**2 + own)), df)
