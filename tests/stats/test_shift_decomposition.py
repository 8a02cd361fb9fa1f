"""The split into inputs and relation finds a known truth; reweighting by class is exact; the support gate opens and shuts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from backslide.stats.change.bootstrap import Resampler
from backslide.stats.metrics.metric import METRICS
from backslide.stats.metrics.row_sums import count_rows
from backslide.stats.shift import doubly_robust

ACCURACY = METRICS["accuracy"].value
NO_CATEGORIES = np.zeros(3, bool)
SEEDS = range(4)


@dataclass(frozen=True)
class World:
    """A binary world of three features; the model is a fixed cut, right with a probability that depends on x."""

    mean: float = 0.0
    turned: float = 0.0

    def draw(self, rng, n):
        x = rng.normal([self.mean, 0, 0], 1, (n, 3))
        chance = 1 / (1 + np.exp(-1.5 * x[:, 0] - x[:, 1]))
        chance = chance * (1 - 2 * self.turned * (x[:, 2] > 0)) + self.turned * (x[:, 2] > 0)
        y = (rng.random(n) < chance).astype(np.int64)
        prediction = (x[:, 0] + x[:, 1] > 0.6).astype(np.int64)
        return x, y, prediction

    def right(self, rng):
        """True accuracy."""
        _, y, p = self.draw(rng, 400_000)
        return float((y == p).mean())


def split(reference: World, current: World, seed: int):
    rng = np.random.default_rng(seed)
    (x_g, y_g, p_g), (x_b, y_b, p_b) = (world.draw(rng, 4000) for world in (reference, current))
    domain = doubly_robust.domain_weights(x_g, x_b, NO_CATEGORIES, rng)
    chance = doubly_robust.class_probabilities(x_g, y_g, x_b, 2, NO_CATEGORIES, rng)
    m_g, m_b = doubly_robust.count_expectations(chance[0], p_g), doubly_robust.count_expectations(chance[1], p_b)
    draws = [Resampler(4000, None, 200, rng) for _ in range(2)]
    moved = doubly_robust.move(count_rows(y_g, p_g, 2), count_rows(y_b, p_b, 2), m_g, m_b, domain.weights, *draws)
    inputs = ACCURACY(moved.moved) - ACCURACY(moved.reference)
    relation = ACCURACY(moved.current) - ACCURACY(moved.moved)
    spread = [
        np.std(ACCURACY(moved.moved_replicates) - ACCURACY(moved.reference_replicates)),
        np.std(ACCURACY(moved.current_replicates) - ACCURACY(moved.moved_replicates)),
    ]
    return domain, np.array([inputs, relation]), np.array(spread)


WORLDS = {
    "nothing": (World(), World()),
    "inputs only": (World(), World(mean=0.7)),
    "relation only": (World(), World(turned=0.15)),
    "both": (World(), World(mean=0.5, turned=0.1)),
}


@pytest.mark.sample(1)
@pytest.mark.parametrize("pair", WORLDS.values(), ids=WORLDS)
def test_a_known_split_is_recovered(pair):
    reference, current = pair
    rng = np.random.default_rng(99)
    halfway = World(mean=current.mean, turned=reference.turned)
    marks = [world.right(rng) for world in (reference, halfway, current)]
    truth = np.array([marks[1] - marks[0], marks[2] - marks[1]])
    errors, scaled = [], []
    for seed in SEEDS:
        domain, found, spread = split(reference, current, seed)
        assert domain.supported
        assert (spread > 0).all()
        errors.append(found - truth)
        scaled.append((found - truth) / spread)
    assert (np.abs(scaled) < 4).all(), np.round(scaled, 1)
    assert (np.abs(np.mean(errors, 0)) < 0.012).all(), np.mean(errors, 0)


def test_the_domains_are_told_apart_or_not():
    rng = np.random.default_rng(3)
    same = doubly_robust.domain_weights(*(World().draw(rng, 3000)[0] for _ in range(2)), NO_CATEGORIES, rng)
    assert same.auc == pytest.approx(0.5, abs=0.04)
    assert same.supported
    assert same.outside < 0.02
    assert same.weights.mean() == pytest.approx(1, abs=0.1)
    far = doubly_robust.domain_weights(World().draw(rng, 3000)[0], World(mean=6).draw(rng, 3000)[0], NO_CATEGORIES, rng)
    assert far.auc > 0.99
    assert far.outside > 0.9
    assert not far.supported
    assert far.weights.max() <= doubly_robust.MAX_WEIGHT


def test_weights_move_the_reference_to_the_current_inputs():
    rng = np.random.default_rng(4)
    x_g, x_b = World().draw(rng, 6000)[0], World(mean=0.6).draw(rng, 6000)[0]
    domain = doubly_robust.domain_weights(x_g, x_b, NO_CATEGORIES, rng)
    assert np.average(x_g[:, 0], weights=domain.weights) == pytest.approx(x_b[:, 0].mean(), abs=0.1)
    shared = [np.average(x[:, 0], weights=w) for x, w in zip((x_g, x_b), domain.shared, strict=True)]
    assert shared[0] == pytest.approx(shared[1], abs=0.1), "both windows meet on the inputs they share"


def test_reweighting_by_class_is_exact_where_only_the_labels_were_resampled():
    rng = np.random.default_rng(5)
    y = rng.choice(3, 600, p=[0.5, 0.3, 0.2])
    p = np.where(rng.random(600) < [0.9, 0.7, 0.5][0] - 0.2 * y, y, rng.integers(0, 3, 600))
    rows = count_rows(y, p, 3)
    times = np.array([1, 4, 9])[y]
    current, labels = np.repeat(rows, times, axis=0), np.repeat(y, times)
    draws = Resampler(len(y), None, 100, rng), Resampler(len(labels), None, 100, rng)
    moved = doubly_robust.reweight_classes(rows, y, labels, 3, *draws)
    np.testing.assert_allclose(moved.sums, current.mean(0), atol=1e-12)
    assert float(ACCURACY(moved.sums)) == pytest.approx(float(ACCURACY(current.sum(0))), abs=1e-12)
    assert moved.z[0] < -4
    assert moved.z[2] > 4
    assert moved.replicates.mean(0) == pytest.approx(moved.sums, abs=0.02)


def test_reweighting_without_a_shift_changes_nothing():
    rng = np.random.default_rng(6)
    y = rng.choice(2, 500)
    rows = count_rows(y, y, 2)
    moved = doubly_robust.reweight_classes(rows, y, y, 2, *(Resampler(500, None, 50, rng) for _ in range(2)))
    np.testing.assert_allclose(moved.sums, rows.mean(0), atol=1e-12)
    np.testing.assert_allclose(moved.weights, 1)
    assert np.abs(moved.z).max() == 0


def test_a_class_the_reference_never_held_gets_no_weight():
    rng = np.random.default_rng(7)
    y_g, y_b = np.zeros(100, np.int64), np.ones(100, np.int64)
    draws = (Resampler(100, None, 50, rng) for _ in range(2))
    moved = doubly_robust.reweight_classes(count_rows(y_g, y_g, 2), y_g, y_b, 2, *draws)
    assert np.isfinite(moved.sums).all()
    assert np.isfinite(moved.replicates).all()
    assert moved.weights[1] == 0


def test_a_binned_feature_is_moved_exactly():
    rng = np.random.default_rng(8)
    g, b = rng.normal(size=2000), rng.normal(0.5, 1.2, 1500)
    code_g, code_b, cells = doubly_robust.bins_of(g, b, discrete=False)
    w = doubly_robust.one_feature_weights(code_g, code_b, cells)
    moved = np.bincount(code_g, w, cells) / w.sum()
    np.testing.assert_allclose(moved, np.bincount(code_b, minlength=cells) / len(code_b), atol=1e-12)


def test_missing_values_are_a_bin_of_their_own():
    code_g, code_b, cells = doubly_robust.bins_of(
        np.array([1.0, 2, np.nan, 3]), np.array([np.nan, np.inf, 9]), discrete=True
    )
    assert code_g[2] == code_b[0] == code_b[1] == cells - 1
    assert code_b[2] < cells - 1


def test_expected_losses_and_probabilities_are_calibrated_on_the_reference():
    rng = np.random.default_rng(9)
    x, y, _ = World().draw(rng, 3000)
    inside, outside = doubly_robust.class_probabilities(x, y, x[:500], 2, NO_CATEGORIES, rng)
    np.testing.assert_allclose(inside.sum(1), 1, atol=1e-9)
    np.testing.assert_allclose(outside.sum(1), 1, atol=1e-9)
    assert inside[:, 1].mean() == pytest.approx(y.mean(), abs=0.02)
    assert np.mean((inside[:, 1] - y) ** 2) < 0.9 * np.var(y)
    loss = np.abs(x[:, [0]]) + rng.normal(0, 0.1, (3000, 1))
    fitted, _ = doubly_robust.expected_losses(x, loss, x[:10], NO_CATEGORIES, rng)
    assert np.mean((fitted - loss) ** 2) < 0.2 * np.var(loss)


def test_a_reference_with_one_class_needs_no_model():
    rng = np.random.default_rng(10)
    x = rng.normal(size=(60, 3))
    inside, outside = doubly_robust.class_probabilities(x, np.ones(60, np.int64), x, 2, NO_CATEGORIES, rng)
    assert (inside[:, 1] == 1).all()
    np.testing.assert_allclose(outside[:, 1], 1)


def test_residuals_that_changed_in_one_feature_point_to_it():
    rng = np.random.default_rng(11)
    a, b = rng.integers(0, 4, (2, 4000)), rng.integers(0, 4, (2, 4000))
    residual = [rng.normal(size=(4000, 1)) for _ in range(2)]
    residual[1][:, 0] += np.where(a[1] < 2, 0.3, -0.3)
    moved, _ = doubly_robust.residual_change(*residual, a[0], a[1], 4)
    still, used = doubly_robust.residual_change(*residual, b[0], b[1], 4)
    assert used == 4
    assert abs(still) < 15
    assert moved > 10 * max(still, 1)


def test_a_change_that_all_cells_share_points_to_no_feature():
    rng = np.random.default_rng(13)
    code = rng.integers(0, 2, (2, 4000))
    score, _ = doubly_robust.residual_change(
        rng.normal(size=(4000, 1)), rng.normal(size=(4000, 1)) + 0.5, code[0], code[1], 2
    )
    assert abs(score) < 15


def test_small_cells_are_left_out_of_the_residual_change():
    rng = np.random.default_rng(12)
    code = np.r_[np.zeros(100, np.int64), np.ones(100, np.int64), np.full(5, 2)]
    residual = rng.normal(size=(205, 1))
    moved = rng.normal(size=(205, 1)) + np.array([0.0, 0.0, 50.0])[code][:, None]
    score, used = doubly_robust.residual_change(residual[:200], moved[:200], code[:200], code[:200], 3)
    assert used == 2
    assert abs(score) < 15
    _, used = doubly_robust.residual_change(residual, moved, code, code, 3)
    assert used == 2, "five rows say nothing"


@pytest.mark.parametrize("mean", [0.0, 0.7, 6.0])
def test_one_fold_says_no_more_than_all_of_them(mean):
    x_g, x_b = World().draw(np.random.default_rng(6), 2000)[0], World(mean=mean).draw(np.random.default_rng(7), 2000)[0]
    asked, whole = (doubly_robust.DomainFolds(x_g, x_b, NO_CATEGORIES, np.random.default_rng(8)) for _ in range(2))
    assert asked.clearly_apart == (mean == 6.0)
    if asked.clearly_apart:
        assert not asked.domain.supported
    assert np.array_equal(asked.domain.weights, whole.domain.weights), "whether it was asked first changes nothing"
    assert asked.domain.auc == whole.domain.auc


def test_windows_that_are_clearly_apart_are_fitted_once(monkeypatch):
    fits = []
    classify = doubly_robust.classify
    monkeypatch.setattr(doubly_robust, "classify", lambda *args: fits.append(1) or classify(*args))
    rng = np.random.default_rng(9)
    folds = doubly_robust.DomainFolds(World().draw(rng, 1500)[0], World(mean=6).draw(rng, 1500)[0], NO_CATEGORIES, rng)
    assert folds.clearly_apart
    assert len(fits) == 1
    assert folds.domain.outside > doubly_robust.MAX_OUTSIDE
    assert len(fits) == doubly_robust.FOLDS
