"""What the other columns foretell of a column, and which rows do not fit that.

The column is learned from the others on the earlier part of the reference, and how far it may lie off is read from the later
part, so that what moves between neighbouring weeks by itself counts as usual. Numbers are foretold by rank, categories by their
chances; a value outside of everything that the reference held fits nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backslide.case import Case
from backslide.engine.columns.cache import once
from backslide.engine.columns.design_matrix import Design, make_design
from backslide.engine.columns.pair import MISSING, Pair, to_words
from backslide.playbook.clock import time_columns
from backslide.playbook.concept.screen import left_by_screen
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.drift.boosting import classify, regress
from backslide.stats.sorted_search import search_sorted

LEARN = 0.6
"""Share of the reference, its earlier rows, that the column is learned from; the others say what is usual."""
MOST_LEARNED = 6_000
USUAL = 0.98
"""Quantile of the later reference rows beyond which a value does not fit."""
BEYOND = 0.05
"""Share of the reference's range by which a number must lie outside of it to fit nothing."""
STRAY = 0.05
"""Share of the current rows from which on a column whose values the reference does not hold is no witness of the others: what
was learned says nothing there, whether the column broke or the season went on."""
MOST_LEVELS = 40
ROUNDS, LEAVES = 40, 8
LEAST_ROWS = 300
LEAST_DAYS = 5


@dataclass(frozen=True)
class ColumnExpectation:
    """One column as the others foretell it."""

    column: str
    held_out: Mask
    """Reference rows that it was not learned from (n_ref,)."""
    reference: Mask
    """Held-out reference rows that do not fit (n_ref,)."""
    current: Mask
    """Current rows that do not fit (n_cur,)."""
    reference_values: NDArray[np.object_] | Floats
    current_values: NDArray[np.object_] | Floats
    """A value that would fit, drawn for each row (n_ref,) and (n_cur,); of the reference on held-out rows alone."""
    reference_foretold: NDArray[np.object_] | Floats
    foretold: NDArray[np.object_] | Floats
    """The most likely value of each row (n_ref,) and (n_cur,); of the reference on held-out rows alone."""
    other: Ints
    """For each held-out reference row another one of them, at random (n_ref,); the others stand for themselves."""
    elsewhere: Mask
    """Held-out reference rows that would not fit if they had the value of that other row (n_ref,)."""
    grid: Floats = field(default_factory=lambda: np.empty(0))
    """Of numbers: the sorted values that it was learned on, in which ranks are taken."""

    @property
    def usual(self) -> float:
        """Share of held-out reference rows that do not fit."""
        return float(self.reference[self.held_out].mean())

    @property
    def excess(self) -> float:
        """Share of current rows that do not fit beyond what is usual."""
        return float(self.current.mean()) - self.usual

    def z(self, case: Case) -> float:
        """Standard errors of the excess, with days as units where both windows have some."""
        blocks = case.reference.blocks, case.current.blocks
        parts = (
            (self.reference[self.held_out], None if blocks[0] is None else blocks[0][self.held_out]),
            (
                self.current,
                blocks[1],
            ),
        )
        variance = sum(_variance_of_share(hits, days) for hits, days in parts)
        return self.excess / float(np.sqrt(max(variance, 1e-12)))


def _variance_of_share(hits: Mask, days: Ints | None) -> float:
    """Squared standard error of a share: of rows, or between days where that is more (ratio estimator; Cochran 1977, 6.3)."""
    share = (hits.sum() + 1) / (len(hits) + 2)
    of_rows = float(share * (1 - share) / len(hits))
    if days is None:
        return of_rows
    _, inverse = np.unique(days, return_inverse=True)
    rows = np.bincount(inverse).astype(float)
    k = len(rows)
    if k < LEAST_DAYS:
        return of_rows
    apart = np.bincount(inverse, hits) - hits.mean() * rows
    return max(of_rows, float((apart**2).sum() * k / (k - 1) / rows.sum() ** 2))


