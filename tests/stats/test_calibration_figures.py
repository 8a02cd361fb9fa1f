"""Calibration: fits that find what was put in, an error without the noise's part, intervals that cover."""

import numpy as np
import pytest
from scipy import special

from backslide.stats.change.units import mean_change
from backslide.stats.metrics import calibration


def served(rng, rows, intercept=0.0, slope=1.0):
    """Scores, and outcomes that follow ``logit P = intercept + slope * logit(score)``."""
    scores = rng.beta(2, 3, rows)
    truth = special.expit(intercept + slope * special.logit(scores))
    return scores, (rng.random(rows) < truth).astype(float)


@pytest.mark.parametrize(("intercept", "slope"), [(0.0, 1.0), (0.0, 0.4), (0.8, 1.0), (-0.5, 1.7)])
def test_the_line_that_was_put_in_is_found(intercept, slope):
    scores, hits = served(np.random.default_rng(0), 40_000, intercept, slope)
    line = calibration.recalibrate(scores, hits)
    assert line.slope == pytest.approx(slope, abs=0.06)
    assert line.slope_rows.mean() == pytest.approx(line.slope, abs=1e-6)
    assert line.intercept_rows.mean() == pytest.approx(line.intercept, abs=1e-9)
    if slope == 1.0:
        assert line.intercept == pytest.approx(intercept, abs=0.05)


def test_the_interval_of_the_change_of_slope_covers():
    rng, runs = np.random.default_rng(1), 120
    covered = 0
    for _ in range(runs):
        before, after = (calibration.recalibrate(*served(rng, 500, 0.2, slope)) for slope in (1.0, 0.7))
        change = mean_change(before.slope_rows, after.slope_rows, None, None)
        covered += change.low <= -0.3 <= change.high
    assert abs(covered / runs - 0.95) < 0.07, "three and a half binomial standard deviations"


@pytest.mark.parametrize("rows", [200, 1000, 5000])
def test_perfect_scores_have_hardly_any_calibration_error_at_any_size(rows):
    """The plug-in says 7 % at 200 rows; the corrected one a tenth of that."""
    rng = np.random.default_rng(2)
    corrected, plain = [], []
    for _ in range(60):
        scores, hits = served(rng, rows)
        sums = calibration.bin_sums(scores, hits, calibration.bin_edges(scores)).sum(0)
        corrected.append(calibration.curve_of(sums).error)
        plain.append(float(calibration.plain_errors(sums[None])[0]))
    assert np.mean(corrected) < 0.2 * np.mean(plain)


def test_a_known_error_is_measured():
    rng = np.random.default_rng(3)
    scores = rng.random(50_000)
    hits = (rng.random(50_000) < 0.5 + 0.5 * (scores - 0.5)).astype(float)  # mean distance |s - 1/2| / 2 = 1/8
    curve = calibration.curve_of(calibration.bin_sums(scores, hits, calibration.bin_edges(scores)).sum(0))
    assert curve.error == pytest.approx(0.125, abs=0.01)
    assert curve.rows.sum() == 50_000
    assert (curve.low <= curve.observed).all()
    assert (curve.observed <= curve.high).all()


@pytest.mark.parametrize(
    ("scores", "hits"),
    [
        (np.full(50, 0.3), np.r_[np.zeros(25), np.ones(25)]),
        (np.linspace(0, 1, 50), np.zeros(50)),
        (np.r_[np.zeros(25), np.ones(25)], np.r_[np.zeros(25), np.ones(25)]),
        (np.array([0.1, 0.9]), np.array([0.0, 1.0])),
    ],
    ids=["one score", "one outcome", "sure and right", "two rows"],
)
def test_what_cannot_be_told_is_none(scores, hits):
    line = calibration.recalibrate(scores, hits)
    assert line is None or abs(line.slope) <= calibration.STEEPEST


def test_repeated_scores_make_fewer_bins():
    edges = calibration.bin_edges(np.repeat([0.1, 0.9], 50))
    curve = calibration.curve_of(calibration.bin_sums(np.array([0.1, 0.9]), np.array([0.0, 1.0]), edges).sum(0))
    assert len(edges) < calibration.BINS
    assert np.isfinite(curve.observed[curve.rows > 0]).all()
