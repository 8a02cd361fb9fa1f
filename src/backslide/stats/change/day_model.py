"""The noise of a change between two windows of days, when neither the day effects nor their memory are known.

Model of a day's linearised metric: window mean + weekday effect + day effect + sampling noise. Weekday effects are normal with
variance ``b^2``; day effects a stationary autoregression of order one with standard deviation ``tau`` and memory ``rho`` (so
that gaps between days count); the sampling noise is known, ``v / rows``. Given ``(tau, rho, b)`` the change is a generalised
least squares contrast. The three are not known, so the contrast is averaged over a grid, weighted by restricted likelihood
times a weak prior (Harville 1974; as moderated variances: Smyth 2004).

The prior is what makes a window of one day say little and a window of thirty days speak for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special, stats
from scipy.optimize import brentq

from backslide.stats.arrays import Floats, Ints

WEEK = 7
RHO = np.array([0.0, 0.2, 0.4, 0.6, 0.8])
RHO_POWER = 1.5
"""Prior density of the memory is proportional to ``(1 - rho) ** RHO_POWER``."""
PRIOR_DF = 4.0
"""The prior of a day effect is a half-t of this many degrees of freedom."""
NONE = 0.5
"""Prior mass at no day effect at all, relative to a node."""
FIRST, STEP, WEEKDAY_STEP = 0.125, 2**0.5, 2.5
"""The smallest day effect of the grid, in usual day effects, and the factor to the next for days and for weekdays."""
LEAST_NOISE = 1e-6
"""Sampling noise of a day, in usual day effects, that is assumed where rows show none: a window in which every row is alike has a
spread of exactly zero, and dividing by it leaves the range of floats."""


@dataclass(frozen=True)
class DailySeries:
    """One window by day: linearised metric as deviation from the window's value (T,), rows (T,), weekday and day number."""

    values: Floats
    rows: Floats
    v: float
    """Variance of one row's influence."""
    weekdays: Ints
    ordinals: Ints


@dataclass(frozen=True)
class DayContrast:
    """Posterior of (current mean - reference mean), in the unit of the values, as a t distribution."""

    shift: float
    se: float
    df: float


def contrast(reference: DailySeries, current: DailySeries, scale: float) -> DayContrast:
    """How far the current days lie from the reference's after weekdays are taken out, and how sure that is.

    ``scale`` is the usual size of a day effect. The values of both windows are deviations from their own window's value, so
    ``shift`` is what weighting and weekdays move the plain difference by.
    """
    nodes = _NodeGrid.make(reference, current, scale)
    whitened = [_whiten(side, nodes) for side in (reference, current)]
    mean, sd, weight = _posterior(whitened, nodes)
    raw = np.sqrt(sum(w.raw for w in whitened)).ravel()[nodes.of_day]
    centre = float(weight @ mean)
    se, df = _as_t(mean - centre, np.maximum(sd, raw), weight)
    return DayContrast(centre, se, df)


ENOUGH_DAYS = 14
"""Days in both windows from which their own spread speaks without a model."""


def weighed_by_rows(reference: DailySeries, current: DailySeries) -> DayContrast | None:
    """The plain difference with the spread that its days have where the rows are; None with under 14 days in a window.

    Cluster-robust variance with the day as cluster (Liang and Zeger 1986), inflated by (1+a)/(1-a) with the lag-1
    autocorrelation a of neighbouring days; degrees of freedom from how unequal the days are. It holds where a day's level
    depends on how many rows it has, which the model of ``contrast`` takes for chance.
    """
    if min(len(reference.rows), len(current.rows)) < ENOUGH_DAYS:
        return None
    variance, df = np.array([_robust(side) for side in (reference, current)]).T
    total = float(variance.sum())
    if total <= 0:
        return None
    return DayContrast(0.0, float(np.sqrt(total)), max(total**2 / float((variance**2 / df).sum()), 1.0))


def _robust(side: DailySeries) -> tuple[float, float]:
    """Variance of a window's row-weighted mean, and its degrees of freedom."""
    share = side.rows / side.rows.sum()
    spread = len(share) / (len(share) - 1) * float((share**2 * side.values**2).sum())
    order = np.argsort(side.ordinals)
    pull = (share * side.values)[order]
    near = np.diff(side.ordinals[order]) == 1
    power = float((pull**2).mean())
    a = float((pull[1:] * pull[:-1])[near].mean()) / power if near.sum() >= WEEK and power > 0 else 0.0
    a = float(np.clip(a + 2 / len(share), 0.0, 0.8))
    days = float((share**2).sum() ** 2 / (share**4).sum())
    return max(spread * (1 + a) / (1 - a), side.v / float(side.rows.sum())), max(days - 1, 1.0)


