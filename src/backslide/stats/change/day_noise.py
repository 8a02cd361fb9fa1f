"""How far a window's shares and means move by days alone: the noise that a drift has to stand out from.

A window is so many days before it is so many rows. Every statistic here is linear in the rows' cells (bins, levels), so
its value per day follows from counts by day and cell. Model: a day's value = window's value + weekday effect + day effect
(lag-1 autocorrelated) + sampling noise of the day's rows.

* Day variance by the method of moments within weekdays (ANOVA), moderated as in empirical Bayes by a prior, because few
  days know little of their own spread.
* Weekday effects shrunk (empirical Bayes); what the windows' weekday composition alone makes of the difference is taken
  out, and the error of doing so counts. Without two weeks of reference, weekday effects have the prior's variance.
* Without days the rows alone count.

Prior, in latent standard deviations: 0.15 between days, 0.3 between weekdays, autocorrelation 0.3. These are what busy
commercial streams show; a quieter stream shows it in its own days soon enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.stats.arrays import Floats, Ints

WEEK = 7
MIN_REFERENCE_DAYS = 14
"""Days from which the reference alone tells the day variance, and weekdays are told apart."""
PRIOR_DAY = 0.15
PRIOR_WEEKDAY = 0.3
PRIOR_DAYS = 2.0
"""Weight of the day prior, in days."""
PRIOR_WEEKS = 4.0
"""Weight of the weekday prior, in degrees of freedom."""
PRIOR_AUTOCORRELATION = 0.3
PRIOR_PAIRS = 10.0
MOST_AUTOCORRELATION = 0.8
PRIOR_DF = 8.0
"""Degrees of freedom of a variance that rests on the prior alone: chosen large rather than unsure."""
CLEAR_AUTOCOVARIANCE = 3.0
"""Standard errors from which neighbouring days are alike beyond doubt, though each holds too few rows to tell."""
EXACT_DAYS = 200
FAR = 60
"""Days apart that remember nothing of each other: the most autocorrelation to this power is under a millionth."""


@dataclass(frozen=True)
class DayCounts:
    """Rows of one window by day and cell: ``counts`` (D, C); ``days`` (D,) ordinals with ``% 7`` the weekday, None without."""

    counts: Floats
    days: Ints | None

    @classmethod
    def of(cls, codes: Ints, cells: int, blocks: Ints | None) -> DayCounts:
        """Counted from the cell of each row, -1 for rows that do not count, and the day of each row."""
        use = codes >= 0
        if blocks is None:
            return cls(np.bincount(codes[use], minlength=cells)[None, :].astype(float), None)
        days, index = np.unique(blocks[use], return_inverse=True)
        flat = np.bincount(index * cells + codes[use], minlength=len(days) * cells)
        return cls(flat.reshape(len(days), cells).astype(float), days.astype(np.int64))

    @property
    def rows(self) -> Floats:
        """Rows of each day (D,)."""
        return np.asarray(self.counts.sum(axis=1))


@dataclass(frozen=True)
class DailyMeans:
    """One window by day: means of S quantities (D, S), their rows (D,), ordinals (D,), and the variance of one row (S,)."""

    values: Floats
    rows: Floats
    days: Ints
    noise: Floats


@dataclass(frozen=True)
class Noise:
    """What the difference current - reference of S statistics does when nothing happened."""

    row: Floats
    """Variance by the sampling of rows (S,)."""
    day: Floats
    """Variance by days and weekdays (S,)."""
    df: Floats
    """Degrees of freedom of ``day`` (S,)."""
    composition: Floats
    """What other weekdays alone make of the difference (S,): to be taken out of it."""
    window: tuple[Floats, Floats]
    """Variance by days of each window's own value (S,)."""

    @property
    def variance(self) -> Floats:
        """Of the difference (S,)."""
        return self.row + self.day

    @property
    def freedom(self) -> Floats:
        """Degrees of freedom of ``variance`` (Satterthwaite 1946); infinite where days add nothing."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(self.day > 0, self.df * (self.variance / self.day) ** 2, np.inf))


def day_noise(
    reference: DayCounts, current: DayCounts, values: Floats, rows: tuple[float, float], latent: Floats
) -> Noise:
    """Noise of the statistics ``values`` (C, S) of the cells between windows of ``rows`` rows, sampled in the counts.

    ``latent`` (S,) is what one standard deviation of the prior is in the unit of each statistic: 1 for a standardised score,
    the normal density at its quantile for a share.
    """
    share = reference.counts.sum(axis=0)
    share = share / max(float(share.sum()), 1.0)
    row = np.maximum(share @ values**2 - (share @ values) ** 2, 0.0)
    if reference.days is None or current.days is None or not len(reference.days) or not len(current.days):
        return row_noise(row, rows)
    sides = [
        DailyMeans(np.asarray(side.counts @ values / side.rows[:, None]), side.rows, np.asarray(side.days), row)
        for side in (reference, current)
    ]
    return daily_noise(sides[0], sides[1], rows, latent)


def row_noise(row: Floats, rows: tuple[float, float]) -> Noise:
    """Noise of means whose rows are independent with variance ``row`` (S,)."""
    nothing = np.zeros_like(row)
    variance = row * (1 / max(rows[0], 1.0) + 1 / max(rows[1], 1.0))
    return Noise(variance, nothing, np.full_like(nothing, np.inf), nothing, (nothing, nothing))


def daily_noise(reference: DailyMeans, current: DailyMeans, rows: tuple[float, float], latent: Floats) -> Noise:
    """Noise of the difference of two windows' means of S quantities, from their values by day."""
    sides = [_CentredDays.of(side) for side in (reference, current)]
    within = _within(sides, latent)
    weekdays = _weekdays(sides[0], within, latent)
    mix = sides[1].weekday_share - sides[0].weekday_share
    own = [within.variance * side.spread(within.autocorrelation) for side in sides]
    rest = (mix**2) @ weekdays.variance
    day = own[0] + own[1] + rest
    with np.errstate(divide="ignore", invalid="ignore"):
        df = day**2 / ((own[0] + own[1]) ** 2 / within.df + rest**2 / weekdays.df)
    row = row_noise(reference.noise, rows).row
    return Noise(row, day, np.where(day > 0, df, np.inf), mix @ weekdays.effects, (own[0], own[1]))


