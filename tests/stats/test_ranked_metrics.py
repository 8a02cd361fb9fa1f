"""Rank metrics equal scikit-learn's, their row values average to them, and their spread is their noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from backslide.stats.metrics.metric import pr_auc_over, roc_auc_over
from backslide.stats.metrics.ranking import average_precision_rows, quantile_rows, roc_auc_rows

METRICS = {
    "roc_auc": (roc_auc_rows, sk.roc_auc_score, roc_auc_over),
    "pr_auc": (average_precision_rows, sk.average_precision_score, pr_auc_over),
}


@st.composite
def ranked(draw):
    """Labels of which both sides occur, and scores with or without ties."""
    n = draw(st.integers(2, 60))
    flags = [*draw(st.lists(st.booleans(), min_size=n - 2, max_size=n - 2)), True, False]
    digits = draw(st.sampled_from([1, 15]))
    scores = draw(st.lists(st.floats(0, 1).map(lambda x: round(x, digits)), min_size=n, max_size=n))
    return np.array(flags), np.array(scores)


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=150, deadline=None)
@given(data=ranked())
def test_the_mean_of_the_rows_is_the_metric(name, data):
    rows, oracle, _ = METRICS[name]
    positive, scores = data
    assert rows(positive, scores).mean() == pytest.approx(oracle(positive, scores), abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_several_classes_are_each_held_against_the_rest(name):
    _, oracle, over = METRICS[name]
    rng = np.random.default_rng(1)
    y, scores = rng.integers(0, 4, 300), rng.dirichlet(np.ones(4), 300)
    scores[np.arange(300), y] += 0.3
    every = [oracle(y == k, scores[:, k]) for k in range(4)]
    assert over(None).of((y, y, scores)).mean() == pytest.approx(np.mean(every), abs=1e-12)
    assert over((1, 3)).of((y, y, scores)).mean() == pytest.approx(np.mean([every[1], every[3]]), abs=1e-12)
    seen = y != 2
    left = [oracle(y[seen] == k, scores[seen, k]) for k in (0, 1, 3)]
    assert over(None).of((y[seen], y[seen], scores[seen])).mean() == pytest.approx(np.mean(left), abs=1e-12)


def test_one_side_alone_is_not_estimable():
    y = np.zeros(5, np.int64)
    assert np.isnan(roc_auc_over((1,)).of((y, y, np.full((5, 2), 0.5)))).all()
    assert np.isnan(average_precision_rows(y == 1, np.full(5, 0.5))).all()
    assert np.isnan(roc_auc_over(None).of((y, y, None))).all()


def test_the_roc_area_by_rows_has_delongs_variance():
    """Against the variance as DeLong, DeLong and Clarke-Pearson (1988) write it, from the two sets of placements."""
    rng = np.random.default_rng(2)
    positive = rng.random(400) < 0.3
    scores = np.round(rng.normal(size=400) + positive, 1)
    wins = (scores[positive][:, None] > scores[~positive]) + 0.5 * (scores[positive][:, None] == scores[~positive])
    variance = wins.mean(1).var() / positive.sum() + wins.mean(0).var() / (~positive).sum()
    assert roc_auc_rows(positive, scores).var() / 400 == pytest.approx(variance, rel=1e-9)


def draws(kind, rng):
    if kind in METRICS:
        positive = rng.random(600) < 0.25
        return METRICS[kind][0](positive, np.round(rng.normal(size=600) + 1.2 * positive, 2))
    return quantile_rows(rng.exponential(size=600), float(kind))


@pytest.mark.parametrize(("kind", "slack"), [("roc_auc", 1.15), ("pr_auc", 1.15), ("0.5", 1.2), ("0.9", 1.25)])
def test_the_spread_of_the_rows_is_the_noise_of_the_metric(kind, slack):
    rng = np.random.default_rng(3)
    samples = [draws(kind, rng) for _ in range(400)]
    truth = np.std([rows.mean() for rows in samples])
    claimed = np.mean([rows.std() / np.sqrt(len(rows)) for rows in samples])
    assert truth / slack <= claimed <= truth * slack


def test_quantiles_of_constants_have_no_noise():
    rows = quantile_rows(np.full(50, 3.0), 0.9)
    np.testing.assert_allclose(rows, 3.0)
