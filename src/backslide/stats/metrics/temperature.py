"""The temperature of scores: the one number by whose division their logarithms become right, with row influences.

Scores ``p`` become ``softmax(log p / T)``; T is where the labels are likeliest (Guo, Pleiss, Sun and Weinberger 2017). 1 is
perfect, more means that the scores are too sure of themselves, less too unsure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.stats.arrays import Floats, Ints

LEAST_SCORE = 1e-6
"""Scores are taken as at least this much: a score of 0 has no logarithm."""
HOTTEST = 20.0
"""A temperature beyond this, or its inverse, says that scores tell nothing, or everything: there is none to be fitted."""
CHUNK = 4_000_000
"""Scores that are worked on at a time."""
STEPS = 60
CLOSE = 1e-9


@dataclass(frozen=True)
class Temperature:
    """Of one window."""

    value: float
    log_rows: Floats
    """Pseudo-values (n,) whose mean is the logarithm of the temperature."""


def temperature(scores: Floats, labels: Ints) -> Temperature | None:
    """Fit to scores (n, K), all finite, and class codes (n,); None where no finite temperature is likeliest.

    Newton's method on the inverse temperature, in which the likelihood is concave.
    """
    if not len(labels) or scores.shape[1] < 2:
        return None
    beta = 1.0
    for _ in range(STEPS):
        slope, spread = _slopes(scores, labels, beta)
        information = float(spread.mean())
        if information < 1e-12:
            return None
        new = float(np.clip(beta + slope.mean() / information, beta / 2, 2 * beta))
        if not 1 / HOTTEST < new < HOTTEST:
            return None
        done, beta = abs(new - beta) < CLOSE * beta, new
        if done:
            break
    slope, spread = _slopes(scores, labels, beta)
    return Temperature(1 / beta, -np.log(beta) - slope / (float(spread.mean()) * beta))


def _slopes(scores: Floats, labels: Ints, beta: float) -> tuple[Floats, Floats]:
    """Slope of each row's log likelihood in the inverse temperature, and minus its second derivative (n,)."""
    n, k = scores.shape
    slope, spread = np.empty(n), np.empty(n)
    step = max(CHUNK // k, 1)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        z = np.log(np.maximum(scores[rows], LEAST_SCORE))
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(beta * z)
        p /= p.sum(axis=1, keepdims=True)
        mean = np.einsum("ij,ij->i", p, z)
        slope[rows] = z[np.arange(len(z)), labels[rows]] - mean
        spread[rows] = np.einsum("ij,ij,ij->i", p, z, z) - mean**2
    return slope, spread


def worth(score: float, value: float) -> float:
    """What a score against one other class is worth at a temperature."""
    return float(1 / (1 + (1 / score - 1) ** (1 / value)))
