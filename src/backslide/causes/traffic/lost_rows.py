"""Rows stopped coming: a filter or an inner join that drops a segment, a job that no longer reads some hours of the day.

**Recognised** by counts for each day, against the reference's own. At most one of twenty rows of the segment that were to be
expected came (levels of a column, one end of the range of a number, hours of the day), while the other rows came in their usual
number and mix: so it was a loss, and not a shift from the one to the other, in which the rest takes the place of what is gone.
Where days differ too much for that, hardly one row in a hundred of a level, or of a range that ends at once, as the mix of the
others leads to expect. In the reference the segment came on four of five days and did not die out: seasons and campaigns end by
degrees. Of several such segments, the largest is named.

**Repair** brings the segment back: its reference rows, as they were served and labelled then, stand in for those that did not
come, with the weight that restores its usual share. The **injection** is the reference without them, and the price: it compares
rows of the same days. Where the two disagree the world moved between the windows, and the stand-ins tell nothing. Both ask no
model.

**Not seen**: a loss of rows of every sort alike, which changes no metric; one in a log without times or of less than a week; one
that is not a matter of one column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case, Side
from backslide.causes.faults.markers import MAX_LEVELS, Codes, MarkerLevels, levels_of_columns
from backslide.causes.pricing import materiality
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.traffic.base import Mask, TrafficChange, as_current, effect_between, weighted_rows
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.cache import once
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.engine.columns.segments import between, holds, readable
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats
from backslide.stats.change.effect import Effect
from backslide.stats.sorted_search import search_sorted

GONE = 0.05
"""Share of the rows to be expected that may still come."""
LEAST_ROWS = 60
"""Rows of the segment to be expected in the current sample: of so many, three by chance are out of the question."""
LEAST_OF_A_LEVEL = 10
"""Rows to be expected of one of its levels, and of each other that is compared."""
LEAST_SHARE = 0.03
"""Of the reference, under which a loss moves hardly a metric."""
MOST_SHARE = 0.9
"""From which too little is left to say that the rest came as usual."""
LEAST_DAYS = 7
"""Days of each window: with fewer, a weekday that is missing looks like a loss."""
SURE = 2.0
"""Standard errors of the others' number, from day to day, that must fit in there: else that number says nothing."""
VERY_MANY = 200
"""Rows of a level to be expected from which its absence is told by the other levels, where days differ too much for counts."""
AT_ONCE = 0.01
"""Share of them that may have come nevertheless."""
ON_DAYS = 0.8
"""Share of the reference's days on which the segment came, of those on which it would by chance."""
LASTED = 0.6
"""Of its usual share of a day, what still came in the last quarter of the reference."""
FELL = 0.75
"""Of their usual number, the other rows that came at least."""
TAKEN_OVER = 0.5
"""Of what the rest would have grown by, had it taken the place of the segment, the share that it may have grown (logarithms)."""
SHARP = 0.7
"""Of the usual rate of the other ranges of a number, what the range next to the cut must show where days differ too much for
counts."""
MIXED = 0.3
"""Mean distance (of logarithms, 0.3 is a third) of the other levels from their usual numbers, beyond what they move within the
reference."""
FEW_NUMBERS = 10
"""Different numbers up to which they are read as codes."""
BINS = 20
"""Ranges of a number with equally many reference rows."""

Texts = NDArray[np.object_]


@dataclass(frozen=True)
class _LostSegment:
    column: str
    expression: str
    reference: Mask
    """Reference rows of the segment (n_ref,)."""
    current: Mask

    @property
    def share(self) -> float:
        return float(self.reference.mean())


