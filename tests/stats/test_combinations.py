"""The search over counts: names the exact combination, is quiet when nothing moved, and knows how counts vary by themselves."""

from itertools import product

import numpy as np
import pytest

from backslide.stats.drift.combinations import Cells, Dispersion, dispersion, explain

LEVELS = (4, 3, 3, 2)
CODES = np.array(list(product(*map(range, LEVELS))))


def counts(rng, ratio, rows, correlation=0.0):
    """Numerators and denominators of every cell; with a correlation, each cell has luck of its own."""
    n = rng.poisson(rows, len(CODES)).astype(float)
    if correlation:
        size = 1 / correlation - 1
        ratio = rng.beta(ratio * size, (1 - ratio) * size)
    return np.stack([rng.binomial(n.astype(int), ratio), n], axis=1)


def world(seed, where=(), by=1.5, rows=120, correlation=0.002, periods=10):
    """Several periods as the reference, one as the current; where ``where`` holds, the log odds rise by ``by``."""
    rng = np.random.default_rng(seed)
    usual = np.array([0.02, 0.03, 0.05, 0.1])[CODES[:, 0]] * np.array([1, 1.5, 0.7])[CODES[:, 1]]
    parts = [counts(rng, usual, rows, correlation) for _ in range(periods)]
    hit = np.zeros(len(CODES), bool)
    for conditions in where:
        hit |= np.logical_and.reduce([CODES[:, a] == level for a, level in conditions])
    now = np.where(hit, 1 / (1 + np.exp(-(np.log(usual / (1 - usual)) + by))), usual)
    cell, period = np.tile(np.arange(len(CODES)), periods), np.repeat(np.arange(periods), len(CODES))
    measured = dispersion(cell, period, np.concatenate(parts), proportion=True)
    return Cells(CODES, LEVELS, sum(parts), counts(rng, now, rows, correlation), periods, measured, True)


@pytest.mark.parametrize("where", [((1, 2),), ((0, 1), (3, 0)), ((0, 2), (1, 1), (3, 1))])
def test_the_exact_combination_comes_first_and_alone(where):
    exact = alone = 0
    for seed in range(20):
        found = explain(world(seed, (where,)))
        exact += found.segments[0].conditions == where
        alone += len(found.segments) == 1
    assert exact >= 18
    assert alone >= 18


def test_two_combinations_are_both_named():
    wanted = {((0, 3), (1, 0)), ((0, 2), (2, 2))}
    named = [{one.conditions for one in explain(world(seed, tuple(wanted))).segments} for seed in range(10)]
    assert sum(wanted == one for one in named) >= 8


def test_quiet_counts_name_nothing():
    alarms = sum(bool(explain(world(seed, correlation=rho)).segments) for seed in range(50) for rho in (0.0, 0.01))
    assert alarms <= 5, "more than 5 of 100 has a probability of 0.05 % at a rate of 1 %"


def test_what_fell_is_found_and_what_moved_the_other_way_is_no_part_of_it():
    found = explain(world(1, (((0, 3),),), by=-1.5))
    assert [one.conditions for one in found.segments] == [((0, 3),)]
    assert found.segments[0].direction == -1
    assert found.segments[0].contribution < 0
    assert all(one.direction == -1 for one in found.rivals)
    assert not explain(world(1, (((0, 3),),), by=-1.5), direction=1).segments


def test_the_contribution_is_what_the_cells_add_to_the_ratio():
    cells = world(3, (((1, 1),),))
    one = explain(cells).segments[0]
    without = cells.current[:, 0].copy()
    without[one.cells] = cells.expected[one.cells]
    total = cells.current[:, 1].sum()
    assert one.contribution == pytest.approx((cells.current[:, 0].sum() - without.sum()) / total)
    assert one.current == (cells.current[one.cells, 0].sum(), cells.current[one.cells, 1].sum())
    assert 0 < one.error < one.contribution / 4


def test_the_error_of_a_contribution_covers():
    inside = np.flatnonzero(CODES[:, 1] == 1)
    z = []
    for seed in range(200):
        cells = world(seed, rows=60, correlation=0.01)
        usual = np.array([0.02, 0.03, 0.05, 0.1])[CODES[inside, 0]] * 1.5
        excess = cells.current[inside, 0].sum() - cells.expected[inside].sum()
        z.append(excess / np.sqrt(cells.variance(inside, usual).sum()))
    assert 0.8 < np.std(z) < 1.2


@pytest.mark.parametrize("correlation", [0.0, 0.01, 0.05])
def test_the_correlation_of_the_periods_is_measured_and_one_bad_period_does_not_count(correlation):
    rng = np.random.default_rng(5)
    usual = np.full(len(CODES), 0.1)
    parts = [counts(rng, usual, 300, correlation) for _ in range(20)]
    parts[7] = counts(rng, np.where(CODES[:, 0] == 1, 0.6, usual), 300)
    cell, period = np.tile(np.arange(len(CODES)), 20), np.repeat(np.arange(20), len(CODES))
    measured = dispersion(cell, period, np.concatenate(parts), proportion=True)
    assert measured.correlation == pytest.approx(correlation, rel=0.3, abs=0.003)


def test_fewer_than_three_periods_measure_nothing():
    cell, period = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    assert dispersion(cell, period, np.ones((4, 2)), proportion=True) == Dispersion()


def test_sums_that_are_no_counts_are_scaled_by_their_own_noise():
    rng = np.random.default_rng(2)
    exact = quiet = 0
    for _ in range(15):
        n = rng.poisson(200, (9, len(CODES))).astype(float)
        revenue = n * 30 + rng.normal(0, 50, n.shape) * np.sqrt(n)
        cell, period = np.tile(np.arange(len(CODES)), 8), np.repeat(np.arange(8), len(CODES))
        pairs = np.stack([revenue, n], axis=2)
        measured = dispersion(cell, period, pairs[:8].reshape(-1, 2), proportion=False)
        assert measured.scale == pytest.approx(50**2 / 30, rel=0.3)
        for by in (1.0, 1.3):
            now = pairs[8] * np.where((CODES[:, 2] == 1) & (CODES[:, 3] == 0), by, 1.0)[:, None] ** [1, 0]
            found = explain(Cells(CODES, LEVELS, pairs[:8].sum(0), now, 8, measured, False)).segments
            quiet += by == 1.0 and not found
            exact += by > 1 and [one.conditions for one in found] == [((2, 1), (3, 0))]
    assert quiet >= 14
    assert exact >= 13


def test_levels_that_are_no_candidates_and_attributes_of_one_column_are_not_combined():
    cells = world(4, (((0, 1), (1, 1)),))
    same = Cells(
        CODES, LEVELS, cells.reference, cells.current, cells.periods, cells.dispersion, True, columns=(0, 0, 1, 2)
    )
    assert all(
        len({same.column(a) for a, _ in one.conditions}) == len(one.conditions) for one in explain(same).segments
    )
    codes = np.column_stack([CODES[:, 0] > 0, CODES[:, 1:]])  # all but the first level of attribute 0 are the rest
    others = explain(Cells(codes, (1, 3, 3, 2), cells.reference, cells.current, cells.periods, cells.dispersion, True))
    assert others.segments
    assert all((0, 1) not in one.conditions for one in (*others.segments, *others.rivals))
