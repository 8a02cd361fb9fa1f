"""Is a change real? Error rates of the day test under seasons, day effects and autocorrelation; coverage of the row test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal, stats

from backslide.stats.change.metric_change import VERDICT_ALPHA, Units, compare
from backslide.stats.metrics.metric import METRICS
from backslide.stats.metrics.row_sums import count_rows
from scale import runs

ERROR_RATE = METRICS["bias"]
"""Mean of 0/1 losses: lower is better, so a rise is worse."""
SEASON = np.array([-0.01, -0.005, 0.0, 0.0, 0.005, 0.01, 0.015])


def units_of(days: np.ndarray, rows: np.ndarray, wrong: np.ndarray) -> Units:
    sums = np.column_stack([rows, wrong]).astype(float)
    n, total = sums.sum(0)
    return Units(sums, sums[:, 0], np.array([[n, total], [total, total]]), days % 7, days)


def two_windows(
    rng, *, good=28, bad=7, per_day=1000, effect=0.008, rho=0.3, base=0.12, harm=0.0, season=True, weekend=0.6
):
    """Daily error counts with weekday season and autocorrelated day effects; ``harm`` is added in the current window."""
    days = np.arange(good + bad)
    noise = signal.lfilter([1.0], [1.0, -rho], rng.normal(size=good + bad + 50))[50:] * np.sqrt(1 - rho**2)
    rate = base + SEASON[days % 7] * season + effect * noise + harm * (days >= good)
    rows = rng.poisson(per_day * np.where(days % 7 >= 5, weekend, 1.0)) + 1
    wrong = rng.binomial(rows, np.clip(rate, 0, 1))
    return tuple(units_of(days[part], rows[part], wrong[part]) for part in (slice(0, good), slice(good, None)))


def p_values(seed: int, times: int, **world: object) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([compare(*two_windows(rng, **world), ERROR_RATE).p_worse for _ in range(times)])


WORLDS = {
    "day effects": {"rho": 0.0},
    "day effects, autocorrelated": {},
    "many rows a day": {"per_day": 10_000},
    "no day effects": {"effect": 0.0, "rho": 0.0},
    "uneven weekdays": {"good": 31, "bad": 10},
    "few current days": {"bad": 4},
    "the shortest reference": {"good": 14, "rho": 0.0},
    "few rows a day": {"per_day": 60},
    "next to nothing at weekends": {"weekend": 0.005, "rho": 0.0},
}


CORE = ("day effects, autocorrelated", "many rows a day", "next to nothing at weekends")
MARKED = [pytest.param(w, id=n, marks=() if n in CORE else pytest.mark.slow) for n, w in WORLDS.items()]


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("world", MARKED)
def test_false_alarms_of_the_day_test_keep_to_their_rate(world):
    times = runs(160, 400)
    p = p_values(5, times, **world)
    assert np.sum(p < 0.05) <= stats.binom.ppf(0.999, times, 0.06)
    assert np.sum(p < VERDICT_ALPHA) <= stats.binom.ppf(0.999, times, 0.01)


@pytest.mark.sample(1)
@pytest.mark.parametrize("world", MARKED)
def test_the_day_test_is_not_blind_where_nothing_happened_either(world):
    assert np.mean(p_values(6, 150, **world) < 0.2) >= 0.06


def test_the_day_test_sees_a_drop_of_two_points():
    p = p_values(7, 150, harm=0.02, rho=0.0)
    assert np.mean(p < 0.05) >= 0.85
    assert np.mean(p < VERDICT_ALPHA) >= 0.4
    assert np.mean(p_values(7, 100, harm=0.04) < VERDICT_ALPHA) >= 0.9


def test_the_per_row_test_would_be_wrong_here():
    """The reason for days: with 10 000 rows a day, row-level errors are far too small."""
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(300):
        good, bad = two_windows(rng, per_day=10_000, season=False)
        pooled = [Units(u.sums.sum(0, keepdims=True), np.array([u.n]), u.second, None, None) for u in (good, bad)]
        hits += compare(*pooled, ERROR_RATE).p_worse < 0.05
    assert hits / 300 > 0.15


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("world", [{}, {"per_day": 10_000}, {"rho": 0.0, "bad": 14}])
def test_intervals_by_day_cover_the_true_change(world):
    rng = np.random.default_rng(9)
    season = SEASON * 0
    covered = []
    for _ in range(runs(200, 400)):
        good, bad = two_windows(rng, harm=0.02, season=bool(season.any()), **world)
        change = compare(good, bad, ERROR_RATE)
        covered.append(change.low <= 0.02 <= change.high)
    assert 0.92 <= np.mean(covered) <= 0.995


def test_the_season_is_taken_out_of_the_test_but_not_of_the_estimate():
    """Current days are weekends only: the raw change is the season's, the adjusted one is not."""
    rng = np.random.default_rng(10)
    raw, adjusted = [], []
    for _ in range(100):
        good, bad = two_windows(rng, good=56, bad=14, effect=0.002, rho=0.0, per_day=4000)
        weekend = bad.weekdays >= 5
        bad = units_of(bad.ordinals[weekend], bad.rows[weekend], bad.sums[weekend, 1])
        change = compare(good, bad, ERROR_RATE)
        raw.append(change.estimate)
        adjusted.append(change.adjusted)
    expected = SEASON[5:].mean() - np.average(SEASON, weights=np.where(np.arange(7) >= 5, 0.6, 1.0))
    assert np.mean(raw) == pytest.approx(expected, abs=0.001)
    assert abs(np.mean(adjusted)) < 0.35 * expected


