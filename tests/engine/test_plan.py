"""Edges from a sample."""

import math
import sys
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backslide.contracts.errors import ColumnError
from backslide.engine.profile.plan import Plan, column_edges, make_plan


def inside(edges, values):
    return [edge for edge in edges if min(values) <= edge <= max(values)]


def test_few_distinct_values_get_an_edge_each():
    edges = inside(column_edges(pl.Series([3, 1, 2, 2, None, 40])), [1, 40])
    assert edges == [1.0, 2.0, 3.0, 4.0, 40.0]  # and what was not seen, 4 to 39, has a bin of its own


def test_new_values_beyond_the_last_are_not_mixed_with_it():
    edges = column_edges(pl.Series([0, 1]))
    assert 2.0 in edges
    assert any(edge > 1.0 and edge <= math.nextafter(1.0, 2) for edge in column_edges(pl.Series([0.0, 1.0])))


def test_continuous_columns_get_at_least_a_hundred_bins_of_like_mass():
    values = np.random.default_rng(0).lognormal(0, 2, 20_000)
    edges = inside(column_edges(pl.Series(values)), values)
    counts, _ = np.histogram(values, [-np.inf, *edges, np.inf])
    assert len(edges) >= 100
    assert counts.max() <= len(values) / 128 + 1


def test_atoms_get_bins_of_their_own():
    rng = np.random.default_rng(1)
    values = np.where(rng.random(10_000) < 0.3, -99.0, rng.normal(size=10_000))
    edges = column_edges(pl.Series(values))
    at = edges.index(-99.0)
    assert edges[at + 1] == math.nextafter(-99.0, 0)


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([], dtype=pl.Float64),
        pl.Series([None, None], dtype=pl.Int64),
        pl.Series([math.nan, math.inf, -math.inf]),
        pl.Series([0.0, -0.0]),
        pl.Series([5e-324]),
        pl.Series([1.7e308, -1.7e308]),
        pl.Series([sys.float_info.max]),
        pl.Series([2**63 - 1, 2**63 - 2]),
        pl.Series([2**100], dtype=pl.Int128),
        pl.Series([True, False]),
    ],
)
def test_odd_columns_get_ascending_finite_edges(values):
    edges = column_edges(values)
    assert edges
    assert all(map(math.isfinite, edges))
    assert all(a < b for a, b in pairwise(edges))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=64), max_size=400), st.integers(2, 32))
def test_edges_ascend_whatever_the_sample(values, bins):
    edges = column_edges(pl.Series(values, dtype=pl.Float64), bins)
    assert all(a < b for a, b in pairwise(edges))
    assert all(map(math.isfinite, edges))


def test_edges_do_not_depend_on_row_order():
    values = np.random.default_rng(2).normal(size=3000)
    assert column_edges(pl.Series(values)) == column_edges(pl.Series(values[::-1]))


def test_text_is_refused():
    with pytest.raises(ColumnError, match="plan it as categorical"):
        make_plan(pl.DataFrame({"x": ["a"]}), numeric=["x"], categorical=[])
    with pytest.raises(ColumnError, match="did you mean 'income'"):
        make_plan(pl.DataFrame({"income": [1]}), numeric=["incom"], categorical=[])


def test_plan_names_each_column_once_and_survives_a_round_trip():
    plan = Plan({"x": (0.0, 0.1)}, ("c", "day"), ("day", "label"), "day", ("x", "loss"), 7)
    assert plan.columns() == ("x", "c", "day", "label", "loss")
    assert Plan.from_dict(plan.to_dict()) == plan