@once
def expectation(
    case: Case, column: str, leave_out: frozenset[str], with_strays: bool = False
) -> ColumnExpectation | None:
    """What the comparable columns outside ``leave_out`` foretell of ``column``; None where there is too little to learn from.

    Columns that tell the time are no partners, nor are those that left what the reference held: what was learned of them
    does not say what goes with their new values. ``with_strays`` lets the latter in, for the rows on which they did not.
    """
    pair = case.pairs[column]
    design = partners(case, column, leave_out, with_strays=with_strays)
    learn = earlier_rows(case)
    if not design.columns or pair.constant_before or pair.identifier:
        return None
    x = design.windows(case.pairs)
    rng = case.rng(f"expectation {column}")
    known = ~pair.missing[0]
    rows = np.flatnonzero(learn & known)
    if min(len(rows), int((~learn & known).sum())) < LEAST_ROWS:
        return None
    if len(rows) > MOST_LEARNED:
        rows = np.sort(rng.choice(rows, MOST_LEARNED, replace=False))
    if pair.numeric:
        return _numbers(pair, x, design.categorical, rows, ~learn & known, rng)
    return _levels(pair, x, design.categorical, rows, ~learn & known, rng)


def partners(case: Case, column: str, leave_out: frozenset[str], *, with_strays: bool) -> Design:
    """The columns that may foretell ``column``."""
    out = {column, *leave_out, *case.suspects, *_no_witnesses(case, with_strays)}
    return make_design(case.pairs.values(), leave_out=out)


def _no_witnesses(case: Case, with_strays: bool) -> set[str]:
    """Columns that tell the time, that left the reference, and those of a very wide table that its screen leaves alone."""
    return {*time_columns(case), *left_by_screen(case), *(() if with_strays else stray_rows(case))}


@once
def stray_rows(case: Case) -> dict[str, Mask]:
    """Columns that left the reference, with the current rows whose value it does not hold (n_cur,)."""
    rows = {name: _beyond(pair) for name, pair in case.pairs.items()}
    return {name: stray for name, stray in rows.items() if len(stray) and stray.mean() > STRAY}


def far_rows(pair: Pair) -> Mask:
    """Current rows whose number lies further from the reference's range than that is wide (n_cur,)."""
    return _beyond(pair, 1.0) if pair.numeric else np.zeros(len(pair.current), bool)


def _beyond(pair: Pair, share: float = BEYOND) -> Mask:
    if pair.numeric:
        known, values = pair.finite[0], pair.numbers[1]
        room = share * (known[-1] - known[0]) if len(known) else np.nan
        return (
            np.isfinite(values) & ((values < known[0] - room) | (values > known[-1] + room))
            if len(known)
            else values > values
        )
    reference, current = map(to_words, pair.texts)
    return np.asarray(~np.isin(current, np.unique(reference)) & (pair.texts[1] != MISSING))


def earlier_rows(case: Case) -> Mask:
    """The reference rows to learn from: the earlier days, or any rows where there are no days (n_ref,)."""
    n, days = case.reference.sample.height, case.reference.blocks
    if days is None or len(np.unique(days)) < LEAST_DAYS:
        return np.asarray(case.rng("expectation rows").random(n) < LEARN)
    last = np.sort(days)[int(LEARN * n)]
    return np.asarray(days < last if (days < last).mean() >= LEARN / 2 else days <= last)


def _numbers(
    pair: Pair,
    x: tuple[Floats, Floats],
    categorical: Mask,
    rows: Ints,
    held_out: Mask,
    rng: np.random.Generator,
) -> ColumnExpectation:
    reference, current = pair.numbers
    grid = np.sort(reference[rows])
    rank = [rank_among(grid, values) for values in (reference, current)]
    model = regress(x[0][rows], rank[0][rows], categorical, rounds=ROUNDS, leaves=LEAVES)
    likely_rank = [np.clip(part, 0.0, 1.0) for part in _answers(model.predict, x, held_out)]
    off = [np.abs(r - t) for r, t in zip(rank, likely_rank, strict=True)]
    limit = float(np.quantile(off[0][held_out], USUAL))
    known = np.sort(reference[np.isfinite(reference)])
    room = BEYOND * (known[-1] - known[0])
    misfit = [
        np.isfinite(v) & ((o > limit) | (v < known[0] - room) | (v > known[-1] + room))
        for v, o in zip((reference, current), off, strict=True)
    ]
    residual = (rank[0] - likely_rank[0])[held_out]
    drawn = [_at(grid, t + rng.choice(residual, len(t))) for t in likely_rank]
    likely = [_at(grid, t) for t in likely_rank]
    other = _other_rows(held_out, rng)
    elsewhere = held_out & (np.abs(rank[0][other] - likely_rank[0]) > limit)
    return ColumnExpectation(
        pair.name,
        held_out,
        misfit[0] & held_out,
        misfit[1],
        drawn[0],
        drawn[1],
        likely[0],
        likely[1],
        other,
        elsewhere,
        grid,
    )


