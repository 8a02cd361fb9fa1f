"""Whether new scales of all columns are those of a part of the rows: those above or below one value of a column.

A linear model of nothing but scaled numbers with every scale changed is the same function as one fitted again on other labels.
What tells them apart is that a scaler's spreads hang together: filtering rows by one column moves all of them along one curve.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backslide.causes.replay.preprocessing.replay import Asker
from backslide.contracts import say
from backslide.engine.columns.pair import to_numbers
from backslide.models.scalers import ColumnScaling
from backslide.stats.metrics.metric import Floats

FEWEST = 4
"""Columns under which a curve may pass by chance."""
LEAST = 0.05
"""Root mean square of the scales' log ratios from which they say anything."""
CHANCE = 0.01
"""Probability, at most, that log ratios in a random direction come as near to one of the curves."""
PLACES = 400
"""Clearly different places on all curves together."""
MOST_LEFT_OVER = 0.05
"""Share of the squared log ratios that the curve may leave, however many columns there are."""
SMALLEST_PART = 50
"""Rows."""


def part_fitted_on(asker: Asker, spreads: Mapping[str, float], known: Mapping[str, ColumnScaling]) -> str | None:
    """The part of the reference rows whose spreads are the new ones.

    Args:
        spreads: Of every column the new spread over the old one.
        known: How the saved scaler scales them; only standard deviations are compared.

    Returns:
        The rows in words, as in "fitted on rows with age above about 40"; None where no part fits better than chance would.
    """
    columns = [c for c in spreads if known[c].measure[1] == "standard deviation"]
    if len(columns) < max(FEWEST, len(spreads)):
        return None
    values = _values(asker, columns, known)
    if values is None:
        return None
    # What never varies among the reference rows has no spread to compare.
    varied = values.std(axis=0) > 0
    columns, values = [c for c, varies in zip(columns, varied, strict=True) if varies], values[:, varied]
    seen = np.log([spreads[c] for c in columns])
    if len(columns) < FEWEST or np.sqrt(np.mean(seen**2)) < LEAST:
        return None
    # The error of a spread grows with the tails of its column (delta method: relative variance (kurtosis - 1) / 4n).
    weights = 1 / np.maximum((values**4).mean(axis=0) - 1, 0.1)
    bound = min((CHANCE / PLACES) ** (2 / len(columns)), MOST_LEFT_OVER)
    least, best = bound, None
    for column in columns:
        by = _filled(asker, column, known[column].filling)
        for side, order in (("below", np.argsort(by, kind="stable")), ("above", np.argsort(-by, kind="stable"))):
            left = _left_over(values[order], seen, weights)
            at = int(np.argmin(left))
            if left[at] < least:
                place = float(by[order[at + SMALLEST_PART - 1]])
                least, best = float(left[at]), f"rows with {column} {side} about {say.number(place)}"
    return best


def _filled(asker: Asker, column: str, filling: float | None) -> Floats:
    """The column of the reference rows as the scaler is given it (n,)."""
    numbers = to_numbers(asker.case.reference.sample[column])
    return numbers if filling is None else np.where(np.isnan(numbers), filling, numbers)


def _values(asker: Asker, columns: list[str], known: Mapping[str, ColumnScaling]) -> Floats | None:
    """The columns in units of their own spreads (n, columns), 0 where one never varies; None where one has gaps."""
    values = np.column_stack([_filled(asker, c, known[c].filling) for c in columns])
    if len(values) < 2 * SMALLEST_PART or not np.isfinite(values).all():
        return None
    spread = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _left_over(values: Floats, seen: Floats, weights: Floats) -> Floats:
    """Share of the squared log ratios not explained by the spreads of the first m rows, for m from ``SMALLEST_PART`` on."""
    n = np.arange(1, len(values) + 1)[:, None]
    mean = np.cumsum(values, axis=0) / n
    variance = (np.cumsum(values**2, axis=0) / n - mean**2)[SMALLEST_PART - 1 :]
    said = 0.5 * np.log(np.maximum(variance, 1e-12))
    return np.asarray((said - seen) ** 2 @ weights / (seen**2 @ weights))
