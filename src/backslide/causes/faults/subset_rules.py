"""Which rows? Values of other columns that mark the rows in which a column moved, while it held still in the rest.

A fault often hits one host, source, client, version, hour or period. Over all rows such a fault looks like noise; within the
rows concerned it looks like what it is. A marker is a set of levels of one column, told apart by distances alone: large
inside, next to nothing outside. It needs neither labels nor a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.causes.columns.broken_associations import Ties, tie_products, untied
from backslide.causes.columns.new_atoms import new_atoms
from backslide.causes.faults.markers import Codes, Marker, MarkerLevels, levels_of_columns, marker_of, selects_its_rows
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import MISSING, Pair
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats, Mask
from backslide.stats.change import affected_period
from backslide.stats.shift.doubly_robust import bins_of

MIN_ROWS = 100
"""Rows of a level, and of all marked rows together."""
MIN_SHARE = 0.01
MAX_SHARE = 0.9
MIN_DISTANCE = 0.12
"""Distance that a column must have moved inside the marked rows."""
QUIET = 0.25
"""Share of the distance inside that may show outside, beyond noise."""
FELT = 0.4
"""Share of what the marked rows moved that all rows together must have moved: where the others move against it, as they do when
values stand in other rows, it is not the marked rows that have a fault."""
NOISE = 4.0
"""Standard errors of a distance by which a level must have moved."""
BINS = 24
TOGETHER = 8
"""Features whose tables of counts are made at once: what they take stays in the cache of a processor."""
MOST = 4
"""Markers followed up per case."""


@dataclass(frozen=True)
class Claim:
    """That some levels of a column mark the rows in which a feature moved."""

    score: float
    levels: MarkerLevels
    chosen: tuple[int, ...]

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        return self.levels.column + self.levels.unit, self.chosen


def find_markers(case: Case) -> list[Marker]:
    """Markers of the case, the one that tells most first.

    A feature belongs to the marker that explains it best, and to the best of those that no model sees: hosts and sources mark
    faults more often than features do, which have ties of their own with what they seem to mark.
    """
    best: dict[tuple[str, bool], Claim] = {}
    codes = _Codes({name: _coded(pair) for name, pair in case.pairs.items() if not pair.identifier})
    ties, clocks = tie_products(case), time_columns(case)
    atoms = {name: _two_cells(rows) for name in codes.codes if (rows := new_atoms(case.pairs[name])) is not None}
    for levels in levels_of_columns(case):
        unseen = levels.column not in case.pairs
        by_time = levels.ordered or levels.column in clocks
        for name, claim in _claims(levels, codes, atoms, ties):
            if by_time and name in clocks:
                continue  # that a month is another one since some day marks nothing
            for slot in {(name, False), (name, unseen)}:
                if claim.score > (best[slot].score if slot in best else 0.0):
                    best[slot] = claim
    grouped: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    claims: dict[tuple[str, tuple[int, ...]], Claim] = {}
    for (name, _), claim in best.items():
        grouped.setdefault(claim.key, []).append(name)
        if claim.score >= (claims[claim.key].score if claim.key in claims else 0.0):
            claims[claim.key] = claim
    ranked = sorted(grouped, key=lambda key: -claims[key].score)[:MOST]
    markers = [marker_of(claims[key].levels, key[1], tuple(dict.fromkeys(grouped[key]))) for key in ranked]
    return [marker for marker in markers if selects_its_rows(case, marker)]


def _claims(levels: MarkerLevels, every: _Codes, atoms: dict[str, _Coded], ties: Ties) -> Iterator[tuple[str, Claim]]:
    """Features that moved, that gathered at new values, or that lost their ties while they themselves held still, in some levels
    alone."""
    inside = _Contrast(levels)
    # What is known of a feature stays while others are repaired: its codes are then the very same.
    known, codes = levels.known, every.codes
    fresh = tuple(name for name, coded in codes.items() if known.get(name, (None,))[0] is not coded)
    asked = inside.in_time(every.together(fresh)) if levels.ordered else inside.candidates(every.together(fresh))
    for name in fresh:
        found = inside.of(*codes[name]) if name in asked and name != levels.column else None
        known[name] = codes[name], None if found is None else Claim(found[0], levels, found[1])
    for name in codes:
        claim = known[name][1]
        gathered = inside.of(*atoms[name]) if name in atoms and name != levels.column else None
        if gathered is not None and (not isinstance(claim, Claim) or gathered[0] > claim.score):
            claim = Claim(gathered[0], levels, gathered[1])
        if isinstance(claim, Claim):
            yield name, claim
    lost = untied(levels.reference, levels.current, len(levels.texts), levels.column, levels.ordered, ties)
    for name, (score, chosen) in lost.items():
        if name in codes and inside.still(*codes[name], chosen):
            yield name, Claim(score, levels, chosen)


_Coded = tuple[Codes, Codes, int, bool]


@once
def _coded(pair: Pair) -> _Coded:
    """Bins or levels of a feature in both samples, missing among them; whether the cells have an order."""
    if pair.numeric:
        numbers = pair.numbers
        few = pair.discrete or len(np.unique(numbers[0][np.isfinite(numbers[0])])) <= BINS
        return (*bins_of(*numbers, few, BINS), True)
    kept = sorted(pair.levels[0], key=lambda k: -pair.levels[0][k])[:BINS]
    rest, new = len(kept) + 1, len(kept) + 2
    place = (
        dict.fromkeys(pair.levels[0], rest) | {level: code for code, level in enumerate(kept)} | {MISSING: len(kept)}
    )
    ref, cur = pair.codes_in(place, new)
    return ref, cur, len(kept) + 3, False


def _two_cells(rows: tuple[Mask, Mask]) -> _Coded:
    """Rows that are picked out, as the cells of a feature."""
    return rows[0].astype(np.int64), rows[1].astype(np.int64), 2, True


@dataclass(frozen=True)
class _Group:
    """Some features of one sort, whose tables of counts are made at once."""

    names: tuple[str, ...]
    cells: int
    ordered: bool
    reference: Codes
    current: Codes
    """Cells of the rows (p, n), those of each feature behind those of the one before."""


class _Codes:
    """The features of a case as cells, in groups that are made once for all markers."""

    def __init__(self, codes: dict[str, _Coded]) -> None:
        self.codes = codes
        self._groups: dict[tuple[str, ...], list[_Group]] = {}

    def together(self, names: tuple[str, ...]) -> list[_Group]:
        """The groups of some of the features."""
        if names not in self._groups:
            self._groups[names] = [
                self._group(tuple(same[start : start + TOGETHER]), ordered)
                for ordered in (True, False)
                if (same := [name for name in names if self.codes[name][3] == ordered])
                for start in range(0, len(same), TOGETHER)
            ]
        return self._groups[names]

    def _group(self, names: tuple[str, ...], ordered: bool) -> _Group:
        cells = max(self.codes[name][2] for name in names)
        places = cells * np.arange(len(names))[:, None]
        reference, current = (np.stack([self.codes[name][window] for name in names]) + places for window in (0, 1))
        return _Group(names, cells, ordered, reference, current)


class _Contrast:
    """Distances of a feature inside and outside the levels of one marker column."""

    def __init__(self, levels: MarkerLevels) -> None:
        self.levels = levels
        self.k = len(levels.texts)
        self.rows = np.bincount(levels.current[levels.current >= 0], minlength=self.k)

    def candidates(self, groups: list[_Group]) -> set[str]:
        """Features of which a level moved beyond noise, without which there is no contrast: read many at a time."""
        found = set[str]()
        for group in groups:
            before, after = self._tables(group)
            own = before[:, 1:].sum(2, keepdims=True) >= MIN_ROWS
            usual = np.where(own, before[:, 1:], before.sum(1, keepdims=True))
            flat = (-1, group.cells)
            apart, noise = distances_of(usual.reshape(flat), after[:, 1:].reshape(flat), group.ordered)
            moved = (apart > NOISE * noise).reshape(len(group.names), self.k) & (self.rows >= MIN_ROWS)
            found.update(group.names[place] for place in np.flatnonzero(moved.any(axis=1)))
        return found

    def in_time(self, groups: list[_Group]) -> set[str]:
        """Features that may have moved far enough in a run of days: a run is at most as far as its days are on average."""
        if (self.levels.reference >= 0).any():
            return {name for group in groups for name in group.names}
        start, stop = affected_period.runs(self.k)
        upto = np.append(0, np.cumsum(self.rows))
        start, stop = (side[upto[stop] - upto[start] >= MIN_ROWS] for side in (start, stop))
        rows, n_ref = upto[stop] - upto[start], max(len(self.levels.reference), 1)
        least = MIN_DISTANCE + 0.5 * np.sqrt(1 / n_ref + 1 / np.maximum(rows, 1))
        found = set[str]()
        for group in groups:
            before, after = self._tables(group)
            gap = after[:, 1:] / np.maximum(self.rows, 1)[:, None] - before[:, :1] / n_ref
            apart = np.abs(np.cumsum(gap, axis=2)).max(2) if group.ordered else 0.5 * np.abs(gap).sum(2)
            sums = np.concatenate([np.zeros((len(apart), 1)), np.cumsum(apart * self.rows, axis=1)], axis=1)
            far = (sums[:, stop] - sums[:, start]) / rows >= least - 1e-9
            found.update(group.names[place] for place in np.flatnonzero(far.any(axis=1)))
        return found

    def _tables(self, group: _Group) -> tuple[Floats, Floats]:
        """Rows by feature, level and cell (p, k + 1, cells) of both windows; rows without a level come first."""
        sides = ((self.levels.reference, group.reference), (self.levels.current, group.current))
        before, after = (tables_of(levels, cells_of, self.k, group.cells) for levels, cells_of in sides)
        return before, after

    def of(self, ref: Codes, cur: Codes, cells: int, ordered: bool) -> tuple[float, tuple[int, ...]] | None:
        """Score and levels of the contrast; None where the feature moved everywhere, or nowhere."""
        table_ref = table_of(self.levels.reference, ref, self.k, cells)
        table_cur = table_of(self.levels.current, cur, self.k, cells)
        every = np.bincount(ref, minlength=cells).astype(float)
        own = table_ref.sum(1, keepdims=True) >= MIN_ROWS
        before = np.where(own, table_ref, every)
        chosen = (
            self._since(every, table_cur, ordered) if self.levels.ordered else self._moved(before, table_cur, ordered)
        )
        marked = int(self.rows[chosen].sum())
        if not MIN_SHARE <= marked / max(len(self.levels.current), 1) <= MAX_SHARE or marked < MIN_ROWS:
            return None
        within = before[chosen & own[:, 0]].sum(0) if (chosen & own[:, 0]).any() else every
        rest = before[~chosen & own[:, 0]].sum(0)
        rest = rest if rest.sum() >= MIN_ROWS else every
        if table_cur[~chosen].sum() < MIN_ROWS:
            return None
        apart, noise = distances_of(
            np.stack([within, rest]), np.stack([table_cur[chosen].sum(0), table_cur[~chosen].sum(0)]), ordered
        )
        if apart[0] - noise[0] < MIN_DISTANCE or apart[1] > QUIET * apart[0] + 2 * noise[1]:
            return None
        overall = distances_of(every[None, :], table_cur.sum(0)[None, :], ordered)[0][0]
        if overall < FELT * marked / max(len(self.levels.current), 1) * apart[0]:
            return None
        # Few levels that move far and leave the rest at rest tell most.
        return float(apart[0] - apart[1]) - 0.002 * int(chosen.sum()), tuple(int(i) for i in np.flatnonzero(chosen))

    def still(self, ref: Codes, cur: Codes, cells: int, ordered: bool, chosen: tuple[int, ...]) -> bool:
        """Whether the feature held still inside the chosen levels, beyond noise; or, where no level is a time, moved no further
        there than on the other rows, as the world does."""
        inside = [np.isin(codes, chosen) for codes in (self.levels.reference, self.levels.current)]
        (apart, noise), (world, _) = (
            self._distance(ref, cur, cells, ordered, rows) for rows in (inside, [~part for part in inside])
        )
        return apart <= max(0.5 * MIN_DISTANCE, 0.0 if self.levels.ordered else world) + 2 * noise

    @staticmethod
    def _distance(ref: Codes, cur: Codes, cells: int, ordered: bool, rows: list[Mask]) -> tuple[float, float]:
        """Distance of the windows on some rows, against the whole reference where it has too few of them; its standard error."""
        own = rows[0] if rows[0].sum() >= MIN_ROWS else np.ones(len(ref), bool)
        tables = [
            np.bincount(v[part], minlength=cells)[None, :].astype(float) for v, part in ((ref, own), (cur, rows[1]))
        ]
        apart, noise = distances_of(tables[0], tables[1], ordered)
        return float(apart[0]), float(noise[0])

    def _moved(self, before: Floats, after: Floats, ordered: bool) -> Mask:
        """Levels that moved at least half as far as the one that moved the most."""
        enough = self.rows >= MIN_ROWS
        apart, noise = distances_of(before, after, ordered)
        top = float(np.where(enough, apart, 0.0).max(initial=0.0))
        return np.asarray(enough & (apart >= 0.5 * top) & (apart > NOISE * noise))

    def _since(self, every: Floats, by_day: Floats, ordered: bool) -> Mask:
        """Days from the one on that parts the window best into like and unlike the reference; or up to another, clearly."""
        upto = np.cumsum(by_day, axis=0)
        whole = upto[-1]
        first, then = upto[:-1], whole - upto[:-1]
        usable = (first.sum(1) >= MIN_ROWS) & (then.sum(1) >= MIN_ROWS)
        if not usable.any():
            return np.zeros(self.k, bool)
        before = np.broadcast_to(every, first.shape)
        contrast = distances_of(before, then, ordered)[0] - distances_of(before, first, ordered)[0]
        start = int(np.argmax(np.where(usable, contrast, -1.0))) + 1
        ended = self._ended(every, by_day, ordered, float(np.where(usable, contrast, -1.0).max()))
        day = np.arange(self.k)
        return day >= start if ended is None else (day >= ended[0]) & (day < ended[1])

    def _ended(self, every: Floats, by_day: Floats, ordered: bool, lasting: float) -> tuple[int, int] | None:
        """The run of days before the last that is told clearly better than any that lasts to the end; None without one."""
        start, stop = affected_period.runs(self.k)
        upto = np.concatenate([np.zeros((1, by_day.shape[1])), np.cumsum(by_day, axis=0)])
        inside = upto[stop] - upto[start]
        outside = upto[-1] - inside
        usable = (stop < self.k) & (inside.sum(1) >= MIN_ROWS) & (outside.sum(1) >= MIN_ROWS)
        if not usable.any():
            return None
        start, stop, inside, outside = start[usable], stop[usable], inside[usable], outside[usable]
        before = np.broadcast_to(every, inside.shape)
        (within, noise), (without, _) = (distances_of(before, side, ordered) for side in (inside, outside))
        # Of many runs one looks odd by luck: it must stand out by what that can bring.
        clear = within - without - NOISE * noise
        best = int(np.argmax(clear))
        return (int(start[best]), int(stop[best])) if clear[best] > max(lasting, MIN_DISTANCE) else None


def table_of(levels: Codes, cells_of: Codes, k: int, cells: int) -> Floats:
    """Rows by level and cell (k, cells). Rows without a level are counted apart and left, rather than picked out."""
    counts = np.bincount((levels + 1) * cells + cells_of, minlength=(k + 1) * cells)
    return counts[cells:].reshape(k, cells).astype(float)


def tables_of(levels: Codes, cells_of: Codes, k: int, cells: int) -> Floats:
    """Rows by feature, level and cell (p, k + 1, cells) of cells (p, n), those of each feature behind those of the last one; rows
    without a level come first."""
    size = len(cells_of) * cells
    counts = np.bincount((cells_of + (levels + 1) * size).ravel(), minlength=(k + 1) * size)
    return counts.reshape(k + 1, len(cells_of), cells).swapaxes(0, 1).astype(float)


def distances_of(before: Floats, after: Floats, ordered: bool) -> tuple[Floats, Floats]:
    """Distance of each row of two tables of counts, and its standard error when nothing moved.

    Kolmogorov-Smirnov where the cells have an order, else total variation less what sampling alone brings.
    """
    n_ref, n_cur = np.maximum(before.sum(1), 1.0), np.maximum(after.sum(1), 1.0)
    gap = after / n_cur[:, None] - before / n_ref[:, None]
    noise = np.sqrt(1 / n_ref + 1 / n_cur)
    if ordered:
        return np.abs(np.cumsum(gap, axis=1)).max(1), 0.5 * noise
    p = (before + after) / (n_ref + n_cur)[:, None]
    expected = 0.5 * np.sqrt(2 / np.pi) * (np.sqrt(p * (1 - p)).sum(1)) * noise
    return np.maximum(0.5 * np.abs(gap).sum(1) - expected, 0.0), 0.5 * noise