def _other_rows(held_out: Mask, rng: np.random.Generator) -> Ints:
    """A held-out row for each of them, in random order; other rows stand for themselves (n_ref,)."""
    other, rows = np.arange(len(held_out)), np.flatnonzero(held_out)
    other[rows] = rng.permutation(rows)
    return other


def _answers(ask: Callable[[Floats], Floats], x: tuple[Floats, Floats], held_out: Mask) -> list[Floats]:
    """What a model says of both windows (n_ref, ...) and (n_cur, ...); 0 for reference rows that are not held out."""
    known = ask(x[0][held_out])
    reference = np.zeros((len(held_out), *known.shape[1:]))
    reference[held_out] = known
    return [reference, ask(x[1])]


def rank_among(grid: Floats, values: Floats) -> Floats:
    """Mid-ranks (0 to 1) of ``values`` among the sorted ``grid``; NaN for NaN."""
    low, high = search_sorted(grid, values, "left"), search_sorted(grid, values, "right")
    return np.where(np.isfinite(values), (low + high) / (2 * len(grid)), np.nan)


def _at(grid: Floats, rank: Floats) -> Floats:
    """The values of the sorted ``grid`` at ranks from 0 to 1."""
    return np.asarray(grid[(np.clip(rank, 0.0, 1.0 - 1e-9) * len(grid)).astype(int)])


def _levels(
    pair: Pair,
    x: tuple[Floats, Floats],
    categorical: Mask,
    rows: Ints,
    held_out: Mask,
    rng: np.random.Generator,
) -> ColumnExpectation | None:
    texts = [to_words(part) for part in pair.texts]
    names, counts = np.unique(texts[0][rows], return_counts=True)
    frequent = names[np.argsort(-counts, kind="stable")][:MOST_LEVELS]
    rows = rows[np.isin(texts[0][rows], frequent)]
    if len(np.unique(texts[0][rows])) < 2:
        return None
    model = classify(x[0][rows], texts[0][rows], categorical, rounds=ROUNDS // 2, leaves=LEAVES)
    chances = _answers(model.predict_proba, x, held_out)
    place = {str(level): i for i, level in enumerate(model.classes_)}
    rare = set(np.unique(texts[0])) - set(place)
    own = [_own_chance(part, chance, place, rare) for part, chance in zip(texts, chances, strict=True)]
    limit = float(np.quantile(own[0][held_out], 1 - USUAL))
    misfit = [(chance < limit) & (part != MISSING) for part, chance in zip(texts, own, strict=True)]
    drawn = [_draw(chance, rng) for chance in chances]
    classes = model.classes_.astype(object)
    likely = [classes[chance.argmax(axis=1)] for chance in chances]
    other = _other_rows(held_out, rng)
    moved = texts[0][other]
    elsewhere = held_out & (_own_chance(moved, chances[0], place, rare) < limit) & (moved != MISSING)
    return ColumnExpectation(
        pair.name,
        held_out,
        misfit[0] & held_out,
        misfit[1],
        classes[drawn[0]],
        classes[drawn[1]],
        likely[0],
        likely[1],
        other,
        elsewhere,
    )


def _own_chance(texts: NDArray[np.str_], chances: Floats, place: dict[str, int], rare: set[str]) -> Floats:
    """The chance that each row's own level was given (n,): 0 for a level that the reference never held, 1 for its rare ones."""
    code = np.array([place.get(text, -1) for text in texts])
    chance = chances[np.arange(len(code)), np.maximum(code, 0)]
    return np.where(code >= 0, chance, np.where(np.isin(texts, list(rare)) if rare else False, 1.0, 0.0))


def _draw(chances: Floats, rng: np.random.Generator) -> Ints:
    drawn = (rng.random((len(chances), 1)) > np.cumsum(chances, axis=1)).sum(axis=1)
    return np.asarray(np.minimum(drawn, chances.shape[1] - 1))
