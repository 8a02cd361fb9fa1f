"""The error rate of one look, where a sample grows and each look at it may end the matter.

Estimates of a growing sample remember each other: the one of less information is the one of more information with independent
noise on top. Divided by their standard errors they are a Brownian motion at its information times, by its root (canonical joint
distribution; Jennison and Turnbull 2000, 3.1). The chance that any of the looks is beyond one limit is integrated from look to
look (Armitage, McPherson and Rowe 1969), and the limit is the one whose chance is the promise (Pocock 1977). It is lower than
that of looks that know nothing of each other.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import stats

from backslide.stats.metrics.metric import Floats

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
