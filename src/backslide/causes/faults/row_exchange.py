"""Two columns in each other's place, read row by row: each value beside what the other columns foretell of either.

Distributions that moved with the world hide an exchange, and on a part of the rows two columns of like range show none at all. On
its rows, though, the value of one fits what is foretold of the other, and the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.expectation import ColumnExpectation, expectation, rank_among
from backslide.causes.columns.lags import mean_and_error
from backslide.causes.faults.base import Hypothesis, evidence_of
from backslide.causes.faults.signatures.swapped_columns import SwappedColumns
from backslide.contracts import say
from backslide.stats.arrays import Floats, Mask

BETTER = 0.75
"""Share of the rows concerned that must fit better exchanged, and of the others that must not."""
USUAL = 0.25
"""Share of reference rows that may fit better exchanged: columns that foretell each other's place tell nothing."""
GAIN = 0.5
"""Share of the misfit that the exchange must take away on its rows."""
SWING = 0.5
"""Share of what an exchange costs the reference by which the fit must swing from a moment on, behind drift."""
EXCHANGED_Z = 4.0
"""Standard errors between days by which values must fit better exchanged from then on; the repair has to pay besides."""
LEAST_DAYS = 4
LEAST_ROWS = 60
MOST_PARTNERS = 6


@dataclass(frozen=True)
class RowExchange(SwappedColumns):
    """Two columns exchanged on some rows."""

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Exchange them back on the rows concerned."""
        return _exchange(frame, hypothesis.features, hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Exchange them on as many reference rows."""
        rows = edit.likely_rows(case, hypothesis.rows, hypothesis.features, float(hypothesis.rows.mean()))
        return _exchange(frame, hypothesis.features, rows)


def _exchange(frame: pl.DataFrame, features: tuple[str, ...], rows: Mask) -> pl.DataFrame:
    i, j = features
    one, other = edit.numbers_of(frame, i), edit.numbers_of(frame, j)
    return edit.write(edit.write(frame, i, other, rows), j, one, rows)


def read_exchange(case: Case, one: ColumnExpectation, misfits: Sequence[ColumnExpectation]) -> Hypothesis | None:
    """``one`` and another column of numbers in each other's place; those that do not fit either are asked first."""
    if not case.pairs[one.column].numeric:
        return None
    order = [other.column for other in misfits]
    names = [name for name, pair in case.pairs.items() if pair.numeric and not pair.discrete and name != one.column]
    names.sort(key=lambda name: order.index(name) if name in order else len(order))
    found = [h for name in names[:MOST_PARTNERS] if (h := _pair(case, one.column, name)) is not None]
    return max(found, key=lambda h: h.params["gain"], default=None)


def _pair(case: Case, name: str, other: str) -> Hypothesis | None:
    """That two columns are exchanged; each is foretold without the other."""
    expected = expectation(case, name, frozenset({other})), expectation(case, other, frozenset({name}))
    if expected[0] is None or expected[1] is None:
        return None
    pairs = case.pairs[name], case.pairs[other]
    usual, _ = _gains(pairs[0].numbers[0], pairs[1].numbers[0], expected, current=False)
    usual = usual[expected[0].held_out & expected[1].held_out]
    gain, off = _gains(pairs[0].numbers[1], pairs[1].numbers[1], expected, current=True)
    if len(usual) < LEAST_ROWS or float((usual > 0).mean()) > USUAL:
        return None
    rows = _rows(case, gain)
    if rows is not None and float(gain[rows].sum()) < GAIN * float(off[rows].sum()):
        rows = None
    if rows is None and case.has_labels:  # behind natural drift: the repair will have to pay
        rows = _rows_behind_drift(case, gain, -float(usual.mean()))
    if rows is None or rows.sum() < LEAST_ROWS:
        return None
    share = "" if rows.all() else f" on {say.percent(float(rows.mean()))} of the rows"
    hypothesis = Hypothesis(
        signature=RowExchange(),
        features=(name, other),
        seen=f"{name} and {other} were exchanged{share}: each fits what the other columns foretell of the other",
        undo=f"exchange {name} and {other} back",
        evidence=(evidence_of(pairs[0]), evidence_of(pairs[1])),
        exact=True,
        reversible=True,
        rows=rows,
        params={"gain": float(gain[rows].sum())},
    )
    return replace(hypothesis, mechanism=f"{name}+{other}|rows")


def _gains(
    x: Floats, y: Floats, expected: tuple[ColumnExpectation | None, ColumnExpectation | None], *, current: bool
) -> tuple[Floats, Floats]:
    """How much nearer both values of each row come to what is foretold when they are exchanged, and how far off they are (n,), in
    ranks of the reference."""
    off, exchanged = np.zeros(len(x)), np.zeros(len(x))
    for own, cross, one in ((x, y, expected[0]), (y, x, expected[1])):
        assert one is not None
        grid = one.grid
        foretold = rank_among(grid, np.asarray(one.foretold if current else one.reference_foretold, float))
        off += np.abs(rank_among(grid, own) - foretold)
        exchanged += np.abs(rank_among(grid, cross) - foretold)
    return np.nan_to_num(off - exchanged), np.nan_to_num(off)


def _rows_behind_drift(case: Case, gain: Floats, apart: float) -> Mask | None:
    """The rows from a moment on that fit better exchanged, day by day, where before it they fit as they are (n_cur,); None where
    that is not clear. ``apart``: what an exchange costs a reference row.

    Where the columns themselves moved, many rows fit neither way, and the share of rows that fit better says little.
    """
    days = case.current.blocks
    if days is None:
        return None
    unique, index = np.unique(days, return_inverse=True)
    first = int(np.cumsum(np.bincount(index, gain)[::-1])[::-1].argmax())
    after = days >= unique[first]
    if first == 0 or min(after.sum(), (~after).sum()) < LEAST_ROWS or min(first, len(unique) - first) < LEAST_DAYS:
        return None
    (better, error), (worse, _) = (mean_and_error(gain[part], index[part]) for part in (after, ~after))
    clear = better - worse >= SWING * apart and worse < 0 and better >= EXCHANGED_Z * error
    return np.asarray(after) if clear else None


def _rows(case: Case, gain: Floats) -> Mask | None:
    """The rows concerned (n_cur,): all, those from a moment on, or none where neither is clear."""
    better = gain > 0
    if better.mean() >= BETTER:
        return np.ones(len(gain), bool)
    days = case.current.blocks
    if days is None:
        return None
    moments = [days >= first for first in np.unique(days)[1:]]
    after = max(moments, key=lambda part: int((better == part).sum()), default=better)
    if min(after.sum(), (~after).sum()) < LEAST_ROWS:
        return None
    clear = better[after].mean() >= BETTER and better[~after].mean() <= 1 - BETTER
    return np.asarray(after) if clear else None
