"""Paired tests against scipy, brute force and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score

from backslide.stats.change.jackknife import jackknife_units
from backslide.stats.change.units import MEAN
from backslide.stats.metrics.metric import METRICS
from backslide.stats.metrics.row_sums import count_rows, loss_rows, value_rows
from backslide.stats.shift.model_difference import (
    EXACT,
    compare_paired,
    compare_paired_whole,
    compare_unpaired,
    delong,
    discordant,
    mcnemar,
)
from backslide.stats.shift.sample_ratio import counts_differ, sample_ratio, values_differ

FIRST = 20_000
"""An ordinary day; small ordinals stand for rows without a time."""
few = settings(max_examples=60, deadline=None)


def answers(rng, n=400, classes=3, good=(0.7, 0.8)):
    """Labels and two models' decisions."""
    labels = rng.integers(0, classes, n)
    said = [np.where(rng.random(n) < share, labels, rng.integers(0, classes, n)) for share in good]
    return labels, *said


def counted(labels, said, classes=3):
    return [count_rows(labels, one, classes) for one in said]


def means(*values):
    return [np.column_stack([np.ones(len(v)), v]) for v in values]


@few
@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_the_binomial_test(only_old, only_new):
    p_value, name = mcnemar(only_old, only_new)
    n = only_old + only_new
    if n == 0:
        assert p_value == 1
        return
    exact = stats.binomtest(only_old, n, 0.5).pvalue
    if n < EXACT:
        assert name == "McNemar exact"
        assert p_value == pytest.approx(exact)
    else:
        # Mid-p counts half of what is exactly as extreme as seen, on both sides.
        seen = stats.binom.pmf(min(only_old, only_new), n, 0.5)
        assert name == "McNemar mid-p"
        assert p_value == pytest.approx(min(exact - seen, 1.0), abs=1e-9) or only_old == only_new


def test_discordant_rows_are_counted():
    rng = np.random.default_rng(0)
    labels, old, new = answers(rng)
    right = (old == labels), (new == labels)
    expected = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert discordant(*counted(labels, (old, new))) == expected


def brute_area(positive, scores):
    above = scores[positive][:, None] - scores[~positive][None, :]
    kernel = (above > 0) + 0.5 * (above == 0)
    return kernel.mean(), kernel.mean(axis=1), kernel.mean(axis=0)


@few
@given(st.integers(0, 10**6), st.integers(6, 60), st.booleans())
def test_delong_is_the_covariance_of_placements(seed, n, ties):
    rng = np.random.default_rng(seed)
    positive = np.r_[True, True, False, False, rng.random(n) < 0.4]
    scores = [rng.normal(size=n + 4) + positive * shift for shift in (0.5, 1.0)]
    if ties:
        scores = [np.round(s) for s in scores]
    found = delong(positive, *scores)
    (one, above, below), (other, above2, below2) = (brute_area(positive, s) for s in scores)
    variance = np.var(above2 - above, ddof=1) / positive.sum() + np.var(below2 - below, ddof=1) / (~positive).sum()
    assert (found.old, found.new) == (pytest.approx(one), pytest.approx(other))
    assert found.old == pytest.approx(roc_auc_score(positive, scores[0]))
    assert found.se == pytest.approx(np.sqrt(variance), abs=1e-12)


def test_delong_with_a_cluster_per_row_is_delong():
    rng = np.random.default_rng(3)
    positive = rng.random(2000) < 0.3
    scores = [rng.normal(size=2000) + positive * shift for shift in (0.9, 1.0)]
    plain, clustered = delong(positive, *scores), delong(positive, *scores, np.arange(2000))
    assert clustered.se == pytest.approx(plain.se, rel=0.02)
    doubled = delong(np.tile(positive, 2), *(np.tile(s, 2) for s in scores), np.tile(np.arange(2000), 2))
    assert doubled.se == pytest.approx(clustered.se, rel=0.02), "rows that are there twice say nothing new"


def test_delong_without_a_class_is_not_estimable():
    assert np.isnan(delong(np.ones(5, bool), np.arange(5.0), np.arange(5.0)).se)
    assert delong(np.ones(5, bool), np.arange(5.0), np.arange(5.0)).p_value == 1


def test_mean_difference_by_row_is_the_paired_t_test():
    rng = np.random.default_rng(1)
    old, new = rng.normal(size=500), rng.normal(0.1, 1.2, 500)
    found = compare_paired(MEAN, *means(old, new), None)
    expected = stats.ttest_rel(new, old)
    assert found.estimate == pytest.approx(new.mean() - old.mean())
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.05)
    assert found.interval() == pytest.approx(expected.confidence_interval(), rel=0.02)


def test_difference_of_f1_agrees_with_the_bootstrap():
    rng = np.random.default_rng(2)
    labels, old, new = answers(rng, 900)
    found = compare_paired(METRICS["macro_f1"], *counted(labels, (old, new)), None)
    rows, value = counted(labels, (old, new)), METRICS["macro_f1"].value
    drawn = [value(rows[1][i].sum(0)) - value(rows[0][i].sum(0)) for i in rng.integers(0, 900, (400, 900))]
    assert found.new == pytest.approx(f1_score(labels, new, average="macro"))
    assert found.se == pytest.approx(np.std(drawn), rel=0.12)


