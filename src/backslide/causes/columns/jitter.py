"""Random error that values show by themselves, wherever the world took their distribution.

Values of a series follow each other: a temperature is near that of the half hour before. Random error makes them jump about,
while their mean over some rows still follows. And values that ended abruptly, as counts and ages do at zero, come beyond that
end.
Both are asked only of values that came in steps and are now all different: other rows' values would keep the steps.
"""

from __future__ import annotations

import numpy as np

from backslide.case import Case, Side
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats

LEAST_ROWS = 200
SMOOTH = 0.5
"""Spread of the differences from row to row over that of the values, up to which the reference is a series."""
ROUGHER = 2.0
"""Times as wide that the differences must be."""
BLOCK, FOLLOWS = 8, 0.3
"""Rows whose means must still go with those of the rows before, by this correlation."""
END, AT_END, BEYOND = 0.05, 0.03, 0.05
"""Part of the range that is its end, share of the reference there for it to end abruptly, and of the current rows beyond it."""
SIZES = np.geomspace(0.1, 4.0, 24)
"""Deviations that are tried, in spreads of the reference."""


def jitter_deviation(case: Case, pair: Pair) -> float | None:
    """Standard deviation of the error; None where the values show none."""
    return _of_series(case, pair) or _beyond_an_end(pair)


def _of_series(case: Case, pair: Pair) -> float | None:
    before, now = (_in_order(side, values) for side, values in zip(case.sides, pair.numbers, strict=True))
    if min(len(before), len(now)) < LEAST_ROWS:
        return None
    steps = [_spread(np.diff(values)) for values in (before, now)]
    if steps[0] > SMOOTH * _spread(before) or steps[1] < ROUGHER * steps[0] or steps[1] == 0:
        return None
    blocks = now[: len(now) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=1)
    if np.ptp(blocks) == 0 or float(np.corrcoef(blocks[1:], blocks[:-1])[0, 1]) < FOLLOWS:
        return None
    return float(np.sqrt((steps[1] ** 2 - steps[0] ** 2) / 2))


def _in_order(side: Side, values: Floats) -> Floats:
    """Known values in order of time; none where rows are missing between them."""
    if side.seconds is None or not side.complete:
        return np.zeros(0)
    ordered = values[np.argsort(side.seconds, kind="stable")]
    return ordered[np.isfinite(ordered)]


def _beyond_an_end(pair: Pair) -> float | None:
    ref, cur = pair.finite
    if min(len(ref), len(cur)) < LEAST_ROWS:
        return None
    edge = END * float(ref[-1] - ref[0])
    ends = (
        ((ref <= ref[0] + edge).mean(), (cur < ref[0]).mean()),
        ((ref >= ref[-1] - edge).mean(), (cur > ref[-1]).mean()),
    )
    if not any(at >= AT_END and beyond >= BEYOND for at, beyond in ends):
        return None
    values = ref[np.linspace(0, len(ref) - 1, min(len(ref), 2000)).astype(int)]
    drawn = np.random.default_rng(len(ref)).standard_normal(len(values))
    spread, depth = _spread(ref), _depth(ref, cur)
    # How far values lie beyond the end, not how many: that depends on where the world took the others.
    return spread * float(min(SIZES, key=lambda size: abs(_depth(ref, values + size * spread * drawn) - depth)))


def _depth(ref: Floats, values: Floats) -> float:
    """Mean distance beyond the range of the sorted reference, of those that lie beyond it; 0 where none does."""
    beyond = np.r_[ref[0] - values[values < ref[0]], values[values > ref[-1]] - ref[-1]]
    return float(beyond.mean()) if len(beyond) else 0.0


def _spread(values: Floats) -> float:
    """Half of the range of the middle two thirds: a standard deviation, of normal values."""
    low, high = np.quantile(values, [0.16, 0.84])
    return float(high - low) / 2
