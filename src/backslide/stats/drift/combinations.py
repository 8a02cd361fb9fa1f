"""Which combination of attributes explains a change of a ratio? A search over counts, exact combination first.

The rows are counts: a numerator and a denominator for each combination of all attributes, a *cell*. The reference says what ratio
each cell usually has. A combination explains the change when moving all of its cells by one common amount on the log odds (on the
log for ratios that are no shares), and leaving every other cell as it was, makes the current counts likely. Cells decide, not
totals: a combination that is too narrow leaves cells unexplained, one that is too wide moves cells that did not move.

Counts of one cell are less independent than they look: what disturbs one play disturbs its neighbours. They are weighted by their
overdispersion, which is measured between the periods of the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit

from backslide.stats.arrays import Floats, Mask

Ints = NDArray[np.intp]

DEEPEST = 3
"""Attributes of a combination; more are seldom what anybody means."""
ATTRIBUTE_COST = 4.0
"""Log-likelihood that one more attribute must bring."""
PRIOR_ROWS = 50.0
"""Rows at the overall ratio that each cell's reference starts from."""
INFLATION = 3.0
LEAST_CORRELATION = 0.003
MOST_CORRELATION = 0.01
"""The correlation between periods is taken so many times, within these limits: cells of one incident move less alike than
periods do, so no cell proves more than 330 independent rows; and past incidents in the reference must not silence new ones."""
LEAST_SHARE = 0.2
"""Share of the first combination's gain that a further one must bring on the cells that are not explained yet."""
RIVAL = 0.6
"""Share of a combination's score from which on another one for the same cells is mentioned."""
LEAST_PERIODS = 3
SMALLEST = 1e-9
MOST_SEGMENTS = 3
MOST_RIVALS = 2
MOST_SUBSETS = 200
"""Sets of attributes that are tried at the deepest level, those of the best pairs first."""
ALPHA = 0.01
"""Error rate of all combinations together."""
LISTED = 12
"""Combinations that are looked at closely."""
STEPS, LONGEST, LIMIT, PRECISION = 15, 2.0, 12.0, 1e-3
"""Of Newton's method on the log odds: steps, the longest of them, the furthest shift, and the step at which it ends."""

Conditions = tuple[tuple[int, int], ...]
"""Attributes with their levels."""


@dataclass(frozen=True)
class Dispersion:
    """How much more the counts of one cell vary from period to period than independent rows would."""

    correlation: float = 0.0
    """Of the rows of one cell and period."""
    scale: float = 1.0
    """Factor of the variance, for sums that are no counts."""


@dataclass(frozen=True)
class Cells:
    """Counts of both windows by combination of all attributes."""

    codes: Ints
    """(C, A), level of each attribute; ``levels`` of an attribute stands for levels that are no candidates."""
    levels: tuple[int, ...]
    reference: Floats
    """(C, 2), numerator and denominator."""
    current: Floats
    """(C, 2)."""
    periods: int
    """Of the reference."""
    dispersion: Dispersion
    """Between periods of the reference."""
    proportion: bool
    """Whether the ratio is a share of the denominator; else it is a rate without upper limit."""
    columns: tuple[int, ...] = ()
    """Column that each attribute is of, where several are of one: these are not combined. Empty: each its own."""

    @cached_property
    def usual(self) -> Floats:
        """Ratio (C,) that the reference leads to expect of each cell."""
        overall = self.reference[:, 0].sum() / self.reference[:, 1].sum()
        ratio = (self.reference[:, 0] + PRIOR_ROWS * overall) / (self.reference[:, 1] + PRIOR_ROWS)
        low, high = (1e-6, 1 - 1e-6) if self.proportion else (SMALLEST, None)
        return np.asarray(np.clip(ratio, low, high))

    @cached_property
    def expected(self) -> Floats:
        """Numerators (C,) that the reference leads to expect of the current denominators."""
        return self.current[:, 1] * self.usual

    @cached_property
    def weights(self) -> Floats:
        """(C,), what each row proves in units of an independent one."""
        rho = np.clip(INFLATION * self.dispersion.correlation, LEAST_CORRELATION, MOST_CORRELATION)
        return np.asarray(1 / (self.dispersion.scale * (1 + rho * np.maximum(self.current[:, 1] - 1, 0))))

    def column(self, attribute: int) -> int:
        """The column that an attribute is of."""
        return self.columns[attribute] if self.columns else attribute

    def variance(self, inside: Ints, ratio: Floats) -> Floats:
        """Of the numerators of some cells beyond what is expected, at these ratios (both as many as ``inside``)."""
        n, n_ref, rho = self.current[inside, 1], self.reference[inside, 1] + PRIOR_ROWS, self.dispersion.correlation
        spread = ratio * (1 - ratio) if self.proportion else ratio
        known = (1 + rho * np.maximum(n_ref / self.periods - 1, 0)) / n_ref
        return np.asarray(self.dispersion.scale * spread * (n * (1 + rho * np.maximum(n - 1, 0)) + n**2 * known))


