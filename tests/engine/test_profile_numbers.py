"""Numeric truth of the kernel: what is counted, and where."""

import math
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from backslide.contracts.errors import ColumnError
from backslide.engine.profile.profile import Plan, make_plan, profile_batch

pytestmark = pytest.mark.core

INF, NAN = math.inf, math.nan


def one(values, edges, dtype=None):
    batch = pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)})
    return profile_batch(batch, Plan(numeric={"x": tuple(edges)})).columns["x"]


def counted(profile):
    return profile.nulls + profile.nans + profile.pos_inf + profile.neg_inf + int(profile.counts.sum())


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32])
def test_null_nan_and_infinities_are_told_apart(dtype):
    got = one([1.0, None, NAN, INF, -INF, -INF, 2.0, None, None], [1.5], dtype)
    assert (got.rows, got.nulls, got.nans, got.pos_inf, got.neg_inf, got.finite) == (9, 3, 1, 1, 2, 2)
    assert got.counts.tolist() == [1, 1]
    assert got.missing == 4
    assert got.missing_share == 4 / 9
    assert (got.minimum, got.maximum, got.mean, got.variance) == (1.0, 2.0, 1.5, 0.5)


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt16, pl.Int64, pl.UInt64, pl.Int128, pl.Float32, pl.Float64])
def test_bins_hold_their_left_edge_and_not_their_right(dtype):
    got = one([0, 1, 1, 2, 3, 5], [1.0, 3.0, 5.0], dtype)
    assert got.counts.tolist() == [1, 3, 1, 1]


def test_fractional_edges_cut_integers_exactly():
    assert one([0, 1, 2, 3], [0.5, 2.5], pl.Int16).counts.tolist() == [1, 2, 1]


def test_edges_beyond_the_range_of_a_type():
    got = one([-128, 0, 127], [-1e9, -128.0, 127.0, 1e9], pl.Int8)
    assert got.counts.tolist() == [0, 0, 2, 1, 0]
    got = one([0, 2**64 - 1], [1.0, 2.0**64], pl.UInt64)
    assert got.counts.tolist() == [1, 1, 0]
    got = one([1.0, 3e38], [1e300], pl.Float32)
    assert got.counts.tolist() == [2, 0]


def test_an_edge_between_two_floats32_is_not_rounded():
    just_above = float(np.nextafter(np.float64(0.5), 1))
    assert one([0.5, 0.75], [just_above], pl.Float32).counts.tolist() == [1, 1]


@pytest.mark.parametrize("dtype", [pl.Int64, pl.UInt64, pl.Int128])
def test_big_integers_keep_every_digit(dtype):
    low, high = 2**53 + 1, 2**62 + 1
    got = one([high, low, None], [0.0], dtype)
    assert (got.minimum, got.maximum) == (low, high)
    assert all(isinstance(value, int) for value in (got.minimum, got.maximum))
    assert got.integer


def test_integers_beyond_64_bits():
    got = one([2**80 + 1, 5], [10.0], pl.Int128)
    assert got.maximum == 2**80 + 1
    assert got.counts.tolist() == [1, 1]


def test_decimals():
    got = one([Decimal("1.10"), Decimal("2.35"), None], [2.0], pl.Decimal(10, 2))
    assert got.counts.tolist() == [1, 1]
    assert (got.nulls, got.minimum, got.maximum) == (1, 1.1, 2.35)
    assert got.mean == pytest.approx(1.725)


def test_booleans_count_as_zero_and_one():
    got = one([True, False, True, None], [1.0], pl.Boolean)
    assert got.counts.tolist() == [1, 2]
    assert got.nulls == 1


@pytest.mark.parametrize("values", [[], [None, None], [NAN, INF]])
def test_no_finite_value(values):
    got = one(values, [0.0], pl.Float64)
    assert counted(got) == got.rows == len(values)
    assert got.minimum is None
    assert math.isnan(got.mean)
    assert math.isnan(got.std)
    assert math.isnan(got.quantile(0.5))
    assert np.isnan(got.cdf).all()
    assert np.isnan(got.cdf_at([0.0])).all()


@pytest.mark.parametrize("dtype", [pl.Null, pl.String, pl.Int64])
def test_a_column_without_any_value_may_have_lost_its_type(dtype):
    got = one([None, None], [0.0], dtype)
    assert (got.rows, got.nulls, got.finite) == (2, 2, 0)


