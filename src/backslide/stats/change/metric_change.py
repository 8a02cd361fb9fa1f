"""Did the metric really change? The day is the unit wherever timestamps allow; rows only where they do not.

Per-row tests are wrong where days have effects of their own: a two-proportion z has 32 % type-I error at 10 000 rows a day
with a day effect of 0.8 points. Here a day's linearised metric stands for its rows, and ``stats.day_model`` says how far such
days differ by themselves. Few days say little about that; then a usual day effect is assumed, and the change says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.day_model import DailySeries, contrast, weighed_by_rows
from backslide.stats.metrics.metric import Metric, gradient

MIN_REFERENCE_DAYS = 14
MIN_CURRENT_DAYS = 4
"""Days under which the assumed day effect weighs as much as the days' own spread."""
USUAL_DAY = 0.03
"""Usual day effect in standard deviations of a row's influence: about a point for an accuracy of 88 %."""
USUAL_SHARE = 0.01
"""Usual day effect of a share, so that a rare class does not count as restless; at most twice ``USUAL_DAY``."""
FEW_ROWS = 20
VERDICT_ALPHA = 0.005
POWER = 0.80


@dataclass(frozen=True)
class Change:
    """Change of a metric between windows (current - reference) with its standard error and degrees of freedom."""

    reference: float
    current: float
    estimate: float
    se: float
    df: float
    unit: str
    """"day" or "row": what the standard error counts as independent."""
    low: float
    high: float
    p_worse: float
    """One-sided p-value that the metric did not get worse."""
    adjusted: float
    """The change with weekday composition taken out; equals ``estimate`` for rows."""
    assumed: bool = False
    """Whether the days are too few to show how they differ, so that the interval leans on a usual day effect."""
    span: float = np.inf
    """The largest change that there can be: no interval and no detectable change goes beyond."""

    def detectable(self, min_effect: float) -> float:
        """Smallest true change that the verdict would see with 80 % power: significant at 0.5 % and beyond ``min_effect``."""
        quantile, power = (float(stats.t.ppf(q, self.df)) for q in (1 - VERDICT_ALPHA, POWER))
        # The standard error that the test divides by is an estimate too, which spreads the statistic (normal approximation).
        spread = float(stats.norm.ppf(POWER)) * np.sqrt(1 + quantile**2 / (2 * self.df))
        return float(min(max((quantile + max(spread, power)) * self.se, min_effect + power * self.se), self.span))


@dataclass(frozen=True)
class Units:
    """Sums of row statistics per unit (U, F): days with their weekday (0 Monday), or one pooled block of all rows.

    ``rows`` (U,) are the labelled rows of each unit; ``second`` (F, F) the summed outer products of the row vectors, from
    which row-level variances follow.
    """

    sums: Floats
    rows: Floats
    second: Floats
    weekdays: Ints | None
    ordinals: Ints | None
    """Day numbers, to know which days are neighbours."""

    @property
    def total(self) -> Floats:
        """Sums over the whole window (F,)."""
        return np.asarray(self.sums.sum(axis=0))

    @property
    def n(self) -> float:
        """Labelled rows."""
        return float(self.rows.sum())

    @cached_property
    def covariance(self) -> Floats:
        """Of the row vectors, around their mean (F, F); every metric of these sums asks for it."""
        n = max(self.n, 1.0)
        mean = self.total / n
        return np.asarray(self.second / n - np.outer(mean, mean))


def compare(reference: Units, current: Units, metric: Metric) -> Change:
    """The change of ``metric`` with the day as unit where both windows have days, else with the row.

    The estimate is the plain difference. Test and interval come from ``stats.day_model``: weekday effects shrunk and taken out,
    day effects with memory, sampling noise of the rows, all averaged over what the days leave open. They never claim less noise
    than the rows have.
    """
    spread = _row_variances(reference, current, metric)
    if reference.weekdays is not None and current.weekdays is not None and max(spread) > 0:
        return _by_day(reference, current, metric, spread)
    return _by_row(reference, current, metric, spread)