def find_lost_rows(
    bench: PricingBench, leave_out: Iterable[str] = (), left: Collection[str] = ()
) -> list[TrafficChange]:
    """The segment that stopped coming, with its price; ``leave_out``: columns that have a fault, ``left``: those with one value
    now, or none on more rows, of which only fewer rows a day say that the others are lost."""
    case = bench.case
    loss = max(_losses(case, {*leave_out, *time_columns(case)}, left), key=lambda one: one.share, default=None)
    if loss is None:
        return []
    expected = loss.share / (1 - loss.share) * float((~loss.current).sum())
    missing = 1 - float(loss.current.sum()) / expected
    repair, injection = _repair(bench, loss), _injection(bench, loss)
    if repair is not None and injection is not None and not materiality.agree(-repair, injection):
        repair = None  # the world moved: rows of the reference are none of now
    found = TrafficChange(
        kind=CauseKind.LOST_ROWS,
        seen=f"rows where {loss.expression} {'no longer come' if missing == 1 else 'hardly come any more'}, while the others do: "
        f"they were {say.percent(loss.share)} of the reference",
        undo="load these rows again (rows of the reference stand in for them)",
        rows=np.zeros(len(loss.current), bool),
        share_of_rows=loss.share,
        rest=(~loss.reference, ~loss.current),
        repair_effect=repair,
        injection_effect=injection,
        features=(loss.column,) if loss.column in case.pairs else (),
        segment=loss.expression,
        restored=False,
    )
    return [found]


def _repair(bench: PricingBench, loss: _LostSegment) -> Effect | None:
    """What the metric gains by the reference's rows in place of those that did not come."""
    if not (bench.current_labels and bench.reference_labels):
        return None
    ref, cur = (
        mask[bench.rows(side)] for mask, side in zip((loss.reference, loss.current), bench.case.sides, strict=True)
    )
    usual = float(ref.sum()) / max(float((~ref).sum()), 1.0)
    weight = max(usual * float((~cur).sum()) - float(cur.sum()), 0.0) / max(float(ref.sum()), 1.0)
    served = weighted_rows(bench, bench.case.current, np.ones(len(loss.current)))
    return effect_between(
        bench, served, served + weighted_rows(bench, bench.case.reference, np.where(loss.reference, weight, 0.0))
    )


def _injection(bench: PricingBench, loss: _LostSegment) -> Effect | None:
    """What the reference's metric loses without the segment."""
    if not bench.reference_labels:
        return None
    side = bench.case.reference
    whole, without = (
        weighted_rows(bench, side, w) for w in (np.ones(len(loss.reference)), np.where(loss.reference, 0.0, 1.0))
    )
    return as_current(bench, effect_between(bench, whole, without))


def _losses(case: Case, leave_out: set[str], left: Collection[str]) -> Iterator[_LostSegment]:
    """Segments of which hardly a row came, while the others came as usual."""
    if any(side.blocks is None or len(np.unique(side.blocks)) < LEAST_DAYS for side in case.sides):
        return
    for levels in _levels(case, leave_out):
        gone = _gone(case, levels.reference, levels.current, len(levels.texts))
        if gone.any():
            expression = levels.expression([int(i) for i in np.flatnonzero(gone)])
            yield from _read(case, levels.column, expression, levels=levels.column not in left)
    for name, pair in case.pairs.items():
        if name not in leave_out and pair.numeric and not _has_levels(pair):
            yield from _lost_range(case, pair)


def _read(
    case: Case, column: str, expression: str, *, levels: bool = False, sharp: bool = False
) -> Iterator[_LostSegment]:
    """The loss as its expression selects it; nothing where that cannot be read. Of ``levels``, and of a ``sharp`` cut in whose
    place no others came, the absence alone tells."""
    try:
        ref, cur = (holds(side.sample, expression).to_numpy() for side in case.sides)
    except pl.exceptions.PolarsError:
        return
    if _is_loss(case, ref, cur, at_once=levels or (sharp and _others(case, ref, cur) <= _taken_over(ref))):
        yield _LostSegment(column, expression, ref, cur)


