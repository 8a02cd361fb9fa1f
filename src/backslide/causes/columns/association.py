"""How the columns hang together: rank correlations of every pair of columns in both windows.

Ranks are taken within a window, so a change of unit, scale or level leaves the correlations alone. What they show is whether
the values of a column still belong to the rows they stand in, and whether their order was reversed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from backslide.case import Case
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.sorted_search import search_sorted
from backslide.stats.two_sample import ks, ks_limit, ranks

STILL = 0.05
"""Distance that a column may have moved, beyond noise, and still count as distributed as before."""
LEVELS = 3
"""Levels of a text column that are followed, by reference frequency."""
MAX_COLUMNS = 200
STRONG_Z = 6.0
"""Standard errors of a correlation from which on it is followed."""
MIN_STRONG = 0.1
CELLS = 8


@dataclass(frozen=True)
class Dependence:
    """Correlations of the vectors that columns are followed by: ranks of numbers, indicators of frequent levels."""

    names: tuple[str, ...]
    owner: Ints
    """Index into ``names`` of the column of each vector (v,)."""
    reference: Floats
    """Rank correlations in the reference (v, v), 0 within a column and where not estimable."""
    current: Floats
    rows: tuple[Floats, Floats]
    """Rows with both values, of each pair of vectors, in both windows (v, v)."""

    def strong(self) -> Mask:
        """Pairs of vectors whose reference correlation is beyond noise (v, v)."""
        floor = np.maximum(MIN_STRONG, STRONG_Z / np.sqrt(np.maximum(self.rows[0], 1.0)))
        return np.asarray(np.abs(self.reference) >= floor)

    def error(self) -> Floats:
        """Standard error of the change of each correlation (v, v), after Fisher's transform at no correlation."""
        return np.asarray(np.sqrt(1 / np.maximum(self.rows[0], 1.0) + 1 / np.maximum(self.rows[1], 1.0)))

    def vectors(self, name: str) -> Ints:
        """Indices of the vectors of a column; none where it is not followed."""
        return np.flatnonzero(self.owner == self.names.index(name)) if name in self.names else np.empty(0, np.int64)


def usable(pair: Pair) -> bool:
    """Whether a column can take part: it varies in both windows and is no identifier or free text."""
    return not (pair.identifier or pair.constant_before) and pair.filled


@once
def dependence(case: Case) -> Dependence:
    """Of all usable columns of a case; computed once."""
    pairs = list(islice((pair for pair in case.pairs.values() if usable(pair)), MAX_COLUMNS))
    vectors = [_vectors(pair) for pair in pairs]
    owner = np.repeat(np.arange(len(pairs)), [len(v) for v in vectors]) if pairs else np.empty(0, int)

    def correlations(window: int) -> tuple[Floats, Floats]:
        columns = [vector[window] for found in vectors for vector in found]
        rows = case.sides[window].sample.height
        return _correlations(np.column_stack(columns) if columns else np.empty((rows, 0)), owner)

    names = tuple(pair.name for pair in pairs)
    # The reference stays while current rows are repaired.
    before, n_ref = case.reference.cache.get(_correlations, names, lambda: correlations(0))
    after, n_cur = correlations(1)
    return Dependence(names, owner.astype(np.int64), before, after, (n_ref, n_cur))


def tied_columns(case: Case, names: Sequence[str]) -> set[str]:
    """Those of the named columns whose values go with those of another one in the reference, beyond noise."""
    pairs = [case.pairs[name] for name in names if usable(case.pairs[name])]
    vectors = [_vectors(pair) for pair in pairs]
    owner = np.repeat(np.arange(len(pairs)), [len(some) for some in vectors])
    if not len(owner):
        return set()
    correlations, rows = _correlations(np.column_stack([ref for some in vectors for ref, _ in some]), owner)
    strong = np.abs(correlations) >= np.maximum(MIN_STRONG, STRONG_Z / np.sqrt(np.maximum(rows, 1.0)))
    return {pairs[place].name for place in np.unique(owner[strong.any(axis=1)])}


