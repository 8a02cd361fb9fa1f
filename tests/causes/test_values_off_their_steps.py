"""Columns that were recorded in steps, and of which many values lie between them now: something worked them out anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.faults.off_grid import rows_off_grid
from backslide.contracts.cause import CauseKind
from backslide.contracts.diagnosis import Diagnosis
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats
from scale import most, runs

ROWS, DAYS = 4000, 28
ROLES = {"label": "late", "prediction": "said", "scores": {"yes": "p_yes"}, "timestamp": "at"}
ROLES |= {"features": ["load", "wind"]}
Change = Callable[[Floats, np.random.Generator], Floats]


class Dispatcher:
    """Late under load, a little in wind."""

    def predict_proba(self, frame: pl.DataFrame) -> Floats:
        odds = 0.9 * (np.asarray(frame["load"], float) - 20) + 0.5 * np.asarray(frame["wind"], float)
        chance = 1 / (1 + np.exp(-odds))
        return np.column_stack([1 - chance, chance])


def weeks(seed: int, first: int, change: Change | None = None, world: str = "") -> pl.DataFrame:
    """Four weeks of rows; ``load`` is recorded in tenths and goes with nothing."""
    rng = np.random.default_rng(seed)
    load = np.round(rng.normal(20.0 + {"moved": 1.0}.get(world, 0.0), 2.0, ROWS), 1)
    wind = rng.normal(size=ROWS)
    day = np.sort(rng.integers(0, DAYS, ROWS))
    slope = {"turned": -0.9, "weaker": 0.4}.get(world, 0.9)
    odds = slope * (load - 20) + 0.5 * wind + rng.normal(0, 0.2, DAYS)[day] - {"others": 1.0}.get(world, 0.0)
    late = rng.random(ROWS) < 1 / (1 + np.exp(-odds))
    made = load if change is None else change(load, rng)
    at = [datetime(2026, 3, 1) + timedelta(days=first + int(d), seconds=s) for s, d in enumerate(day)]
    host = rng.choice(["a", "b", "c"], ROWS)
    frame = pl.DataFrame({"at": at, "host": host, "load": load, "wind": wind, "made": made})
    return frame.with_columns(pl.Series("late", np.where(late, "yes", "no")))


def served(frame: pl.DataFrame, where: pl.Expr | None = None) -> pl.DataFrame:
    made = pl.col("made") if where is None else pl.when(where).then("made").otherwise("load")
    frame = frame.with_columns(load=made).drop("made")
    chance = Dispatcher().predict_proba(frame)[:, 1]
    return frame.with_columns(p_yes=pl.Series(chance), said=pl.Series(np.where(chance >= 0.5, "yes", "no")))


def found(
    change: Change, seed: int = 1, world: str = "", where: pl.Expr | None = None, *, artefact: bool = True
) -> Diagnosis:
    reference, current = served(weeks(seed, 0)), served(weeks(seed + 500, DAYS, change, world), where)
    return worlds.causes_of(Scenario(reference, current, ROLES, Dispatcher() if artefact else None))


def growing(load: Floats, rng: np.random.Generator) -> Floats:
    """An error that adds up between four restarts."""
    return load + 6.0 * (np.linspace(0, 4, len(load), endpoint=False) % 1)


def root(load: Floats, rng: np.random.Generator) -> Floats:
    """A formula that nobody knows, of the same order."""
    return np.asarray(12 + 0.4 * load + 0.01 * np.sqrt(load) + rng.normal(0, 0.01, len(load)))


@pytest.mark.parametrize("artefact", [True, False])
def test_an_error_that_adds_up_until_the_next_restart(artefact: bool) -> None:
    cause = found(growing, artefact=artefact).causes[0]
    assert cause.features == ("load",)
    assert cause.kind in (CauseKind.UNRECOGNISED_FAULT, CauseKind.ADDED_NOISE)
    assert cause.points is not None
    assert cause.points.estimate < -0.05


def test_one_host_alone_works_out_other_values() -> None:
    cause = found(growing, where=pl.col("host") == "b").causes[0]
    assert cause.features == ("load",)
    assert cause.segment == "host = 'b'"
    assert "always multiples of 0.1" in cause.summary


def means(load: Floats, rng: np.random.Generator) -> Floats:
    """Every other row or so gets the mean of nine drawn rows, which nothing restores."""
    drawn = load[rng.integers(0, len(load), (len(load), 9))].mean(axis=1)
    return np.where(rng.random(len(load)) < 0.4, drawn, load)


def test_means_in_place_of_some_values_are_priced_by_the_rows_beside_them() -> None:
    cause = found(means).causes[0]
    assert (cause.kind, cause.features) == (CauseKind.UNRECOGNISED_FAULT, ("load",))
    sound, broken = served(weeks(501, DAYS)), served(weeks(501, DAYS, means))
    names = {"late": "label", "said": "prediction"}
    lost = worlds.accuracy(broken.rename(names)) - worlds.accuracy(sound.rename(names))
    assert cause.points is not None
    assert cause.points.estimate == pytest.approx(lost, abs=0.03)


def more_digits(load: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(load + rng.uniform(-0.05, 0.05, len(load)))


def single_floats(load: Floats, rng: np.random.Generator) -> Floats:
    return load.astype(np.float32).astype(float)


@pytest.mark.parametrize("change", [more_digits, single_floats])
def test_the_same_values_with_other_digits_cost_nothing(change: Change) -> None:
    diagnosis = found(change)
    assert "load" not in {feature for cause in diagnosis.causes for feature in cause.features}


def pair_of(reference: Floats, current: Floats) -> Pair:
    return Pair("x", ColumnKind.NUMERIC, pl.Series("x", reference), pl.Series("x", current))


def test_steps_are_a_habit_of_many_values() -> None:
    rng = np.random.default_rng(2)
    tenths, plain = np.round(rng.normal(20, 2, 900), 1), rng.normal(21, 3, 900)
    off = rows_off_grid(pair_of(tenths, plain))
    assert off is not None
    assert off.all()
    part = np.where(np.arange(900) < 300, plain, tenths)
    rows = rows_off_grid(pair_of(tenths, part))
    assert rows is not None
    assert set(np.flatnonzero(rows)) <= set(range(300))
    assert rows_off_grid(pair_of(tenths, np.round(plain + 3, 1))) is None  # moved along its steps
    assert rows_off_grid(pair_of(plain, plain + 1)) is None  # no steps
    assert rows_off_grid(pair_of(tenths, rng.normal(20, 2, 900))) is None  # the same with more digits
    assert rows_off_grid(pair_of(rng.choice([1.0, 2.0, 3.0], 900), plain)) is None  # a switch
    assert rows_off_grid(pair_of(tenths, np.where(np.arange(900) < 50, plain, tenths))) is None  # a few


@pytest.mark.parametrize("world", ["", "moved", "turned", "weaker", "others"])
def test_more_digits_are_not_accused_because_the_world_changed(world: str) -> None:
    """At most 2 % where values only got more digits, whatever else the world does."""
    seeds = range(20, 20 + runs(3, 24))
    accused = 0
    for seed in seeds:
        named = [c for c in found(more_digits, seed, world).causes if c.kind.family == "data fault"]
        accused += bool(named)
    assert accused <= most(len(seeds), 0.02)