def _levels(case: Case, leave_out: set[str]) -> Iterator[MarkerLevels]:
    """Columns read as levels of both windows: what the log holds beside the features, the features, and hours of the day."""
    for levels in levels_of_columns(case):
        if levels.unit == "hour":
            yield levels
        elif not levels.ordered and levels.column not in case.pairs and levels.column in case.reference.sample.columns:
            kind = case.current.window.kinds[levels.column]
            pair = Pair(levels.column, kind, *(side.sample[levels.column] for side in case.sides))
            yield _levels_of(pair, levels.unit)
    for name, pair in case.pairs.items():
        if name not in leave_out and _has_levels(pair):
            unit = "" if pair.kind == ColumnKind.CATEGORICAL else "plain"
            yield _levels_of(pair, unit)


def _has_levels(pair: Pair) -> bool:
    """Whether any of its values may be missing: categories and a few codes. Of more numbers it is one end that is cut off."""
    most = MAX_LEVELS if pair.categorical else FEW_NUMBERS
    return (pair.categorical or pair.discrete) and 2 <= len(pair.levels[0]) <= most


def _levels_of(pair: Pair, unit: str) -> MarkerLevels:
    texts, (ref, cur) = pair.codes
    return MarkerLevels(pair.name, ref, cur, tuple(texts), ordered=False, unit=unit)


def _lost_range(case: Case, pair: Pair) -> Iterator[_LostSegment]:
    """One end of the range of a number, cut where the current values end."""
    ref, cur = pair.numbers
    if not len(pair.finite[0]):
        return
    edges = np.unique(np.quantile(pair.finite[0], np.arange(1, BINS) / BINS))
    codes = [np.where(np.isfinite(x), search_sorted(edges, x, "right"), -1) for x in (ref, cur)]
    gone = _gone(case, codes[0], codes[1], len(edges) + 1, in_order=True)
    sharp = bool(gone.any()) and _cut_at_once(case, codes[0], codes[1], gone)
    low, high = (int(np.argmin(np.r_[run, False])) for run in (gone, gone[::-1]))
    if low:
        least = float(cur[codes[1] >= low].min(initial=np.inf))
        yield from _read(
            case, pair.name, between(pair.name, None, _readable(ref[ref < least].max(), least)), sharp=sharp
        )
    if high:
        most = float(cur[(codes[1] >= 0) & (codes[1] <= len(edges) - high)].max(initial=-np.inf))
        yield from _read(case, pair.name, between(pair.name, _readable(most, ref[ref > most].min()), None), sharp=sharp)


def _readable(below: float, cut: float) -> float:
    """A short number above ``below`` and at most ``cut``, or the cut itself."""
    short = readable((below + cut) / 2)
    return short if below < short <= cut else float(cut)


def _gone(case: Case, ref: Codes, cur: Codes, cells: int, *, in_order: bool = False) -> Mask:
    """Levels of which hardly a row came, while the other levels came in their usual numbers (cells,); none where they did not. Of
    ranges ``in_order``, the one in which the cut lies keeps a part of its rows and is not asked."""
    came, expected = np.bincount(cur[cur >= 0], minlength=cells), _expected(case, ref, cells)
    gone = (came <= GONE * expected) & (expected >= LEAST_OF_A_LEVEL)
    others = ~gone & (expected >= LEAST_OF_A_LEVEL)
    if in_order:
        others &= ~_beside(gone)
    if not gone.any() or not others.any():
        return np.zeros(cells, bool)
    days = _days(case.reference)
    late = days > np.median(days)
    halves = [np.bincount(ref[rows & (ref >= 0)], minlength=cells).astype(float) for rows in (~late, late)]
    usual = _distance(halves[0][others], halves[1][others])
    moved = _distance(expected[others], came[others].astype(float))
    return gone if moved <= MIXED + usual else np.zeros(cells, bool)


def _beside(gone: Mask) -> Mask:
    """Ranges next to one that is gone (cells,)."""
    return np.asarray(np.r_[gone[1:], False] | np.r_[False, gone[:-1]])


