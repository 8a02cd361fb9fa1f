"""Values changed by what they are: those above a limit alone.

`1,234` read as 1.234 leaves smaller values as they are, and an integer of too few bits begins again from below where it
overflows.
No unit explains the whole column, and no part of its rows does: the large values are gone, and came back elsewhere.

**Recognised** when values beyond the limit, of which the reference had many, no longer come, though those just within come as
they did; and the reference, mapped in the same way, is distributed as the current values are, to within noise, a fifth of what
moved, or what the column moves by itself. Or when values that the reference never held come, and undoing the map takes nearly
all of them back to where it held values: a winter fills what lies between, too. Where large values are lost without a trace
among the others it is a limit, a filter or another season.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.remainder import is_explained
from backslide.causes.columns.resolution import ks_of_rounded
from backslide.causes.faults.base import Hypothesis, Remedy
from backslide.causes.faults.conditional_density import ConditionalDensity
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats, Mask
from backslide.stats.two_sample import ks_limit

BEYOND, LEFT = 0.03, 0.05
"""Share of the reference beyond the limit, and of that share the part that may still come."""
REMAINS, MOST = 0.2, 0.4
"""Share of the moved distance that may be left, beyond noise, and at most."""
ELSEWHERE, BACK, ROOM = 0.05, 0.95, 0.5
"""Share of the rows with values that the reference never held, of which the map must take this share back, to within a part of
the range beyond its largest value."""
BITS = range(-4, 31)
"""Powers of two at which integers overflow, of the column's own unit."""
NEAR, AS_FULL = 0.1, 0.5
"""Part of the range next to the limit, and of the reference's share of rows there what must still come: seasons thin out."""
LEAST_ROWS = 40
"""Rows that are moved back."""


@dataclass(frozen=True)
class ValueMap:
    """What became of the values beyond a limit."""

    limit: float
    words: str
    do: Callable[[Floats], Floats]
    """(n,) to (n,): values within the limit stay."""
    back: Callable[[Floats], Floats]
    """What a value was if it is one of those that were changed, NaN where it cannot be one."""
    within: tuple[float, float]
    """The range that is left."""
    slope: float = 1.0
    """How many times as far apart the former values were."""


