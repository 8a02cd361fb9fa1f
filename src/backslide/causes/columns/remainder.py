"""Whether a repair leaves nothing of a column's move but noise and what the column does by itself.

In consecutive weeks a repaired column still differs from its past, because the world went on. What it usually moves between the
earlier and the later half of the reference (``Pair.usual_drift``) is therefore no evidence against a repair, as long as the
repair takes away most of what moved.
"""

from __future__ import annotations

from backslide.engine.columns.pair import Pair
from backslide.stats.two_sample import ks_limit

MOST_LEFT = 0.35
"""Share of the move that may be left at most, however much the column wanders: a repair must explain the most of it."""
AHEAD = 1.5
"""Times the usual drift that is allowed for: the middles of two windows lie further apart than those of two halves of one."""

SEASONS = 2.0
"""Times the usual drift up to which a column of numbers may have moved with the season: two windows are twice as far apart as the
halves of one."""


def may_be_the_season(pair: Pair) -> bool:
    """Whether a column of numbers moved no further than the reference itself leads to expect.

    Such a level or scale need be no fault, whatever bringing it back pays: a model that never saw the season is served better so.
    """
    ref, cur = pair.finite
    return pair.moved <= ks_limit(len(ref), len(cur)) + SEASONS * pair.usual_drift


def is_explained(left: float, moved: float, noise: float, share: float, drift: float) -> bool:
    """Whether ``left`` of the distance ``moved`` is noise, a small ``share`` of it, or usual ``drift`` (all KS distances)."""
    return left <= max(noise, share * moved, min(noise + AHEAD * drift, MOST_LEFT * moved))


def is_usual(distance: float, noise: float, drift: float) -> bool:
    """Whether a distance of what a fault left alone is no more than noise and usual ``drift``."""
    return drift > 0 and distance <= noise + AHEAD * drift
