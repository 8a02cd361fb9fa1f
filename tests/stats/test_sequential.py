"""The alarm keeps its rate on quiet days of every kind, and finds a drop in time."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import poisson

from backslide.stats.change import sequential as s

YEAR = 365


def accuracy(
    rng: np.random.Generator,
    days: int,
    rows: int = 1000,
    tau: float = 0.008,
    rho: float = 0.3,
    drop: float = 0.0,
    at: int | None = None,
) -> s.Periods:
    """Error rates of days with a weekly season of 1.5 points, day effects with memory, and sampling noise."""
    season = rng.normal(0, 0.0106, 7)
    effects = lfilter([np.sqrt(1 - rho**2)], [1, -rho], rng.standard_normal(days)) * tau
    chance = 0.1 + season[np.arange(days) % 7] + effects
    if at is not None:
        chance[at:] += drop
    return s.Periods(rng.binomial(rows, np.clip(chance, 0, 1)) / rows, np.full(days, float(rows)), np.arange(days))


def first_alarm(periods: s.Periods, reference: int, false_a_year: float) -> tuple[int, int | None]:
    """Alarms of a year, each starting anew, and the day of the first."""
    base = s.fit_baseline(periods.take(slice(0, reference)), 0.09, share=True)
    bets = s.log_bets(base.residuals(periods.take(slice(reference, None))), reference)
    limit, state, alarms, first = s.alarm_limit(false_a_year, 365.25), s.Alarm(), 0, None
    for t, one in enumerate(bets):
        state = state.step(one)
        if state.evidence >= limit:
            alarms, state = alarms + 1, s.Alarm()
            first = t + 1 if first is None else first
    return alarms, first


@pytest.mark.parametrize(
    ("rows", "reference", "rho"), [(1000, 56, 0.3), (5000, 56, 0.3), (200, 56, 0.3), (1000, 28, 0.3), (1000, 14, 0.3)]
)
def test_false_alarms_keep_their_rate(rows: int, reference: int, rho: float):
    years, rate = 120, 0.1
    rng = np.random.default_rng([rows, reference])
    false = sum(
        first_alarm(accuracy(rng, reference + YEAR, rows, rho=rho), reference, rate)[1] is not None
        for _ in range(years)
    )
    assert false <= poisson.ppf(0.999, rate * years)


def test_a_drop_is_found_in_time():
    rng = np.random.default_rng(5)
    for drop, most in ((0.02, 16), (0.05, 5)):  # median over 60 streams; the benchmark measures it over many more
        delays = [first_alarm(accuracy(rng, 156, drop=drop, at=56), 56, 0.05)[1] or 999 for _ in range(60)]
        assert np.median(delays) <= most


def test_one_terrible_day_is_enough():
    rng = np.random.default_rng(1)
    periods = accuracy(rng, 70, drop=0.4, at=60)
    assert first_alarm(periods, 56, 0.05)[1] in (5, 6)


def test_an_improvement_is_no_alarm():
    rng = np.random.default_rng(2)
    assert first_alarm(accuracy(rng, 156, drop=-0.05, at=56), 56, 0.1)[0] == 0


def cusum_path(x, allowance):
    """``C_t = max(0, C_{t-1} + x_t - k)`` after every period (T,)."""
    return np.array(list(accumulate(x, lambda total, value: max(0.0, total + value - allowance), initial=0.0))[1:])


def test_the_early_sign_is_quicker_and_keeps_its_rate():
    rng = np.random.default_rng(3)
    rate, passes, years, delays = 1.0, 0, 60, []
    for drop in (0.0, 0.02):
        for _ in range(years):
            periods = accuracy(rng, 56 + YEAR, drop=drop, at=56)
            base = s.fit_baseline(periods.take(slice(0, 56)), 0.09, share=True)
            x = base.residuals(periods.take(slice(56, None)))
            noise = float(np.sqrt(0.09 / 1000 + base.spread**2)) * base.inflation
            k = round(s.allowance(0.02, noise), 1)
            limit = s.watch_limit(k, 56, rate, 365.25, cycle=7)
            over = np.flatnonzero(cusum_path(x, k) > limit)
            if drop:
                delays.append(over[0] + 1 if len(over) else 999)
            else:
                passes += s._passes(x[None], k, limit)
    assert passes <= poisson.ppf(0.999, rate * years)
    assert np.median(delays) <= 10


def test_weekdays_are_learned_where_there_are_enough():
    rng = np.random.default_rng(4)
    season = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 0.2])
    days = np.arange(70)
    periods = s.Periods(season[days % 7] + rng.normal(0, 0.01, 70), np.full(70, 1e6), days)
    base = s.fit_baseline(periods, 0.25, share=True)
    assert np.abs(base.expected(periods) - season[days % 7]).max() < 0.02
    short = s.fit_baseline(periods.take(slice(0, 20)), 0.25, share=True)
    assert not short.season.any()


def test_rare_events_on_a_small_day_are_no_shock():
    none = s.Periods(np.zeros(56), np.full(56, 10_000.0), np.arange(56))
    base = s.fit_baseline(none, 1e-6, share=True)
    one_of_ten = s.Periods(np.array([0.1]), np.array([10.0]), np.array([56]))
    hundred_of_thousand = s.Periods(np.array([0.1]), np.array([1000.0]), np.array([56]))
    assert base.residuals(one_of_ten)[0] < 2
    assert base.residuals(hundred_of_thousand)[0] > 6


def test_too_short_a_reference_is_refused():
    few = s.Periods(np.zeros(9), np.ones(9), np.arange(9))
    with pytest.raises(ValueError, match="at least 10"):
        s.fit_baseline(few, 1.0, share=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-6, 6), min_size=1, max_size=60))
def test_evidence_is_the_average_of_sums_of_products(values: list[float]):
    x = np.array(values)
    bets = s.log_bets(x, 56)
    state = s.Alarm()
    for bet in bets:
        state = state.step(bet)
    products = np.array([np.exp(bets[start:].sum(axis=0)) for start in range(len(x))])
    assert np.isclose(
        state.evidence, np.log((products.sum(axis=0) * np.exp(s.LOG_WEIGHTS)).sum()), rtol=1e-9, atol=1e-9
    )


def test_each_bet_is_an_e_value_on_standard_normal_periods():
    x = np.random.default_rng(6).standard_normal(400_000)
    means = np.exp(s.log_bets(x, 10**12)).mean(axis=0)
    assert (means <= 1.02).all()