def counted(labels: np.ndarray, predictions: np.ndarray, classes: int) -> Units:
    rows = count_rows(labels, predictions, classes)
    return Units(rows.sum(0, keepdims=True), np.array([float(len(rows))]), rows.T @ rows, None, None)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "balanced_accuracy", "matthews"])
@pytest.mark.parametrize("n", [300, pytest.param(2000, marks=pytest.mark.slow)])
def test_intervals_by_row_cover_the_true_change(name, n):
    rng = np.random.default_rng(11)
    metric = METRICS[name]

    def window(rows: int, right: float) -> Units:
        y = rng.choice(3, rows, p=[0.5, 0.3, 0.2])
        return counted(y, np.where(rng.random(rows) < right, y, rng.integers(0, 3, rows)), 3)

    truth = float(metric.value(window(200_000, 0.7).total) - metric.value(window(200_000, 0.8).total))
    changes = [compare(window(n, 0.8), window(n, 0.7), metric) for _ in range(250)]
    assert {c.unit for c in changes} == {"row"}
    covered = np.mean([c.low <= truth <= c.high for c in changes])
    assert 0.915 <= covered <= 0.988
    quiet = [compare(window(n, 0.8), window(n, 0.8), metric).p_worse for _ in range(250)]
    assert np.mean(np.array(quiet) < 0.05) <= 0.09


def test_the_estimate_is_the_difference_of_the_two_values():
    good, bad = two_windows(np.random.default_rng(12), harm=0.03)
    change = compare(good, bad, ERROR_RATE)
    assert change.reference == pytest.approx(good.sums[:, 1].sum() / good.n)
    assert change.estimate == pytest.approx(change.current - change.reference)
    assert change.low < change.estimate < change.high
    assert change.unit == "day"
    assert change.df > 3
    assert not change.assumed


@pytest.mark.parametrize(("good", "bad", "assumed"), [(13, 7, True), (28, 3, True), (1, 1, True), (14, 4, False)])
def test_with_few_days_a_usual_day_effect_is_assumed(good, bad, assumed):
    windows = two_windows(np.random.default_rng(13), good=good, bad=bad)
    change = compare(*windows, ERROR_RATE)
    assert (change.unit, change.assumed) == ("day", assumed)
    pooled = [Units(u.sums.sum(0, keepdims=True), np.array([u.n]), u.second, None, None) for u in windows]
    alone = compare(*pooled, ERROR_RATE)
    assert (alone.unit, alone.assumed) == ("row", False)
    assert change.se > alone.se


