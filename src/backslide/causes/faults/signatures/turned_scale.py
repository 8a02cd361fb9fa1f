"""A scale was turned round: every value is c - x of what it was, as where a share becomes the share of the rest.

**Recognised** when the column is distributed as the reference was, but the other way round about some value other than 0
(``sign_flip`` knows that one), and

- its rank correlations with the other columns are reversed, while those columns keep theirs among each other, and its values
  lie where they did: a season moves a column before it turns a relation. Certain where it is distributed as ever;
- or its shape has a long and a short side, which have changed places: no shift and no other unit makes it so; most values lie
  where hardly any did, and no relation to another column says otherwise. Certain where the ends of the scale, or a round
  number, add up to c; else named only when turning it back brings points back.

**Natural drift** moves or stretches a distribution, or mixes two of them otherwise, which leaves its values where they were.

**Repair** and **injection** both turn it round.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.association import dependence
from backslide.causes.columns.remainder import is_explained
from backslide.causes.columns.resolution import evenly_spaced
from backslide.causes.faults.base import Hypothesis, Signature, scenario_with
from backslide.causes.faults.signatures.sign_flip import find_reversed
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats
from backslide.stats.two_sample import ks, ks_limit

LEAST_MOVE = 0.1
"""KS distance that the column must have moved, beyond noise."""
REMAINS = 0.15
"""Share of it that may be left once the scale is turned back."""
OTHERWISE = 1.5, 3.0
"""Times noise, and times what is left by turning, that the best shift and stretch which keeps the order must leave."""
INNER = np.linspace(0.02, 0.98, 49)
"""Shares at which quantiles are compared: the ends are a matter of chance."""
EQUAL = 0.01
"""How far a sum may be from c, over the spread of the column."""
NEAR_ZERO = 0.03
"""Likewise of c from 0, up to which the sign may have been reversed alone."""
IN_RANGE, ELSEWHERE = 0.85, 0.5
"""Share of the values inside the reference's inner range from which a column stayed in it, and up to which it left it."""
MOST_COUNTED = 60
"""Levels up to which evenly spaced ones may be days, weeks or hours."""
LEAST_VALUES = 5
"""Distinct values under which a turned scale is another order of a few."""


class TurnedScale(Signature):
    kind = CauseKind.SIGN_FLIP
    title = "Turned scale"
    reversible = True

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """At most one hypothesis about each column of numbers."""
        clock = time_columns(case)
        turned = {n: found for n, pair in case.pairs.items() if n not in clock and (found := _turned(pair)) is not None}
        if not turned:
            return
        ties = dependence(case)
        turned_round = find_reversed(ties, set(turned), set())
        tied = {name for name in turned if ties.strong()[ties.vectors(name)].any()}
        by_company = {name for name in turned_round if _inside(case.pairs[name]) >= IN_RANGE}
        by_shape = {n for n in turned if (n not in tied or n in turned_round) and _shows(case.pairs[n], turned[n][0])}
        for name in turned:
            if name in by_shape or name in by_company:
                centre, sums_up = turned[name]
                about = "" if sums_up else "about "
                # Days and months come in another order where two windows hold other parts of a week or of a year.
                levels = np.unique(case.pairs[name].finite[0])
                counted = len(levels) <= MOST_COUNTED and evenly_spaced(levels) is not None
                yield self.hypothesis(
                    case.pairs[name],
                    f"the scale of {name} is turned round: {about}{say.number(centre)} minus x in place of x",
                    f"subtract {name} from {about}{say.number(centre)}",
                    exact=(name in by_shape and sums_up and not counted)
                    or (turned_round.get(name, False) and _as_before(case.pairs[name])),
                    centre=centre,
                )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Turn the scale back."""
        (column,) = hypothesis.features
        return edit.write(frame, column, hypothesis.params["centre"] - edit.numbers_of(frame, column))

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Turn the scale round."""
        return self.repair(case, hypothesis, frame)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """What is left of a limit comes in place of the income."""
        return scenario_with(lambda frame: frame.with_columns(20_000 - frame["income"]), rng)