def followed(case: Case, names: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Rows of both windows by every vector of the named columns (n, v): standardised over the known ones, 0 where missing."""
    vectors = [vector for name in names for vector in _vectors(case.pairs[name])]
    before, after = (np.column_stack([vector[k] for vector in vectors]) for k in (0, 1))
    return _standard(before), _standard(after)


def _standard(x: Floats) -> Floats:
    known = np.isfinite(x)
    count = np.maximum(known.sum(0), 1)
    centred = np.where(known, x - np.where(known, x, 0.0).sum(0) / count, 0.0)
    spread = np.sqrt((centred**2).sum(0) / count)
    return np.asarray(centred / np.where(spread > 1e-12, spread, np.inf))


@once
def _vectors(pair: Pair) -> list[tuple[Floats, Floats]]:
    """The vectors of a column in both windows, NaN where missing."""
    if pair.numeric:
        return [(_ranked(pair.numbers[0]), _ranked(pair.numbers[1]))]
    frequent = sorted(pair.levels[0], key=lambda k: (-pair.levels[0][k], k))[: LEVELS if len(pair.levels[0]) > 2 else 1]
    levels, codes = pair.codes
    place = {level: code for code, level in enumerate(levels)}
    return [
        # A tuple of two, as there are two windows:
        tuple(np.where(m, np.nan, part == place[level]) for part, m in zip(codes, pair.missing, strict=True))  # type: ignore[misc]
        for level in frequent
    ]


def _ranked(values: Floats) -> Floats:
    known = np.isfinite(values)
    found = np.full(len(values), np.nan)
    found[known] = ranks(values[known])
    return found


def _correlations(x: Floats, owner: Ints) -> tuple[Floats, Floats]:
    """Pairwise correlations of the columns of ``x`` over the rows where both are known, and those rows' number."""
    known = np.isfinite(x)
    rows = known.sum(0)
    filled = np.where(known, x, 0.0)
    mean = filled.sum(0) / np.maximum(rows, 1)
    z = np.where(known, x - mean, 0.0)
    spread = np.sqrt((z**2).sum(0) / np.maximum(rows, 1))
    z = z / np.where(spread > 1e-12, spread, np.inf)
    both = known.astype(float).T @ known.astype(float) if not known.all() else np.full((x.shape[1],) * 2, float(len(x)))
    r = np.clip(z.T @ z / np.maximum(both, 1.0), -1.0, 1.0)
    r[owner[:, None] == owner[None, :]] = 0.0
    return r, both


def association(case: Case, one: str, other: str) -> tuple[float, float, float]:
    """How much two columns tell about each other in any way, in both windows, and what chance brings to the second.

    Pearson's mean square contingency of octiles and frequent levels, less what independent columns reach on average.
    """
    cells = [_cells(case.pairs[name]) for name in (one, other)]
    found = []
    for window in (0, 1):
        a, b = (cell[window] for cell in cells)
        table = np.zeros((CELLS + 2, CELLS + 2))
        np.add.at(table, (a, b), 1.0)
        table = table[table.sum(1) > 0][:, table.sum(0) > 0]
        expected = np.outer(table.sum(1), table.sum(0)) / max(len(a), 1)
        freedom = max((table.shape[0] - 1) * (table.shape[1] - 1), 1)
        statistic = float(((table - expected) ** 2 / np.maximum(expected, 1e-12)).sum())
        found.append(((statistic - freedom) / max(len(a), 1), float(np.sqrt(2 * freedom)) / max(len(a), 1)))
    return found[0][0], found[1][0], found[1][1]


def _cells(pair: Pair) -> tuple[Ints, Ints]:
    """The octile of the reference or the place among the frequent levels of each row, the rest and missing ones after them."""
    if pair.numeric:
        edges = np.unique(np.quantile(pair.finite[0], np.linspace(0, 1, CELLS + 1)[1:-1]))
        ref, cur = (
            np.where(np.isfinite(v), search_sorted(edges, v, "right"), CELLS + 1).astype(np.int64) for v in pair.numbers
        )
        return ref, cur
    frequent = sorted(pair.levels[0], key=lambda k: (-pair.levels[0][k], k))[:CELLS]
    place = {level: code for code, level in enumerate(frequent)}
    ref, cur = (
        np.where(m, CELLS + 1, codes).astype(np.int64)
        for codes, m in zip(pair.codes_in(place, CELLS), pair.missing, strict=True)
    )
    return ref, cur


@once
def distance(pair: Pair) -> float:
    """How far the column itself moved: KS for numbers, total variation for categories."""
    return distance_between(pair, pair)


def distance_between(one: Pair, other: Pair) -> float:
    """How far the reference of one column is from the current values of another of its kind."""
    if one.numeric:
        return ks(one.finite[0], other.finite[1])
    ref, cur = one.levels[0], other.levels[1]
    n_ref, n_cur = max(sum(ref.values()), 1), max(sum(cur.values()), 1)
    return sum(abs(ref.get(k, 0) / n_ref - cur.get(k, 0) / n_cur) for k in {*ref, *cur}) / 2


def excess_distance(pair: Pair) -> float:
    """``distance``; of categories, where every level adds to it, less what sampling alone brings on average."""
    if pair.numeric:
        return distance(pair)
    counts = [pair.levels[0], pair.levels[1]]
    n_ref, n_cur = (max(sum(one.values()), 1) for one in counts)
    share = np.array([counts[0].get(k, 0) + counts[1].get(k, 0) for k in {*counts[0], *counts[1]}]) / (n_ref + n_cur)
    by_chance = 0.5 * np.sqrt(2 / np.pi) * np.sqrt(share * (1 - share)).sum() * np.sqrt(1 / n_ref + 1 / n_cur)
    return distance(pair) - float(by_chance)


def noise(pair: Pair) -> float:
    """What ``distance`` reaches by chance once in a thousand."""
    n_ref, n_cur = (max(int((~m).sum()), 1) for m in pair.missing)
    if pair.numeric:
        return ks_limit(n_ref, n_cur)
    return ks_limit(n_ref, n_cur, 0.4 * float(np.sqrt(max(len(pair.levels[0]), 2) - 1)) + 1.1)


def stands_still(pair: Pair) -> bool:
    """Whether a column is distributed as before, and is missing about as often."""
    gone = abs(float(pair.missing[1].mean() - pair.missing[0].mean()))
    return gone <= STILL and distance(pair) <= STILL + noise(pair)
