"""Did the metric really change? The day is the unit wherever timestamps allow; rows only where they do not.

Per-row tests are wrong where days have effects of their own: a two-proportion z has 32 % type-I error at 10 000 rows a day
with a day effect of 0.8 points. Here a day's linearised metric is compared with its weekday baseline, and the variance is
inflated for autocorrelation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from backslide.stats.metrics import Floats, Metric, gradient

MIN_REFERENCE_DAYS = 14
MIN_CURRENT_DAYS = 4
FEW_ROWS = 20
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

    Formula: days weighted by their rows, as the metric weighs them; weekday effects shrunk by empirical Bayes and taken out;
    cluster-robust variance of the days, inflated by (1+a)/(1-a) with their lag-1 autocorrelation a; t with the days' degrees of
    freedom. A current window under 14 days borrows the reference's day effect.
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
    both = (reference, current)
    spread = [_row_variance(units, gradient(metric, units.total)) for units in both]
    # A handful of rows does not know its own spread; the other window's stands in.
    own = [max(spread) if units.n < FEW_ROWS else v for units, v in zip(both, spread, strict=True)]
    # A window without a single error has a plug-in variance of zero; half an error keeps the interval honest.
    floor = [0.5 / max(units.n, 1.0) ** 2 if metric.rows == "counts" else 0.0 for units in both]
    variance = sum(max(v / max(u.n, 1.0), f) for u, v, f in zip(both, own, floor, strict=True))
    df = max(reference.n + current.n - 2, 1.0)
    return _result(metric, values, float(np.sqrt(variance)), df, "row")


def _by_day(reference: Units, current: Units, metric: Metric) -> Change:
    values = float(metric.value(reference.total)), float(metric.value(current.total))
    good, bad = _Days.of(reference, metric), _Days.of(current, metric)
    baseline, spent = good.weekday_baseline()
    good = good.without(baseline, spent)
    shift = float(
        (np.bincount(bad.weekdays, bad.share, WEEK) - np.bincount(good.weekdays, good.share, WEEK)) @ baseline
    )
    bad = bad.without(baseline, 0.0)
    variance, df = good.variance(), good.df
    if len(bad.share) >= MIN_REFERENCE_DAYS:
        own = bad.variance()
        # Welch and Satterthwaite: each window with its own days and degrees of freedom.
        df = (variance + own) ** 2 / max(variance**2 / df + own**2 / bad.df, 1e-300) if variance + own > 0 else df
    else:
        # Too few days to know their own spread: the reference's day effect, with the current sampling noise.
        own = good.inflation * float((bad.share**2 * (good.day_variance + bad.v / bad.rows)).sum())
    mix = np.bincount(bad.weekdays, bad.share, WEEK) - np.bincount(good.weekdays, good.share, WEEK)
    variance += own + float((mix**2 * good.weekday_error()).sum())
    return _result(metric, values, float(np.sqrt(variance)), max(df, 1.0), "day", shift)


@dataclass(frozen=True)
class _Days:
    """The days of a window, each with its linearised deviation from the window's value. Rows weigh, as in the metric itself."""

    values: Floats
    rows: Floats
    v: float
    """Variance of one row's influence."""
    weekdays: NDArray[np.int64]
    ordinals: NDArray[np.int64]
    spent: float = 0.0
    """Degrees of freedom taken by a baseline."""

    @classmethod
    def of(cls, units: Units, metric: Metric) -> _Days:
        """Days of a window that has them."""
        assert units.weekdays is not None
        assert units.ordinals is not None
        v = _row_variance(units, gradient(metric, units.total))
        return cls(_linear_days(units, metric), units.rows, v, units.weekdays, units.ordinals)

    def without(self, baseline: Floats, spent: float) -> _Days:
        """The same days with weekday effects taken out, centred again."""
        values = self.values - baseline[self.weekdays]
        return replace(self, values=values - float(self.share @ values), spent=spent)

    @property
    def share(self) -> Floats:
        """Each day's share of the rows."""
        return np.asarray(self.rows / self.rows.sum())

    @property
    def df(self) -> float:
        """Degrees of freedom left for the spread of days."""
        return max(len(self.values) - 1 - self.spent, 1.0)

    @property
    def spread(self) -> float:
        """Cluster-robust variance of the window's value, before autocorrelation."""
        return len(self.values) / self.df * float((self.share**2 * self.values**2).sum())

    @property
    def day_variance(self) -> float:
        """Variance of the day effect beyond the sampling noise of its rows, by moments weighted like the metric."""
        noise = float((self.share**2 * self.v / self.rows).sum())
        return max(0.0, (self.spread - noise) / float((self.share**2).sum()))

    @property
    def inflation(self) -> float:
        """(1+a)/(1-a), a the bias-corrected lag-1 autocorrelation of neighbouring standardised days, 0 to 0.8."""
        return _inflation(
            self.values / np.sqrt(np.maximum(self.day_variance + self.v / self.rows, 1e-300)), self.ordinals
        )

    def variance(self) -> float:
        """Variance of the window's value, never under the sampling noise of its rows."""
        return max(self.spread * self.inflation, self.v / float(self.rows.sum()))

    def weekday_error(self) -> Floats:
        """Variance of each weekday's mean (7,)."""
        rows = np.bincount(self.weekdays, self.rows, WEEK)
        squares = np.bincount(self.weekdays, self.rows**2, WEEK)
        seen = rows > 0
        safe = np.where(seen, rows, 1.0)
        return np.where(seen, self.day_variance * squares / safe**2 + self.v / safe, 0.0)

    def weekday_baseline(self) -> tuple[Floats, float]:
        """Weekday effects (7,), shrunk towards zero by between-weekday variance and their own error (empirical Bayes).

        Also the degrees of freedom that they take: the sum of the shrinkage factors, at most six.
        """
        share = np.bincount(self.weekdays, self.share, WEEK)
        seen = share > 0
        means = np.bincount(self.weekdays, self.share * self.values, WEEK) / np.where(seen, share, 1.0)
        error = self.weekday_error()
        between = max(0.0, float((share * (means**2 - error)).sum())) if seen.sum() > 1 else 0.0
        shrink = np.where(seen, between / np.maximum(between + error, 1e-300), 0.0)
        effects = means * shrink
        return np.where(seen, effects - float(share @ effects), 0.0), min(float(shrink.sum()), WEEK - 1.0)


def _linear_days(units: Units, metric: Metric) -> Floats:
    """Linearised metric of each day as deviation from the window's value, so that row-weighted days average to zero."""
    slope = gradient(metric, units.total)
    mean = units.total / units.n
    return np.asarray((units.sums / units.rows[:, None] - mean) @ slope) * units.n


def _inflation(residual: Floats, ordinals: NDArray[np.int64]) -> float:
    """(1+a)/(1-a) with a the lag-1 autocorrelation of neighbouring standardised days, bias-corrected, between 0 and 0.8."""
    order = np.argsort(ordinals)
    e, day = residual[order], ordinals[order]
    neighbours = np.diff(day) == 1
    power = float((e**2).mean())
    if neighbours.sum() < 7 or power == 0:
        return 1.0
    a = float((e[1:] * e[:-1])[neighbours].mean()) / power + 2 / len(e)
    a = float(np.clip(a, 0.0, 0.8))
    return (1 + a) / (1 - a)
