"""Did the metric really change? The day is the unit wherever timestamps allow; rows only where they do not.

Per-row tests are wrong where days have effects of their own: a two-proportion z has 32 % type-I error at 10 000 rows a day
with a day effect of 0.8 points. Here a day's linearised metric is compared with its weekday baseline, and the variance is
inflated for autocorrelation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from backslide.stats.metrics import Floats, Metric, gradient

MIN_REFERENCE_DAYS = 14
MIN_CURRENT_DAYS = 4
VERDICT_ALPHA = 0.005
POWER = 0.80
WEEK = 7


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

    def detectable(self, min_effect: float) -> float:
        """Smallest true change that the verdict would see with 80 % power: significant at 0.5 % and beyond ``min_effect``."""
        quantile = float(stats.t.ppf(1 - VERDICT_ALPHA, self.df))
        power = float(stats.t.ppf(POWER, self.df))
        return max((quantile + power) * self.se, min_effect + power * self.se)


@dataclass(frozen=True)
class Units:
    """Sums of row statistics per unit (U, F): days with their weekday (0 Monday), or one pooled block of all rows.

    ``rows`` (U,) are the labelled rows of each unit; ``second`` (F, F) the summed outer products of the row vectors, from
    which row-level variances follow.
    """

    sums: Floats
    rows: Floats
    second: Floats
    weekdays: NDArray[np.int64] | None
    ordinals: NDArray[np.int64] | None
    """Day numbers, to know which days are neighbours."""

    @property
    def total(self) -> Floats:
        """Sums over the whole window (F,)."""
        return np.asarray(self.sums.sum(axis=0))

    @property
    def n(self) -> float:
        """Labelled rows."""
        return float(self.rows.sum())


def compare(reference: Units, current: Units, metric: Metric) -> Change:
    """The change of ``metric`` with the day as unit where both windows have enough days, else with the row.

    Formula: weekday-adjusted day means with empirical-Bayes shrinkage, variance ``tau^2 + v / n_t`` per day, inflated by
    (1+a)/(1-a) with the lag-1 autocorrelation a of the reference residuals; t with G-7 degrees of freedom.
    """
    days = (
        reference.weekdays is not None
        and current.weekdays is not None
        and len(reference.rows) >= MIN_REFERENCE_DAYS
        and len(current.rows) >= MIN_CURRENT_DAYS
    )
    return _by_day(reference, current, metric) if days else _by_row(reference, current, metric)


def _result(metric: Metric, values: tuple[float, float], se: float, df: float, unit: str, shift: float = 0.0) -> Change:
    before, after = values
    estimate = after - before
    adjusted = estimate - shift
    half = float(stats.t.ppf(0.975, df)) * se
    worse = metric.harm(adjusted)
    p_value = float(stats.t.sf(worse / se, df)) if se > 0 else float(worse <= 0)
    return Change(before, after, estimate, se, df, unit, estimate - half, estimate + half, p_value, adjusted)


def _row_variance(units: Units, slope: Floats) -> float:
    """Variance of one row's influence, from the second moments of the row vectors."""
    n = max(units.n, 1.0)
    mean = units.total / n
    covariance = units.second / n - np.outer(mean, mean)
    return max(float(slope @ covariance @ slope), 0.0) * n**2


def _by_row(reference: Units, current: Units, metric: Metric) -> Change:
    values = float(metric.value(reference.total)), float(metric.value(current.total))
    variance = 0.0
    for units in (reference, current):
        slope = gradient(metric, units.total)
        # A window without a single error has a plug-in variance of zero; half an error keeps the interval honest.
        floor = 0.5 / max(units.n, 1.0) ** 2 if metric.rows == "counts" else 0.0
        variance += max(_row_variance(units, slope) / max(units.n, 1.0), floor)
    df = max(reference.n + current.n - 2, 1.0)
    return _result(metric, values, float(np.sqrt(variance)), df, "row")


def _by_day(reference: Units, current: Units, metric: Metric) -> Change:
    values = float(metric.value(reference.total)), float(metric.value(current.total))
    good = _linear_days(reference, metric)
    bad_slope = gradient(metric, current.total)
    assert reference.weekdays is not None
    assert reference.ordinals is not None
    assert current.weekdays is not None
    good_n, bad_n = reference.rows, current.rows
    baseline = _weekday_baseline(good, good_n, reference.weekdays)
    residual = good - baseline[reference.weekdays]
    g = len(good)
    df = float(max(g - WEEK, 1))
    v_good = _row_variance(reference, gradient(metric, reference.total))
    v_bad = _row_variance(current, bad_slope)
    s2 = float((residual**2).sum() / df)
    tau2 = max(0.0, s2 - float(np.mean(v_good / good_n)))
    inflation = _inflation(residual, reference.ordinals)
    share_good, share_bad = good_n / good_n.sum(), bad_n / bad_n.sum()
    variance = float((share_good**2 * (tau2 + v_good / good_n)).sum() + (share_bad**2 * (tau2 + v_bad / bad_n)).sum())
    mix_good = np.bincount(reference.weekdays, share_good, WEEK)
    mix_bad = np.bincount(current.weekdays, share_bad, WEEK)
    per_weekday = np.maximum(np.bincount(reference.weekdays, minlength=WEEK), 1)
    # The baseline's own error enters where the two windows hold different weekdays.
    variance += float(((mix_bad - mix_good) ** 2 * s2 / per_weekday).sum())
    shift = float(((mix_bad - mix_good) * baseline).sum())
    se = float(np.sqrt(variance * inflation))
    return _result(metric, values, se, df, "day", shift)


def _linear_days(units: Units, metric: Metric) -> Floats:
    """Linearised metric of each day as deviation from the window's value, so that row-weighted days average to zero."""
    slope = gradient(metric, units.total)
    mean = units.total / units.n
    return np.asarray((units.sums / units.rows[:, None] - mean) @ slope) * units.n


def _weekday_baseline(values: Floats, rows: Floats, weekdays: NDArray[np.int64]) -> Floats:
    """Weekday effects shrunk towards zero by between- and within-weekday variance (empirical Bayes)."""
    counts = np.bincount(weekdays, minlength=WEEK)
    means = np.bincount(weekdays, values, WEEK) / np.maximum(counts, 1)
    within = float(((values - means[weekdays]) ** 2).sum() / max(len(values) - (counts > 0).sum(), 1))
    q = max(float(counts[counts > 0].mean()), 1.0)
    between = max(0.0, float(means[counts > 0].var(ddof=1)) - within / q) if (counts > 0).sum() > 1 else 0.0
    shrink = between / (between + within / q) if between > 0 else 0.0
    return np.where(counts > 0, means * shrink, 0.0)


def _inflation(residual: Floats, ordinals: NDArray[np.int64]) -> float:
    """(1+a)/(1-a) with a the lag-1 autocorrelation of neighbouring days, corrected for its bias, between 0 and 0.8."""
    order = np.argsort(ordinals)
    e, day = residual[order], ordinals[order]
    neighbours = np.diff(day) == 1
    power = float((e**2).mean())
    if neighbours.sum() < 7 or power == 0:
        return 1.0
    a = float((e[1:] * e[:-1])[neighbours].mean()) / power + 2 / len(e)
    a = float(np.clip(a, 0.0, 0.8))
    return (1 + a) / (1 - a)