def _result(
    metric: Metric,
    values: tuple[float, float],
    se: float,
    df: float,
    unit: str,
    shift: float = 0.0,
    assumed: bool = False,
) -> Change:
    before, after = values
    estimate = after - before
    adjusted = estimate + shift
    half = float(stats.t.ppf(0.975, df)) * se
    worse = metric.harm(adjusted)
    p_value = float(stats.t.sf(worse / se, df)) if se > 0 else float(worse <= 0)
    low, high = max(estimate - half, -metric.span), min(estimate + half, metric.span)
    return Change(before, after, estimate, se, df, unit, low, high, p_value, adjusted, assumed, metric.span)


def change_of(change: Change, metric: Metric, current: float, se: float, df: float) -> Change:
    """The same change with another current value and its error, such as those of a draw of rows."""
    shift = change.adjusted - change.estimate
    return _result(metric, (change.reference, current), se, df, change.unit, shift, change.assumed)


def row_variance(units: Units, metric: Metric) -> float:
    """Variance of one row's first-order effect on the metric, from the second moments of the row vectors."""
    n = max(units.n, 1.0)
    slope = gradient(metric, units.total)
    return max(float(slope @ units.covariance @ slope), 0.0) * n**2


def _row_variances(reference: Units, current: Units, metric: Metric) -> tuple[float, float]:
    both = (reference, current)
    spread = [row_variance(units, metric) for units in both]
    # A handful of rows does not know its own spread; the other window's stands in.
    own = [max(spread) if units.n < FEW_ROWS else v for units, v in zip(both, spread, strict=True)]
    # A window without a single error has a plug-in variance of zero; half an error keeps the interval honest.
    floor = [0.5 * metric.event**2 / max(units.n, 1.0) for units in both]
    return max(own[0], floor[0]), max(own[1], floor[1])


def _values(reference: Units, current: Units, metric: Metric) -> tuple[float, float]:
    return float(metric.value(reference.total)), float(metric.value(current.total))


def _by_row(reference: Units, current: Units, metric: Metric, spread: tuple[float, float]) -> Change:
    variance = sum(v / max(units.n, 1.0) for units, v in zip((reference, current), spread, strict=True))
    df = max(reference.n + current.n - 2, 1.0)
    return _result(metric, _values(reference, current, metric), float(np.sqrt(variance)), df, "row")


def _by_day(reference: Units, current: Units, metric: Metric, spread: tuple[float, float]) -> Change:
    sides = [_series(units, metric, v) for units, v in zip((reference, current), spread, strict=True)]
    sd = float(np.sqrt(max(spread)))
    usual = min(USUAL_SHARE, 2 * USUAL_DAY * sd) if metric.share else USUAL_DAY * sd
    result = contrast(sides[0], sides[1], usual)
    few = len(reference.rows) < MIN_REFERENCE_DAYS or len(current.rows) < MIN_CURRENT_DAYS
    robust = weighed_by_rows(sides[0], sides[1])
    if robust is not None and (result.se > 2 * robust.se or abs(result.shift) > 3 * robust.se):
        # Busy days differ from quiet ones: what the model says of days is then no answer about the rows.
        result = robust
    return _result(metric, _values(reference, current, metric), result.se, result.df, "day", result.shift, few)


def _series(units: Units, metric: Metric, v: float) -> DailySeries:
    """Linearised metric of each day as deviation from the window's value, so that row-weighted days average to zero."""
    assert units.weekdays is not None
    assert units.ordinals is not None
    slope = gradient(metric, units.total)
    mean = units.total / units.n
    values = np.asarray((units.sums / units.rows[:, None] - mean) @ slope) * units.n
    return DailySeries(values, units.rows, v, units.weekdays, units.ordinals)
