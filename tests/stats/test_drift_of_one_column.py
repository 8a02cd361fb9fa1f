"""Moves of one column against the noise of rows, days and weekdays: error rates, power, and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from backslide.stats.change.day_noise import DayCounts, day_noise
from backslide.stats.drift.univariate import NumericMove, normal_scores, numeric_move, share_move
from backslide.stats.two_sample import ks_p_value

EDGES = stats.norm.ppf(np.arange(1, 64) / 64)
FLOORS = (0.05, 0.1, 0.02)
START = 20_000


def effects(rng: np.random.Generator, weekday: float) -> np.ndarray:
    found = rng.normal(size=7)
    found -= found.mean()
    return found / found.std() * weekday


def window(
    rng: np.random.Generator,
    rows: int,
    days: np.ndarray,
    weekdays: np.ndarray,
    *,
    day: float,
    shift: float = 0.0,
    edges: np.ndarray = EDGES,
    memory: float = 0.3,
) -> DayCounts:
    """Rows of a standard normal by day and bin, each day at a mean of its own (autocorrelated, plus its weekday)."""
    level, means = rng.normal(), []
    for _ in days:
        level = memory * level + np.sqrt(1 - memory**2) * rng.normal()
        means.append(level * day)
    at = shift + np.array(means) + weekdays[days % 7]
    below = special.ndtr(edges[None, :] - at[:, None])
    cells = np.diff(np.column_stack([np.zeros(len(days)), below, np.ones(len(days))]), axis=1)
    per_day = rng.multinomial(rows, np.full(len(days), 1 / len(days)))
    counts = np.array([rng.multinomial(n, p / p.sum()) for n, p in zip(per_day, cells, strict=True)], float)
    kept = counts.sum(axis=1) > 0
    return DayCounts(counts[kept], days[kept])


def moved(reference: DayCounts, current: DayCounts, *, times: bool = True) -> NumericMove:
    sides = [s if times else DayCounts(s.counts.sum(axis=0, keepdims=True), None) for s in (reference, current)]
    counts = [s.counts.sum(axis=0).astype(np.int64) for s in sides]
    found = numeric_move(counts[0], counts[1], (sides[0], sides[1]))
    assert found is not None
    return found


def verdicts(
    repeats: int,
    rows: int,
    days: tuple[int, int],
    *,
    weekday: float = 0.3,
    day: float = 0.15,
    shift: float = 0.0,
    only: tuple[int, ...] | None = None,
    times: bool = True,
    seed: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """p-values (repeats,) and whether a floor was passed, of pairs of windows one after the other."""
    rng = np.random.default_rng(seed)
    p_values, passed = [], []
    for _ in range(repeats):
        week = effects(rng, weekday) if weekday else np.zeros(7)
        first = np.arange(START, START + days[0])
        second = np.arange(START + days[0], START + days[0] + 7 * days[1])
        second = (second if only is None else second[np.isin(second % 7, only)])[: days[1]]
        move = moved(
            window(rng, rows, first, week, day=day), window(rng, rows, second, week, day=day, shift=shift), times=times
        )
        p, over = move.judge(*FLOORS)
        p_values.append(p)
        passed.append(bool(over))
    return np.array(p_values), np.array(passed)


def at_most(count: int, repeats: int, rate: float) -> bool:
    """Whether so many hits agree with a rate of at most ``rate`` (they would be exceeded once in 10 000 times)."""
    return count <= stats.binom.ppf(0.9999, repeats, rate)


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("rows", "days", "only"),
    [
        (200, (28, 28), None),
        (200, (60, 60), None),
        (2_000, (28, 7), None),
        (20_000, (28, 28), None),
        (20_000, (28, 1), None),
        (20_000, (28, 2), (5, 6)),
        (20_000, (7, 7), None),
        (20_000, (7, 2), (5, 6)),
        (20_000, (1, 1), None),
        (500_000, (60, 60), None),
        (500_000, (14, 3), None),
    ],
)
def test_days_of_their_own_are_no_drift(rows, days, only):
    """Weekday effects of 0.3 and autocorrelated day effects of 0.15 standard deviations, at every size and length."""
    repeats = 200
    p, passed = verdicts(repeats, rows, days, only=only)
    assert at_most(int((passed & (p < 0.01)).sum()), repeats, 0.02)
    assert at_most(int((passed & (p < 0.001)).sum()), repeats, 0.004)


def test_the_same_streams_would_alarm_if_rows_were_the_unit():
    p, passed = verdicts(100, 20_000, (28, 2), only=(5, 6), times=False)
    assert (passed & (p < 0.001)).mean() > 0.5


@pytest.mark.parametrize("rows", [200, 2_000, 20_000])
def test_rows_without_times_keep_their_level(rows):
    repeats = 300
    p, passed = verdicts(repeats, rows, (28, 28), weekday=0, day=0, times=False)
    assert at_most(int((p < 0.05).sum()), repeats, 0.05)
    assert at_most(int((passed & (p < 0.01)).sum()), repeats, 0.01)


@pytest.mark.parametrize("times", [True, False])
def test_a_fifth_of_a_standard_deviation_is_seen_at_2000_rows(times):
    p, passed = verdicts(200, 2_000, (28, 28), weekday=0, day=0, shift=0.2, times=times)
    assert (passed & (p < 0.001)).mean() >= 0.95


def test_a_two_hundredth_is_never_seen_however_many_rows():
    _, passed = verdicts(50, 500_000, (28, 28), weekday=0, day=0, shift=0.005, times=False)
    assert not passed.any()


def test_two_single_days_still_show_a_change_of_unit():
    p, passed = verdicts(50, 2_000, (1, 1), shift=6.0)
    assert passed.all()
    assert (p < 1e-4).mean() >= 0.95


def test_detectable_is_what_is_seen_in_four_of_five_cases():
    rng = np.random.default_rng(3)
    days = np.arange(START, START + 28)
    quiet = moved(*(window(rng, 1_000, days + d, np.zeros(7), day=0) for d in (0, 28)), times=False)
    seen = quiet.detectable(1e-3, 0.1)
    p, passed = verdicts(300, 1_000, (28, 28), weekday=0, day=0, shift=seen, times=False)
    power = (passed & (p < 1e-3)).mean()
    assert 0.7 <= power <= 0.93


def test_weekdays_that_the_windows_do_not_share_are_taken_out():
    rng = np.random.default_rng(4)
    week = np.array([0.2, 0.2, 0.2, 0.2, 0.2, -0.5, -0.5])
    reference = window(rng, 50_000, np.arange(START, START + 28), week, day=0.02)
    weekend = np.array([d for d in range(START + 28, START + 42) if d % 7 in (5, 6)])
    move = moved(reference, window(rng, 20_000, weekend, week, day=0.02))
    assert move.ks > 0.15
    assert move.ks_adjusted < 0.05
    assert abs(move.shift_adjusted) < 0.1 < abs(move.shift)


def test_other_spread_and_longer_tails_are_seen_though_the_middle_stays():
    rng = np.random.default_rng(5)
    g = np.histogram(rng.normal(size=20_000), np.r_[-np.inf, EDGES, np.inf])[0]
    for values in (
        rng.normal(size=20_000) * 1.3,
        np.where(rng.random(20_000) < 0.06, 4.0, 1) * rng.normal(size=20_000),
    ):
        b = np.histogram(values, np.r_[-np.inf, EDGES, np.inf])[0]
        sides = DayCounts(g[None, :].astype(float), None), DayCounts(b[None, :].astype(float), None)
        move = numeric_move(g, b, sides)
        p, passed = move.judge(*FLOORS)
        assert p < 1e-6
        assert "location" not in passed
        assert passed


def test_distances_agree_with_plain_ones():
    rng = np.random.default_rng(6)
    g, b = rng.multinomial(900, np.full(20, 0.05)), rng.multinomial(700, rng.dirichlet(np.full(20, 9)))
    sides = DayCounts(g[None, :].astype(float), None), DayCounts(b[None, :].astype(float), None)
    move = numeric_move(g, b, sides)
    distance = np.abs(np.cumsum(g) / 900 - np.cumsum(b) / 700).max()
    p = ks_p_value(distance, 900, 700)
    assert move.ks == move.ks_adjusted == pytest.approx(distance)
    assert 0.1 * p < move.p_shape < 10 * p
    shares = share_move(g.astype(float), b.astype(float), sides)
    table = stats.chi2_contingency([g, b], correction=False)
    assert shares.chi_squared == pytest.approx(table.statistic)
    assert shares.total_variation == pytest.approx(np.abs(g / 900 - b / 700).sum() / 2)


def test_normal_scores_are_standardised_and_none_for_one_value():
    rng = np.random.default_rng(7)
    counts = rng.integers(0, 50, 40).astype(float)
    score = normal_scores(counts)
    assert counts @ score == pytest.approx(0, abs=1e-9)
    assert counts @ score**2 / counts.sum() == pytest.approx(1)
    assert normal_scores(np.array([0.0, 30, 0])) is None
    assert numeric_move(np.array([0, 5]), np.array([0, 0]), (DayCounts(np.zeros((1, 2)), None),) * 2) is None


@pytest.mark.parametrize(
    ("rows", "days", "only"),
    [(20_000, (28, 28), None), (20_000, (28, 2), (5, 6)), (2_000, (7, 7), None), (20_000, (1, 1), None)],
)
@pytest.mark.parametrize("levels", [2, 6, 40])
def test_shares_that_follow_days_are_no_drift(rows, days, only, levels):
    rng = np.random.default_rng(levels)
    repeats, hits = 80, 0
    for _ in range(repeats):
        week = effects(rng, 0.3)
        edges = special.ndtri(np.cumsum(rng.dirichlet(np.ones(levels)))[:-1])
        first = np.arange(START, START + days[0])
        second = np.arange(START + days[0], START + days[0] + 7 * days[1])
        second = (second if only is None else second[np.isin(second % 7, only)])[: days[1]]
        sides = [window(rng, rows, d, week, day=0.15, edges=edges) for d in (first, second)]
        move = share_move(sides[0].counts.sum(axis=0), sides[1].counts.sum(axis=0), (sides[0], sides[1]))
        hits += move.p_value < 0.01
    assert at_most(hits, repeats, 0.02)


def test_a_share_that_appears_is_seen_with_and_without_days():
    """Nothing missing before, a tenth now: also where the windows are two single days."""
    for days in (28, 1):
        share = np.array([0.0, 0.1])
        sides = []
        for i, p in enumerate(share):
            n = np.full(days, 4000 // days)
            hits = np.round(n * p)
            sides.append(DayCounts(np.column_stack([n - hits, hits]), np.arange(START + 28 * i, START + 28 * i + days)))
        move = share_move(sides[0].counts.sum(axis=0), sides[1].counts.sum(axis=0), (sides[0], sides[1]))
        assert move.p_value < 2e-3
        assert move.adjusted[1] == pytest.approx(0.1, abs=0.005)


def test_noise_of_days_is_found_by_its_moments():
    rng = np.random.default_rng(8)
    quiet, loud = [], []
    for _ in range(40):
        for day, found in ((0.0, quiet), (0.3, loud)):
            sides = [window(rng, 28_000, np.arange(START + d, START + d + 28), np.zeros(7), day=day) for d in (0, 28)]
            score = normal_scores(sides[0].counts.sum(axis=0))
            noise = day_noise(sides[0], sides[1], score[:, None], (28_000.0, 28_000.0), np.ones(1))
            found.append(float(noise.day[0]))
    true = 2 * 0.09 / 28 * (1.3 / 0.7)  # two windows of autocorrelated days
    assert 0.5 * true < np.median(loud) < 1.6 * true
    assert np.median(quiet) < 0.1 * true


def test_without_days_in_one_window_rows_count_alone():
    side = DayCounts(np.array([[50.0, 50.0]]), None)
    dated = DayCounts(np.array([[50.0, 50.0]] * 3), np.arange(3))
    noise = day_noise(side, dated, np.eye(2), (100.0, 300.0), np.ones(2))
    assert (noise.day == 0).all()
    assert noise.row == pytest.approx([0.25 * (1 / 100 + 1 / 300)] * 2)
    assert np.isinf(noise.freedom).all()
