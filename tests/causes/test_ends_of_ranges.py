"""Limits at both ends of a range, noise over both ends, and joins that few rows tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import tables
import worlds
from backslide.case import Case
from backslide.causes.columns.association import association, dependence
from backslide.causes.faults.base import Fault
from backslide.causes.faults.recognition import find_faults
from backslide.causes.faults.signatures.clipped_range import limits_of
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats
from scale import runs

SEEDS = range(runs(1, 3))


def case_with(column: str, values: Floats, reference: pl.DataFrame, current: pl.DataFrame) -> Case:
    return worlds.case_of(tables.scenario(reference, tables.put(current, column, values)))


def exact(found: list[Fault]) -> list[tuple[CauseKind, tuple[str, ...]]]:
    return [(f.kind, f.features) for f in found if f.exact]


def pair_of(before: Floats, after: Floats) -> Pair:
    return Pair("x", ColumnKind.NUMERIC, pl.Series("x", before), pl.Series("x", after))


# --- cut off at both ends ------------------------------------------------------------------------------------------------


@pytest.mark.rates
@pytest.mark.parametrize("share", [0.05, 0.15, 0.3])
@pytest.mark.parametrize("seed", SEEDS)
def test_both_limits_are_found(share, seed):
    reference, current = tables.months(seed)
    low, high = np.quantile(reference["savings"].to_numpy(), [share, 1 - share])
    case = case_with("savings", np.clip(current["savings"].to_numpy(), low, high), reference, current)
    assert limits_of(case.pairs["savings"]) == {"above": high, "below": low}
    found = find_faults(case)
    assert exact(found) == [(CauseKind.CLIPPED_RANGE, ("savings",))]
    (fault,) = found
    assert len(fault.hypotheses) == 2
    done = fault.inject(case, case.reference.sample)["savings"]
    assert (done.min(), done.max()) == (low, high)
    repaired = fault.repair(case, case.current.sample)["savings"].to_numpy()
    inner = (current["savings"].to_numpy() > low) & (current["savings"].to_numpy() < high)
    assert (repaired[inner] == current["savings"].to_numpy()[inner]).all()
    assert repaired.min() < low < high < repaired.max()


@pytest.mark.parametrize("side", ["above", "below"])
def test_one_limit_is_found_as_one(side):
    reference, current = tables.months(5)
    values = reference["savings"].to_numpy()
    limit = float(np.quantile(values, 0.9 if side == "above" else 0.1))
    cut = np.minimum(current["savings"], limit) if side == "above" else np.maximum(current["savings"], limit)
    case = case_with("savings", cut.to_numpy(), reference, current)
    assert limits_of(case.pairs["savings"]) == {side: limit}


@pytest.mark.parametrize("seed", range(40))
def test_values_that_ended_anyway_are_not_cut_off(seed):
    """Shares, hours and counts of a narrower month gather at their ends without a limit."""
    rng = np.random.default_rng(seed)
    draws = [
        lambda k: np.clip(rng.normal(0.5, 0.4 - 0.05 * k, 2000), 0, 1),
        lambda k: np.round(rng.normal(10, 3 - 0.5 * k, 2000)),
        lambda k: rng.integers(k, 24 - k, 2000).astype(float),
        lambda k: np.round(rng.beta(1, 2 + k, 2000), 1),
        lambda k: rng.normal(0, 1 - 0.2 * k, 2000),
    ]
    for draw in draws:
        assert limits_of(pair_of(draw(0), draw(0))) == {}
        assert len(limits_of(pair_of(draw(0), draw(1)))) < 2


def test_winsorised_columns_stay_as_they_are():
    """Cut off at the same limits before and now."""
    reference, current = tables.months(6)
    low, high = np.quantile(reference["savings"].to_numpy(), [0.1, 0.9])
    sides = [tables.put(f, "savings", np.clip(f["savings"].to_numpy(), low, high)) for f in (reference, current)]
    assert find_faults(worlds.case_of(tables.scenario(*sides))) == []


# --- noise ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.rates
@pytest.mark.parametrize("size", [0.3, 0.5])
@pytest.mark.parametrize("seed", SEEDS)
def test_noise_over_both_ends_of_a_column_without_partners(size, seed):
    """Hours, scaled to a share of the day: nothing hangs together with them, and their steps are too fine to show."""
    reference, current = (
        f.with_columns(hour=pl.Series(np.random.default_rng(k).random(f.height)))
        for k, f in enumerate(tables.months(seed), 2 * seed)
    )
    rng = np.random.default_rng(seed)
    case = case_with("hour", current["hour"].to_numpy() + rng.normal(0, size, current.height), reference, current)
    (fault,) = find_faults(case)
    assert (fault.kind, fault.features, fault.exact) == (CauseKind.ADDED_NOISE, ("hour",), True)
    assert fault.hypotheses[0].params["deviation"] == pytest.approx(size, rel=0.35)


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("wider", [1.15, 1.3, 1.6])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_range_that_widens_is_no_noise(seed, wider):
    """Both ends move out, as abrupt as before."""
    rng = np.random.default_rng(seed)
    reference, current = tables.months(seed)
    for draw in (rng.random, lambda n: rng.beta(0.7, 0.7, n), lambda n: rng.beta(1, 1.3, n)):
        first = tables.put(reference, "hour", draw(reference.height))
        found = find_faults(case_with("hour", (draw(current.height) - 0.5) * wider + 0.5, first, current))
        assert [f for f in found if f.kind == CauseKind.ADDED_NOISE] == []


# --- joins of few rows ---------------------------------------------------------------------------------------------------------


@pytest.mark.sample(1)
@pytest.mark.rates
@pytest.mark.parametrize("rows", [300, 600, 1200])
def test_a_broken_join_of_few_rows(rows):
    hits = 0
    seeds = runs(3, 6)
    for seed in range(seeds):
        reference, current = tables.months(seed, rows)
        broken = tables.shuffled(current, "income", np.ones(rows, bool))
        found = exact(find_faults(worlds.case_of(tables.scenario(reference, broken))))
        assert set(found) <= {(CauseKind.BROKEN_JOIN, ("income",))}
        hits += len(found)
    assert hits >= seeds - 1


def test_two_values_in_each_others_place_are_no_broken_join():
    """The correlation is gone, and what the columns tell about each other is not."""
    reference, current = tables.months(0)
    turned = current.with_columns(pl.col("grade").replace({300: 850, 850: 300}))
    case = worlds.case_of(tables.scenario(reference, turned))
    ties = dependence(case)
    i, j = ties.vectors("grade")[0], ties.vectors("savings")[0]
    assert abs(ties.current[i, j]) < 0.3 * ties.reference[i, j], "otherwise the test is about nothing"
    before, after, _ = association(case, "grade", "savings")
    assert after > 0.3 * before
    assert exact(find_faults(case)) == []


def test_columns_that_have_nothing_to_do_with_each_other_have_no_association():
    values = []
    for seed in range(12):
        case = worlds.case_of(tables.scenario(*tables.months(seed, 1000)))
        before, after, noise = association(case, "hour", "city")
        values += [before / noise, after / noise]
        assert association(case, "income", "savings")[0] > 0.4
    assert abs(np.mean(values)) < 0.6
    assert 0.5 < np.std(values) < 1.6


def test_most_columns_stand_in_their_rows_and_the_few_are_misplaced():
    """Five columns hang together; two that follow them are joined onto other rows: the two are blamed, not the five."""
    rng = np.random.default_rng(7)
    frames = []
    for frame in tables.months(3, 3000):
        common = rng.normal(size=frame.height)
        many = {f"m{k}": common + rng.normal(0, 0.6, frame.height) for k in range(5)}
        few = {f"f{k}": common + rng.normal(0, 1.5, frame.height) for k in range(2)}
        frames.append(frame.with_columns(pl.Series(name, values) for name, values in (many | few).items()))
    reference, current = frames
    order = rng.permutation(current.height)
    current = current.with_columns(current[name].gather(order) for name in ("f0", "f1"))
    made = tables.scenario(reference, current)
    roles = made.model | {"features": (*made.model["features"], *(f"m{k}" for k in range(5)), "f0", "f1")}
    found = find_faults(worlds.case_of(replace(made, model=roles)))
    assert [(f.kind, set(f.features)) for f in found] == [(CauseKind.BROKEN_JOIN, {"f0", "f1"})]
