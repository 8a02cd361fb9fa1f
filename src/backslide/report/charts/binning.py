"""Histograms made fit to draw: equal bins over the range where the rows are."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backslide.contracts.evidence import Histograms

BINS = 48
"""More bins than this are not told apart at the width of a chart."""
TAIL = 0.005
"""Share of either window that a chart may leave out at each end."""
WORTH_CUTTING = 3.0
"""A tail is left out only when the whole range is this many times the range that holds the rest."""


TIMES_APART = 5.0
"""Quantiles of the windows this many times apart stand on a logarithmic axis: on a linear one, the smaller window is one bar."""
COMPARED = (0.5, 0.8, 0.95)
"""Quantiles that are compared: a fault of some rows moves the upper ones alone."""


@dataclass(frozen=True, slots=True)
class DrawableBins:
    """Equal bins, shares of rows per bin, and the share of rows outside the range shown."""

    edges: tuple[float, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    outside: float
    log: bool = False
    """Whether ``edges`` are decimal logarithms."""

    def value(self, edge: float) -> float:
        """The value at a place on the axis."""
        return 10.0**edge if self.log else edge


def drawable(evidence: Histograms) -> DrawableBins:
    """The histograms as they can be drawn.

    Unequal bins would make heights lie about mass, so rows are spread evenly within their bin and counted again in
    equal bins. Equal bins that are few enough stay as they are.
    """
    edges = evidence.edges
    if _wants_log(evidence):
        # A first bin from zero is drawn one decade wide.
        logs = tuple(math.log10(edge) if edge > 0 else math.log10(edges[1]) - 1.0 for edge in edges)
        return replace(_linear(evidence.model_copy(update={"edges": logs})), log=True)
    return _linear(evidence)


def _linear(evidence: Histograms) -> DrawableBins:
    edges = evidence.edges
    if edges[0] == edges[-1]:
        around = (edges[0] - 0.5, edges[0] + 0.5)
        return DrawableBins(around, (sum(evidence.reference),), (sum(evidence.current),), 0.0)
    low, high = _range(evidence)
    whole = (low, high) == (edges[0], edges[-1])
    if whole and len(edges) - 1 <= BINS and _equal(edges):
        return DrawableBins(edges, evidence.reference, evidence.current, 0.0)
    width = (high - low) / BINS
    grid = (*(low + width * i for i in range(BINS)), high)
    reference, current = (rebin(edges, shares, grid) for shares in (evidence.reference, evidence.current))
    missed = (sum(evidence.reference) - sum(reference), sum(evidence.current) - sum(current))
    return DrawableBins(grid, reference, current, max(0.0, *missed))


def rebin(edges: Sequence[float], shares: Sequence[float], grid: Sequence[float]) -> tuple[float, ...]:
    """Mass per bin of ``grid`` when each bin of ``edges`` spreads its share evenly; mass outside the grid is left out."""
    cumulated = [0.0]
    for share in shares:
        cumulated.append(cumulated[-1] + share)
    at = [_cumulated_at(x, edges, cumulated) for x in grid]
    return tuple(max(0.0, after - before) for before, after in pairwise(at))


def _cumulated_at(x: float, edges: Sequence[float], cumulated: Sequence[float]) -> float:
    if x <= edges[0]:
        return 0.0
    if x >= edges[-1]:
        return cumulated[-1]
    i = bisect_right(edges, x) - 1
    within = (x - edges[i]) / (edges[i + 1] - edges[i])
    return cumulated[i] + within * (cumulated[i + 1] - cumulated[i])


def _wants_log(evidence: Histograms) -> bool:
    """Whether the windows lie so far apart that a linear axis shows one of them as a bar; shares and scores stay linear."""
    if evidence.edges[0] < 0 or evidence.edges[-1] <= 1 or len(evidence.edges) < 3:
        return False
    for level in COMPARED:
        low, high = sorted(
            _quantile(evidence.edges, shares, level) for shares in (evidence.reference, evidence.current)
        )
        if low > 0 and high >= TIMES_APART * low:
            return True
    return False


def _equal(edges: Sequence[float]) -> bool:
    widths = [b - a for a, b in pairwise(edges)]
    return max(widths) <= 1.02 * min(widths)


def _range(evidence: Histograms) -> tuple[float, float]:
    """The range to show: all of it, unless thin tails would squeeze the rest into a corner."""
    edges = evidence.edges
    low = min(_quantile(edges, shares, TAIL) for shares in (evidence.reference, evidence.current))
    high = max(_quantile(edges, shares, 1 - TAIL) for shares in (evidence.reference, evidence.current))
    if high > low and edges[-1] - edges[0] > WORTH_CUTTING * (high - low):
        return low, high
    return edges[0], edges[-1]


def _quantile(edges: Sequence[float], shares: Sequence[float], level: float) -> float:
    """The edge below (lower half) or above (upper half) which less than the level of mass lies."""
    total = sum(shares)
    if total <= 0:
        return edges[0] if level > 0.5 else edges[-1]
    reached = 0.0
    for i, share in enumerate(shares):
        reached += share / total
        if reached >= level:
            return edges[i] if level < 0.5 else edges[i + 1]
    return edges[-1]
