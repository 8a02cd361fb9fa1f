"""Cheap conditions that are asked before dear readings: they never refuse what the reading would find."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from backslide.causes.columns import repeated_stretch, resolution, time_of_day
from backslide.causes.columns.category_profiles import profiles_by_value
from backslide.causes.columns.lags import Delay
from backslide.causes.faults.markers import MarkerLevels
from backslide.causes.faults.signatures import repeated_values
from backslide.causes.faults.subset_rules import _Codes, _Contrast
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import MISSING, Pair
from backslide.stats.two_sample import distinct_of_sorted, ks, ks_floor, quantiles_of_sorted


def columns(rng):
    """Columns of numbers of many sorts, sorted."""
    scale = 10.0 ** rng.integers(-3, 4)
    sizes = int(rng.integers(1, 3000))
    made = [
        rng.normal(size=sizes) * scale,
        rng.lognormal(3, 1, sizes),
        np.round(rng.normal(size=sizes) * scale, int(rng.integers(0, 4))),
        rng.integers(0, int(rng.integers(1, 60)), sizes).astype(float),
        np.round(rng.normal(size=sizes) * 40) * float(rng.choice([2.5, 0.25, 25.0])),
    ]
    few = made[0].copy()
    few[: len(few) // 1500] = np.round(few[: len(few) // 1500])
    return [np.sort(values) for values in [*made, few]]


@pytest.mark.parametrize("seed", range(12))
def test_quantiles_and_distinct_values_of_sorted_columns_are_those_of_numpy(seed):
    rng = np.random.default_rng(seed)
    at = rng.random(7)
    for values in columns(rng):
        assert np.array_equal(quantiles_of_sorted(values, at), np.quantile(values, at))
        assert np.array_equal(distinct_of_sorted(values), np.unique(values))


@pytest.mark.parametrize("seed", range(12))
def test_a_few_values_never_show_more_than_the_whole_distance(seed):
    rng = np.random.default_rng(seed)
    some = columns(rng)
    for reference in some:
        for current in some:
            assert ks_floor(reference, current) <= ks(reference, current) + 1e-12


def step_by_all(values):
    """The coarsest usual step that holds the values, asked one step after the other."""
    size = max(abs(float(values[0])), abs(float(values[-1])))
    fits = (s for s in resolution.STEPS if s <= max(size, 1e-300) and resolution.on_step(values, s) >= resolution.HELD)
    return next(fits, None)


@pytest.mark.parametrize("seed", range(12))
def test_steps_and_digits_are_those_of_all_values(seed):
    rng = np.random.default_rng(seed)
    for values in columns(rng):
        few = values[:: max(len(values) // 400, 1)]
        step = resolution.step_of(values)
        assert step == step_by_all(values) or resolution.on_step(few, step_by_all(values)) < resolution.HELD
        for digits in resolution.DIGITS:
            if resolution.on_digits(values, digits) >= resolution.HELD:
                assert resolution._may_have_digits(values, digits)


class Clock:
    """As much of a side as the clock of its rows needs."""

    def __init__(self, seconds):
        from backslide.engine.columns.cache import Cache

        self.seconds, self.cache = seconds, Cache()


@pytest.mark.parametrize("seed", range(20))
def test_a_column_that_keeps_pace_with_the_clock_is_never_refused(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(300, 2000))
    clock = 1.7e9 + np.sort(rng.random(n)) * 86_400 * float(rng.integers(1, 40))
    for size in time_of_day._UNITS:
        near = max(900.0, size)
        values = (
            clock - rng.choice([0.0, 3600.0, 5e5]) + rng.normal(size=n) * near * float(rng.choice([0.1, 0.6]))
        ) / size
        off = rng.random(n) < 0.09
        values[off] = rng.normal(size=int(off.sum())) * 1e6
        values[rng.random(n) < rng.choice([0.0, 0.2])] = np.nan
        lag = values * size - clock
        known = lag[np.isfinite(lag)]
        agrees = (np.abs(known - np.median(known)) <= near).mean() >= time_of_day.AGREE
        finite = np.sort(values[np.isfinite(values)])
        assert time_of_day._keeps_pace(finite, Clock(clock), size) or not agrees


def test_columns_that_are_no_times_are_refused():
    rng = np.random.default_rng(0)
    clock = 1.7e9 + np.sort(rng.random(5000)) * 86_400 * 30
    for values in (rng.normal(size=5000), rng.lognormal(3, 0.7, 5000), rng.integers(0, 30, 5000).astype(float)):
        assert not any(time_of_day._keeps_pace(np.sort(values), Clock(clock), size) for size in time_of_day._UNITS[:4])


@pytest.mark.parametrize("seed", range(20))
def test_a_stretch_that_stands_twice_is_never_overlooked(seed):
    rng = np.random.default_rng(seed)
    n_ref, n = 500, 400
    values = rng.normal(size=n_ref + n)
    by = int(rng.integers(4, 11))
    source = np.maximum(np.arange(n_ref + n) - by, -1)
    begin = int(rng.choice([0, rng.integers(1, n - 60)]))
    length = by if begin == 0 else int(rng.integers(repeated_stretch.LEAST_STRETCH, 60))
    for row in range(n_ref + begin, n_ref + begin + length):
        values[row] = values[row - by]
    assert repeated_stretch._may_repeat(values, source, n_ref, Delay(rows=by))
    assert not repeated_stretch._may_repeat(rng.normal(size=n_ref + n), source, n_ref, Delay(rows=by))


def repeated(values):
    """Share of rows with the value of the row before beyond chance, counted one by one."""
    same = np.mean([a == b and a is not None for a, b in zip(values[1:], values[:-1], strict=True)])
    chance = sum((values.count(v) / len(values)) ** 2 for v in set(values))
    return (same - chance) / (1 - chance)


@pytest.mark.parametrize("kind", [ColumnKind.NUMERIC, ColumnKind.CATEGORICAL])
def test_repetitions_are_counted_as_one_by_one(kind):
    rng = np.random.default_rng(3)
    numbers = rng.integers(0, 9, 400)
    held = np.where(rng.random(400) < 0.4, np.roll(numbers, 1), numbers)
    values = [float(v) if kind == ColumnKind.NUMERIC else f"level {v}" for v in held]
    if kind == ColumnKind.CATEGORICAL:
        values[7] = values[8] = values[90] = None
    pair = Pair("x", kind, pl.Series("x", values), pl.Series("x", values))
    same = repeated_values._share_of_same(repeated_values._values(pair)[1])
    share, _ = repeated_values._beyond_chance(same, repeated_values._counts(pair, 1))
    assert share == pytest.approx(repeated(values))


def test_missing_numbers_are_values_of_their_own_and_missing_texts_are_one():
    values = [1.0, None, None, 1.0, 2.0]
    numbers = Pair("x", ColumnKind.NUMERIC, pl.Series("x", values), pl.Series("x", values))
    texts = [None if v is None else str(v) for v in values]
    words = Pair("x", ColumnKind.CATEGORICAL, pl.Series("x", texts), pl.Series("x", texts))
    assert sorted(repeated_values._counts(numbers, 1)) == [1, 1, 1, 2]
    assert sorted(repeated_values._counts(words, 1)) == [1, 2, 2]
    assert MISSING in words.codes[0]
    assert not repeated_values._same(repeated_values._values(words)[1]).any()


@pytest.mark.parametrize("seed", range(12))
def test_features_that_moved_in_a_run_of_days_are_never_left_out(seed):
    rng = np.random.default_rng(seed)
    n, days = 4000, int(rng.integers(3, 40))
    day = np.sort(rng.integers(0, days, n))
    levels = MarkerLevels("served_at", np.full(n, -1), day, tuple(map(str, range(days))), ordered=True)
    inside = _Contrast(levels)
    codes = {}
    for i in range(24):
        cells = int(rng.integers(2, 25))
        ref, cur = rng.integers(0, cells, (2, n))
        start = int(rng.integers(0, days))
        stop = int(rng.integers(start + 1, days + 1))
        hit = (day >= start) & (day < stop) & (rng.random(n) < rng.random())
        cur[hit] = rng.integers(0, max(cells // 2, 1), int(hit.sum()))
        codes[f"c{i}"] = (ref, cur, cells, bool(i % 2))
    found = {name for name, coded in codes.items() if inside.of(*coded) is not None}
    assert found
    assert found <= inside.in_time(_Codes(codes).together(tuple(codes)))


def test_a_run_of_days_is_not_looked_for_in_features_that_held_still():
    rng = np.random.default_rng(1)
    n, days = 6000, 30
    levels = MarkerLevels(
        "served_at", np.full(n, -1), np.arange(n) * days // n, tuple(map(str, range(days))), ordered=True
    )
    codes = {f"c{i}": (*rng.integers(0, 20, (2, n)), 20, True) for i in range(20)}
    assert not _Contrast(levels).in_time(_Codes(codes).together(tuple(codes)))


def test_profiles_are_means_by_value():
    rng = np.random.default_rng(2)
    codes, other = rng.integers(0, 6, 300), rng.normal(size=(300, 4))
    codes[codes == 4] = 3
    found = profiles_by_value(codes, list("abcdef"), other, [0, 2, 3])
    assert set(found) == set("abcdf")
    for place, level in enumerate("abcdef"):
        if level in found:
            share, means, rows = found[level]
            assert (share, rows) == ((codes == place).mean(), (codes == place).sum())
            assert means == pytest.approx(other[codes == place][:, [0, 2, 3]].mean(axis=0))
