"""Performance without labels: right under covariate shift, silent outside the reference."""

from __future__ import annotations

import numpy as np
import pytest

from backslide.stats.metrics.metric import METRICS
from backslide.stats.metrics.row_sums import count_rows
from backslide.stats.shift.label_free import LabelFreeEstimate, estimate_moved

ACCURACY = METRICS["accuracy"]


def world(rng: np.random.Generator, n: int, shift: float = 0.0, flip: float = 0.0):
    x = rng.normal(shift, 1, n)
    other = rng.normal(0, 1, n)
    chance = 1 / (1 + np.exp(-3 * np.abs(x)))  # rows near 0 are hard
    said = (x > 0).astype(np.int64)
    right = rng.random(n) < np.where(rng.random(n) < flip, 1 - chance, chance)
    return np.column_stack([x, other]), np.where(right, said, 1 - said), said


def run(good, bad, **more) -> tuple[LabelFreeEstimate | None, str | None]:
    (x_g, y_g, p_g), (x_b, _, p_b) = good, bad
    return estimate_moved(
        ACCURACY,
        count_rows(y_g, p_g, 2),
        x_g,
        x_b,
        np.zeros(2, bool),
        np.random.default_rng(0),
        classes=2,
        labels=y_g,
        predictions=(p_g, p_b),
        **{"history": [], **more},
    )


@pytest.mark.slow
def test_covariate_shift_is_followed_and_the_band_holds():
    errors, still, inside = [], [], 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        good, bad = world(rng, 4000), world(rng, 3000, shift=0.7)
        found, reason = run(good, bad)
        assert found is not None, reason
        truth = float((bad[1] == bad[2]).mean())
        errors.append(abs(found.value - truth))
        still.append(abs(float((good[1] == good[2]).mean()) - truth))
        inside += abs(found.value - truth) <= found.half
    assert np.mean(errors) < 0.4 * np.mean(still)
    assert inside >= 8  # of a 90 % band: under 8 of 12 has a chance of one in 200


def test_outside_the_reference_there_is_no_estimate():
    rng = np.random.default_rng(0)
    found, reason = run(world(rng, 3000), world(rng, 2000, shift=8.0))
    assert found is None
    assert reason is not None
    assert "outside" in reason


def test_the_band_comes_from_past_errors():
    rng = np.random.default_rng(2)
    found, _ = run(world(rng, 2000), world(rng, 2000), history=[(0.8, 0.8 + e) for e in np.linspace(0, 0.09, 10)])
    assert found is not None
    assert np.isclose(found.half, 0.09)
