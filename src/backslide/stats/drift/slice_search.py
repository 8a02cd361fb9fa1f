"""Where did the loss change more than elsewhere? A search over simple conditions and pairs of them, honest about having searched.

Score of a slice: ``t = (dL_in - dL_out) / se`` with dL the current minus the reference mean loss inside and outside. The *change*
counts, not the level: a slice that was always hard is no news. What is found on one half of the blocks (runs of days) is tested
and estimated on the other, and the other way round, so neither p-values nor intervals know of the search. The test counts days as
units (``stats.change``). Compare Chung et al. (2019), Slice Finder, and Sagadeeva and Boehm (2021), SliceLine, who search one
window for high loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from backslide.stats.arrays import Floats, Mask
from backslide.stats.change.metric_change import POWER, Change, compare
from backslide.stats.change.units import MEAN, UNDATED, Days, row_units
from backslide.stats.metrics.metric import Metric

MIN_ROWS = 30
MIN_SHARE = 0.01
"""Least support of a slice in each window: 30 rows and 1 % of the rows; half of it in each half."""
PAIRED = 12
"""Single conditions that are combined in pairs."""
PER_COLUMN = 3
"""Of them, at most this many of one column: its neighbouring ranges say nearly the same."""
SINGLE_IS_ENOUGH = 0.9
"""A single condition is preferred from this share of a pair's score on."""
OVERLAP = 0.8
"""Shared rows over rows of either from which on two slices go to the test as one: nearer ones cannot be told apart, and of wider
and narrower ones all rows tell better than a half which it is."""
RUN_OF_DAYS = 7


