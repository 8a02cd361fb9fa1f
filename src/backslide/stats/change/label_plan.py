"""How many rows to label next: those that decide soonest for their number, while a decision is likelier than none.

Labels come in draws of which each holds the one before, and every draw may decide. What a larger draw would show is foretold
from the present one: its estimate lies around today's, with the variance that its labels take away. From that follows the chance
that it decides, and the next draw is the one with the fewest further labels for a chance of one. The error rates of ``degraded``
and of the interval are those of all looks together that the plan could take.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy import stats

from backslide.stats.arrays import Floats
from backslide.stats.change.label_design import FEWEST, RowExpectation, design_error, error_df, rows_for
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change
from backslide.stats.metrics.metric import Metric

SOME_POWER = 0.80
HELD_ALPHA = 0.025
"""One-sided error rate, over all looks, of the interval that rules a material change out."""
FIRST_LOOK = 10.0
"""Times ``min_effect``: the change that the first draw is to show, where nothing says how large it may be."""
GROWTH = 1.25
"""Times its rows that a further draw has at least. Fewer would be a look at chance."""
SIZES = 20
"""Sizes that are weighed, from the least growth to every row."""
LIKELY = 0.5
"""Chance that further labels decide under which none are asked for."""


@dataclass(frozen=True)
class DrawPlan:
    """A draw to label."""

    rows: int
    error: float
    """Standard error that labels leave."""


@dataclass(frozen=True)
class DrawPlanner:
    """Sizes of the draws of one window, and the error rate of each look."""

    expectation: RowExpectation
    """Of every current row (n)."""
    metric: Metric
    """Of row statistics."""
    ideal: Change
    """The change to expect, with the noise that labels of all current rows would leave."""
    min_effect: float
    """The smallest change that matters."""

    @cached_property
    def _errors(self) -> Floats:
        """Standard errors of the looks that there can be, from the first draw until a window without a change is known as one."""
        n, floor = len(self.expectation.influence), self.ideal.se
        first = self._first_rows(VERDICT_ALPHA)
        sizes = [FEWEST if first is None else first]
        while sizes[-1] * GROWTH < n:
            sizes.append(int(np.ceil(sizes[-1] * GROWTH)))
        held = self.min_effect / float(stats.norm.isf(HELD_ALPHA) + stats.norm.ppf(SOME_POWER))
        end = max(floor, held, 1e-12)
        errors = np.hypot(floor, [design_error(self.expectation, rows) for rows in sizes])
        return np.array([*errors[errors > end], end])

    @cached_property
    def alpha(self) -> float:
        """One-sided error rate of one look at a change for the worse, such that all looks keep to that of the verdict."""
        return look_alpha(self._errors, VERDICT_ALPHA)

    @cached_property
    def held_alpha(self) -> float:
        """One-sided error rate of the interval of one look, such that the intervals of all looks hold the change in 95 %."""
        return look_alpha(self._errors, HELD_ALPHA)

    def over_looks(self, change: Change) -> Change:
        """The same change with the interval that holds at whichever look one stops."""
        half = float(stats.t.isf(self.held_alpha, change.df)) * change.se
        low, high = change.estimate - half, change.estimate + half
        return replace(change, low=max(low, -change.span), high=min(high, change.span))

    def _first_rows(self, alpha: float) -> int | None:
        """For the change that the answers lead to expect, at least ``FIRST_LOOK`` times what matters; None for too few rows."""
        size = max(abs(self.metric.harm(self.ideal.estimate)), FIRST_LOOK * self.min_effect)
        wanted = size / float(stats.norm.isf(alpha) + stats.norm.ppf(SOME_POWER))
        if wanted <= self.ideal.se:
            return None
        return rows_for(self.expectation, float(np.sqrt(wanted**2 - self.ideal.se**2)))

    def first(self) -> DrawPlan | None:
        """The draw before any label; None where no draw would decide."""
        rows = self._first_rows(self.alpha)
        return None if rows is None else DrawPlan(rows, design_error(self.expectation, rows))

    def further(self, change: Change, rows: int) -> DrawPlan | None:
        """The draw after one of ``rows`` that showed ``change``; None where labels of more rows would hardly decide."""
        n, least = len(self.expectation.influence), int(np.ceil(GROWTH * rows))
        if least > n:
            return None
        sizes = np.geomspace(least, n, SIZES)
        digits = 10 ** np.maximum(np.floor(np.log10(sizes)) - 1, 0)  # two of them are enough
        sizes = np.unique(np.minimum(np.ceil(sizes / digits) * digits, n).astype(int))
        # Rows may be less certain than they were in the reference, which the labels show.
        seen = float(np.sqrt(max(change.se**2 - self.ideal.se**2, 0.0)))
        planned = design_error(self.expectation, max(rows, FEWEST))
        worse = max(seen / planned, 1.0) if planned > 0 else 1.0
        errors = np.array([design_error(self.expectation, int(size)) for size in sizes])
        chance = self._chances(change, sizes, worse * errors)
        if chance.max() < LIKELY:
            return None
        best = int(np.argmin((sizes - rows) / np.maximum(chance, 1e-12)))
        return DrawPlan(int(sizes[best]), float(errors[best]))

    def _chances(self, change: Change, sizes: Floats, errors: Floats) -> Floats:
        """Chance of each size (k,) that its labels decide, by what is known now."""
        ideal, metric = self.ideal, self.metric
        se = np.hypot(ideal.se, errors)
        df = error_df(ideal, errors**2, sizes)
        harm = metric.harm(change.estimate)
        shift = metric.harm(change.adjusted) - harm
        spread = np.sqrt(np.maximum(change.se**2 - se**2, 1e-18))
        worse = np.maximum(self.min_effect, stats.t.isf(self.alpha, df) * se - shift)
        held = self.min_effect - stats.t.isf(self.held_alpha, df) * se
        chance: Floats = stats.norm.sf((worse - harm) / spread) + stats.norm.cdf((held - harm) / spread)
        return chance


# The error rate of one look, where a sample grows and each look at it may end the matter.
#
# Estimates of a growing sample remember each other: the one of less information is the one of more information with independent
# noise on top. Divided by their standard errors they are a Brownian motion at its information times, by its root (canonical joint
# distribution; Jennison and Turnbull 2000, 3.1). The chance that any of the looks is beyond one limit is integrated from look to
# look (Armitage, McPherson and Rowe 1969), and the limit is the one whose chance is the promise (Pocock 1977). It is lower than
# that of looks that know nothing of each other.


POINTS = 161
"""Of the density between looks."""
FAR = 6.0
"""Standard deviations beyond which there is nothing."""
LEAST_GAIN = 1.01
"""Times the information of the look before from which on a look is one of its own; under that both see the same."""
STEPS = 12
"""Halvings of the range of limits, which is less than one standard deviation wide."""


def look_alpha(errors: Floats, alpha: float) -> float:
    """One-sided error rate of each look such that all of them together keep to ``alpha`` (conservatively rounded).

    Args:
        errors: (k,), standard errors of the estimate at each look, none above the one before.
        alpha: error rate of all looks together.
    """
    information = _information(errors)
    low, high = float(stats.norm.isf(alpha)), float(stats.norm.isf(alpha / len(information)))
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if crossing_rate(information, middle) > alpha else (low, middle)
    return float(stats.norm.sf(high))


def _information(errors: Floats) -> Floats:
    """Of the looks that are of their own, relative to the last."""
    times = (errors[-1] / np.asarray(errors, float)) ** 2
    kept = [float(times[0])]
    for time in times[1:]:
        if time >= LEAST_GAIN * kept[-1]:
            kept.append(float(time))
    return np.array(kept)


def crossing_rate(information: Floats, limit: float) -> float:
    """Chance that a standardised estimate without any effect is above ``limit`` at one look or more.

    Args:
        information: (k,), rising by ``LEAST_GAIN`` at least.
        limit: in standard errors.
    """
    root = np.sqrt(information)
    at = np.linspace(-FAR * root[0], limit * root[0], POINTS)
    density = stats.norm.pdf(at, scale=root[0])
    rate = float(stats.norm.sf(limit))
    for before, now in pairwise(information):
        step, width = np.sqrt(now - before), at[1] - at[0]
        mass = density * width
        mass[[0, -1]] /= 2
        bound = limit * np.sqrt(now)
        rate += float(mass @ stats.norm.sf((bound - at) / step))
        further = np.linspace(-FAR * np.sqrt(now), bound, POINTS)
        density = np.exp(-(((further[:, None] - at) / step) ** 2) / 2) @ mass / (step * np.sqrt(2 * np.pi))
        at = further
    return rate
