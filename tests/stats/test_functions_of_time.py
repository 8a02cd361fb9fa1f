"""Columns that are functions of the clock are found, and columns that merely drift are not."""

from __future__ import annotations

import numpy as np
import pytest

from backslide.stats.drift.functions_of_time import comes_in_runs, follows_cycle, runs_with_time

DAY = 86_400.0
RNG = np.random.default_rng(5)
SECONDS = np.sort(RNG.random(4000)) * 90 * DAY + 1_700_000_000
DAYS = np.floor(SECONDS / DAY)


@pytest.mark.parametrize(
    "values",
    [
        SECONDS / DAY,
        -SECONDS,
        np.floor(DAYS / 7),
        np.floor(DAYS / 30),
        np.arange(4000.0),
        np.arange(4000.0) + RNG.normal(size=4000) * 20,
    ],
    ids=["date", "days left", "week", "month", "running number", "running number of a few clients"],
)
def test_what_runs_with_time_is_found(values):
    assert runs_with_time(values, SECONDS)


@pytest.mark.parametrize(
    "values",
    [
        np.floor(SECONDS / 3600) % 24,
        (np.floor(SECONDS / 3600) + 5) % 24,
        (DAYS + 3) % 7,
        np.floor(SECONDS / 3600) % 24 >= 12,
        SECONDS / 3600 % 24,
    ],
    ids=["hour", "hour of another zone", "weekday", "afternoon", "time of day"],
)
def test_what_follows_a_cycle_is_found(values):
    assert follows_cycle(values.astype(float), SECONDS)
    assert not runs_with_time(values.astype(float), SECONDS)


@pytest.mark.parametrize(
    "values",
    [
        RNG.normal(size=4000),
        RNG.normal(size=4000) + 0.01 * DAYS,
        np.where(DAYS > DAYS[2000], 1.0, 0.0) + RNG.normal(size=4000),
        np.where(DAYS > DAYS[2000], 12.0, 1.0) * RNG.lognormal(size=4000),
        np.where(DAYS > DAYS[2000], 1.0, 0.0),
        RNG.integers(0, 24, 4000).astype(float),
        15 + 8 * np.sin(2 * np.pi * SECONDS / DAY) + 6 * RNG.normal(size=4000),
    ],
    ids=["noise", "slow drift", "level shift", "unit change", "one switch", "random hours", "temperature"],
)
def test_what_has_a_life_of_its_own_is_none(values):
    assert not runs_with_time(values, SECONDS)
    assert not follows_cycle(values, SECONDS)


def test_unknown_values_and_times_are_left_out():
    values, seconds = SECONDS.copy(), SECONDS.copy()
    values[::3] = np.nan
    seconds[1::3] = np.nan
    assert runs_with_time(values, seconds)
    assert not runs_with_time(np.full(4000, np.nan), SECONDS)
    assert not follows_cycle(np.full(4000, 3.0), SECONDS)


def test_what_comes_in_runs_is_told_from_what_shifted_once():
    season = np.where(DAYS > DAYS[2000], 2.0, 1.0)
    assert comes_in_runs(season, SECONDS)
    assert comes_in_runs(np.floor(DAYS / 30), SECONDS)
    assert not comes_in_runs(season + RNG.normal(size=4000), SECONDS)
    assert not comes_in_runs(RNG.integers(0, 2, 4000).astype(float), SECONDS)
    assert not comes_in_runs(np.full(4000, 1.0), SECONDS)


def test_only_places_that_came_again_show_a_cycle():
    """In three weeks whatever differs from day to day, as the weather does, is told by the day of the month."""
    daily = RNG.normal(size=400)
    first = (DAYS - DAYS.min()).astype(int)
    weather = daily[first] + 0.05 * RNG.normal(size=4000)
    for days in (20, 40):
        rows = first < days
        assert not follows_cycle(weather[rows], SECONDS[rows])
    month = np.asarray(SECONDS.astype("datetime64[s]").astype("datetime64[D]").astype(str), object)
    day = np.array([float(text[-2:]) for text in month])
    rows = first < 60
    assert follows_cycle(day[rows], SECONDS[rows])
