"""Two models on the same rows, or on two groups of rows served side by side: differences with honest noise.

A difference is always *new minus old*. What both models share (hard rows, bad days) cancels in the difference of their row
influences, which is why a paired comparison sees a tenth of what two windows would need. What does not cancel is that one
model may suit some days better than others, so the day is the unit wherever there are days:

* variance of a difference by day, cluster-robust with the day as cluster (Liang and Zeger 1986);
* moderated towards what rows alone and a usual day effect would give, with ``PRIOR_DF`` degrees of freedom (Smyth 2004): one
  day says little, thirty days speak for themselves, and so do few days that differ more than is usual;
* never less than the noise of the rows, whose degrees of freedom count how many rows differ at all (Satterthwaite): three
  flips among ten thousand rows are three observations.

Right or wrong on the same rows also has McNemar's test, and the area under the ROC curve DeLong's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.metric_change import USUAL_DAY, Units
from backslide.stats.change.units import Days, row_units
from backslide.stats.metrics.metric import Metric, influence
from backslide.stats.metrics.ranking import roc_auc_rows

PRIOR_DF = 4.0
"""Weight of the usual day effect, in degrees of freedom."""
RESTLESS = 0.8
"""Quantile of the usual spread of days from which their own spread speaks without the prior."""
ENOUGH_DAYS = 14
"""Days from which their own memory can be told."""
EXACT = 25
"""Discordant rows under which McNemar's test is exact; mid-p from there on (Fagerland, Lydersen and Laake 2013)."""