@dataclass(frozen=True)
class _NodeGrid:
    """Nodes: (tau, rho) flattened to (J,), weekday sd (M,), log prior of each."""

    tau: Floats
    rho: Floats
    memory: Ints
    """Place of each rho in ``RHO``."""
    day_prior: Floats
    b: Floats
    b_prior: Floats
    weekdays: Ints
    """Weekdays that occur."""
    least: float
    """Variance below which a day's sampling noise is not taken."""

    @property
    def of_day(self) -> Ints:
        """Day node of each (day, weekday) node, flattened."""
        return np.repeat(np.arange(len(self.tau)), len(self.b))

    @classmethod
    def make(cls, reference: DailySeries, current: DailySeries, scale: float) -> _NodeGrid:
        spread = max(float(np.sqrt(np.mean(s.values**2))) for s in (reference, current)) / scale
        reach = np.log(max(8.0, 3 * spread) / FIRST) + 1e-9
        tau, memory, day_prior, b, b_prior = _unit_nodes(int(reach / np.log(STEP)), int(reach / np.log(WEEKDAY_STEP)))
        weekdays = np.unique(np.r_[reference.weekdays, current.weekdays])
        least = (LEAST_NOISE * scale) ** 2
        return cls(tau * scale, RHO[memory], memory, day_prior, b * scale, b_prior, weekdays, least)


@lru_cache(maxsize=32)
def _unit_nodes(steps: int, weekday_steps: int) -> tuple[Floats, Ints, Floats, Floats, Floats]:
    """Day nodes (tau, place of rho, log prior) and weekday nodes (sd, log prior), in usual day effects."""
    tau = np.r_[0.0, FIRST * STEP ** np.arange(steps + 1.0)]
    # The nodes are equidistant in log tau, so the density of tau is multiplied by tau.
    prior = np.r_[np.log(NONE) + np.log(FIRST), _half_t(tau[1:]) + np.log(tau[1:])]
    rho_prior = RHO_POWER * np.log1p(-RHO)
    rho_prior -= special.logsumexp(rho_prior)
    tau_nodes = np.r_[0.0, np.repeat(tau[1:], len(RHO))]
    memory = np.r_[0, np.tile(np.arange(len(RHO)), len(tau) - 1)]
    day_prior = np.r_[prior[0], (prior[1:, None] + rho_prior).ravel()]
    b = FIRST * WEEKDAY_STEP ** np.arange(weekday_steps + 1.0)
    return tau_nodes, memory, day_prior, b, _half_t(b) + np.log(b)


@dataclass(frozen=True)
class _WhitenedWindow:
    """A window seen by every day node: Gram matrix of [values, 1, weekday dummies] (J, C, C) and log determinant (J,)."""

    gram: Floats
    logdet: Floats
    raw: Floats
    """Variance of the row-weighted mean (J,)."""


def _whiten(side: DailySeries, nodes: _NodeGrid) -> _WhitenedWindow:
    """Innovations of the scalar Kalman filter, for every node and column at once."""
    order = np.argsort(side.ordinals)
    noise = np.maximum(side.v / side.rows, nodes.least)[order]
    share = (side.rows / side.rows.sum())[order]
    columns = np.column_stack([side.values, np.ones(len(side.rows)), side.weekdays[:, None] == nodes.weekdays]).astype(
        float
    )[order]
    power = nodes.tau**2
    gaps = np.diff(side.ordinals[order], prepend=0).tolist()
    carries = {gap: nodes.rho**gap for gap in set(gaps[1:])}
    news = {gap: power * (1 - carry**2) for gap, carry in carries.items()}
    state = np.zeros((len(power), columns.shape[1]))
    variance = power.copy()
    out = np.empty((len(order), *state.shape))
    totals = np.empty((len(order), len(power)))
    for t, row in enumerate(columns):
        if t:
            carry = carries[gaps[t]]
            state *= carry[:, None]
            variance = carry**2 * variance + news[gaps[t]]
        safe = totals[t] = np.maximum(variance + noise[t], 1e-300)
        innovation = np.subtract(row, state, out=out[t])
        gain = variance / safe
        state += gain[:, None] * innovation
        variance = variance * (1 - gain)
    out /= np.sqrt(totals)[:, :, None]
    logdet = np.log(totals).sum(axis=0)
    whitened = out.transpose(1, 0, 2)
    raw = power * _memory(share, side.ordinals[order])[nodes.memory] + float(share**2 @ noise)
    return _WhitenedWindow(whitened.transpose(0, 2, 1) @ whitened, logdet, raw)


