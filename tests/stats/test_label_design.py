"""A few labels that speak for all rows: no bias, intervals that cover, draws that hold the smaller ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backslide.stats.change.label_design import (
    RowExpectation,
    chances,
    design_error,
    error_df,
    estimate,
    expect,
    permanent_numbers,
    rows_for,
    uniform_rows,
)
from backslide.stats.change.metric_change import compare
from backslide.stats.change.units import row_units
from backslide.stats.metrics.metric import METRICS
from backslide.stats.metrics.row_sums import count_rows

ACCURACY, ERROR = METRICS["accuracy"], METRICS["mae"]
ROWS = 4000


def classifier(rng, rows, shift=0.0):
    """Row statistics, predicted class and confidence; with a shift the model is less often right than it says."""
    confidence = rng.uniform(0.5, 1, rows)
    prediction = rng.integers(0, 2, rows)
    right = rng.random(rows) < confidence - shift
    return count_rows(np.where(right, prediction, 1 - prediction), prediction, 2), (prediction, confidence)


def setting(rng, shift):
    reference, own = classifier(rng, ROWS)
    current, other = classifier(rng, ROWS, shift)
    expectation = expect(ACCURACY, reference, own, other)
    ideal = compare(row_units(reference, None), row_units(expectation.sums, None), ACCURACY)
    return reference, current, expectation, ideal


def drawn(rng, expectation, rows):
    chance = chances(expectation, rows)
    places = np.flatnonzero(rng.random(len(chance)) < chance)
    return places, chance[places]


@pytest.mark.sample(1)
@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_estimate_has_no_bias_and_its_interval_covers(shift):
    rng = np.random.default_rng(1)
    errors, z, half = [], [], []
    for _ in range(150):
        _, current, expectation, ideal = setting(rng, shift)
        places, chance = drawn(rng, expectation, 200)
        change = estimate(ACCURACY, ideal, expectation, places, current[places], chance)
        errors.append(change.current - ACCURACY.value(current.sum(0)))
        z.append((change.estimate + shift) / change.se)
        half.append(design_error(expectation, 200))
    assert abs(np.mean(errors)) < 0.007
    assert 0.85 < np.std(z) < 1.15
    assert np.std(errors) == pytest.approx(np.mean(half), rel=0.25 if shift == 0 else 0.5)


def test_rows_that_were_labelled_anyway_count_once_and_for_sure():
    rng = np.random.default_rng(2)
    _, current, expectation, ideal = setting(rng, 0.1)
    every = estimate(ACCURACY, ideal, expectation, np.arange(ROWS), current, np.ones(ROWS))
    assert every.current == pytest.approx(ACCURACY.value(current.sum(0)))
    assert every.se == pytest.approx(ideal.se)
    sure = np.arange(ROWS // 2)
    places = np.flatnonzero(rng.random(ROWS // 2) < 0.1) + ROWS // 2
    both, chance = np.concatenate([sure, places]), np.concatenate([np.ones(len(sure)), np.full(len(places), 0.1)])
    part = estimate(ACCURACY, ideal, expectation, both, current[both], chance)
    assert part.current == pytest.approx(ACCURACY.value(current.sum(0)), abs=0.03)


def test_numbers_are_expected_by_what_was_predicted():
    rng = np.random.default_rng(3)
    prediction = rng.gamma(2, 10, ROWS)
    error = np.abs(rng.normal(0, 0.2 * prediction))
    statistics = np.column_stack([np.ones(ROWS), error])
    groups = np.zeros(ROWS, np.int64)
    expectation = expect(ERROR, statistics, (groups, prediction), (groups, prediction))
    assert np.corrcoef(expectation.sums[:, 1], prediction)[0, 1] > 0.95
    size = rows_for(expectation, 0.2)
    assert size is not None
    assert design_error(expectation, size) <= 0.2
    assert size < 0.8 * uniform_rows(expectation, 0.2)


def test_a_reference_without_an_error_leaves_nothing_to_draw():
    expectation = RowExpectation(np.ones((100, 2)), np.zeros(100), usual=0.0)
    assert 0 < uniform_rows(expectation, 0.01) <= 100


def test_sizes_are_the_fewest_and_none_where_all_rows_are_too_few():
    expectation = setting(np.random.default_rng(4), 0.0)[2]
    size = rows_for(expectation, 0.02)
    assert size is not None
    assert design_error(expectation, size) <= 0.02 < design_error(expectation, int(0.85 * size))
    assert rows_for(expectation, 1e-9) is None


def test_few_days_weigh_no_more_in_the_degrees_of_freedom_than_their_part_of_the_noise():
    rng = np.random.default_rng(8)
    _, _, expectation, ideal = setting(rng, 0.0)
    days = replace(ideal, df=10.0)
    little, even, much = (
        float(error_df(days, np.array(times * days.se**2), np.array(200))) for times in (0.01, 1.0, 100)
    )
    assert little == pytest.approx(10, rel=0.05)
    assert 30 < even < 45
    assert much == pytest.approx(199, rel=0.05)
    assert error_df(replace(days, se=0.0), np.array(0.0), np.array(200)) == 10
    current = classifier(rng, ROWS)[0]
    places, chance = drawn(rng, expectation, 100)
    change = estimate(ACCURACY, days, expectation, places, current[places], chance)
    assert change.df > 60, "the labels are most of the noise"


def test_a_larger_draw_holds_the_smaller_one():
    expectation = setting(np.random.default_rng(5), 0.0)[2]
    numbers = permanent_numbers([f"r{i}" for i in range(ROWS)])
    assert np.array_equal(numbers, permanent_numbers([f"r{i}" for i in range(ROWS)]))
    assert abs(numbers.mean() - 0.5) < 0.02
    small, large = (numbers < chances(expectation, rows) for rows in (100, 300))
    assert (large[small]).all()
    assert 70 < small.sum() < 130