@dataclass(frozen=True)
class Combination:
    """One combination and what it explains."""

    conditions: Conditions
    cells: Ints
    """Positions of its cells."""
    gain: float
    """Log-likelihood that moving its cells together brings."""
    reference: tuple[float, float]
    """Numerator and denominator."""
    current: tuple[float, float]
    contribution: float
    """What its cells add to the current ratio beyond what the reference leads to expect of them."""
    error: float
    """Standard error of the contribution."""

    @property
    def direction(self) -> int:
        """1 where the ratio of its cells is higher than expected, -1 where it is lower."""
        return 1 if self.contribution > 0 else -1

    @property
    def score(self) -> float:
        """By which combinations are ranked."""
        return self.gain - ATTRIBUTE_COST * len(self.conditions)


@dataclass(frozen=True)
class SegmentExplanation:
    """The combinations that explain a change together, each on cells that earlier ones leave, and what fits nearly as well."""

    segments: tuple[Combination, ...]
    rivals: tuple[Combination, ...]
    """Of the first segment, best first."""
    tried: int
    """Combinations."""


def dispersion(cell: Ints, period: Ints, counts: Floats, *, proportion: bool) -> Dispersion:
    """How counts of the same cell differ between the periods of the reference, as the median over periods, so that one bad period
    does not count; independent rows with fewer than three.

    Args:
        cell: (n,) from 0.
        period: (n,) from 0.
        counts: (n, 2), numerator and denominator.
        proportion: whether the ratio is a share; other sums have a scale of their own in place of the correlation.
    """
    periods = int(period.max()) + 1 if len(period) else 0
    if periods < LEAST_PERIODS:
        return Dispersion()
    pairs, place = np.unique(cell * periods + period, return_inverse=True)
    counts = np.stack([np.bincount(place, counts[:, i]) for i in (0, 1)], axis=1)
    cell, period = np.divmod(pairs, periods)
    total = np.stack([np.bincount(cell, counts[:, i]) for i in (0, 1)], axis=1)
    overall = total[:, 0].sum() / total[:, 1].sum()
    others = total[cell] - counts  # leave one period out: no row foretells itself
    n, n_others = counts[:, 1], others[:, 1] + PRIOR_ROWS
    usual = (others[:, 0] + PRIOR_ROWS * overall) / n_others
    spread = np.maximum(usual * (1 - usual) if proportion else usual, SMALLEST)
    square = (counts[:, 0] - n * usual) ** 2 / (np.maximum(n, SMALLEST) * spread)

    def median(values: Floats, size: Floats) -> float:
        sums = np.bincount(period, values, periods) / np.maximum(np.bincount(period, size, periods), SMALLEST)
        return float(np.median(sums))

    if not proportion:
        return Dispersion(scale=max(median(square / (1 + n / n_others), np.ones(len(n))), 1.0))
    return Dispersion(max(median(square - 1 - n / n_others, np.maximum(n - 1, 0) + n**2 / n_others), 0.0))


def explain(cells: Cells, direction: int = 0) -> SegmentExplanation:
    """Search for what explains the change.

    Args:
        cells: the counts.
        direction: 1 for combinations whose ratio rose, -1 for those whose ratio fell, 0 for both.
    """
    rest = np.ones(len(cells.codes), bool)
    ranked, tried = rank(cells, rest, direction)
    least = 0.5 * float(stats.norm.isf(ALPHA / max(tried, 1))) ** 2
    segments: list[Combination] = []
    found = ranked
    while found and len(segments) < MOST_SEGMENTS:
        best = found[0]
        if best.gain < max(least, LEAST_SHARE * segments[0].gain if segments else 0.0):
            break
        segments.append(best)
        rest[best.cells] = False
        direction = direction or best.direction  # what moved the other way is no part of the same change
        found, _ = rank(cells, rest, direction)
    chosen = {one.conditions for one in segments}
    rivals = [
        one
        for one in ranked
        if segments
        and one.score >= RIVAL * segments[0].score
        and one.conditions not in chosen
        and one.direction == direction
    ]
    return SegmentExplanation(tuple(segments), tuple(rivals[:MOST_RIVALS]), tried)


