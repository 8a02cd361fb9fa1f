"""Tests and distances against scipy, scikit-learn, published examples and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from backslide.stats.two_sample import (
    chi_squared,
    holm,
    jensen_shannon,
    ks,
    ks_p_value,
    newcombe,
    proportion_z,
    ranks,
    wilson,
)

COUNTS = st.lists(st.integers(0, 400), min_size=2, max_size=8)
GRID = st.lists(st.integers(0, 20), min_size=1, max_size=80)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(GRID, GRID)
@settings(deadline=None)
def test_ks_is_the_largest_gap(a, b):
    theirs = max(abs(np.mean(np.array(a) <= x) - np.mean(np.array(b) <= x)) for x in range(21))
    assert ks(np.array(a, float), np.array(b, float)) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.1, 0.2])
def test_ks_p_values_are_the_asymptotic_ones(shift):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=4000), rng.normal(shift, size=3000)
    theirs = stats.ks_2samp(a, b, method="asymp")
    assert ks_p_value(theirs.statistic, 4000, 3000) == pytest.approx(theirs.pvalue, rel=0.08, abs=1e-9)


def test_ks_of_nothing_is_silent():
    assert ks(np.empty(0), np.ones(3)) == 0.0


@given(COUNTS, st.integers(0, 1000))
@settings(deadline=None)
def test_chi_squared_is_scipys_where_no_category_is_rare(counts, seed):
    rng = np.random.default_rng(seed)
    g = np.array(counts) + 30
    b = rng.multinomial(500, g / g.sum()) + 20
    theirs = stats.chi2_contingency(np.vstack([g, b]), correction=False)
    v, p, statistic = chi_squared(g, b)
    if theirs.expected_freq.min() >= 5:
        assert statistic == pytest.approx(theirs.statistic, rel=1e-12, abs=1e-12)
        assert p == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-300)
        assert v == pytest.approx(stats.contingency.association(np.vstack([g, b]), method="cramer"), abs=1e-9)


def test_chi_squared_pools_rare_categories():
    g, b = [500, 480, 2, 1, 0, 3], [510, 470, 0, 2, 4, 1]
    pooled = chi_squared([500, 480, 6], [510, 470, 7])
    assert chi_squared(g, b) == pytest.approx(pooled, rel=1e-12)


@pytest.mark.parametrize(("g", "b"), [([0, 0], [1, 2]), ([5], [7]), ([0], [0]), ([1, 1], [1, 1])])
def test_chi_squared_of_too_little_is_silent(g, b):
    assert chi_squared(g, b) == (0.0, 1.0, 0.0)


def test_chi_squared_keeps_its_level_with_many_rare_categories():
    rng = np.random.default_rng(3)
    share = rng.dirichlet(np.full(60, 0.2))
    p_values = [chi_squared(*rng.multinomial(800, share, size=2))[1] for _ in range(400)]
    assert np.mean(np.array(p_values) < 0.05) < 0.08


@given(COUNTS, COUNTS)
@settings(deadline=None)
def test_jensen_shannon_is_scipys(a, b):
    size = max(len(a), len(b))
    g, c = np.zeros(size), np.zeros(size)
    g[: len(a)], c[: len(b)] = a, b
    if g.sum() and c.sum():
        assert jensen_shannon(g, c) == pytest.approx(distance.jensenshannon(g, c, base=2), abs=1e-7)
        assert jensen_shannon(g, c) == pytest.approx(jensen_shannon(c, g), abs=1e-12)
    else:
        assert jensen_shannon(g, c) == 0.0


@given(st.integers(0, 200), st.integers(1, 200))
@settings(deadline=None)
def test_wilson_is_scipys(k, n):
    k = min(k, n)
    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson(k, n), theirs, atol=1e-9)


@pytest.mark.parametrize(
    ("one", "two", "interval"),
    [  # Newcombe (1998), table II, method 10
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 20), (0.6791, 1.0000)),
        ((10, 10), (0, 10), (0.6075, 1.0000)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
    ],
)
def test_newcombe_is_as_published(one, two, interval):
    np.testing.assert_allclose(newcombe(*two, *one), interval, atol=2e-4)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(60, 90), st.integers(60, 90))
@settings(deadline=None)
def test_proportion_z_squared_is_chi_squared(a, b, n, m):
    z = proportion_z(a, n, b, m)
    if 0 < a + b < n + m:
        theirs = stats.chi2_contingency([[a, n - a], [b, m - b]], correction=False).statistic
        assert z**2 == pytest.approx(theirs, rel=1e-9, abs=1e-12)
        assert z * (b / m - a / n) >= 0
    else:
        assert z == 0


@given(P_VALUES)
@settings(deadline=None)
def test_holm_is_its_definition(p):
    adjusted = holm(p)
    order = sorted(range(len(p)), key=lambda i: p[i])
    running = 0.0
    for place, index in enumerate(order):
        running = max(running, min(1.0, (len(p) - place) * p[index]))
        assert adjusted[index] == pytest.approx(running, abs=1e-12)
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (stats.false_discovery_control(p) <= adjusted + 1e-12).all()


def test_adjusting_nothing_gives_nothing():
    assert len(holm([])) == 0


@given(GRID)
def test_ranks_lie_between_zero_and_one_and_average_to_a_half(values):
    found = ranks(np.array(values, float))
    assert found.min() > 0
    assert found.max() < 1
    assert found.mean() == pytest.approx(0.5)