@dataclass(frozen=True)
class ValueMapRemedy(Remedy):
    """A map of large values, undone on its rows, done to every reference row."""

    one: ValueMap
    kind: CauseKind = CauseKind.UNIT_CHANGE

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """What each value was, on the rows that were changed."""
        (column,) = hypothesis.features
        return edit.write(frame, column, self.one.back(edit.numbers_of(frame, column)), hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """The same to large values of the reference."""
        (column,) = hypothesis.features
        values = edit.numbers_of(frame, column)
        return edit.write(frame, column, self.one.do(values), np.isfinite(values))


def find_value_map(case: Case, pair: Pair) -> Hypothesis | None:
    """The map of large values that leaves the least unexplained; None where none explains the column's move."""
    ref, cur = pair.finite
    if pair.discrete or pair.numbers[0].dtype.kind != "f" or min(len(ref), len(cur)) < edit.MIN_ROWS:
        return None
    noise, found = ks_limit(len(ref), len(cur)), []
    for one in _maps(ref):
        low, high = one.within
        if float(((cur < low) | (cur > high)).mean()) > LEFT * float(((ref < low) | (ref > high)).mean()):
            continue
        left = ks_of_rounded(np.sort(one.do(ref)), cur)
        explained = left < MOST * pair.moved and is_explained(left, pair.moved, noise, REMAINS, pair.usual_drift)
        if _full_to_the_limit(ref, cur, one) and (explained or _brought_back(ref, cur, one)):
            found.append((left, one))
    for _, one in sorted(found, key=lambda item: item[0]):
        rows = _rows(ConditionalDensity(case, pair), pair, one)
        if rows.sum() >= LEAST_ROWS:
            return _hypothesis(pair, one, rows)
    return None


def _full_to_the_limit(ref: Floats, cur: Floats, one: ValueMap) -> bool:
    """Whether values just within the limit come about as often as they did."""
    shares = [float(((v >= (1 - NEAR) * one.limit) & (v < one.limit)).mean()) for v in (ref, cur)]
    return shares[1] >= AS_FULL * shares[0]


def _brought_back(ref: Floats, cur: Floats, one: ValueMap) -> bool:
    """Whether values that the reference never held are what the map makes of those that it did."""
    new = cur[(cur < ref[0]) | (cur > ref[-1])]
    if len(new) < ELSEWHERE * len(cur):
        return False
    was, room = one.back(new), ROOM * float(ref[-1] - ref[0])
    went_on = was[was <= (1 + NEAR) * one.limit]
    # Beyond the limit it goes on as it came up to it; the cold end of a winter is as thin as its warm one.
    full = len(went_on) >= AS_FULL * ((cur >= (1 - NEAR) * one.limit) & (cur < one.limit)).sum()
    return full and bool(((was >= one.limit) & (was <= ref[-1] + room)).mean() >= BACK)


def _hypothesis(pair: Pair, one: ValueMap, rows: Mask) -> Hypothesis:
    low, high = one.within
    few = "no" if pair.finite[1][0] >= low and pair.finite[1][-1] <= high else "hardly any"
    return Hypothesis(
        signature=ValueMapRemedy(one),
        features=(pair.name,),
        seen=f"{pair.name} {one.words}: {few} value beyond {say.number(one.limit)} comes any more, "
        f"and about {say.percent(float(rows.mean()))} of the rows hold what it made of them",
        undo=f"read {pair.name} as it was written, or recover the values on those rows",
        evidence=(f"DRF001:{pair.name}",),
        exact=True,
        reversible=True,
        rows=rows,
        mechanism=f"{one.words}|values",
    )


def _rows(before: ConditionalDensity, pair: Pair, one: ValueMap) -> Mask:
    """Rows whose value is likelier one that was changed, given the other columns (n_cur,)."""
    x = pair.numbers[1]
    was = one.back(x)
    possible = np.isfinite(x) & np.isfinite(was)
    changed = before.log_density(np.where(possible, was, x)) + np.log(one.slope)
    return np.asarray(possible & (changed > before.log_density(x)))


def _maps(ref: Floats) -> Iterator[ValueMap]:
    """Maps of values that the sorted reference has many of."""
    if _share_beyond(ref, 1000.0) >= BEYOND:
        yield _thousands(float(np.abs(ref).max()))
    for bits in BITS:
        limit = 2.0**bits
        if BEYOND <= _share_beyond(ref, limit) <= 1 - BEYOND:
            yield _overflow(limit, 2 * limit, -limit, "begins again from below")
            if ref[0] >= 0:
                yield _overflow(limit, limit, 0.0, "begins again from zero")


def _share_beyond(ref: Floats, limit: float) -> float:
    return float((np.abs(ref) >= limit).mean())


def _thousands(most: float) -> ValueMap:
    def back(values: Floats) -> Floats:
        size = np.abs(values)
        return np.where((size >= 1) & (size <= most / 1000), values * 1000, np.nan)

    words = "lost its thousands (1,234 read as 1.234)"
    return ValueMap(
        1000.0,
        words,
        lambda values: np.where(np.abs(values) >= 1000, values / 1000, values),
        back,
        (-1000.0, 1000.0),
        1000.0,
    )


def _overflow(limit: float, width: float, lowest: float, how: str) -> ValueMap:
    def back(values: Floats) -> Floats:
        return np.asarray(values + width)

    return ValueMap(
        limit,
        f"{how} where it reaches {say.number(limit)}, as an integer that overflows",
        lambda values: (values - lowest) % width + lowest,
        back,
        (lowest, limit),
    )
