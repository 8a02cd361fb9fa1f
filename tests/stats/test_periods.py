"""Runs of days in which rows were hit: start, end, and an interval that holds the start as often as stated."""

from __future__ import annotations

import numpy as np
import pytest

from backslide.stats.arrays import Floats
from backslide.stats.change.affected_period import MOST, HitPeriod, period, runs


def days(seed: int, start: int, stop: int, rate: float, *, noise: float = 0.0, rows: int = 40) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    n = rng.poisson(rows, 28).clip(1)
    day = np.arange(28)
    return rng.binomial(n, np.where((day >= start) & (day < stop), rate, noise)).astype(float), n.astype(float)


def test_all_rows_of_all_days():
    rows = np.full(10, 30.0)
    assert period(rows, rows) == HitPeriod(0, 10, 0, 0)


@pytest.mark.parametrize("rate", [0.05, 0.4, 1.0])
@pytest.mark.parametrize("stop", [28, 20])
def test_start_and_end(rate, stop):
    found = period(*days(1, 11, stop, rate, rows=60))
    assert found is not None
    assert found.stop == stop or (rate == 0.05 and abs(found.stop - stop) <= 2)
    assert found.low <= 11 <= found.high


def test_a_constant_share_of_every_day_began_with_the_first():
    for seed in range(40):
        found = period(*days(seed, 0, 28, 0.4))
        assert found is not None
        assert (found.start, found.stop, found.low) == (0, 28, 0)


def test_without_a_row_hit_there_is_no_period():
    assert period(np.zeros(5), np.full(5, 9.0)) is None
    assert period(np.empty(0), np.empty(0)) is None


@pytest.mark.parametrize(("rate", "noise"), [(0.4, 0.0), (0.3, 0.03), (0.05, 0.0)])
def test_the_interval_holds_the_start_as_stated(rate, noise):
    """95 % is stated; of 300 simulated months at least 92 % must hold it."""
    held = [
        found is not None and found.low <= 12 <= found.high
        for found in (period(*days(seed, 12, 28, rate, noise=noise)) for seed in range(300))
    ]
    assert np.mean(held) >= 0.92


def test_a_fault_that_lasts_is_hardly_ever_said_to_have_ended():
    ended = [period(*days(seed, 5, 28, 0.3, noise=0.02)) for seed in range(300)]
    assert sum(found is not None and found.stop < 28 for found in ended) <= 6


@pytest.mark.parametrize("count", [5, MOST + 1])
def test_every_run_of_days_or_those_that_last_where_there_are_many(count):
    start, stop = runs(count)
    assert len(start) == (count * (count + 1) // 2 - 1 if count <= MOST else count - 1)
    assert ((stop - start) >= 1).all()
    assert ((stop - start) < count).all()
