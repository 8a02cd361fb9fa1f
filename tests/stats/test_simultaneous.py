"""The best of several comparisons: corrected as far as they differ, and never more than Bonferroni would."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backslide.stats.simultaneous import TestFamily, family_of


def moves(rho: float, size: int = 8, units: int = 4000) -> np.ndarray:
    """Differences by unit that share a part (units, comparisons)."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((units, 1))
    return np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.standard_normal((units, size))


def test_comparisons_that_are_the_same_need_no_correction():
    same = family_of(moves(1.0))
    assert same.adjusted(0.03) == pytest.approx(0.03, abs=0.006)
    assert same.level(0.05) == pytest.approx(0.05, abs=0.006)


def test_independent_ones_are_corrected_as_sidak_does():
    apart = family_of(moves(0.0))
    assert apart.adjusted(0.01) == pytest.approx(1 - 0.99**8, abs=0.006)
    assert apart.level(0.05) == pytest.approx(1 - 0.95 ** (1 / 8), abs=0.002)


def test_few_units_or_one_comparison():
    assert family_of(moves(0.5, units=10)).adjusted(0.01) == pytest.approx(0.08)
    assert TestFamily().adjusted(0.04) == 0.04
    assert TestFamily(4).level(0.05) == 0.0125


def test_the_best_of_equal_candidates_passes_as_often_as_promised():
    rng, passed = np.random.default_rng(1), 0
    for _ in range(400):
        shared = rng.standard_normal((60, 1))
        days = 0.8 * shared + 0.6 * rng.standard_normal((60, 6))
        t = days.mean(axis=0) / (days.std(axis=0, ddof=1) / np.sqrt(60))
        passed += family_of(days).adjusted(float(stats.t.sf(t.max(), 59))) < 0.05
    assert passed <= stats.binom.ppf(0.999, 400, 0.05)
    assert passed > 400 * 0.02  # and not much more seldom: Bonferroni would