def _turned(pair: Pair) -> tuple[float, bool] | None:
    """The value around which the column may have been turned, and whether it is a likely one; None where it was not."""
    if not pair.numeric or pair.identifier:
        return None
    ref, cur = pair.finite
    if min(len(ref), len(cur)) < edit.MIN_ROWS or min(len(np.unique(v)) for v in (ref, cur)) < LEAST_VALUES:
        return None
    noise = ks_limit(len(ref), len(cur))
    centre, sums_up = _sum_of_ends(ref, cur)
    signs = ref[0] * ref[-1] >= 0 and cur[0] * cur[-1] >= 0 and ref[-1] * cur[-1] <= 0
    if abs(centre) <= NEAR_ZERO * _width(ref) or (signs and not sums_up):
        return None
    sums_up = sums_up and not signs  # which may be a reversed sign and some drift
    left = ks(ref, centre - cur[::-1])
    return (centre, sums_up) if is_explained(left, pair.moved, noise, REMAINS, pair.usual_drift) else None


def _width(values: Floats) -> float:
    """The spread of the inner values: one far off says nothing of a scale."""
    return float(np.subtract(*np.quantile(values, (INNER[-1], INNER[0]))))


def _as_before(pair: Pair) -> bool:
    """Whether the column is distributed as before."""
    ref, cur = pair.finite
    return pair.moved <= ks_limit(len(ref), len(cur))


def _inside(pair: Pair) -> float:
    """Share of the current values that lie where nearly all of the reference's did."""
    ref, cur = pair.finite
    return float(((cur >= np.quantile(ref, INNER[0])) & (cur <= np.quantile(ref, INNER[-1]))).mean())


def _sum_of_ends(ref: Floats, cur: Floats) -> tuple[float, bool]:
    """What a value and the one in its place add up to, and whether that is the sum of the ends of the scale or a round number."""
    low, high = np.quantile(ref, INNER), np.quantile(cur, 1 - INNER)
    centre = float(np.median(low + high))
    size = 10.0 ** np.floor(np.log10(max(abs(centre), 1e-12)))
    ends = float(ref[0] + ref[-1]), float(cur[0] + cur[-1])
    sums = [*ends, float(ref[0] + cur[-1]), float(cur[0] + ref[-1]), *(size * k for k in (0.5, 1, 2, 2.5, 5, 10))]
    best = min(sums, key=lambda value: abs(value - centre))
    # A likely sum that fits worse than what the middle says is none.
    as_well = ks(ref, best - cur[::-1]) <= ks(ref, centre - cur[::-1]) + EQUAL
    near = abs(best - centre) <= EQUAL * _width(ref) and as_well
    return (best if near else centre), near


def _shows(pair: Pair, centre: float) -> bool:
    """Whether the shape proves it: turning it round explains the move, and no line that keeps the order does."""
    ref, cur = pair.finite
    noise = ks_limit(len(ref), len(cur))
    left = ks(ref, centre - cur[::-1])
    if pair.moved < LEAST_MOVE + noise or left > noise:
        return False
    if _inside(pair) > ELSEWHERE:
        return False
    quantiles = np.quantile(cur, INNER), np.quantile(ref, INNER)
    spread = [float(np.subtract(*np.quantile(v, (0.9, 0.1)))) for v in (cur, ref)]
    slope = spread[1] / spread[0] if spread[0] > 0 else 1.0
    straight = slope * cur + float(np.median(quantiles[1] - slope * quantiles[0]))
    shifted = cur + float(np.median(quantiles[1] - quantiles[0]))
    return min(ks(ref, straight), ks(ref, shifted)) >= max(OTHERWISE[0] * noise, OTHERWISE[1] * left)
