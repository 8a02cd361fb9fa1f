"""Since when a daily statistic stays elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from backslide.stats.change.change_point import change_point, without_weekdays


def days_with_step(rng, *, reference=28, current=21, at=9, size=1.0, noise=0.2):
    values = rng.normal(scale=noise, size=reference + current)
    values[reference + at :] += size
    return values, np.full(len(values), 100.0), np.arange(len(values)) >= reference


@pytest.mark.parametrize("at", [0, 1, 9, 18])
def test_the_first_day_of_a_step_is_found(at):
    hits = []
    for seed in range(40):
        values, rows, current = days_with_step(np.random.default_rng(seed), at=at)
        hits.append(abs(change_point(values, rows, current) - 28 - at) <= 1)
    assert np.mean(hits) >= 0.95


def test_a_window_that_moved_before_it_began_is_dated_to_its_first_day():
    values, rows, current = days_with_step(np.random.default_rng(1), at=-6)
    assert change_point(values, rows, current) == 28


def test_very_large_and_equal_values_are_no_trouble():
    rows, current = np.ones(6), np.arange(6) >= 3
    assert change_point(np.array([0, 0, 0, 0, 1, 1]) * 1e300, rows, current) == 4
    assert change_point(np.zeros(6), rows, current) == 3
    assert change_point(np.zeros(1), np.ones(1), np.ones(1, bool)) == 0


def test_weekdays_are_taken_out_of_daily_values():
    days = np.arange(100, 142)
    week = np.array([0, 0, 0, 0, 0, 5.0, 5.0])
    values = week[days % 7] + (days >= 131)
    rows = np.ones(len(days))
    level = without_weekdays(values, rows, days, days < 128)
    assert change_point(level, rows, days >= 128) == 131 - 100
    assert np.ptp(level[days < 128]) == pytest.approx(0)


def test_weekdays_seen_once_are_left_in():
    days, values = np.arange(20, 30), np.arange(10.0)
    assert without_weekdays(values, np.ones(10), days, days < 27) is values