class CodedColumn(Protocol):
    """What the search needs of a column (see ``engine.columns.conditions.Coded``)."""

    @property
    def codes(self) -> NDArray[np.int16]:
        """(n,) small codes."""

    @property
    def groups(self) -> int:
        """One more than the largest code."""

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """First and last code of each condition."""

    def holds(self, index: int) -> Mask:
        """Where a condition holds (n,)."""


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows of both windows, reference first."""

    current: Mask
    """(n,), whether a row is of the current window."""
    loss: Floats
    """(n,), finite; higher is worse."""
    days: Days
    """(n,) ordinals, None without times."""
    half: Mask
    """(n,), which half a row is in; see ``halves``."""


Conditions = tuple[tuple[int, int], ...]
"""One or two conditions as (column, range)."""


@dataclass(frozen=True)
class Slice:
    """A slice with its change as seen in the half (or halves) that did not choose it."""

    conditions: Conditions
    change: Change
    """Of the mean loss inside."""
    excess: Change
    """Of the mean loss inside, beyond the change outside."""
    p_value: float
    """One-sided, that ``excess`` is no rise; corrected for every slice tested."""
    rows: tuple[int, int]
    """Labelled rows inside, reference and current, of both halves."""
    loss: tuple[float, float]
    """Mean loss inside, of both halves."""
    confirmed: int
    """Halves (1 or 2) that chose it; 0 of a search over counts, which has none."""
    score: float
    """Over all rows: of slices that all stand out, it says which one names the rows best."""
    share: float
    """Of the current rows that are inside."""


def halves(days: Days, rng: np.random.Generator, rows: int) -> Mask:
    """Half of one window's rows (n,): alternate runs of days, shorter than a week where there are under four; else random rows.

    Runs, because neighbouring days share their luck: what one half finds by chance, the other should not see again.
    """
    distinct = np.unique(days) if days is not None else np.empty(0, np.int64)
    if days is None or len(distinct) < 4 or (days == UNDATED).any():
        return np.asarray(rng.permutation(rows) % 2 == 0)
    run = min(RUN_OF_DAYS, max(len(distinct) // 4, 1))
    return np.asarray((np.searchsorted(distinct, days) // run) % 2 == 0)


def find_slices(
    columns: Sequence[CodedColumn], rows: LabelledRows, search: Sequence[Floats], keep: Sequence[int]
) -> list[Slice]:
    """Slices whose loss rose more than elsewhere, tested where they were not found, most significant first.

    Args:
        columns: coded columns over the rows.
        rows: both windows; ``rows.loss`` is what is tested and estimated.
        search: losses (n,) to search by, such as the tested one and a smoother one.
        keep: how many slices each of them may hand to the test.
    """
    found: dict[Conditions, list[tuple[Change, Change]]] = {}
    tests = 2 * sum(keep)
    for chosen in (rows.half, ~rows.half):
        for conditions, inside in _candidates(columns, rows, search, keep, chosen):
            tested = changes_of(rows, inside, ~chosen)
            if tested is not None:
                found.setdefault(conditions, []).append(tested)
    result = [_summed(columns, rows, conditions, parts, tests) for conditions, parts in found.items()]
    return sorted(result, key=lambda s: (s.p_value, -s.excess.estimate, s.conditions))


def inside_of(columns: Sequence[CodedColumn], conditions: Conditions) -> Mask:
    """Where all conditions hold (n,)."""
    return np.asarray(np.logical_and.reduce([columns[c].holds(r) for c, r in conditions]))


def own_slices(columns: Sequence[CodedColumn], rows: LabelledRows, found: Sequence[Slice], floor: float) -> list[Slice]:
    """Slices by their score over all rows, without those that only echo earlier ones.

    A slice stays when its rows outside all earlier slices changed beyond the rest, too: by ``floor``, by half of what the slice
    did, and by three standard errors.
    """
    kept: list[Slice] = []
    covered = np.zeros(len(rows.loss), bool)
    for one in sorted(found, key=lambda s: -s.score):
        inside = inside_of(columns, one.conditions)
        if not kept or _rises(rows, inside & ~covered, ~(inside | covered), max(floor, one.excess.estimate / 2)):
            kept.append(one)
            covered |= inside
    return kept


def _rises(rows: LabelledRows, inside: Mask, outside: Mask, floor: float) -> bool:
    cells = [rows.loss[part & window] for part in (inside, outside) for window in (rows.current, ~rows.current)]
    if min(len(cell) for cell in cells) < MIN_ROWS:
        return False
    rise = (cells[0].mean() - cells[1].mean()) - (cells[2].mean() - cells[3].mean())
    return bool(rise >= max(floor, 3 * np.sqrt(sum(cell.var() / len(cell) for cell in cells))))


def detectable_excess(rows: LabelledRows, share: float, tests: int, alpha: float) -> float:
    """Excess change of a slice with ``share`` of the rows that its test would see with 80 % power, once it is chosen."""
    noise = 0.0
    for window in (~rows.current, rows.current):
        loss = rows.loss[window]
        noise += float(loss.var()) / max(len(loss) / 2, 1.0) * (1 / share + 1 / (1 - share))
    return float((stats.norm.ppf(1 - alpha / tests) + stats.norm.ppf(POWER)) * np.sqrt(noise))


def _candidates(
    columns: Sequence[CodedColumn], rows: LabelledRows, search: Sequence[Floats], keep: Sequence[int], chosen: Mask
) -> list[tuple[Conditions, Mask]]:
    kept: list[tuple[Conditions, Mask]] = []
    for loss, most in zip(search, keep, strict=True):
        mine = 0
        for conditions in _ranked(columns, rows.current, loss, chosen):
            if mine == most:
                break
            inside = inside_of(columns, conditions)
            if all(_overlap(inside, other) < OVERLAP for _, other in kept):
                kept.append((conditions, inside))
                mine += 1
    return kept


def _ranked(columns: Sequence[CodedColumn], current: Mask, loss: Floats, chosen: Mask) -> list[Conditions]:
    """Single conditions and pairs of the best ones, highest score first, pairs only where they add to their parts."""
    table = _LossTable(current[chosen], loss[chosen])
    singles: list[tuple[float, Conditions]] = [
        (float(score), ((c, r),))
        for c, column in enumerate(columns)
        for r, score in enumerate(table.scores(column.codes[chosen], column.groups, column.ranges))
        if score > 0
    ]
    singles.sort(key=lambda item: (-item[0], item[1]))
    best = _varied(singles)
    inside = {conditions: inside_of(columns, conditions)[chosen] for _, conditions in best}
    pairs: list[tuple[float, Conditions]] = []
    for (t_a, a), (t_b, b) in combinations(best, 2):
        if a[0][0] != b[0][0]:
            score = table.score(inside[a] & inside[b])
            if SINGLE_IS_ENOUGH * score > max(t_a, t_b):
                pairs.append((score, tuple(sorted((*a, *b)))))
    return [conditions for _, conditions in sorted(singles + pairs, key=lambda item: (-item[0], item[1]))]


def _varied(singles: list[tuple[float, Conditions]]) -> list[tuple[float, Conditions]]:
    taken: dict[int, int] = {}
    best: list[tuple[float, Conditions]] = []
    for score, conditions in singles:
        column = conditions[0][0]
        if len(best) < PAIRED and taken.get(column, 0) < PER_COLUMN:
            taken[column] = taken.get(column, 0) + 1
            best.append((score, conditions))
    return best


class _LossTable:
    """Sums of the loss of some rows by window, from which every slice's score follows."""

    def __init__(self, current: Mask, loss: Floats) -> None:
        self.window = current.astype(np.int64)
        self.moments = np.vstack([np.ones(len(loss)), loss, loss**2])
        self.totals = np.stack([np.bincount(self.window, m, 2) for m in self.moments], axis=1)  # (2, 3)
        n = self.totals[:, 0]
        self.least = np.maximum(MIN_ROWS, MIN_SHARE * 2 * n) / 2

    def scores(self, codes: NDArray[np.int16], groups: int, ranges: Sequence[tuple[int, int]]) -> Floats:
        """Score of every range of codes; 0 without support."""
        if not ranges:
            return np.zeros(0)
        place = codes.astype(np.int64) * 2 + self.window
        sums = np.stack([np.bincount(place, m, 2 * groups).reshape(groups, 2) for m in self.moments], axis=2)
        upto = np.concatenate([np.zeros((1, 2, 3)), np.cumsum(sums, axis=0)])
        low, high = np.array(ranges).T
        return self._of(upto[high + 1] - upto[low])

    def score(self, inside: Mask) -> float:
        """Score of any set of rows."""
        rows = np.flatnonzero(inside)  # taken by number, which is quicker than by mask
        place = self.window[rows]
        sums = np.stack([np.bincount(place, m[rows], 2) for m in self.moments], axis=1).astype(np.float64)
        return float(self._of(sums[None])[0])

    def _of(self, inside: Floats) -> Floats:
        """From sums (S, 2, 3): windows by (n, loss, loss squared)."""
        outside = self.totals - inside
        supported = (inside[:, :, 0] >= self.least).all(1) & (outside[:, :, 0] >= self.least).all(1)
        both = np.stack([inside, outside], axis=1)  # (S, in or out, window, moment)
        n = np.maximum(both[..., 0], 1.0)
        mean = both[..., 1] / n
        variance = np.maximum(both[..., 2] / n - mean**2, 0.0) / n + 0.5 * self._scale / n**2
        change = mean[..., 1] - mean[..., 0]
        t = (change[:, 0] - change[:, 1]) / np.sqrt(np.maximum(variance.sum((1, 2)), 1e-300))
        return np.where(supported, t, 0.0)

    @property
    def _scale(self) -> float:
        """Mean square of the loss: a cell without any error does not know its own spread."""
        return float(self.totals[:, 2].sum() / max(self.totals[:, 0].sum(), 1.0))