def test_auc_by_row_is_delong():
    rng = np.random.default_rng(4)
    labels = (rng.random(800) < 0.3).astype(int)
    scores = [rng.normal(size=800) + labels * shift for shift in (0.8, 1.1)]
    wide = [np.column_stack([-s, s]) for s in scores]
    rows = [value_rows(METRICS["roc_auc"].of((labels, labels, w))) for w in wide]
    found, areas = compare_paired(METRICS["roc_auc"], *rows, None), delong(labels == 1, *scores)
    assert found.se == pytest.approx(areas.se, rel=0.01)


def test_the_same_answers_have_no_difference():
    labels, old, _ = answers(np.random.default_rng(5))
    for name in ("accuracy", "macro_f1"):
        found = compare_paired(METRICS[name], *counted(labels, (old, old)), None)
        assert found.estimate == 0
        assert found.p_value == 1
        assert found.interval()[0] < 0 < found.interval()[1], "rows that were not seen may still flip"


def test_three_flips_are_three_observations():
    labels = np.zeros(10_000, int)
    old, new = labels.copy(), labels.copy()
    old[:3] = 1
    found = compare_paired(METRICS["accuracy"], *counted(labels, (old, new), 2), None)
    assert found.p_value == pytest.approx(0.25)
    assert compare_paired(METRICS["log_loss"], *(loss_rows("absolute", labels, v) for v in (old, new)), None).df < 10


def intervals_hold(days, rows, tau, *, runs=400, memory=0.0):
    """Share of 95 % intervals that hold a true difference of zero, when each day prefers one of the models."""
    rng, held = np.random.default_rng([days, rows]), 0
    days_of = np.repeat(np.arange(days), rows)
    for _ in range(runs):
        shock = rng.normal(size=days)
        for t in range(1, days):
            shock[t] = memory * shock[t - 1] + np.sqrt(1 - memory**2) * shock[t]
        apart = rng.normal(size=days * rows) + tau * shock[days_of]
        low, high = compare_paired(MEAN, *means(np.zeros(len(apart)), apart), FIRST + days_of).interval()
        held += low <= 0 <= high
    return held / runs


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("days", "rows", "tau", "memory"),
    [
        (30, 60, 0.0, 0.0),
        (30, 60, 0.3, 0.0),
        (8, 60, 0.2, 0.0),
        (5, 60, 0.2, 0.0),
        (4, 200, 0.05, 0.0),
        (1, 300, 0.03, 0.0),
        (40, 60, 0.3, 0.3),
    ],
)
def test_intervals_by_day_hold_what_they_promise(days, rows, tau, memory):
    assert intervals_hold(days, rows, tau, memory=memory) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)


def test_rows_alone_would_not():
    rng, missed = np.random.default_rng(0), 0
    for _ in range(200):
        apart = rng.normal(size=1800) + 0.3 * np.repeat(rng.normal(size=30), 60)
        missed += compare_paired(MEAN, *means(np.zeros(1800), apart), None).p_value < 0.05
    assert missed / 200 > 0.2


def test_few_days_say_less_than_many():
    rng = np.random.default_rng(6)
    apart = rng.normal(0.1, 1, 2400)
    widths = []
    for days in (1, 4, 30):
        low, high = compare_paired(
            MEAN, *means(np.zeros(2400), apart), FIRST + np.repeat(np.arange(days), 2400 // days)
        ).interval()
        widths.append(high - low)
    assert widths[0] > widths[2]
    assert all(np.isfinite(widths))


def test_groups_side_by_side_cancel_what_days_do_to_both():
    rng, wrong, widths = np.random.default_rng(7), 0, []
    for _ in range(200):
        shock, days = rng.normal(0, 1, 20), rng.integers(0, 20, 2000)
        values = rng.normal(size=2000) + shock[days]
        arm = rng.random(2000) < 0.5
        found = compare_unpaired(MEAN, *means(values[~arm], values[arm]), FIRST + days[~arm], FIRST + days[arm])
        wrong += found.p_value < 0.05
        widths.append(found.se)
    assert wrong <= stats.binom.ppf(0.999, 200, 0.05)
    assert np.mean(widths) < 0.15, "not the noise of twenty days"


def test_a_metric_of_the_whole_is_jackknifed():
    rng = np.random.default_rng(8)
    old, new = rng.normal(size=800), rng.normal(0.2, 1, 800)

    def both(keep):
        return float(old[keep].mean()), float(new[keep].mean())

    units = jackknife_units(lambda keep: both(keep)[1] - both(keep)[0], 800, None, rng)
    found, plain = compare_paired_whole(both, units), compare_paired(MEAN, *means(old, new), None)
    assert found.estimate == pytest.approx(plain.estimate)
    assert found.se == pytest.approx(plain.se, rel=0.4)


def test_sample_ratio_is_the_binomial_test():
    found = sample_ratio(5200, 4800, 0.5)
    assert found.p_value == pytest.approx(stats.binomtest(4800, 10_000, 0.5).pvalue)
    assert found.low < 0.48 < found.high
    assert sample_ratio(5200, 4800, None).p_value is None


def test_unlike_groups_are_seen_and_like_ones_are_not():
    rng = np.random.default_rng(9)
    one, other = rng.lognormal(size=3000), rng.lognormal(size=3000)
    assert values_differ(one, other)[1] > 0.001
    size, p_value = values_differ(one, 1.5 * other)
    assert (size > 0.3, p_value < 1e-6) == (True, True)
    assert values_differ(np.ones(5), np.ones(5)) == (0.0, 1.0)
    assert counts_differ(np.array([500, 500]), np.array([700, 300]))[1] < 1e-6
