"""Limits of looks at a growing sample: together they cross as often as was promised."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from backslide.stats.change.label_plan import look_alpha

PATHS = 200_000


@pytest.mark.parametrize(
    "errors",
    [
        np.geomspace(0.025, 0.0066, 12),
        np.sqrt(0.0066**2 + np.geomspace(0.024, 0.0005, 18) ** 2),
        np.geomspace(0.025, 0.0036, 5),
    ],
)
def test_all_looks_together_keep_to_the_rate(errors):
    alpha = 0.02
    limit = norm.isf(look_alpha(errors, alpha))
    information = (errors[-1] / errors) ** 2
    steps = np.sqrt(np.diff(information, prepend=0.0))
    paths = np.cumsum(np.random.default_rng(0).normal(size=(PATHS, len(errors))) * steps, axis=1)
    rate = ((paths / np.sqrt(information)) > limit).any(axis=1).mean()
    assert 0.94 * alpha < rate < 1.04 * alpha


def test_one_look_has_the_whole_rate_and_looks_that_remember_each_other_more_than_their_part():
    assert look_alpha(np.array([0.01]), 0.005) == pytest.approx(0.005, rel=1e-3)
    assert look_alpha(np.array([0.01, 0.01, 0.01]), 0.005) == pytest.approx(0.005, rel=1e-3)
    near, far = (look_alpha(np.geomspace(top, 0.01, 6), 0.005) for top in (0.02, 10.0))
    assert 0.005 / 6 < far < near < 0.005
    assert far == pytest.approx(0.005 / 6, rel=0.1)
