"""Of which row is a value? A column held against what the other columns foretell, of its own row and of earlier ones.

The others foretell a column by ridge regression on ranks, their squares, the most frequent levels and the clock, learned on the
earlier part of the reference: cheap enough to ask about every column of every diagnosis, and good enough to tell rows apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backslide.case import Case, Side
from backslide.causes.columns.entity_keys import entity_keys, rows_of_codes
from backslide.causes.columns.expectation import earlier_rows
from backslide.contracts import say
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import MISSING, Pair
from backslide.playbook.clock import time_columns
from backslide.playbook.concept.screen import left_by_screen
from backslide.stats.arrays import Floats
from backslide.stats.sorted_search import search_sorted

Rows = NDArray[np.int64]

MOST_LEVELS = 12
"""Levels of a category that foretell others, the most frequent ones."""
RIDGE = 1e-3
"""Penalty, as a share of the mean variance of what foretells: enough where columns say the same twice."""
LEAST_ROWS = 300
HARMONICS = 2
"""Waves of the day that the clock foretells by."""
DAY = 86_400
MOST_ROWS = 10
"""Rows by which a value may be late."""
MOST_DAYS = 7
ORDERED = 0.2
"""Correlation of a value with the earlier one from which rows have an order."""
LOOKED_AT = 1_000
"""Rows that tell that: by chance it is 0.03."""
LEAST_STEPS = 5
"""Steps from each value of a column, on average, that tell where it goes from there."""
SAME_STEP = 0.9
"""Share of them that go to one and the same value where a column runs through its values in an order of its own."""


@dataclass(frozen=True)
class ColumnEstimate:
    """One column as numbers, and what the others foretell of them: reference rows, then current ones (n_ref + n_cur, m)."""

    values: Floats
    """Ranks of numbers, indicators of levels; NaN where missing."""
    estimates: Floats

    def cost(self, rows: Rows, estimated_for: Rows) -> Floats:
        """Squared distance (k,) of the values on ``rows`` from what is foretold of others, NaN where a value is missing."""
        return np.asarray(((self.values[rows] - self.estimates[estimated_for]) ** 2).sum(axis=1))


class LinearExpectations:
    """What all columns foretell of each other, by one matrix of products."""

    def __init__(self, case: Case) -> None:
        out = {*time_columns(case), *left_by_screen(case), *case.suspects}
        self.pairs = {
            c: p for c, p in case.pairs.items() if c not in out and not p.constant_before and not p.identifier
        }
        self.n_ref = case.reference.sample.height
        widths = {c: _width(p) for c, p in self.pairs.items()} | {"": _clock(case.sides[0]).shape[1]}
        self.owner: NDArray[np.str_] = np.repeat(list(widths), list(widths.values()))
        self.learned = earlier_rows(case)
        self.x = np.empty((self.n_ref + case.current.sample.height, len(self.owner)))
        at = 0  # filled column by column and centred in place: it is the largest matrix of a diagnosis
        for column, width in widths.items():
            for window, rows_of in enumerate((slice(self.n_ref), slice(self.n_ref, None))):
                block = _features(self.pairs[column], window) if column else _clock(case.sides[window])
                self.x[rows_of, at : at + width] = block
            at += width
        rows = np.flatnonzero(self.learned)
        self.x_learned = self.x[rows]
        middle = self.x_learned.mean(axis=0)
        self.x -= middle
        self.x_learned -= middle
        self.products = self.x_learned.T @ self.x_learned / len(rows)

    def of(self, column: str) -> ColumnEstimate | None:
        """What the others foretell of ``column``; None where too few rows are known or nothing foretells."""
        pair = self.pairs[column]
        own: NDArray[np.bool_] = np.isin(self.owner, column)
        values = np.vstack([targets(pair, i) for i in (0, 1)])
        learned = values[: self.n_ref][self.learned]
        known = np.asarray(np.isfinite(learned).all(axis=1))
        if own.all() or known.sum() < LEAST_ROWS or not values.shape[1]:
            return None
        products = self.products[np.ix_(~own, ~own)]
        mean = learned[known].mean(axis=0)
        to = self.x_learned.T @ np.where(known[:, None], learned - mean, 0.0) / known.sum()
        ridge = RIDGE * max(float(np.trace(products)) / len(products), 1e-12) * np.eye(len(products))
        weights = np.zeros((len(own), values.shape[1]))
        weights[~own] = np.linalg.solve(products + ridge, to[~own])
        return ColumnEstimate(values, self.x @ weights + mean)


@once
def linear_expectations(case: Case) -> LinearExpectations | None:
    """What the columns foretell of each other; None with less than two of them, or too few rows."""
    made = LinearExpectations(case)
    return made if len(made.pairs) > 1 and made.learned.sum() >= LEAST_ROWS else None


def _ranks(pair: Pair, window: int, first: int | None = None) -> Floats:
    grid = pair.finite[0]
    values = pair.numbers[window][:first]
    low, high = search_sorted(grid, values, "left"), search_sorted(grid, values, "right")
    return np.where(np.isfinite(values), (low + high) / (2 * max(len(grid), 1)) - 0.5, np.nan)


def _indicators(pair: Pair, window: int, first: int | None = None) -> Floats:
    counts = pair.levels[0]
    frequent = sorted(counts, key=lambda level: (-counts[level], level))[:MOST_LEVELS]
    levels, codes = pair.codes[0], pair.codes[1][window][:first]
    place = {level: code for code, level in enumerate(levels)}
    return np.asarray(codes[:, None] == np.array([place[level] for level in frequent], np.int64), float)


def _features(pair: Pair, window: int) -> Floats:
    """Columns that foretell others (n, m)."""
    if not pair.numeric:
        return _indicators(pair, window)
    ranks = _ranks(pair, window)
    missing = np.isnan(ranks)
    ranks = np.where(missing, 0.0, ranks)
    return np.column_stack([ranks, ranks**2, missing])


def _width(pair: Pair) -> int:
    """Columns of ``_features``."""
    return 3 if pair.numeric else min(len(pair.levels[0]), MOST_LEVELS)


def targets(pair: Pair, window: int, first: int | None = None) -> Floats:
    """The column to foretell (n, m), of the ``first`` rows or all of them: ranks, or indicators of levels; NaN where missing."""
    if pair.numeric:
        return _ranks(pair, window, first)[:, None]
    missing = pair.texts[window][:first] == MISSING
    return np.where(missing[:, None], np.nan, _indicators(pair, window, first))


def _clock(side: Side) -> Floats:
    """The hour of the day as waves (n, 2 HARMONICS); nothing where rows have no time."""
    seconds = side.seconds
    if seconds is None:
        return np.empty((side.sample.height, 0))
    angle = 2 * np.pi * (seconds % DAY) / DAY
    waves = [f(k * angle) for k in range(1, HARMONICS + 1) for f in (np.sin, np.cos)]
    return np.asarray(np.nan_to_num(np.column_stack(waves)), float)


def rows_before(place: Rows, lag: int) -> Rows:
    """The sampled row ``lag`` places before each (n,), -1 where it is not in the sample; ``place`` ascends."""
    wanted = place - lag
    if len(place) and place[0] == 0 and place[-1] == len(place) - 1:  # every row is there
        return np.where((wanted >= 0) & (wanted < len(place)), wanted, -1)
    at = np.clip(np.searchsorted(place, wanted), 0, len(place) - 1)
    return np.where(place[at] == wanted, at, -1)


def rows_near(place: Rows, lag: int) -> Rows:
    """The sampled row nearest to the place ``lag`` rows before each (n,), but itself; -1 where that is off by more than ``lag``:
    what stands for an earlier row that was left out of the sample."""
    n = len(place)
    wanted, own = place - lag, np.arange(n)
    at = np.clip(np.searchsorted(place, wanted), 0, n - 1)
    around = np.stack([np.clip(at + k, 0, n - 1) for k in (-1, 0, 1)])
    off = np.where(around == own, np.inf, np.abs(place[around] - wanted))
    best = off.argmin(axis=0)
    return np.where(off[best, own] <= abs(lag), around[best, own], -1)


def rows_in_time(seconds: Floats, earlier: float) -> Rows:
    """The last row at or before each row's time less ``earlier`` seconds (n,), -1 where there is none; later rows of one moment
    count."""
    order = np.argsort(seconds, kind="stable")
    at = np.searchsorted(seconds[order], seconds - earlier, side="right") - 1
    return np.where((at >= 0) & np.isfinite(seconds), order[np.maximum(at, 0)], -1)


def runs_by_itself(pair: Pair, source: Rows) -> bool:
    """Whether a reference value that differs from the one of its earlier row (n_ref,) follows from that, as the half hours of a
    day do: three values or more in one order, whatever the other columns hold."""
    values = pair.numbers[0] if pair.numeric else pair.codes[1][0].astype(float)
    later = np.flatnonzero((source >= 0) & np.isfinite(values))
    later = later[np.isfinite(values[source[later]]) & (values[later] != values[source[later]])]
    begins, begin = np.unique(values[source[later]], return_inverse=True)
    if len(begins) < 3 or len(later) < LEAST_STEPS * len(begins):
        return False
    ends, end = np.unique(values[later], return_inverse=True)
    step, count = np.unique(begin * len(ends) + end, return_counts=True)
    most = np.zeros(len(begins), np.int64)
    np.maximum.at(most, step // len(ends), count)
    # Each step is foretold by the others from its value: one that came once is not.
    return float((most - 1).sum()) >= SAME_STEP * (len(later) - len(begins))


def mean_and_error(values: Floats, unit: Rows) -> tuple[float, float]:
    """Mean of row values and its standard error between units: days, or runs of rows (Cochran 1977, 6.3)."""
    _, index = np.unique(unit, return_inverse=True)
    rows, total = np.bincount(index).astype(float), np.bincount(index, values)
    k, mean = len(rows), float(values.mean())
    if k < 2:
        return mean, np.inf
    spread = ((total - mean * rows) ** 2).sum() * k / (k - 1)
    return mean, float(np.sqrt(spread)) / float(rows.sum())


@once
def units_of(side: Side) -> Rows:
    """Units of rows (n,): days where there are at least five, else twenty runs of rows."""
    n = side.sample.height
    if side.blocks is not None and len(np.unique(side.blocks)) >= 5:
        return side.blocks
    return np.arange(n) * 20 // max(n, 1)


@dataclass(frozen=True)
class Delay:
    """An earlier row for every row: by ``rows``, by ``days``, or the last one with the same ``key``."""

    rows: int = 0
    days: int = 0
    key: str = ""

    @property
    def words(self) -> str:
        """Of which row: ``of the row 3 rows before``."""
        if self.rows:
            return f"{say.counted(self.rows, 'row')} late"
        return (
            f"{say.counted(self.days, 'day')} late" if self.days else f"those of the last row with the same {self.key}"
        )

    def sources(self, case: Case, side: Side) -> Rows | None:
        """The earlier row of each sampled row (n,), -1 where there is none; None where that is not known."""
        if self.key:
            return _rows_of_key(side, entity_keys(case)[self.key][0 if side is case.reference else 1])
        return _rows_earlier(side, self.rows, self.days)


def _rows_of_key(side: Side, codes: Rows) -> Rows:
    """The row before in time with the same key (n,), -1 for none; as they stand where there are no times."""
    if side.seconds is None:
        return rows_of_codes(codes)
    order = np.argsort(side.seconds, kind="stable")
    before = rows_of_codes(codes[order])
    source = np.empty(len(codes), np.int64)
    source[order] = np.where(before >= 0, order[before], -1)
    return source


@once
def _rows_earlier(side: Side, rows: int, days: int) -> Rows | None:
    """The row so many rows, or the last one so many days, before each (n,), -1 for none; None where that is unknown."""
    if rows:
        return None if side.places is None else rows_before(side.places, rows)
    return None if side.seconds is None else rows_in_time(side.seconds, days * DAY)


def delays_of(case: Case) -> Iterator[tuple[Delay, Rows]]:
    """Delays, and early rows as what else it could be; each with the earlier row of every row of both windows (n_ref + n_cur,),
    -1 where there is none."""
    every = [Delay(rows=by) for k in range(1, MOST_ROWS + 1) for by in (k, -k)]
    every += [Delay(days=d) for d in range(1, MOST_DAYS + 1)] + [Delay(key=key) for key in entity_keys(case)]
    for delay in every:
        ref, cur = (delay.sources(case, side) for side in case.sides)
        if ref is not None and cur is not None:
            yield delay, np.r_[ref, np.where(cur >= 0, cur + len(ref), -1)]


@dataclass(frozen=True)
class DelayedRows:
    """Reference rows that tell whether a column has something in common with earlier rows, and the earlier row of each (k, r)."""

    delays: list[Delay]
    rows: Rows
    earlier: Rows
    there: NDArray[np.bool_]
    """Where a delay has such a row: some have fewer than others."""

    @property
    def reach(self) -> int:
        """How many of the first rows are asked about."""
        return 1 + max(int(self.rows.max(initial=0)), int(self.earlier.max(initial=0)))


def delayed_rows(delays: list[tuple[Delay, Rows]], n_ref: int) -> DelayedRows:
    """The first reference rows of each delay that have an earlier row."""
    # Rows before and rows after have the same in common, so that one way tells.
    asked = [(delay, source) for delay, source in delays if delay.rows >= 0]
    chosen = [np.flatnonzero(source[:n_ref] >= 0)[:LOOKED_AT] for _, source in asked]
    rows = np.zeros((len(asked), max(map(len, chosen), default=0)), np.int64)
    earlier, there = np.zeros_like(rows), np.zeros(rows.shape, bool)
    for i, ((_, source), some) in enumerate(zip(asked, chosen, strict=True)):
        rows[i, : len(some)], earlier[i, : len(some)], there[i, : len(some)] = some, source[some], True
    return DelayedRows([delay for delay, _ in asked], rows, earlier, there)


def delays_in_common(pair: Pair, at: DelayedRows) -> frozenset[Delay]:
    """The delays under which the reference values of a column have something in common with the earlier ones."""
    values = targets(pair, 0, at.reach)
    finite = np.asarray(np.isfinite(values).all(axis=1))
    known = at.there & finite[at.rows] & finite[at.earlier]
    values, count = np.where(finite[:, None], values, 0.0), known.sum(axis=1)
    a, b = (_centred(values[rows], known, count) for rows in (at.rows, at.earlier))
    common = np.einsum("krm,krm->k", a, b) >= ORDERED * np.einsum("krm,krm->k", a, a)
    told = zip(at.delays, common & (count > 0), strict=True)
    return frozenset(delay for delay, is_common in told if is_common and delay.key != pair.name)


def _centred(values: Floats, known: NDArray[np.bool_], count: NDArray[np.int64]) -> Floats:
    """Values (k, r, m) less the mean of the known ones of each delay; 0 where unknown."""
    values = values * known[:, :, None]
    mean = values.sum(axis=1) / np.maximum(count, 1)[:, None]
    return np.asarray((values - mean[:, None, :]) * known[:, :, None])
