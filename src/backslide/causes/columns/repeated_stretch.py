"""The seam of a delay: where values begin to be those of earlier rows, a stretch of them stands there a second time.

A table that is no longer refreshed, or a join that begins to be late, repeats at first what was right just before: the last rows,
the last days, the last value of each key. No other column has to tell what the value should be; numbers that hardly ever agree
with those of so long before do so one after the other, to the last digit.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.causes.columns.entity_keys import entity_keys, rows_of_codes
from backslide.causes.columns.lags import (
    DAY,
    MOST_DAYS,
    MOST_ROWS,
    Delay,
    Rows,
    linear_expectations,
    mean_and_error,
    rows_in_time,
    units_of,
)
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import Pair
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats, Mask

LEAST_ROWS_LATE = 4
"""Rows by which a column is late from which on so many agreeing values say something."""
LEAST_STRETCH = 20
"""Rows of a stretch of a day or more."""
DIFFERENT = 0.5
"""Share of its values that must differ from each other."""
OF_KEYS = 0.9
"""Share of keys whose first value must be the last one of the reference."""
USUAL = 0.05
"""Share of the reference's rows that may agree with those of so long before."""
LEAST_KNOWN = 100
"""Reference rows with an earlier one, under which they say nothing."""
MOST_COLUMNS, AGREEING = 0.34, 0.9
"""Share of the other columns that may repeat a stretch, each on so many of its rows: more, and the rows themselves came again."""
MOST_ON_A_DAY = 0.5
"""Share of the keys that may begin on one day."""
FOLLOWS = 0.2
"""Correlation with the row before from which values follow each other; noise of few rows hardly reaches it."""
OWN_Z = -3.0
"""Standard errors by which later values must fit their own rows better to be right again."""


@dataclass(frozen=True)
class RepeatedStretch:
    """A column whose values are late by ``delay`` on ``rows`` (n_cur,)."""

    column: str
    delay: Delay
    rows: Mask
    certain: bool
    """Whether values follow each other from row to row, or keys begin on several days: else a day on which nothing moved, as a
    holiday, looks the same."""


def find_repeated_stretch(case: Case, leave_out: Collection[str] = ()) -> list[RepeatedStretch]:
    """Columns of numbers that begin to be late at some row; none where so many are that rows came again."""
    if not all(side.complete for side in case.sides):
        return []
    out = {*leave_out, *time_columns(case)}
    pairs = [pair for name, pair in case.pairs.items() if pair.numeric and not pair.discrete and name not in out]
    return [stretch for pair in pairs if (stretch := _stretch_of(case, pair)) is not None]


def _stretch_of(case: Case, pair: Pair) -> RepeatedStretch | None:
    """The longest stretch that stands there twice, of the delays under which the reference hardly agrees with itself."""
    n_ref, values = len(pair.reference), np.concatenate(pair.numbers)
    best: tuple[int, int, Delay] | None = None
    for delay, source in _delays(case):
        if not delay.key and not _may_repeat(values, source, n_ref, delay):
            continue
        known = source[:n_ref] >= 0
        same = (source >= 0) & (values == values[source])
        if known.sum() < LEAST_KNOWN or same[:n_ref][known].mean() > USUAL:
            continue
        begin, end = _of_keys(case, values, same, source) if delay.key else _longest_run(same[n_ref:])
        # Of rows before the window's first, so short a stretch is the whole delay; elsewhere it may be chance.
        least = LEAST_STRETCH if not delay.rows or begin else delay.rows
        stretch = values[n_ref + begin : n_ref + end]
        if end - begin < least or not (delay.key or (_differ(stretch) and _times(stretch, values[:n_ref]) <= 1)):
            continue
        if (best is None or end - begin > best[1] - best[0]) and not _rows_again(case, pair, source, begin, end):
            best = begin, end, delay
    if best is None:
        return None
    begin, end, delay = best
    rows = np.zeros(len(pair.current), bool)
    rows[begin : end if _right_again(case, pair, delay, end) else None] = True
    return RepeatedStretch(pair.name, delay, rows, bool(delay.key) or _follow(pair.numbers[0]))


def _may_repeat(values: Floats, source: Rows, n_ref: int, delay: Delay) -> bool:
    """Whether a stretch may stand in the current window: a run as long as asked for holds one of the rows looked at here."""
    probes = slice(n_ref + LEAST_STRETCH - 1, None, LEAST_STRETCH)
    first = slice(n_ref, n_ref + max(delay.rows, 1))  # a run from the first row on may be shorter
    return any(bool(((source[at] >= 0) & (values[at] == values[source[at]])).any()) for at in (first, probes))


