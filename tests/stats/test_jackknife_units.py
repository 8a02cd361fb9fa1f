"""The jackknife gives any function of a window the units that a mean would have had."""

from __future__ import annotations

import numpy as np
import pytest

from backslide.stats.change.jackknife import jackknife_units
from backslide.stats.change.metric_change import compare
from backslide.stats.change.units import row_units
from backslide.stats.metrics.metric import Metric, mean

NUMBER = Metric("number", True, "own", mean, share=False)


def days(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.integers(700, 728, n))


def test_of_a_mean_it_gives_the_days_of_the_mean():
    rng = np.random.default_rng(1)
    x, day = rng.normal(5, 2, 4000), days(4000, rng)
    mine = jackknife_units(lambda keep: float(x[keep].mean()), len(x), day, rng)
    theirs = row_units(np.column_stack([np.ones(len(x)), x]), day)
    np.testing.assert_allclose(mine.sums, theirs.sums, rtol=1e-9)
    np.testing.assert_array_equal(mine.ordinals, theirs.ordinals)
    row = mine.second[1, 1] / mine.n - (mine.second[0, 1] / mine.n) ** 2
    assert row == pytest.approx(4.0, rel=0.6), "from forty groups the variance of a row is known to about a fifth"


@pytest.mark.parametrize("dated", [True, False])
def test_intervals_of_a_ratio_cover_its_change(dated):
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(80):
        sides = []
        for level in (1.0, 1.2):
            x, y = rng.exponential(level, 1500), rng.exponential(2.0, 1500)
            day = days(1500, rng) if dated else None
            units = jackknife_units(lambda keep, x=x, y=y: float(x[keep].mean() / y[keep].mean()), 1500, day, rng)
            assert units.total[1] / units.n == pytest.approx(x.mean() / y.mean())
            sides.append(units)
        change = compare(*sides, NUMBER)
        assert change.unit == ("day" if dated else "row")
        covered.append(change.low <= 0.1 <= change.high)
    assert np.mean(covered) >= 0.88


def test_a_function_that_needs_what_is_left_out_is_not_estimable():
    rare = np.zeros(100)
    rare[7] = 1
    units = jackknife_units(lambda keep: 1.0 if rare[keep].any() else np.nan, 100, None, np.random.default_rng(3))
    assert not np.isfinite(compare(units, units, NUMBER).se)