@dataclass(frozen=True)
class _CentredDays:
    """Daily values of one window as deviations from the window's own."""

    values: Floats
    share: Floats
    rows: float
    days: Ints
    noise: Floats
    """Variance of one row (S,)."""

    @classmethod
    def of(cls, daily: DailyMeans) -> _CentredDays:
        share = daily.rows / daily.rows.sum()
        centred = daily.values - share @ daily.values
        return cls(centred, share, float(daily.rows.sum()), daily.days, daily.noise)

    @property
    def weekday(self) -> Ints:
        return self.days % WEEK

    @property
    def weekday_share(self) -> Floats:
        """Share of the rows per weekday (7,)."""
        return np.asarray(np.bincount(self.weekday, self.share, WEEK), float)

    @property
    def weekly(self) -> bool:
        """Whether weekdays can be told apart: two weeks, each weekday seen twice."""
        counts = np.bincount(self.weekday, minlength=WEEK)
        return len(self.days) >= MIN_REFERENCE_DAYS and bool(counts[counts > 0].min() >= 2)

    def weekday_means(self) -> Floats:
        """Mean deviation of each weekday (7, S), 0 where unseen."""
        total = np.zeros((WEEK, self.values.shape[1]))
        np.add.at(total, self.weekday, self.share[:, None] * self.values)
        share = self.weekday_share
        return np.asarray(total / np.where(share > 0, share, 1.0)[:, None])

    def residual(self) -> tuple[Floats, Floats, int]:
        """Deviations left after the groups' means (D, S), each day's share of its group (D,), number of groups.

        Groups are weekdays where they can be told apart, else the whole window.
        """
        if not self.weekly:
            return self.values, self.share, 1
        within = self.share / self.weekday_share[self.weekday]
        return self.values - self.weekday_means()[self.weekday], within, int((self.weekday_share > 0).sum())

    def spread(self, autocorrelation: Floats) -> Floats:
        """Variance of the window's mean of day effects of variance 1 and the given autocorrelation (S,)."""
        alone = float((self.share**2).sum())
        if len(self.days) > EXACT_DAYS:
            return np.asarray(alone * (1 + autocorrelation) / (1 - autocorrelation))
        apart = np.abs(self.days[:, None] - self.days[None, :])
        weight = np.bincount(np.minimum(apart, FAR).ravel(), np.outer(self.share, self.share).ravel())
        return np.asarray(weight @ autocorrelation[None, :] ** np.arange(len(weight))[:, None])


