"""Alarms over time that keep a promise: at most so many false ones a year, however long one watches.

One value per period (a day, say) and stream. A quiet reference gives its level (by weekday), the spread of its periods and how
far they remember each other; a later period becomes a standardised residual, positive where it is worse.

* ``Alarm``: e-SR, an e-detector of Shiryaev-Roberts type (Shin, Ramdas and Rinaldo 2023). Each component multiplies e-values,
  numbers whose mean is at most one while nothing happened, and starts anew with every period; the detector is their average.
  Raised at ``c``, it is false at most once in ``c`` periods on average. Components bet on a lasting change of several sizes
  (sub-Gaussian), and one on single periods beyond anything seen (a p-value of a t distribution turned into an e-value).
* ``Watch``: CUSUM (Page 1954), quicker and without a guarantee of its own: its limit is simulated through the same estimation
  from as short a reference (see ``watch_limit``). An early sign, no alarm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy import stats

from backslide.stats.arrays import Floats, Ints, Mask

WEEK = 7
CYCLES = 4
"""Cycles of reference periods (weeks of days) from which weekdays have a level of their own."""
MIN_REFERENCE = 10
"""Reference periods under which nothing is watched."""
LEAST_SPREAD = 0.003
"""Least standard deviation between periods of a share: eight weeks can estimate it as zero."""
LEAST_RELATIVE = 0.03
"""The same for numbers, in standard deviations of a row."""
USUAL_SPREAD, USUAL_RELATIVE, SURE_OF_SPREAD = 0.01, 0.03, 8.0
"""Usual spread between periods of a share, of a number in standard deviations of a row, and their weight in periods."""
RARE = 10.0
"""Expected events of a period under which a share's own rows tell its noise."""
MOST_MEMORY = 0.8
USUAL_MEMORY, SURE_OF_MEMORY = 0.35, 0.25
"""Autocorrelation of neighbouring periods' own effects believed in before any are seen, and how sure (standard deviation)."""
VALUE_MEMORY, VALUE_PAIRS = 0.2, 20.0
"""The same for their values, and for how many pairs that belief counts."""
CLIP = 5.0
"""Residuals beyond count as this much for the lasting components: one odd period is no lasting change."""
BETS = (0.4, 0.7, 1.1)
"""Sizes of the lasting bets; each pays best for a shift of as many standard deviations."""
SHOCK_SHARE = 0.1
"""Weight of the component for single periods; the lasting ones share the rest."""
TOLERANCE = 2.0
"""Standard errors of the reference's own level by which every residual is made smaller.

Eight weeks whose days remember each other for longer than they show have a level that is off by more than is believed of it. That
is where false alarms come from (``benchmarks/alarms.py --memory 0.6``), more than from the memory itself, and since such weeks do
not show it, no estimate of the memory helps: all pay with one-point drops that are found a fifth later.
"""
KAPPA = 0.25
"""Exponent of the p-to-e calibrator ``kappa * p ** (kappa - 1)`` (Vovk and Wang 2021)."""


@dataclass(frozen=True)
class Periods:
    """One stream by period: values (T,), rows (T,) and ordinals (T,), consecutive numbers of the periods."""

    values: Floats
    rows: Floats
    ordinals: Ints
    cycle: int = WEEK
    """Periods until the same kind comes again: 7 for days (``ordinals % 7`` is the weekday), 24 for hours, 0 for none."""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, keep: Mask | slice) -> Periods:
        """Some of the periods."""
        return Periods(self.values[keep], self.rows[keep], self.ordinals[keep], self.cycle)


@dataclass(frozen=True)
class Baseline:
    """What a quiet reference says of one period."""

    level: float
    season: Floats
    """Added to the level by ``ordinals % cycle`` (cycle,), such as weekdays; zeros where there are too few periods."""
    row_variance: float
    spread: float
    """Standard deviation between periods beyond the sampling noise of their rows."""
    inflation: float
    """By how much memory widens the mean of many periods."""
    periods: int
    share: bool
    freedom: float

    def expected(self, periods: Periods) -> Floats:
        """Level of each period (T,)."""
        return np.asarray(self.level + _of(self.season, periods))

    def noise(self, periods: Periods) -> Floats:
        """Standard deviation of each period (T,).

        Where events are rare, a share's own rows widen it: one event among ten rows is no tenfold rate.
        """
        v = np.full(len(periods), self.row_variance)
        if self.share:
            own = (np.clip(periods.values, 0, 1) * periods.rows + 0.5) / (periods.rows + 1)
            v = np.where(v * periods.rows < RARE, np.maximum(v, own * (1 - own)), v)
        return np.asarray(np.sqrt(v / np.maximum(periods.rows, 1) + self.spread**2))

    def residuals(self, periods: Periods, sign: int = 1) -> Floats:
        """Standardised residuals (T,), positive where the value moved in the direction of ``sign``.

        A t distribution's quantiles are turned into normal ones, because the spread is estimated, and what periods remember of
        each other is taken for noise that many periods share.
        """
        z = sign * (periods.values - self.expected(periods)) / self.noise(periods)
        return _as_normal(z / self.inflation, self.freedom)


