"""Changes of sums: parts that add up, intervals that cover, and the same noise as the verdict's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backslide.stats.change.metric_change import compare
from backslide.stats.change.units import MEAN, UNDATED, detectable, functional_change, mean_change, row_units, stacked
from backslide.stats.drift.mix_effect import split


def grouped(groups, values, count, days=None):
    """Units ``[n_1, total_1, ...]`` of rows in groups."""
    one = np.zeros((len(groups), 2 * count))
    one[np.arange(len(groups)), 2 * groups] = 1.0
    one[np.arange(len(groups)), 2 * groups + 1] = values
    return row_units(one, days)


cells = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=3, max_size=3)


@settings(max_examples=100, deadline=None)
@given(cells, cells)
def test_mix_and_within_add_up_to_the_change(before, after):
    sums = [np.array([(n, min(hits, n)) for n, hits in rows], float).reshape(1, -1) for rows in (before, after)]
    rows = [np.array([s[0, ::2].sum()]) for s in sums]
    if min(float(r[0]) for r in rows) == 0:
        return
    units = [row_units(np.zeros((0, 6)), None) for _ in sums]
    units = [type(u)(s, r, np.diag(s[0]), None, None) for u, s, r in zip(units, sums, rows, strict=True)]
    found = split(*units)
    change = sums[1][0, 1::2].sum() / rows[1][0] - sums[0][0, 1::2].sum() / rows[0][0]
    assert found.total == pytest.approx(change, abs=1e-12)
    assert found.mix.estimate + found.within.estimate == pytest.approx(change, abs=1e-12)
    assert found.groups.sum() == pytest.approx(found.within.estimate, abs=1e-12)


def test_simpsons_paradox_is_taken_apart():
    """Every group falls by ten points while more rows come from the easy one: the mean rises."""

    def window(easy, right, hard, right_too):
        groups = np.repeat([0, 1], [easy, hard])
        return grouped(groups, np.r_[np.arange(easy) < right, np.arange(hard) < right_too].astype(float), 2)

    found = split(window(5000, 4500, 5000, 2500), window(9000, 7200, 1000, 400))
    assert found.total == pytest.approx(0.06)
    assert found.within.estimate == pytest.approx(-0.1)
    assert found.mix.estimate == pytest.approx(0.16)
    assert found.within.high < 0 < found.mix.low


def test_intervals_of_mix_and_within_cover():
    rng, hits = np.random.default_rng(0), np.zeros(2)
    rates, shares = np.array([[0.9, 0.6, 0.5], [0.85, 0.62, 0.4]]), np.array([[0.5, 0.3, 0.2], [0.3, 0.4, 0.3]])
    mix = float(((shares[1] - shares[0]) * rates.mean(0)).sum())
    within = float((shares.mean(0) * (rates[1] - rates[0])).sum())
    runs = 200
    for _ in range(runs):
        sides = []
        for w in (0, 1):
            groups = rng.choice(3, 800, p=shares[w])
            sides.append(grouped(groups, (rng.random(800) < rates[w][groups]).astype(float), 3))
        found = split(*sides)
        hits += [found.mix.low <= mix <= found.mix.high, found.within.low <= within <= found.within.high]
    # 95 % nominal; three and a half binomial standard deviations are 5.4 points
    assert (np.abs(hits / runs - 0.95) < 0.054).all(), hits / runs


@pytest.mark.parametrize("dated", [False, True])
def test_a_function_of_both_windows_has_the_noise_of_a_plain_change(dated):
    rng = np.random.default_rng(3)
    sides = []
    for start in (1000, 1030):
        days = np.repeat(np.arange(start, start + 30), 40) if dated else None
        luck = np.repeat(rng.normal(0, 0.3, 30), 40)
        sides.append(row_units(np.column_stack([np.ones(1200), rng.normal(2, 1, 1200) + luck]), days))
    plain = compare(*sides, MEAN)
    made = functional_change(lambda g, b: float(b[1] / b[0] - g[1] / g[0]), *sides)
    assert (made.estimate, made.se, made.df) == pytest.approx((plain.estimate, plain.se, plain.df), rel=1e-3)
    assert made.unit == plain.unit == ("day" if dated else "row")
    assert made.p_worse == pytest.approx(plain.p_worse, abs=0.05 if dated else 1e-4)


def test_a_few_undated_rows_join_a_day_and_many_make_it_one_block():
    rows = np.ones((200, 1))
    days = np.r_[np.repeat(np.arange(1000, 1010), 19), np.full(10, UNDATED)]
    units = row_units(rows, days)
    assert len(units.rows) == 10
    assert units.n == units.total[0] == 200
    assert row_units(rows, np.where(np.arange(200) < 100, UNDATED, 1000)).ordinals is None


def test_groups_side_by_side_keep_days_and_totals():
    rng = np.random.default_rng(4)
    values, groups, days = rng.random(300), rng.integers(0, 3, 300), rng.integers(1000, 1020, 300)
    parts = [
        row_units(np.column_stack([np.ones(n), values[groups == k]]), days[groups == k])
        for k in range(3)
        for n in [(groups == k).sum()]
    ]
    together, whole = stacked(parts), grouped(groups, values, 3, days)
    assert together.sums == pytest.approx(whole.sums)
    assert together.rows == pytest.approx(whole.rows)
    assert together.second == pytest.approx(whole.second)
    assert together.ordinals.tolist() == whole.ordinals.tolist()
    empty = row_units(np.zeros((0, 2)), None)
    assert stacked([*parts, empty]).sums[:, :6] == pytest.approx(whole.sums)


def test_what_is_called_detectable_is_seen_in_four_of_five_runs():
    rng = np.random.default_rng(5)
    first = mean_change(rng.normal(size=400), rng.normal(size=400), None, None)
    size = detectable(first, 0.0, 0.005)
    seen = np.mean(
        [mean_change(-rng.normal(size=400), -rng.normal(size, 1, 400), None, None).p_worse < 0.005 for _ in range(300)]
    )
    assert abs(seen - 0.8) < 0.08, "three and a half binomial standard deviations"