@dataclass(frozen=True)
class _DayVariance:
    variance: Floats
    autocorrelation: Floats
    df: float


def _within(sides: list[_CentredDays], latent: Floats) -> _DayVariance:
    """Day variance and autocorrelation (S,): of the reference's days, or of both windows' while it has few."""
    used = sides[:1] if len(sides[0].days) >= MIN_REFERENCE_DAYS else sides
    excess, scale, df = np.zeros_like(latent), 0.0, 0.0
    pairs, together, noise = 0, np.zeros_like(latent), np.zeros_like(latent)
    for side in used:
        residual, within, groups = side.residual()
        excess = excess + (side.share @ residual**2 - (len(side.days) - groups) * side.noise / side.rows) * len(
            side.days
        )
        scale += float((side.share * (1 - within)).sum()) * len(side.days)
        df += len(side.days) - groups
        product, count = _neighbours(side, residual)
        together, pairs = together + product, pairs + count
        noise = noise + (residual**2).sum(axis=0)
    prior = (PRIOR_DAY * latent) ** 2
    result = excess / scale if scale > 0 else np.zeros_like(latent)
    variance = np.maximum((df * result + PRIOR_DAYS * prior) / (df + PRIOR_DAYS), 0.0)
    if not pairs:
        return _DayVariance(variance, np.full_like(latent, PRIOR_AUTOCORRELATION), df + PRIOR_DF)
    covariance = together / pairs
    total = noise / sum(len(side.days) for side in used)
    clear = covariance > CLEAR_AUTOCOVARIANCE * total / np.sqrt(pairs)
    variance = np.where(clear, np.maximum(variance, covariance / MOST_AUTOCORRELATION), variance)
    # Deviations from estimated means are negatively related by themselves.
    correlation = (covariance + total / max(df, 1.0)) / np.where(variance > 0, variance, np.inf)
    correlation = np.clip(correlation, 0.0, MOST_AUTOCORRELATION)
    trust = np.where(clear, 1.0, pairs / (pairs + PRIOR_PAIRS))
    return _DayVariance(variance, trust * correlation + (1 - trust) * PRIOR_AUTOCORRELATION, df + PRIOR_DF)


def _neighbours(side: _CentredDays, residual: Floats) -> tuple[Floats, int]:
    """Sum of products of neighbouring days (S,) and their number."""
    next_to = np.diff(side.days) == 1
    return (residual[1:] * residual[:-1])[next_to].sum(axis=0), int(next_to.sum())


@dataclass(frozen=True)
class _Weekdays:
    effects: Floats
    """Shrunk effect of each weekday (7, S)."""
    variance: Floats
    """What is not known of it (7, S)."""
    df: float


def _weekdays(reference: _CentredDays, within: _DayVariance, latent: Floats) -> _Weekdays:
    """Weekday effects of the reference, shrunk; unknown ones have the prior's variance."""
    prior = (PRIOR_WEEKDAY * latent) ** 2
    if not reference.weekly:
        return _Weekdays(np.zeros((WEEK, len(latent))), np.tile(prior, (WEEK, 1)), PRIOR_DF)
    share = reference.weekday_share
    present = share > 0
    means = reference.weekday_means()
    squares = np.bincount(reference.weekday, reference.share**2, WEEK) / np.where(present, share, 1.0) ** 2
    error = (
        squares[:, None] * within.variance + reference.noise / reference.rows / np.where(present, share, 1.0)[:, None]
    )
    df = float(present.sum()) - 1
    room = max(float(1 - (share**2).sum()), 1e-12)
    result = (share @ (means**2 - error * (1 - share)[:, None])) / room
    between = np.maximum((df * result + PRIOR_WEEKS * prior) / (df + PRIOR_WEEKS), 0.0)
    total = between + error
    shrink = np.where(present[:, None] & (total > 0), between / np.where(total > 0, total, 1.0), 0.0)
    return _Weekdays(shrink * means, between * (1 - shrink), df + PRIOR_DF)