def test_moments_survive_a_large_offset_and_the_end_of_the_float_range():
    values = np.random.default_rng(3).normal(size=5000) + 1e9
    got = one(values, [1e9])
    assert got.mean == pytest.approx(values.mean(), rel=1e-15)
    assert got.variance == pytest.approx(values.var(ddof=1), rel=1e-9)
    edge = one([1.7e308, 1.6e308], [0.0])
    assert edge.mean == pytest.approx(1.65e308)
    assert edge.variance == INF


def test_input_is_left_as_it_is():
    values = pl.Series("x", [3.0, 1.0, 2.0])
    profile_batch(values.to_frame(), Plan(numeric={"x": (2.0,)}))
    assert values.to_list() == [3.0, 1.0, 2.0]


def test_text_where_numbers_are_planned():
    with pytest.raises(ColumnError, match=r"expected numbers in column 'x', got String"):
        one(["a"], [0.0], pl.String)


def test_absent_column_with_suggestion():
    with pytest.raises(ColumnError, match=r"'incme'.*did you mean 'income'"):
        profile_batch(pl.DataFrame({"income": [1.0]}), Plan(numeric={"incme": (0.0,)}))


@pytest.mark.parametrize("q", [0.0, 0.01, 0.25, 0.5, 0.9, 0.999, 1.0])
def test_quantiles_of_a_continuous_column(q):
    values = np.random.default_rng(5).lognormal(0, 1, 40_000)
    frame = pl.DataFrame({"x": values})
    got = profile_batch(frame, make_plan(frame, numeric=["x"], categorical=[])).columns["x"]
    below = (values < got.quantile(q)).mean()
    assert below == pytest.approx(q, abs=0.002)
    if q in (0.0, 1.0):
        assert got.quantile(q) == np.quantile(values, q)


@pytest.mark.parametrize("factor", [12.0, 1 / 12, 1000.0, 0.001, -1.0, 1.8])
def test_quantiles_of_a_column_in_another_unit_than_the_plan(factor):
    values = np.random.default_rng(6).lognormal(3, 0.6, 20_000)
    plan = make_plan(pl.DataFrame({"x": values[:4000]}), numeric=["x"], categorical=[])
    got = profile_batch(pl.DataFrame({"x": values * factor}), plan).columns["x"]
    for q in (0.1, 0.5, 0.9):
        assert got.quantile(q) == pytest.approx(np.quantile(values * factor, q), rel=0.1)


def test_quantiles_of_few_integers_are_values_that_occur():
    values = [0] * 60 + [1] * 30 + [7] * 10
    frame = pl.DataFrame({"x": values})
    got = profile_batch(frame, make_plan(frame, numeric=["x"], categorical=[])).columns["x"]
    assert [got.quantile(q) for q in (0.5, 0.8, 0.95)] == [0.0, 1.0, 7.0]


def test_quantile_at_an_atom():
    rng = np.random.default_rng(7)
    values = np.where(rng.random(20_000) < 0.4, 0.0, rng.normal(2, 1, 20_000))
    frame = pl.DataFrame({"x": values})
    got = profile_batch(frame, make_plan(frame, numeric=["x"], categorical=[])).columns["x"]
    assert got.quantile(0.25) == pytest.approx(0.0, abs=1e-300)


def test_cdf_at_edges_and_between():
    got = one([0.0, 1.0, 2.0, 3.0], [1.0, 2.0])
    assert got.cdf.tolist() == [0.25, 0.5]
    assert got.cdf_at([-1.0, 0.0, 1.0, 1.5, 2.0, 3.5]).tolist() == pytest.approx([0.0, 0.0, 0.25, 0.375, 0.5, 1.0])


def test_ks_from_bins_is_exact_to_the_bin():
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(8)
    a, b = rng.gamma(2, 1, 30_000), rng.gamma(2.3, 1, 30_000)
    plan = make_plan(pl.DataFrame({"x": a[:5000]}), numeric=["x"], categorical=[])
    left, right = (profile_batch(pl.DataFrame({"x": v}), plan).columns["x"] for v in (a, b))
    assert np.abs(left.cdf - right.cdf).max() == pytest.approx(ks_2samp(a, b).statistic, abs=1 / 128)


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt8, pl.Int64, pl.UInt64, pl.Float32, pl.Float64])
def test_the_same_edges_are_compared_by_each_type_in_its_own_way(dtype):
    edges = [-1.5, 0.0, 3.0, 100.5, 300.0]
    values = [0, 2, 3, 4, 100, 101, 126]
    got = one(values, edges, dtype).counts.tolist()
    assert got == [
        sum(low <= v < high for v in values) for low, high in zip([-INF, *edges], [*edges, INF], strict=True)
    ]
