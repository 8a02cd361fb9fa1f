"""Categories, joint counts and sums per block."""

import math
from datetime import date

import polars as pl
import pytest

from backslide.contracts.errors import ColumnError
from backslide.engine.profile.profile import Plan, Profile, profile_batch


def levels_of(values, max_levels=1000, dtype=None):
    batch = pl.DataFrame({"c": pl.Series(values, dtype=dtype)})
    return profile_batch(batch, Plan(categorical=("c",), max_levels=max_levels)).columns["c"]


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["a", "b", "unused"])])
def test_levels_and_nulls(dtype):
    got = levels_of(["b", "a", None, "b"], dtype=dtype)
    assert got.levels == {"b": 2, "a": 1}
    assert (got.rows, got.nulls, got.rest_rows, got.distinct_levels) == (4, 1, 0, 2)


def test_numbers_and_booleans_are_written_like_labels():
    assert levels_of([1, 2, 2]).levels == {"2": 2, "1": 1}
    got = levels_of([1.0, 2.0, math.nan, None, 0.5])
    assert got.levels == {"0.5": 1, "1": 1, "2": 1}
    assert (got.nulls, got.nans) == (1, 1)
    assert levels_of([True, False, True]).levels == {"true": 2, "false": 1}
    assert levels_of([date(2026, 3, 1)]).levels == {"2026-03-01": 1}


def test_the_empty_text_is_a_level_and_not_missing():
    got = levels_of(["", "", None])
    assert got.levels == {"": 2}
    assert got.nulls == 1


def test_the_most_frequent_are_kept_and_the_rest_is_counted():
    got = levels_of(["a"] * 5 + ["b"] * 4 + ["c", "d", "e", None], max_levels=2)
    assert got.levels == {"a": 5, "b": 4}
    assert (got.rest_rows, got.rest_levels, got.nulls) == (3, 3, 1)
    assert got.distinct_levels == 5


def test_ties_with_the_first_left_out_are_left_out():
    got = levels_of([f"id{i}" for i in range(50)] + ["common"] * 3, max_levels=10)
    assert got.levels == {"common": 3}
    assert (got.rest_rows, got.rest_levels) == (50, 50)


def test_row_order_decides_nothing():
    values = [f"v{i % 37}" for i in range(400)] + ["w"] * 30
    assert levels_of(values, 20).levels == levels_of(values[::-1], 20).levels


def test_huge_texts_are_named_by_beginning_and_digest():
    big, other = "x" * 1_000_000, "x" * 999_999 + "y"
    got = levels_of([big, big, other, "short"])
    assert sorted(got.levels.values()) == [1, 1, 2]
    assert max(map(len, got.levels)) < 200
    assert got.levels["short"] == 1
    assert levels_of([big]).levels.keys() < got.levels.keys()


def test_profiles_of_a_million_distinct_texts_stay_small():
    plan = Plan(categorical=("c",), max_levels=100)
    total = Profile.empty(plan)
    for start in range(0, 200_000, 20_000):
        values = [f"user-{i}" for i in range(start, start + 20_000)] + ["unknown"] * 500
        total = total + profile_batch(pl.DataFrame({"c": values}), plan)
    got = total.columns["c"]
    assert got.levels == {"unknown": 5000}
    assert got.rest_rows == 200_000
    assert 20_000 <= got.rest_levels <= 200_000
    assert len(total.to_bytes()) < 2000


def test_joint_counts_are_exact_and_keep_null():
    batch = pl.DataFrame({"day": [date(2026, 3, 1)] * 3 + [None], "y": [1.0, 1.0, 0.0, None]})
    got = profile_batch(batch, Plan(cells=("day", "y"))).cells
    assert got == {("2026-03-01", "1"): 2, ("2026-03-01", "0"): 1, (None, None): 1}


def test_sums_per_block_leave_out_what_is_not_finite():
    batch = pl.DataFrame(
        {
            "day": ["m", "m", "t", "t", None],
            "x": [1.0, 3.0, math.nan, math.inf, 2.0],
            "n": pl.Series([1, None, 3, None, 5], dtype=pl.Int32),
        }
    )
    got = profile_batch(batch, Plan(block="day", sums=("x", "n"))).sums
    assert got["x"] == {"m": (2, 4.0, 10.0), None: (1, 2.0, 4.0)}
    assert got["n"] == {"m": (1, 1.0, 1.0), "t": (1, 3.0, 9.0), None: (1, 5.0, 25.0)}


def test_sums_without_blocks_and_without_rows():
    plan = Plan(sums=("x",))
    assert profile_batch(pl.DataFrame({"x": [1, 2]}), plan).sums == {"x": {None: (2, 3.0, 5.0)}}
    assert profile_batch(pl.DataFrame({"x": [None, None]}), plan).sums == {"x": {}}
    assert profile_batch(pl.DataFrame({"x": pl.Series([], dtype=pl.Int64)}), plan).sums == {"x": {}}


def test_texts_cannot_be_summed():
    with pytest.raises(ColumnError, match="to sum in column 'x'"):
        profile_batch(pl.DataFrame({"x": ["a"]}), Plan(sums=("x",)))


def test_the_rest_is_a_lower_bound_when_parts_share_levels():
    batch = pl.DataFrame({"c": ["often"] * 9 + [f"id{i}" for i in range(40)]})
    part = profile_batch(batch, Plan(categorical=("c",), max_levels=5))
    got = (part + part).columns["c"]
    assert (got.levels, got.rest_rows) == ({"often": 18}, 80)
    assert got.distinct_levels == 41


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Boolean, pl.Int64, pl.List(pl.Int64)])
def test_levels_that_are_all_kept_are_counted_like_those_that_are_not(dtype):
    values = {
        pl.Boolean: [True, None, False, True],
        pl.Int64: [7, None, 5, 7],
        pl.List(pl.Int64): [[1], None, [2], [1]],
    }
    rows = values.get(dtype, ["x", None, "y", "x"])
    few, cut = levels_of(rows, dtype=dtype), levels_of(rows, max_levels=2, dtype=dtype)
    assert (few.levels, few.nulls, few.rest_rows) == (cut.levels, cut.nulls, cut.rest_rows), (
        "three with the missing ones"
    )
    assert list(few.levels.values()) == [2, 1]
