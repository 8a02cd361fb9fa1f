"""Gains that begin at some stretch: found where they do, and no more often than stated where nothing is gained."""

from __future__ import annotations

import numpy as np
import pytest

from backslide.retraining.gain_onset import find_step

LEVEL = 0.05


def test_the_stretch_since_which_candidates_gain_is_found():
    gains = np.array([-0.026, -0.005, 0.001, 0.105, 0.095])
    step = find_step(gains)
    assert step is not None
    assert (step.first, step.looks) == (3, 3)
    assert step.p_step(gains) < 0.01
    assert step.p_gain(gains) < 0.01
    variance, df = step.spread(gains)
    assert (df, variance) == (3, pytest.approx(0.00016, abs=5e-5))


@pytest.mark.parametrize("gains", [[0.1, 0.1, 0.1], [], [0.0, 0.1]])
def test_few_stretches_hold_no_step(gains: list[float]):
    assert find_step(np.array(gains)) is None


@pytest.mark.parametrize(("stretches", "levels"), [(5, (0.0, 0.0)), (10, (0.0, 0.0)), (8, (-0.05, 0.0))])
def test_nothing_gained_passes_at_most_as_often_as_stated(stretches: int, levels: tuple[float, float]):
    rng, runs, passed, steps = np.random.default_rng(0), 4000, 0, 0
    for _ in range(runs):
        gains = rng.normal(0, 0.03, stretches) + np.where(np.arange(stretches) < stretches // 2, *levels)
        step = find_step(gains)
        assert step is not None
        shown = step.p_step(gains) < LEVEL
        steps += shown
        passed += shown and step.p_gain(gains) < LEVEL
    assert passed / runs < LEVEL + 2 * np.sqrt(LEVEL / runs)
    if levels[0] == levels[1]:
        assert steps / runs < LEVEL + 2 * np.sqrt(LEVEL / runs)
