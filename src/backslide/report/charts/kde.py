"""A smooth line over a histogram: the masses of its bins spread by a Gaussian kernel, in plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

POINTS = 80
"""Points along the line."""
ROWS = 2_000
"""Rows that the bandwidth is chosen for. Their true number is not known here, and a line for the eye need not know it."""
FILLED = 0.5
"""Share of bins between the outermost filled ones that must hold rows: below it the values come in steps, not smoothly."""
MOST_IN_ONE = 0.6
"""A bin that holds more is an atom; a line would smear it."""


@dataclass(frozen=True, slots=True)
class Line:
    """Heights in the unit of the bins (share of rows per bin), so that line and bins share an axis."""

    x: tuple[float, ...]
    y: tuple[float, ...]


def line(edges: Sequence[float], shares: Sequence[float]) -> Line | None:
    """The density of equal bins; None where a smooth line would say what the bins do not.

    Bandwidth after Silverman (1986, eq. 3.31), at least three quarters of a bin. Mass that would leave the range is
    reflected at its ends.
    """
    total = sum(shares)
    if total <= 0 or not _smooth(shares, total):
        return None
    low, high = edges[0], edges[-1]
    width = (high - low) / len(shares)
    middles = [low + width * (i + 0.5) for i in range(len(shares))]
    masses = [(middle, share) for middle, share in zip(middles, shares, strict=True) if share > 0]
    bandwidth = max(0.75 * width, _silverman(edges, middles, shares, total))
    # A mass far from its end cannot leave the range: reflecting it would only cost time.
    masses += [(2 * end - at, share) for end in (low, high) for at, share in masses if abs(at - end) < 4 * bandwidth]
    scale = width / (bandwidth * math.sqrt(2 * math.pi))
    x = tuple(low + (high - low) * i / (POINTS - 1) for i in range(POINTS))
    y = tuple(
        scale * sum(share * math.exp(-0.5 * ((at - middle) / bandwidth) ** 2) for middle, share in masses) for at in x
    )
    return Line(x, y) if all(map(math.isfinite, (*x, *y))) else None


def _smooth(shares: Sequence[float], total: float) -> bool:
    filled = [i for i, share in enumerate(shares) if share > 0]
    span = filled[-1] - filled[0] + 1
    return len(filled) >= 8 and len(filled) >= FILLED * span and max(shares) <= MOST_IN_ONE * total


def _silverman(edges: Sequence[float], middles: Sequence[float], shares: Sequence[float], total: float) -> float:
    mean = sum(at * share for at, share in zip(middles, shares, strict=True)) / total
    variance = sum(share * (at - mean) ** 2 for at, share in zip(middles, shares, strict=True)) / total
    spread = (_quantile(edges, shares, 0.75 * total) - _quantile(edges, shares, 0.25 * total)) / 1.34
    return 0.9 * min(math.sqrt(variance), spread) * math.pow(ROWS, -0.2)


def _quantile(edges: Sequence[float], shares: Sequence[float], mass: float) -> float:
    reached = 0.0
    for i, share in enumerate(shares):
        if reached + share >= mass and share > 0:
            return edges[i] + (edges[i + 1] - edges[i]) * (mass - reached) / share
        reached += share
    return edges[-1]