@dataclass(frozen=True)
class ModelDifference:
    """A metric of two models and its difference, new minus old; not a number where not estimable."""

    old: float
    new: float
    se: float
    df: float
    unit: str
    """``day`` or ``row``: what counts as independent."""
    days: int
    p_value: float
    """Two-sided, that the models are equally good."""
    test: str

    @property
    def estimate(self) -> float:
        """New minus old."""
        return self.new - self.old

    @property
    def known(self) -> bool:
        """Whether there is a number with noise."""
        return bool(np.isfinite(self.estimate) and np.isfinite(self.se))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided t interval."""
        half = float(stats.t.ppf(0.5 + level / 2, self.df)) * self.se
        return self.estimate - half, self.estimate + half

    def detectable(self, floor: float, alpha: float) -> float:
        """Smallest true difference found with 80 % power by a one-sided test at ``alpha`` whose estimate must reach ``floor``."""
        quantile, power = (float(stats.t.ppf(q, self.df)) for q in (1 - alpha, 0.8))
        return max((quantile + power) * self.se, floor + power * self.se)


def compare_paired(metric: Metric, old: Floats, new: Floats, days: Days) -> ModelDifference:
    """Difference of a metric of two models that answered the same rows.

    Args:
        metric: a function of summed row statistics.
        old: row statistics of the old model (n, F); see ``stats.rows``.
        new: those of the new one for the same rows.
        days: day ordinals of the rows (n,) as ``case.Side.blocks``, or None.
    """
    values = [float(metric.value(rows.sum(0))) for rows in (old, new)]
    pull = influence(metric, new, new.sum(0)) - influence(metric, old, old.sum(0))
    n = max(len(pull), 1)
    spread = max(float(np.var(pull)) if len(pull) else 0.0, 0.5 * metric.event**2 / n)
    only_old, only_new = discordant(old, new) if metric.name == "accuracy" else (0, 0)
    if metric.name == "accuracy":
        spread = _one_more_each(only_old, only_new, n)
    units = row_units(np.column_stack([np.ones(len(pull)), pull]), days)
    result = _with_noise((values[0], values[1]), _by_day(units, 0.0), spread, spread / n, _row_df(pull))
    if metric.name != "accuracy":
        return result
    p_value, test = mcnemar(only_old, only_new)
    if result.unit == "row":
        return _replaced(result, p_value, test)
    # Days can only add noise to what rows alone show.
    return result if result.p_value >= p_value else _replaced(result, p_value, f"{test}, at least as wide as by day")


def compare_paired_whole(value: Callable[[Mask], tuple[float, float]], units: Units) -> ModelDifference:
    """The same for a metric that gives one number for all rows at once.

    ``value`` maps a mask of rows (n,) to (old, new); ``units`` are jackknife units of its difference (``stats.jackknife``).
    """
    n = round(units.n)
    old, new = value(np.ones(n, bool))
    spread = float(units.second[1, 1] / units.n - (units.total[1] / units.n) ** 2)
    return _with_noise((old, new), _by_day(units, units.total[1] / units.n), spread, spread / units.n, max(n - 1, 1))


def compare_unpaired(metric: Metric, old: Floats, new: Floats, old_days: Days, new_days: Days) -> ModelDifference:
    """Difference of a metric of two models that answered other rows side by side, such as the arms of an A/B test.

    Where both arms have the same days, what a day does to both of them cancels.
    """
    values, arms, variance, inverse = [], [], 0.0, 0.0
    sizes = [max(len(rows), 1) for rows in (old, new)]
    for rows, days in ((old, old_days), (new, new_days)):
        total = rows.sum(0)
        values.append(float(metric.value(total)))
        pull = influence(metric, rows, total)
        arms.append(row_units(np.column_stack([np.ones(len(pull)), pull]), days))
        own = max(float(np.var(pull)), 0.5 * metric.event**2 / max(len(pull), 1)) / max(len(pull), 1)
        variance, inverse = variance + own, inverse + own**2 / max(_row_df(pull), 1.0)
    df = variance**2 / inverse if inverse > 0 else 1.0
    if any(arm.ordinals is None for arm in arms):
        return _with_noise((values[0], values[1]), None, 0.0, variance, df)
    every = np.unique(np.concatenate([arm.ordinals for arm in arms if arm.ordinals is not None]))
    moves, shares = np.zeros((2, len(every))), np.zeros((2, len(every)))
    for k, (arm, n) in enumerate(zip(arms, sizes, strict=True)):
        place = np.searchsorted(every, arm.ordinals if arm.ordinals is not None else every)
        moves[k, place], shares[k, place] = arm.sums[:, 1] / n, arm.rows / n
    by_day = _DayDifferences(moves[1] - moves[0], shares.mean(0), every)
    spread = variance * float(np.mean(sizes))
    return _with_noise((values[0], values[1]), by_day, spread, variance, df)


def discordant(old: Floats, new: Floats) -> tuple[int, int]:
    """Rows that only the old and only the new model has right, from count rows (n, 3K)."""
    k = old.shape[1] // 3
    right = [rows[:, 2 * k :].sum(1) > 0 for rows in (old, new)]
    return int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())


def mcnemar(only_old: int, only_new: int) -> tuple[float, str]:
    """Two-sided p-value that both models are right equally often, from the rows that only one of them has right.

    Exact binomial under ``EXACT`` discordant rows, else its mid-p version, which is nearer to the nominal error.
    """
    n, k = only_old + only_new, min(only_old, only_new)
    if n == 0:
        return 1.0, "McNemar exact"
    at_most = float(stats.binom.cdf(k, n, 0.5))
    if n < EXACT:
        return min(2 * at_most, 1.0), "McNemar exact"
    return min(2 * (at_most - 0.5 * float(stats.binom.pmf(k, n, 0.5))), 1.0), "McNemar mid-p"


@dataclass(frozen=True)
class Areas:
    """Two areas under ROC curves on the same rows, with the standard error of their difference."""

    old: float
    new: float
    se: float
    df: float

    @property
    def p_value(self) -> float:
        """Two-sided."""
        if not np.isfinite(self.se):
            return 1.0
        if self.se == 0:
            return float(self.new == self.old)
        return float(2 * stats.t.sf(abs(self.new - self.old) / self.se, self.df))


def delong(positive: Mask, old: Floats, new: Floats, clusters: Ints | None = None) -> Areas:
    """DeLong's test of two correlated areas (DeLong, DeLong and Clarke-Pearson 1988) by midranks (Sun and Xu 2014).

    With ``clusters`` (n,), such as days, rows of one cluster may be alike (Obuchowski 1997); the degrees of freedom are then
    clusters less one. NaN where a side has no rows.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        return Areas(float("nan"), float("nan"), float("nan"), 1.0)
    rows = [roc_auc_rows(positive, scores) for scores in (old, new)]
    areas = [float(r.mean()) for r in rows]
    pull = (rows[1] - areas[1]) - (rows[0] - areas[0])
    # Back to placements: a row's influence is its placement over the share of its side.
    apart = pull * np.where(positive, m, n) / len(pull)
    if clusters is None:
        sides = [apart[positive], apart[~positive]]
        variance = sum(float(np.var(side, ddof=1)) / len(side) for side in sides)
        return Areas(areas[0], areas[1], float(np.sqrt(variance)), np.inf)
    _, index = np.unique(clusters, return_inverse=True)
    groups = int(index.max()) + 1
    above = np.bincount(index, np.where(positive, apart, 0.0), groups)
    below = np.bincount(index, np.where(positive, 0.0, apart), groups)
    values = [int((np.bincount(index, side, groups) > 0).sum()) for side in (positive, ~positive)]
    if min(*values, groups) < 2:
        return Areas(areas[0], areas[1], float("nan"), 1.0)
    variance = (
        values[0] / (values[0] - 1) * float((above**2).sum()) / m**2
        + values[1] / (values[1] - 1) * float((below**2).sum()) / n**2
        + 2 * groups / (groups - 1) * float((above * below).sum()) / (m * n)
    )
    return Areas(areas[0], areas[1], float(np.sqrt(max(variance, 0.0))), groups - 1)