def rank(cells: Cells, rest: Mask, direction: int = 0) -> tuple[list[Combination], int]:
    """The best combinations over the cells of ``rest`` (C,), highest score first, and how many were tried."""
    scored: list[tuple[float, tuple[int, ...], int]] = []
    best: dict[tuple[int, ...], float] = {}
    tried = 0
    for subset in _subsets(cells, best):
        values, group = _grouped(cells, subset)
        gain = _gains(cells, rest, group, len(values), direction)
        candidate = (values < np.array([cells.levels[a] for a in subset])).all(1)
        tried += int(candidate.sum())
        best[subset] = float(gain[candidate].max(initial=0.0))
        cost = ATTRIBUTE_COST * len(subset)
        scored += [(float(gain[j]) - cost, subset, int(j)) for j in np.flatnonzero(candidate & (gain > 0))]
    scored.sort(key=lambda item: (-item[0], len(item[1]), item[1:]))
    return [_combination(cells, rest, *item) for item in scored[:LISTED]], tried


def _subsets(cells: Cells, best: dict[tuple[int, ...], float]) -> Iterator[tuple[int, ...]]:
    """Sets of attributes, small ones first; ``best`` fills up with their gains, and of very many only those of the best go on."""
    attributes = range(len(cells.levels))
    for size in range(1, DEEPEST + 1):
        sets = [s for s in combinations(attributes, size) if len({cells.column(a) for a in s}) == size]
        if len(sets) > MOST_SUBSETS:
            sets.sort(key=lambda s: -max(best.get(part, 0.0) for part in combinations(s, size - 1)))
        yield from sets[:MOST_SUBSETS]


def _grouped(cells: Cells, subset: tuple[int, ...]) -> tuple[Ints, Ints]:
    """Levels (G, len(subset)) of every group of cells, and the group (C,) of each cell."""
    dims = [cells.levels[a] + 1 for a in subset]
    flat = np.ravel_multi_index([cells.codes[:, a] for a in subset], dims)
    found, group = np.unique(flat, return_inverse=True)
    return np.stack(np.unravel_index(found, dims), axis=1), group


def _gains(cells: Cells, rest: Mask, group: Ints, groups: int, direction: int) -> Floats:
    """Log-likelihood (G,) that one common move of each group's cells brings; 0 where it moved the other way."""
    weight = cells.weights * rest
    k, n = cells.current[:, 0] * weight, cells.current[:, 1] * weight
    seen, foreseen = np.bincount(group, k, groups), np.bincount(group, n * cells.usual, groups)
    if cells.proportion:
        usual = np.log(cells.usual / (1 - cells.usual))
        moved = usual + _shifts(usual, k, n, group, groups)[group]
        # k log(p) + (n - k) log(1 - p) with p on the log odds
        gain = k * (moved - usual) - n * (np.logaddexp(0, moved) - np.logaddexp(0, usual))
    else:
        factor = np.where(foreseen > 0, np.maximum(seen, SMALLEST) / np.maximum(foreseen, SMALLEST), 1.0)[group]
        gain = k * np.log(factor) - n * cells.usual * (factor - 1)
    sign = np.sign(seen - foreseen)
    return np.where((sign != 0) & ((direction == 0) | (sign == direction)), np.bincount(group, gain, groups), 0.0)


def _shifts(usual: Floats, k: Floats, n: Floats, group: Ints, groups: int) -> Floats:
    """Most likely common shift (G,) of the log odds of each group's cells, by Newton's method."""
    shift, seen = np.zeros(groups), np.bincount(group, k, groups)
    for _ in range(STEPS):
        p = expit(usual + shift[group])
        score = seen - np.bincount(group, n * p, groups)
        step = np.clip(score / np.maximum(np.bincount(group, n * p * (1 - p), groups), SMALLEST), -LONGEST, LONGEST)
        shift = np.clip(shift + step, -LIMIT, LIMIT)
        if np.abs(step).max(initial=0.0) < PRECISION:
            break
    return shift


def _combination(cells: Cells, rest: Mask, score: float, subset: tuple[int, ...], j: int) -> Combination:
    values, group = _grouped(cells, subset)
    inside = np.flatnonzero((group == j) & rest)
    ref, cur = cells.reference[inside].sum(0), cells.current[inside].sum(0)
    total = cells.current[:, 1].sum()
    ratio = cells.usual[inside] * cur[0] / max(cells.expected[inside].sum(), SMALLEST)
    if cells.proportion:
        ratio = np.clip(ratio, 0.0, 1 - 1e-6)
    return Combination(
        tuple(zip(subset, map(int, values[j]), strict=True)),
        inside,
        score + ATTRIBUTE_COST * len(subset),
        (float(ref[0]), float(ref[1])),
        (float(cur[0]), float(cur[1])),
        float((cur[0] - cells.expected[inside].sum()) / total),
        float(np.sqrt(cells.variance(inside, ratio).sum()) / total),
    )