FEW = [(1, 1), (3, 3), (7, 2), (28, 1)]


@pytest.mark.slow
@pytest.mark.parametrize(("good", "bad"), FEW)
@pytest.mark.parametrize("per_day", [300, 50_000])
def test_few_days_rarely_alarm_though_days_and_weekdays_differ(good, bad, per_day):
    rng = np.random.default_rng(17)
    runs, hits = 100, 0
    for _ in range(runs):
        change = compare(*two_windows(rng, good=good, bad=bad, per_day=per_day), ERROR_RATE)
        hits += change.p_worse < VERDICT_ALPHA and change.estimate >= 0.01
    assert hits <= stats.binom.ppf(0.999, runs, 0.02)


def test_three_days_show_a_drop_of_ten_points():
    p = [p_values(18, 60, good=3, bad=3, per_day=n, harm=0.1) for n in (1000, 20_000)]
    assert min(np.mean(one < VERDICT_ALPHA) for one in p) >= 0.8


def test_intervals_are_hardly_wider_than_with_the_variance_known():
    rng = np.random.default_rng(19)
    widths, estimates = [], []
    for _ in range(200):
        good, bad = two_windows(rng, season=False, weekend=1.0)
        change = compare(good, bad, ERROR_RATE)
        widths.append(change.high - change.low)
        estimates.append(change.estimate)
    assert np.mean(widths) <= 1.3 * 2 * 1.96 * np.std(estimates) * (1 + 2.5 / np.sqrt(2 * 200))


def test_matthews_of_a_window_with_one_predicted_class_has_a_finite_interval():
    rng = np.random.default_rng(20)
    y = rng.integers(0, 2, 2000)
    usual = counted(y, np.where(rng.random(2000) < 0.8, y, 1 - y), 2)
    one = counted(y, np.zeros(2000, np.int64), 2)
    change = compare(usual, one, METRICS["matthews"])
    assert change.current == 0
    assert 0.005 < change.se < 0.1
    assert change.p_worse < 1e-6
    same = compare(one, one, METRICS["matthews"])
    assert same.p_worse > 0.3
    assert np.isfinite(same.se)


def test_the_order_of_days_does_not_matter():
    good, bad = two_windows(np.random.default_rng(14))
    order = np.random.default_rng(0).permutation(len(good.rows))
    shuffled = units_of(good.ordinals[order], good.rows[order], good.sums[order, 1])
    one, two = compare(good, bad, ERROR_RATE), compare(shuffled, bad, ERROR_RATE)
    assert one.se == pytest.approx(two.se, rel=1e-12)
    assert one.p_worse == pytest.approx(two.p_worse, rel=1e-9)


def test_a_window_without_an_error_still_has_an_interval():
    y = np.zeros(200, np.int64)
    change = compare(counted(y, y, 2), counted(y, y, 2), METRICS["accuracy"])
    assert change.estimate == 0
    assert change.low < 0 < change.high
    assert change.p_worse == pytest.approx(0.5)


def test_what_could_have_been_seen_shrinks_with_rows():
    sizes = []
    for per_day in (100, 1000, 10_000):
        change = compare(*two_windows(np.random.default_rng(15), per_day=per_day, effect=0.0), ERROR_RATE)
        sizes.append(change.detectable(0.01))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 0.01, "never under min_effect"


def test_a_drop_of_the_detectable_size_is_seen_in_four_of_five_runs():
    rng = np.random.default_rng(16)
    size = np.median([compare(*two_windows(rng, rho=0.0), ERROR_RATE).detectable(0.005) for _ in range(60)])
    seen = []
    for _ in range(150):
        change = compare(*two_windows(rng, rho=0.0, harm=size), ERROR_RATE)
        seen.append(change.p_worse < VERDICT_ALPHA and change.estimate >= 0.005)
    assert 0.65 <= np.mean(seen) <= 0.93