@dataclass(frozen=True)
class _DayDifferences:
    """What each day adds to the difference (D,), its share of the rows (D,), and its ordinal (D,)."""

    moves: Floats
    shares: Floats
    ordinals: Ints

    def variance(self) -> tuple[float, float]:
        """Cluster-robust variance of the difference and its degrees of freedom; (0, 0) with one day."""
        count = len(self.moves)
        if count < 2:
            return 0.0, 0.0
        spread = count / (count - 1) * float((self.moves**2).sum())
        even = float((self.shares**2).sum() ** 2 / (self.shares**4).sum())
        return spread * self._memory(), max(even - 1, 1.0)

    def _memory(self) -> float:
        """(1+a)/(1-a) with the lag-1 autocorrelation a of neighbouring days, as far as it goes beyond chance."""
        near = np.diff(self.ordinals) == 1
        power = float((self.moves**2).mean())
        if len(self.moves) < ENOUGH_DAYS or near.sum() < ENOUGH_DAYS - 1 or power <= 0:
            return 1.0
        a = float((self.moves[1:] * self.moves[:-1])[near].mean()) / power + 1 / len(self.moves)
        a = float(np.clip(a, 0.0, 0.8))
        return (1 + a) / (1 - a)


def _by_day(units: Units, mean: float) -> _DayDifferences | None:
    if units.ordinals is None:
        return None
    return _DayDifferences((units.sums[:, 1] - mean * units.rows) / units.n, units.rows / units.n, units.ordinals)


def _one_more_each(only_old: int, only_new: int, n: int) -> float:
    """Variance of a row's difference of right and wrong with one discordant row more on each side (Bonett and Price 2012)."""
    down, up = (only_old + 1) / (n + 2), (only_new + 1) / (n + 2)
    return (down + up - (up - down) ** 2) * n / (n + 2)


def _row_df(pull: Floats) -> float:
    """Degrees of freedom of the variance of row values: about twice the rows that differ from the rest (Satterthwaite)."""
    centred = pull - pull.mean() if len(pull) else pull
    second = float((centred**2).mean()) if len(pull) else 0.0
    if second <= 0:
        return max(len(pull) - 1.0, 1.0)
    peaked = float((centred**4).mean()) / second**2
    return float(np.clip(2 * len(pull) / max(peaked - 1, 1e-9), 1.0, max(len(pull) - 1.0, 1.0)))


def _with_noise(
    values: tuple[float, float], by_day: _DayDifferences | None, spread: float, row_variance: float, row_df: float
) -> ModelDifference:
    """``spread`` is the variance of one row's difference, ``row_variance`` that of the whole if rows were independent."""
    variance, df, unit, days = row_variance, row_df, "row", 0
    if by_day is not None:
        days, unit = len(by_day.moves), "day"
        own, own_df = by_day.variance()
        usual = row_variance + USUAL_DAY**2 * spread * float((by_day.shares**2).sum())
        restless = own_df > 0 and own > usual * float(stats.chi2.ppf(RESTLESS, own_df)) / own_df
        prior = 0.0 if restless else PRIOR_DF
        variance = max((prior * usual + own_df * own) / (prior + own_df), row_variance)
        df = min(prior + own_df, row_df)
    se = float(np.sqrt(variance))
    old, new = values
    estimate = new - old
    if not np.isfinite(estimate):
        p_value = float("nan")
    elif se > 0:
        p_value = float(2 * stats.t.sf(abs(estimate) / se, df))
    else:
        p_value = float(estimate == 0)
    return ModelDifference(old, new, se, df, unit, days, p_value, "t by day" if unit == "day" else "t by row")


def _replaced(result: ModelDifference, p_value: float, test: str) -> ModelDifference:
    return ModelDifference(result.old, result.new, result.se, result.df, result.unit, result.days, p_value, test)