def _memory(share: Floats, ordinals: Ints) -> Floats:
    """Variance of the weighted mean of day effects of size one, for every ``RHO`` (R,); days in order.

    Each day meets those before it by what they carry on to it, so that decades of days cost a step each.
    """
    gaps = np.diff(ordinals, prepend=ordinals[:1]).tolist()
    powers = {gap: RHO**gap for gap in set(gaps)}
    carried, total = np.zeros(len(RHO)), np.zeros(len(RHO))
    for weight, gap in zip(share.tolist(), gaps, strict=True):
        carried *= powers[gap]
        total += weight * (weight + 2 * carried)
        carried += weight
    return total


def _posterior(whitened: list[_WhitenedWindow], nodes: _NodeGrid) -> tuple[Floats, Floats, Floats]:
    """Mean and standard deviation of the contrast at every node (J * M,), and the nodes' posterior weights.

    The two window means are flat and integrated out first; what is left of the weekday effects is diagonalised once per day
    node, so that every weekday node costs a sum of seven terms.
    """
    good, bad = (w.gram for w in whitened)
    inverse = 1 / np.stack([good[:, 1, 1], bad[:, 1, 1]], axis=1)
    means = np.stack([good[:, 0, 1], bad[:, 0, 1]], axis=1) * inverse
    cross = np.stack([good[:, 1, 2:], bad[:, 1, 2:]], axis=1)
    residual = good[:, 2:, 2:] + bad[:, 2:, 2:] - np.einsum("jwa,jw,jwb->jab", cross, inverse, cross)
    pull = good[:, 0, 2:] + bad[:, 0, 2:] - np.einsum("jwa,jw->ja", cross, means)
    mix = cross[:, 1] * inverse[:, 1:] - cross[:, 0] * inverse[:, :1]
    values, vectors = np.linalg.eigh(residual)
    values = np.maximum(values, 0.0)[:, None]
    pull, mix = (np.einsum("jab,ja->jb", vectors, part)[:, None] for part in (pull, mix))
    b = nodes.b[:, None] ** 2
    shrink = b / (1 + b * values)
    mean = (means[:, 1] - means[:, 0])[:, None] - (mix * pull * shrink).sum(-1)
    variance = inverse.sum(1)[:, None] + (mix**2 * shrink).sum(-1)
    fit = (good[:, 0, 0] + bad[:, 0, 0] - (means**2 / inverse).sum(1))[:, None] - (pull**2 * shrink).sum(-1)
    logdet = (sum(w.logdet for w in whitened) - np.log(inverse).sum(1))[:, None] + np.log1p(b * values).sum(-1)
    log = (nodes.day_prior[:, None] + nodes.b_prior - 0.5 * (logdet + fit)).ravel()
    return mean.ravel(), np.sqrt(variance).ravel(), np.exp(log - special.logsumexp(log))


def _half_t(x: Floats) -> Floats:
    """Log density up to a constant."""
    return np.asarray(-(PRIOR_DF + 1) / 2 * np.log1p(x**2 / PRIOR_DF))


INNER, OUTER = 0.025, 0.005
"""Tails at which the t and the mixture agree: the interval's and the verdict's."""
_DF = np.r_[np.arange(1.0, 10, 0.25), np.geomspace(10, 1e4, 60)]
_INNER, _OUTER = stats.t.isf(INNER, _DF), stats.t.isf(OUTER, _DF)


def _as_t(mean: Floats, sd: Floats, weight: Floats) -> tuple[float, float]:
    """Scale and degrees of freedom of the t whose 97.5 % and 99.5 % points are the mixture's (both tails together)."""
    keep = weight > 1e-6
    mean, sd, weight = mean[keep], np.maximum(sd[keep], 1e-300), weight[keep] / weight[keep].sum()
    typical = float(np.sqrt(weight @ (sd**2 + mean**2)))

    def point(tail: float) -> float:
        def excess(h: float) -> float:
            return float(weight @ (special.ndtr((mean - h) / sd) + special.ndtr((-mean - h) / sd))) - 2 * tail

        top = 4.0 * typical
        while excess(top) > 0:
            top *= 2
        return float(brentq(excess, 0.0, top, rtol=1e-4, xtol=1e-5 * typical))

    inner, outer = point(INNER), point(OUTER)
    df = float(np.interp(-outer / inner, -_OUTER / _INNER, _DF))
    return inner / float(np.interp(df, _DF, _INNER)), df