def _cut_at_once(case: Case, ref: Codes, cur: Codes, gone: Mask) -> bool:
    """Whether the ranges next to the cut came as often as the others: where the world moves on, they thin out towards the end."""
    came = np.bincount(cur[cur >= 0], minlength=len(gone)).astype(float)
    expected = _expected(case, ref, len(gone))
    within = ~gone & ~_beside(gone) & (expected >= LEAST_OF_A_LEVEL)
    near = within & _beside(gone | _beside(gone))
    if not near.any():
        return False
    rates = came / np.maximum(expected, 1e-9)
    return bool(rates[near].min() >= SHARP * np.median(rates[within]))


def _expected(case: Case, ref: Codes, cells: int) -> Floats:
    """Rows of each level in the current sample, were they as many for each day as in the reference."""
    return np.bincount(ref[ref >= 0], minlength=cells).astype(float) * _days_as_many(case)


@once
def _days_as_many(case: Case) -> float:
    """Rows of the current sample for each of the reference sample, at equal numbers of rows for each day."""
    ref, cur = (len(np.unique(_days(side))) * side.sample.height / max(side.window.rows, 1) for side in case.sides)
    return cur / ref


def _days(side: Side) -> NDArray[np.int64]:
    """The day of each sampled row (n,), in a window that has days."""
    assert side.blocks is not None
    return side.blocks


def _distance(expected: Floats, came: Floats) -> float:
    """Mean distance of numbers of rows from what was expected, in logarithms, each level by its rows; their sum apart."""
    logs = np.log((came + 1) / (expected + 1))
    return float(np.average(np.abs(logs - np.average(logs, weights=expected + 1)), weights=expected + 1))


def _is_loss(case: Case, ref: Mask, cur: Mask, *, at_once: bool) -> bool:
    """Whether hardly a row of a steady segment came, and the others as usual."""
    share, expected = float(ref.mean()), float(ref.sum()) * _days_as_many(case)
    if not LEAST_SHARE <= share <= MOST_SHARE or expected < LEAST_ROWS or cur.sum() > GONE * expected:
        return False
    if not (_others_as_usual(case, ref, cur) or (at_once and _stopped_at_once(ref, cur))):
        return False
    days, index = np.unique(_days(case.reference), return_inverse=True)
    rows = np.bincount(index)
    shares = np.bincount(index, ref) / rows
    late = shares[-max(len(days) // 4, 1) :]
    by_chance = float((1 - (1 - share) ** rows).mean())  # a day of few rows may have none of it
    return bool((shares > 0).mean() >= ON_DAYS * by_chance and late.mean() >= LASTED * shares.mean())


def _others_as_usual(case: Case, ref: Mask, cur: Mask) -> bool:
    """Whether about as many other rows came for each day as in the reference, and none took the place of the segment."""
    by_day = [
        np.unique(_days(side)[~rows], return_counts=True)[1] for side, rows in zip(case.sides, (ref, cur), strict=True)
    ]
    error = np.sqrt(sum(counts.var() / counts.mean() ** 2 / len(counts) for counts in by_day))
    return bool(np.log(FELL) <= _others(case, ref, cur) <= _taken_over(ref) and SURE * error <= _taken_over(ref))


def _others(case: Case, ref: Mask, cur: Mask) -> float:
    """Logarithm of how many times as many other rows came for each day as in the reference."""
    return float(np.log((~cur).sum() / ((~ref).sum() * _days_as_many(case))))


def _taken_over(ref: Mask) -> float:
    """By how much the others may have grown so that they did not take the place of the segment."""
    return float(-TAKEN_OVER * np.log(1 - ref.mean()))


def _stopped_at_once(ref: Mask, cur: Mask) -> bool:
    """Whether hardly one row came of very many that the number of the others leads to expect, however many those are."""
    expected = float(ref.sum()) * float((~cur).sum()) / max(float((~ref).sum()), 1.0)
    return expected >= VERY_MANY and float(cur.sum()) <= AT_ONCE * expected