def fit_baseline(reference: Periods, row_variance: float, *, share: bool, shrink: bool = True) -> Baseline:
    """Level, weekdays, spread and memory of a reference of at least ``MIN_REFERENCE`` periods.

    Weekday effects are shrunk (empirical Bayes) by how sure each is; the spread is what periods vary beyond the sampling
    noise of their rows, by the method of moments.

    Args:
        reference: the quiet periods.
        row_variance: variance of one row's value.
        share: whether values are fractions of rows.
        shrink: whether weekdays borrow from each other; without it each is its own mean.

    Raises:
        ValueError: fewer periods than ``MIN_REFERENCE``.
    """
    n = len(reference)
    if n < MIN_REFERENCE:
        raise ValueError(f"expected at least {MIN_REFERENCE} periods, got {n}")
    noise = row_variance / np.maximum(reference.rows, 1)
    weight = _weights(reference.values, noise)
    level = float(weight @ reference.values)
    season, used = np.zeros(max(reference.cycle, 1)), 1.0
    if reference.cycle and n >= CYCLES * reference.cycle:
        season, used = _season(reference, level, weight, shrink)
        level = float(weight @ (reference.values - _of(season, reference)))
    residual = reference.values - level - _of(season, reference)
    freedom = max(n - used, 3.0)
    usual = USUAL_SPREAD**2 if share else (USUAL_RELATIVE**2) * row_variance
    excess = (float((residual**2 - noise).sum()) + SURE_OF_SPREAD * usual) / (freedom + SURE_OF_SPREAD)
    floor = LEAST_SPREAD if share else LEAST_RELATIVE * float(np.sqrt(row_variance))
    spread = max(float(np.sqrt(max(excess, 0.0))), floor)
    inflation = _memory(residual, noise, spread, reference.ordinals)
    # What rows scatter is known; only the spread between periods is estimated (Satterthwaite 1946).
    freedom = (freedom + SURE_OF_SPREAD) * ((float(noise.mean()) + spread**2) / spread**2) ** 2
    return Baseline(level, season, row_variance, spread, inflation, n, share, freedom)


def _weights(values: Floats, noise: Floats) -> Floats:
    """Inverse variance of each period, with the spread between periods of a first look."""
    spread = max(float(np.var(values) - noise.mean()), 1e-12)
    weight = 1 / (noise + spread)
    return np.asarray(weight / weight.sum())


def _of(season: Floats, periods: Periods) -> Floats:
    """The season's part of each period (T,)."""
    return np.asarray(season[periods.ordinals % len(season)])


def _season(reference: Periods, level: float, weight: Floats, shrunk: bool) -> tuple[Floats, float]:
    """Shrunk effects by kind of period (cycle,), and how many degrees of freedom they take."""
    cycle = reference.cycle
    kind = reference.ordinals % cycle
    residual = reference.values - level
    mass = np.bincount(kind, weight, cycle)
    counts = np.bincount(kind, minlength=cycle).astype(float)
    present = counts > 0
    means = np.where(present, np.bincount(kind, weight * residual, cycle) / np.where(present, mass, 1.0), 0.0)
    within = float(((residual - means[kind]) ** 2).sum() / max(len(residual) - present.sum(), 1))
    error = within / np.maximum(counts, 1)
    between = max(float((means**2 - error)[present].mean()), 0.0)
    if not shrunk:
        return means, float(present.sum())
    shrink = np.where(present, between / (between + error), 0.0) if between > 0 else np.zeros(cycle)
    return np.asarray(shrink * means), 1.0 + float(shrink.sum()) * (cycle - 1) / cycle


def _memory(residual: Floats, noise: Floats, spread: float, ordinals: Ints) -> float:
    """By how much memory widens the mean of many periods: the larger of two readings of neighbouring periods.

    One takes the periods' values as an autoregression, the other their own effects once the sampling noise of rows is taken
    out, whose memory is longer than the values show. Both are shrunk to usual values: some dozen pairs know little.
    """
    near = np.diff(ordinals) == 1
    pairs, total = int(near.sum()), float(noise.mean()) + spread**2
    own = spread**2 / total
    # Around an estimated level neighbours look too little alike, by about twice the variance of the level.
    product = float((residual[1:] * residual[:-1])[near].sum()) + 2 * total
    values = (product / total + VALUE_MEMORY * VALUE_PAIRS) / (pairs + VALUE_PAIRS)
    evidence, belief = pairs * own**2, 1 / SURE_OF_MEMORY**2
    effects = (evidence * product / max(pairs, 1) / spread**2 + belief * USUAL_MEMORY) / (evidence + belief)
    plain, latent = (_widening(float(np.clip(rho, 0.0, MOST_MEMORY))) for rho in (values, effects))
    return float(np.sqrt(max(plain, 1 - own + own * latent)))


