"""A case set up: two windows as served, the faults done to the second, and what each of them truly changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from backslide.causes.faults.damage import on_rows
from faults import truth, windows
from faults.catalogue import DATA_FAULTS, KINDS, applies
from faults.cells import DRAWS, QUIET, TWO, Case
from faults.fault import Drawer, Fault, Rng, Scene, changed
from faults.pipelines import PREDICTION, World, make_world
from faults.sets import SETS

TRIES = 8
SLOW_TRIES = 3
"""For faults that train a model."""
AIMED = 0.7
"""Share of the cases in which draws are repeated until one matters; the others take what comes."""
LEAST_CHANGED = 0.02
"""Share of the rows that a fault must touch to be one."""


@dataclass(frozen=True)
class Staged:
    """Everything that a diagnosis is given, and everything it is held against."""

    case: Case
    world: World
    pair: windows.Pair
    current: pl.DataFrame
    """As served under the faults, with all labels."""
    faults: tuple[Fault, ...]
    effects: tuple[float, ...]
    """Change of the metric by each fault; of two, their mean over both orders."""
    metric: str
    bar: float
    """From where an effect is large: two points (or their like in the label's unit) and two standard errors."""
    share: float
    """Of the current rows that are hit."""
    marked_by: str | None
    """Column that tells the rows hit, or ``time``."""

    def harm(self, effect: float) -> float:
        """Positive when worse."""
        return -effect if truth.higher_is_better(self.metric) else effect

    @property
    def current_logged(self) -> pl.DataFrame:
        """As the log holds it: without labels where they have not come."""
        if self.case.condition != "unlabelled":
            return self.current
        label = SETS[self.case.data].label
        return self.current.with_columns(pl.lit(None).cast(self.current.schema[label]).alias(label))


@lru_cache(maxsize=6)
def world_of(name: str, model: str, seed: int, cache: Path | None) -> World:
    """The trained model with its rows, kept for the next case."""
    return make_world(SETS[name], model, seed, cache)


def stage(case: Case, cache: Path | None = None) -> Staged:
    """Draw windows, faults and rows, all by the case's own chance."""
    world = world_of(case.data, case.model, case.seed, cache)
    background = "spare" if case.kind in DRAWS else case.background
    pair = windows.draw(world, case.rows, background, case.rng("windows"))
    metric = truth.headline(world.data, pair.reference)
    noise = np.hypot(*(truth.noise(world.data, metric, rows) for rows in (pair.reference, pair.current)))
    bar = max(truth.material(world.data, pair.reference), 2 * float(noise))
    empty = Staged(case, world, pair, pair.current, (), (), metric, bar, 0.0, None)
    if case.kind == QUIET:
        return empty
    hit, marked_by = _rows_hit(case, pair)
    staged = replace(empty, share=float(hit.mean()), marked_by=marked_by)
    if case.kind == TWO:
        return _with_two(staged, hit)
    drawn = _drawn(staged, KINDS[case.kind], hit, case.rng("fault"))
    if drawn is None:
        raise LookupError(f"no column of {case.data} can have {case.kind} in this case")
    fault, current, effect = drawn
    return replace(staged, faults=(fault,), effects=(effect,), current=current)


def _rows_hit(case: Case, pair: windows.Pair) -> tuple[np.ndarray, str | None]:
    rows, rng = pair.current, case.rng("rows")
    if case.condition == "marked":
        if pair.timed and rng.random() < 0.5:  # it began in the middle of the window
            return np.arange(rows.height) >= (1 - windows.MARKED_SHARE) * rows.height, "time"
        return (rows[pair.marker] == windows.MARKED).to_numpy(), pair.marker
    if case.condition == "unmarked":
        return rng.random(rows.height) < windows.MARKED_SHARE, None
    return np.ones(rows.height, bool), None


def _drawn(staged: Staged, drawer: Drawer, hit: np.ndarray, rng: Rng) -> tuple[Fault, pl.DataFrame, float] | None:
    """A fault, the rows as served under it, and its effect: the first that matters where one is aimed at, else the first."""
    aimed = rng.random() < AIMED
    slow = staged.case.kind == "model_change"
    best = None
    for _ in range(SLOW_TRIES if slow else TRIES):
        fault = drawer(_scene(staged, hit), rng)
        if fault is None:
            continue
        current = done(staged, fault, hit)
        if current is None:
            continue
        effect = _effect(staged, fault, current)
        if best is None or staged.harm(effect) > staged.harm(best[2]):
            best = fault, current, effect
        if not aimed or staged.harm(effect) >= staged.bar:
            break
    return best


def _scene(staged: Staged, hit: np.ndarray) -> Scene:
    rows = staged.pair.current.filter(pl.Series(hit))
    marked = staged.case.condition == "marked"
    return Scene(staged.world, rows, not hit.all(), marked, staged.pair.timed)


def done(staged: Staged, fault: Fault, hit: np.ndarray, rows: pl.DataFrame | None = None) -> pl.DataFrame | None:
    """The current rows as served under the fault; None where it touches next to none of them."""
    rows, rng = staged.pair.current if rows is None else rows, staged.case.rng(f"done {fault.kind}")
    if fault.stage == "draw":
        assert fault.choose is not None
        positions = fault.choose(staged.pair.pool, staged.pair.current.height, rng)
        return windows.redrawn(staged.pair, staged.world, positions, rng).current
    assert fault.apply is not None
    after = on_rows(rows, hit, fault.apply, rng)
    if fault.stage == "answers":
        told = tuple(c for c in after.columns if c.startswith("p_") or c == PREDICTION)
        return after if changed(rows, after, told) >= LEAST_CHANGED else None
    if fault.stage == "labels":
        return after
    return staged.world.serve(after) if changed(rows, after, fault.columns) >= LEAST_CHANGED else None


def _effect(staged: Staged, fault: Fault, current: pl.DataFrame) -> float:
    data, pair = staged.world.data, staged.pair
    sound = staged.world.serve(pair.pool) if fault.stage == "draw" else pair.current
    return truth.score(data, staged.metric, current) - truth.score(data, staged.metric, sound)


def _with_two(staged: Staged, hit: np.ndarray) -> Staged:
    """Two data faults of different kinds on different columns; each effect is the mean over both orders of doing them."""
    case, data = staged.case, staged.world.data
    rng = case.rng("fault")
    kinds = [k for k in DATA_FAULTS if applies(k, data, case.model)]
    for _ in range(TRIES):
        names = [kinds[int(i)] for i in rng.permutation(len(kinds))[:2]]
        drawn = [_drawn(staged, KINDS[name], hit, rng) for name in names]
        if any(d is None for d in drawn):
            continue
        (one, with_one, _), (other, with_other, _) = (d for d in drawn if d is not None)
        if set(one.columns) & set(other.columns):
            continue
        both = done(staged, other, hit, with_one)
        if both is None:
            continue
        none, a, b, ab = (
            truth.score(data, staged.metric, rows) for rows in (staged.pair.current, with_one, with_other, both)
        )
        effects = ((a - none) + (ab - b)) / 2, ((b - none) + (ab - a)) / 2
        return replace(staged, faults=(one, other), effects=effects, current=both)
    raise LookupError(f"no two faults could be done to {case.data} in this case")
