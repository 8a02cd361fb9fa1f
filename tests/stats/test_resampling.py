"""The one block bootstrap, and effects that add up in every replicate."""

from __future__ import annotations

import numpy as np
import pytest

from backslide.stats.change.bootstrap import MIN_BLOCKS, Resampler, interval, z_score
from backslide.stats.change.effect import Effect, nothing


def test_whole_days_are_drawn_and_weekdays_keep_their_number():
    rng = np.random.default_rng(1)
    blocks = np.repeat(np.arange(28), 20) + 700
    draw = Resampler(len(blocks), blocks, 200, rng)
    assert draw.by_block
    assert draw.weights.shape == (560, 200)
    per_day = draw.weights.reshape(28, 20, 200)
    assert (per_day == per_day[:, :1]).all(), "rows of a day count together"
    days = per_day[:, 0]
    for weekday in range(7):
        assert (days[blocks[::20] % 7 == weekday].sum(0) == 4).all()


def test_without_two_of_every_weekday_all_days_are_one_stratum():
    blocks = np.repeat(np.arange(9), 5)
    days = Resampler(45, blocks, 300, np.random.default_rng(2)).weights[::5]
    assert (days.sum(0) == 9).all()
    assert (days[0] + days[7] != 2).any()


@pytest.mark.parametrize("blocks", [None, np.repeat(np.arange(MIN_BLOCKS - 1), 60)])
def test_with_few_days_or_none_rows_are_drawn(blocks):
    draw = Resampler(420, blocks, 400, np.random.default_rng(3))
    assert not draw.by_block
    assert draw.weights.mean() == pytest.approx(1, abs=0.02)
    assert draw.weights.var() == pytest.approx(1, abs=0.05)


def test_blocks_may_come_in_any_order():
    blocks = np.random.default_rng(4).permutation(np.repeat(np.arange(14), 10))
    weights = Resampler(140, blocks, 50, np.random.default_rng(5)).weights
    for day in range(14):
        assert (np.ptp(weights[blocks == day], axis=0) == 0).all()


@pytest.mark.parametrize("columns", [3, 12])
def test_sums_are_the_weighted_sums(columns):
    rng = np.random.default_rng(6)
    draw = Resampler(200, None, 60, rng)
    rows = rng.normal(size=(200, columns)) * (rng.random((200, columns)) < 0.1)
    np.testing.assert_allclose(draw.sums(rows), draw.weights.T.astype(float) @ rows, atol=1e-4)
    counts = (rows != 0).astype(float)
    np.testing.assert_array_equal(draw.sums(counts), draw.weights.T.astype(float) @ counts)


@pytest.mark.slow
def test_intervals_from_days_cover_where_days_have_luck_and_row_intervals_do_not():
    rng = np.random.default_rng(7)
    covered = {True: 0, False: 0}
    for _ in range(200):
        luck = np.repeat(rng.normal(0, 0.5, 28), 50)
        values = luck + rng.normal(size=1400)
        for by_day in covered:
            draw = Resampler(1400, np.repeat(np.arange(28), 50) if by_day else None, 200, rng)
            sums = draw.sums(np.column_stack([values, np.ones(1400)]))
            low, high = interval(values.mean(), sums[:, 0] / sums[:, 1])
            covered[by_day] += low <= 0 <= high
    assert covered[True] / 200 >= 0.89
    assert covered[False] / 200 < 0.75


def test_z_scores():
    assert z_score(0.0, np.zeros(5)) == 0.0
    assert z_score(-1.0, np.zeros(5)) == -np.inf
    assert z_score(2.0, np.array([1.0, 3.0])) == pytest.approx(2 / np.sqrt(2))


def test_effects_add_up_in_every_replicate():
    rng = np.random.default_rng(8)
    a, b = (Effect(float(v), v + rng.normal(size=300)) for v in (1.0, -4.0))
    total = a + b
    assert total.value == a.value + b.value
    np.testing.assert_array_equal(total.replicates, a.replicates + b.replicates)
    np.testing.assert_allclose((total - a).replicates, b.replicates)
    assert (-a).value == -1.0
    assert (a - a).z == 0.0
    assert (a + nothing(300)).estimate() == a.estimate()


def test_bounds_and_clearness():
    rng = np.random.default_rng(9)
    effect = Effect(3.0, 3 + rng.normal(size=4000))
    low, high = effect.bounds
    assert (low, high) == pytest.approx((3 - 1.96, 3 + 1.96), abs=0.1)
    assert effect.clear
    assert not effect.scaled(2).clear
    assert effect.scaled(2).value == 3.0
    assert effect.estimate(500).basis == "sample"
    assert effect.estimate(500).n == 500
    assert effect.estimate().n is None


def test_an_effect_without_finite_replicates_has_no_interval():
    estimate = Effect(1.0, np.array([np.nan, 1.0])).estimate()
    assert (estimate.low, estimate.high) == (None, None)