def _widening(rho: float) -> float:
    return (1 + rho) / (1 - rho)


def _as_normal(z: Floats, freedom: float) -> Floats:
    """The normal quantile of the same tail as ``z`` has in a t distribution; on the log scale, so that no tail is lost."""
    size = np.abs(z)
    tail = stats.t.logsf(size, freedom)
    return np.asarray(np.sign(z) * stats.norm.isf(np.exp(np.maximum(tail, -700.0))))


def log_bets(x: Floats, periods: int) -> Floats:
    """Log e-values (T, C) of standardised residuals (T,): one column for each lasting bet, the last for single shocks."""
    tolerance = TOLERANCE / np.sqrt(periods)
    lasting = np.clip(x - tolerance, -CLIP, CLIP)[:, None]
    bets = np.asarray(BETS)
    shock = np.log(KAPPA) + (KAPPA - 1) * stats.norm.logsf(x - tolerance)
    return np.column_stack([bets * lasting - bets**2 / 2, shock])


LOG_WEIGHTS = np.log(np.array([(1 - SHOCK_SHARE) / len(BETS)] * len(BETS) + [SHOCK_SHARE]))


@dataclass(frozen=True)
class Alarm:
    """The e-detector after some periods: log of each component's sum, and the period at which it was last near nothing."""

    logs: Floats = field(default_factory=lambda: np.full(len(BETS) + 1, -np.inf))

    def step(self, bets: Floats) -> Alarm:
        """One period further; ``bets`` (C,) are its log e-values."""
        return Alarm(np.logaddexp(self.logs, 0.0) + bets)

    @property
    def evidence(self) -> float:
        """Log of the weighted average over components."""
        return float(np.logaddexp.reduce(self.logs + LOG_WEIGHTS))


def alarm_limit(false_a_year: float, periods_a_year: float) -> float:
    """Log of the evidence at which an alarm is false at most ``false_a_year`` times a year on average."""
    return float(np.log(periods_a_year / false_a_year))


def allowance(shift: float, noise: float) -> float:
    """CUSUM's k for a shift that matters: half of it, in standard deviations of a period, between 0.25 and 1.8."""
    return float(np.clip(shift / (2 * noise), 0.25, 1.8)) if noise > 0 else 1.8


SIMULATED = 400
HORIZON = 365
"""Periods of each simulated quiet stretch."""
MEMORY_SIMULATED = 0.4
LENGTHS = (10, 14, 21, 28, 42, 56, 84, 112, 182, 365)
"""Reference lengths that are simulated; others count as the next shorter."""


@lru_cache(maxsize=256)
def watch_limit(k: float, reference: int, false_a_year: float, periods_a_year: float, *, cycle: int) -> float:
    """The limit that a CUSUM with allowance ``k`` passes ``false_a_year`` times in a quiet year, by simulation.

    Quiet periods with memory go through the same baseline, estimated from as many ``reference`` periods; after each pass the
    sum starts anew.
    """
    quiet = _quiet_residuals(max(n for n in LENGTHS if n <= max(reference, LENGTHS[0])), cycle)
    allowed = false_a_year * quiet.size / periods_a_year
    low, high = 0.0, 60.0
    for _ in range(18):
        middle = (low + high) / 2
        low, high = (middle, high) if _passes(quiet, k, middle) > allowed else (low, middle)
    return high


def _passes(x: Floats, k: float, limit: float) -> int:
    total, count = np.zeros(len(x)), 0
    for t in range(x.shape[1]):
        total = np.maximum(0.0, total + x[:, t] - k)
        over = total > limit
        count += int(over.sum())
        total[over] = 0.0
    return count


@lru_cache(maxsize=16)
def _quiet_residuals(reference: int, cycle: int) -> Floats:
    """Residuals of simulated quiet periods against estimated baselines (SIMULATED, HORIZON)."""
    rng = np.random.default_rng(7)
    effects = _remembering(rng, reference + HORIZON)
    out = np.empty((SIMULATED, HORIZON))
    for i, e in enumerate(effects):
        whole = Periods(e, np.full(len(e), 1e9), np.arange(len(e)), cycle)
        base = fit_baseline(whole.take(slice(0, reference)), 1.0, share=False)
        out[i] = base.residuals(whole.take(slice(reference, None)))
    return out


def _remembering(rng: np.random.Generator, n: int) -> Floats:
    """Autoregressive effects of variance one (SIMULATED, n)."""
    shocks = rng.standard_normal((SIMULATED, n))
    out, rho = np.empty_like(shocks), MEMORY_SIMULATED
    out[:, 0] = shocks[:, 0]
    for t in range(1, n):
        out[:, t] = rho * out[:, t - 1] + np.sqrt(1 - rho**2) * shocks[:, t]
    return out
