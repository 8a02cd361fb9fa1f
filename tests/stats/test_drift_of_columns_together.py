"""Rank correlations and the domain classifier: quiet under day effects, alert to a broken join."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backslide.stats.drift import domain_classifier
from backslide.stats.drift.boosting import classify, split_columns
from backslide.stats.drift.domain_classifier import placements, separation, stretches
from backslide.stats.drift.rank_correlation import correlation_changes, standard_ranks


def stream(rng, rows, days, start, columns, *, weekday=0.0, day=0.0, week=None):
    """Correlated normals (n, columns) with autocorrelated day effects and weekday effects, and the day of each row."""
    at = np.sort(rng.integers(0, days, rows))
    level, means = rng.normal(size=columns), []
    for _ in range(days):
        level = 0.3 * level + np.sqrt(0.91) * rng.normal(size=columns)
        means.append(level * day)
    x = rng.normal(size=(rows, columns)) + 0.8 * rng.normal(size=(rows, 1)) + np.array(means)[at]
    if week is not None:
        x += weekday * week[(start + at) % 7]
    return x, start + at


def two(rng, rows=1500, days=(28, 28), columns=5, **options):
    week = rng.normal(size=(7, columns))
    first = stream(rng, rows, days[0], 20_000, columns, week=week, **options)
    second = stream(rng, rows, days[1], 20_000 + days[0], columns, week=week, **options)
    return first, second


def test_correlations_are_spearmans():
    (x, _), (y, _) = two(np.random.default_rng(1), rows=300, columns=3)
    x[:40, 1] = np.nan
    found = {(c.first, c.second): c for c in correlation_changes(x, y, (None, None))}
    assert found[0, 2].before == pytest.approx(stats.spearmanr(x[:, 0], x[:, 2]).statistic)
    assert found[0, 1].after == pytest.approx(stats.spearmanr(y[:, 0], y[:, 1]).statistic)
    assert set(found) == {(0, 1), (0, 2), (1, 2)}


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("options", "dated"),
    [({}, True), ({}, False), ({"weekday": 0.3, "day": 0.15}, True)],
    ids=["dated", "rows", "day effects"],
)
def test_quiet_correlations_keep_their_family_level(options, dated):
    hits = 0
    for seed in range(100):
        (x, a), (y, b) = two(np.random.default_rng(seed), **options)
        hits += correlation_changes(x, y, (a, b) if dated else (None, None))[0].p_value < 0.05
    assert hits <= stats.binom.ppf(0.9999, 100, 0.05)


@pytest.mark.parametrize("dated", [True, False])
def test_a_broken_join_comes_first(dated):
    rng = np.random.default_rng(2)
    (x, a), (y, b) = two(rng, columns=6)
    y[:, 3] = rng.permutation(y[:, 3])
    found = correlation_changes(x, y, (a, b) if dated else (None, None))
    broken = [c for c in found if c.p_value < 0.01]
    assert len(broken) == 5
    assert all(3 in (c.first, c.second) and c.adjusted < -0.2 for c in broken)


def test_units_and_shifts_do_not_count():
    (x, _), (y, _) = two(np.random.default_rng(3))
    plain, scaled = (correlation_changes(x, np.exp(v), (None, None)) for v in (y, 3 * y + 7))
    assert [c.after for c in plain] == pytest.approx([c.after for c in scaled])


def test_columns_without_variation_or_values_go_with_nothing():
    x = np.column_stack([np.arange(50.0), np.zeros(50), np.full(50, np.nan)])
    assert (standard_ranks(x)[:, 1:] == 0).all()
    assert all(c.p_value == 1 for c in correlation_changes(x, x, (None, None)))
    assert correlation_changes(x[:, :1], x[:, :1], (None, None)) == []


def separated(rng, sides, dated=True, **options):
    (x, a), (y, b) = sides
    return separation(x, y, np.zeros(x.shape[1], bool), (a, b) if dated else (None, None), rng, **options)


@pytest.mark.slow
def test_quiet_windows_have_a_half_inside_the_interval():
    covered, repeats = 0, 30
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        found = separated(rng, two(rng, rows=500, days=(21, 14), columns=3, weekday=0.3, day=0.15))
        covered += found.low <= 0.5 <= found.high
    assert covered >= stats.binom.ppf(1e-4, repeats, 0.95)


def test_what_moved_is_told_apart_and_named():
    rng = np.random.default_rng(4)
    (x, a), (y, b) = two(rng)
    y[:, 2] += 1.0
    found = separated(rng, ((x, a), (y, b)), looked_from=0.55)
    assert found.low > 0.6
    assert found.p_value < 1e-3
    assert int(np.argmax(found.importance)) == 2
    assert separated(rng, two(rng), dated=False).importance.sum() == 0


def test_placements_average_to_the_auc():
    rng = np.random.default_rng(5)
    g, b = rng.normal(size=60).round(1), rng.normal(0.5, size=80).round(1)
    auc = stats.mannwhitneyu(b, g).statistic / (60 * 80)
    one, other = placements(g, b)
    assert one.mean() == pytest.approx(auc)
    assert other.mean() == pytest.approx(auc)


def test_folds_are_stretches_of_whole_days():
    days = np.repeat(np.arange(12), 5)
    fold = stretches(60, days, np.random.default_rng(0))
    assert [len(np.unique(days[fold == k])) for k in range(4)] == [3, 3, 3, 3]
    assert (np.diff(fold) >= 0).all()


def test_too_few_rows_say_nothing():
    rng = np.random.default_rng(6)
    found = separation(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(2, bool), (None, None), rng)
    assert (found.auc, found.low, found.high) == (0.5, 0.0, 1.0)


def told_apart_by_one_of_six(rng):
    """Two windows of six columns, codes among them, of which the third column alone tells them apart, at once."""
    x = [np.column_stack([rng.normal(size=(800, 4)), rng.integers(0, 4, (800, 2))]) for _ in range(2)]
    x[1][:, 2] += 40
    return x, np.array([False, False, False, False, True, True])


@pytest.mark.parametrize("guess", ["of the trees", "all", "none"])
def test_columns_that_no_tree_splits_on_are_not_shuffled_and_count_nothing(guess, monkeypatch):
    x, codes = told_apart_by_one_of_six(np.random.default_rng(3))
    whole = separation(x[0], x[1], codes, (None, None), np.random.default_rng(4), looked_from=0.5).importance
    rows = []
    scores = domain_classifier._scores
    monkeypatch.setattr(domain_classifier, "_scores", lambda model, some: rows.append(len(some)) or scores(model, some))
    if guess != "of the trees":
        monkeypatch.setattr(domain_classifier, "split_columns", lambda _, p: np.full(p, guess == "all"))
    again = separation(x[0], x[1], codes, (None, None), np.random.default_rng(4), looked_from=0.5).importance
    assert np.array_equal(again, whole), "a wrong guess is found out"
    assert whole[2] > 0.2
    assert (sum(rows) < 4 * 6) == (guess == "of the trees")


def test_columns_of_trees_are_named_whatever_their_place():
    rng = np.random.default_rng(5)
    x = np.column_stack([rng.normal(size=(900, 2)), rng.integers(0, 5, (900, 2)), rng.normal(size=900)])
    codes = np.array([False, False, True, True, False])
    for column in range(5):
        y = (x[:, column] > np.median(x[:, column])).astype(int)
        model = classify(x, y, codes, rounds=1, leaves=2)
        assert np.flatnonzero(split_columns(model, 5)).tolist() == [column]
    assert split_columns(object(), 3).all(), "of a model that does not show its trees any column may count"


def test_standard_ranks_are_those_of_scipy():
    x = np.round(np.random.default_rng(6).normal(size=(400, 3)), 1)
    x[::7, 1], x[3, 2], x[5, 2] = np.nan, np.inf, -np.inf
    ranks = stats.rankdata(x, axis=0, nan_policy="omit")
    centred = np.nan_to_num(ranks - np.nanmean(ranks, axis=0))
    assert standard_ranks(x) == pytest.approx(centred / np.sqrt((centred**2).mean(axis=0)))