def _difference(sums: Floats) -> Floats:
    n = np.maximum(sums[..., [0, 2]], 1e-300)
    means = sums[..., [1, 3]] / n
    return np.asarray(means[..., 0] - means[..., 1])


_EXCESS = Metric("excess", False, "absolute", _difference, share=False)
_INSIDE = Metric("mean loss", False, "absolute", MEAN.value, share=False)


def changes_of(rows: LabelledRows, inside: Mask, tested: Mask) -> tuple[Change, Change] | None:
    """Change inside, and its excess over the outside, on the ``tested`` rows: those of the half that did not choose the slice."""
    windows = [tested & ~rows.current, tested & rows.current]
    if min(int((inside & w).sum()) for w in windows) < MIN_ROWS / 2:
        return None
    within, beyond = [], []
    for window in windows:
        loss, held = rows.loss[window], inside[window].astype(float)
        days = None if rows.days is None else rows.days[window]
        beyond.append(row_units(np.column_stack([held, held * loss, 1 - held, (1 - held) * loss]), days))
        own = held > 0
        within.append(row_units(np.column_stack([held, held * loss])[own], None if days is None else days[own]))
    excess = compare(beyond[0], beyond[1], _EXCESS)
    if not (np.isfinite(excess.estimate) and excess.se > 0):
        return None
    return compare(within[0], within[1], _INSIDE), excess


def _summed(
    columns: Sequence[CodedColumn],
    rows: LabelledRows,
    conditions: Conditions,
    parts: list[tuple[Change, Change]],
    tests: int,
) -> Slice:
    inside = inside_of(columns, conditions)
    windows = (inside & ~rows.current, inside & rows.current)
    change, excess = (_mean([part[i] for part in parts]) for i in (0, 1))
    p_value = min(min(part[1].p_worse for part in parts) * tests, 1.0)
    return Slice(
        conditions,
        change,
        excess,
        p_value,
        (int(windows[0].sum()), int(windows[1].sum())),
        (float(rows.loss[windows[0]].mean()), float(rows.loss[windows[1]].mean())),
        len(parts),
        _LossTable(rows.current, rows.loss).score(inside),
        float(windows[1].sum() / max(rows.current.sum(), 1)),
    )


def _mean(parts: list[Change]) -> Change:
    """The mean of the halves' changes: they rest on different rows."""
    if len(parts) == 1:
        return parts[0]
    a, b = parts
    estimate, adjusted = (a.estimate + b.estimate) / 2, (a.adjusted + b.adjusted) / 2
    se, df = float(np.hypot(a.se, b.se)) / 2, min(a.df, b.df)
    half = float(stats.t.ppf(0.975, df)) * se
    return Change(
        (a.reference + b.reference) / 2,
        (a.current + b.current) / 2,
        estimate,
        se,
        df,
        a.unit,
        estimate - half,
        estimate + half,
        float(stats.t.sf(adjusted / se, df)) if se > 0 else 1.0,
        adjusted,
    )


def _overlap(a: Mask, b: Mask) -> float:
    return float((a & b).sum()) / max(float((a | b).sum()), 1.0)