def _of_keys(case: Case, values: Floats, same: Mask, source: Rows) -> tuple[int, int]:
    """All rows, where the first value of nearly every key is the last one of the reference, and keys begin on several days."""
    n_ref = case.reference.sample.height
    first = np.flatnonzero((source[n_ref:] >= 0) & (source[n_ref:] < n_ref))
    days = case.current.blocks
    if len(first) < LEAST_STRETCH or same[n_ref:][first].mean() < OF_KEYS or not _differ(values[n_ref + first]):
        return 0, 0
    if days is None or np.unique(days[first], return_counts=True)[1].max() > MOST_ON_A_DAY * len(first):
        return 0, 0
    return 0, case.current.sample.height


def _rows_again(case: Case, own: Pair, source: Rows, begin: int, end: int) -> bool:
    """Whether other columns, of any sort, repeat the same rows as well: then rows came again, as where windows overlap."""
    n_ref = len(own.reference)
    at = np.arange(n_ref + begin, n_ref + end)
    at = at[source[at] >= 0]
    clocks = time_columns(case)
    others = [pair for name, pair in case.pairs.items() if name != own.name and name not in clocks]
    agree = 0
    for pair in others:
        values = np.concatenate(pair.numbers if pair.numeric else pair.codes[1])
        agree += float((values[at] == values[source[at]]).mean()) > AGREEING
    return agree > MOST_COLUMNS * max(len(others), 1)


def _follow(values: Floats) -> bool:
    """Whether values have something in common with those of the row before."""
    known = values[np.isfinite(values)]
    one, other = known[1:] - known.mean(), known[:-1] - known.mean()
    return len(known) > LEAST_STRETCH and float((one * other).mean()) >= FOLLOWS * max(float(known.var()), 1e-300)


def _differ(values: Floats) -> bool:
    """Whether most values of a stretch differ from each other, so that they agree with others by no chance."""
    return len(np.unique(values)) >= max(DIFFERENT * len(values), 3)


def _times(stretch: Floats, values: Floats) -> int:
    """How often values stand in that order: the steps of a clock come round again, and stand twice wherever rows were lost."""
    at = np.arange(len(values) - len(stretch) + 1)
    for k, value in enumerate(stretch):
        at = at[values[at + k] == value]
    return len(at)


@once
def _delays(case: Case) -> tuple[tuple[Delay, Rows], ...]:
    """Each delay with the earlier row of every row of the reference and then the current window (n_ref + n_cur,), -1 for none."""
    n = sum(side.sample.height for side in case.sides)
    found = [(Delay(rows=by), np.maximum(np.arange(n) - by, -1)) for by in range(LEAST_ROWS_LATE, MOST_ROWS + 1)]
    found += [(Delay(key=name), rows_of_codes(np.concatenate(codes))) for name, codes in entity_keys(case).items()]
    seconds = [side.seconds for side in case.sides]
    if seconds[0] is None or seconds[1] is None:
        return tuple(found)
    every: Floats = np.concatenate([seconds[0], seconds[1]])
    return (*found, *((Delay(days=d), rows_in_time(every, d * DAY)) for d in range(1, MOST_DAYS + 1)))


def _longest_run(same: Mask) -> tuple[int, int]:
    """Begin and end of the longest run of rows that agree."""
    edges = np.flatnonzero(np.diff(np.r_[False, same, False]))
    if not len(edges):
        return 0, 0
    begins, ends = edges[::2], edges[1::2]
    at = int(np.argmax(ends - begins))
    return int(begins[at]), int(ends[at])


def _right_again(case: Case, pair: Pair, delay: Delay, end: int) -> bool:
    """Whether the values after the stretch clearly fit their own rows, so that only the stretch was sent again."""
    expectations = linear_expectations(case)
    estimate = expectations.of(pair.name) if expectations is not None and pair.name in expectations.pairs else None
    if estimate is None or end >= len(pair.current):
        return False
    n_ref = len(pair.reference)
    source = dict(_delays(case))[delay]
    rows = np.arange(n_ref + end, n_ref + len(pair.current))
    rows = rows[source[rows] >= 0]
    gain = estimate.cost(rows, rows) - estimate.cost(rows, source[rows])
    known = np.isfinite(gain)
    if known.sum() < LEAST_STRETCH:
        return False
    mean, error = mean_and_error(gain[known], units_of(case.current)[rows[known] - n_ref])
    return mean < OWN_Z * error
