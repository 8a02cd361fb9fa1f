"""Which features only tell the time.

They are left out of overlap, domain classifier and decomposition, and never accused of moving.
"""

from __future__ import annotations

import numpy as np

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import MISSING, Pair, to_words
from backslide.stats.arrays import Floats
from backslide.stats.drift.functions_of_time import Cycles, comes_in_runs, follows_cycle, runs_with_time

APART = 0.05
"""Share of rows outside the other window from which on a column that tells the time leaves no counterparts."""

LEAST_OF_A_LEVEL = 20
"""Rows a category must have on average to be put in order of time."""


@once
def time_columns(case: Case) -> frozenset[str]:
    """Comparable features that are functions of the row's time in the reference; empty without times."""
    return frozenset(name for name, pair in case.pairs.items() if _tells_time(case.reference, pair))


@once
def beyond_the_reference(case: Case) -> frozenset[str]:
    """Columns that tell the time and whose values one window does not share with the other: next month is no other population."""
    beyond = sorted(name for name in time_columns(case) if _apart(case.pairs[name]) > APART)
    note = f"{say.listed(beyond)} only tells the time and leaves the reference: inputs and relation are told apart without it"
    if beyond and note not in case.notes:
        case.notes.append(note)
    return frozenset(beyond)


def _apart(pair: Pair) -> float:
    """The larger share of a window's known rows with a value that the other window does not reach."""
    if pair.numeric and not pair.discrete:
        shares = []
        for own, other in (pair.finite, pair.finite[::-1]):
            inside = (own >= other[0]) & (own <= other[-1]) if len(other) else np.zeros(len(own), bool)
            shares.append(1 - float(inside.mean()) if len(own) else 0.0)
        return max(shares)
    known = [to_words(texts[texts != MISSING]) for texts in pair.texts]
    return max(1 - float(np.isin(own, other).mean()) if len(own) else 0.0 for own, other in (known, known[::-1]))


def _tells_time(side: Side, pair: Pair) -> bool:
    """Whether the reference values of a column are a function of time; asked once, whatever is repaired in the current rows."""
    if side.seconds is None:
        return False
    return side.cache.get(_tells_time, (pair.name,), lambda: _is_function_of_time(side, pair))


def _is_function_of_time(side: Side, pair: Pair) -> bool:
    assert side.seconds is not None
    values = pair.numbers[0] if pair.numeric else _in_order(pair, side.seconds)
    cycles = _cycles(side)
    return (
        runs_with_time(values, side.seconds, cycles.ranked)
        or comes_in_runs(values, side.seconds)
        or follows_cycle(values, side.seconds, cycles)
    )


@once
def _cycles(side: Side) -> Cycles:
    assert side.seconds is not None
    return Cycles(side.seconds)


def _in_order(pair: Pair, seconds: Floats) -> Floats:
    """Categories as codes in the order of their mean time (n,), so that "2024-03" after "2024-02" runs with time."""
    if len(pair.levels[0]) > len(seconds) / LEAST_OF_A_LEVEL:
        # In the order of their times, texts that come once run with time whatever they say.
        return np.full(len(seconds), np.nan)
    levels, (codes, _) = pair.codes
    rows = np.bincount(codes, minlength=len(levels))
    mean = np.bincount(codes, np.nan_to_num(seconds), len(levels)) / np.maximum(rows, 1)
    present = np.flatnonzero(rows)
    place = np.full(len(levels), np.nan)
    place[present[np.argsort(mean[present], kind="stable")]] = np.arange(len(present))
    if MISSING in levels:
        place[levels.index(MISSING)] = np.nan
    return place[codes]
