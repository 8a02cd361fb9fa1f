"""Profiles add up: of any split, in any order, over any batch size, and through a file."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backslide.contracts.errors import InputError
from backslide.engine.profile.profile import Plan, Profile, make_plan, profile_batch
from backslide.engine.profile.run import profile

numbers = st.one_of(st.none(), st.floats(width=64), st.sampled_from([0.0, -0.0, 1.0, 1.5, -3.0]))
wholes = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3))
rows = st.lists(
    st.tuples(numbers, wholes, st.sampled_from(["a", "b", "", None]), st.sampled_from(["mon", "tue", None])),
    max_size=60,
)
SCHEMA = {"x": pl.Float64, "n": pl.Int64, "c": pl.String, "day": pl.String}
PLAN = Plan(
    numeric={"x": (-1.0, 0.0, 0.5, 1.0, 1.5), "n": (-2.0, 0.0, 0.5, 2.0, 1e18)},
    categorical=("c",),
    cells=("day", "c"),
    block="day",
    sums=("n",),
)


def frame_of(values):
    return pl.DataFrame(values, schema=SCHEMA, orient="row")


def assert_same(a, b):
    """Counts exactly, moments as far as floats go."""
    assert a.rows == b.rows
    assert a.cells == b.cells
    for name, left in a.columns.items():
        right = b.columns[name]
        for part in ("rows", "nulls", "nans", "pos_inf", "neg_inf", "finite", "minimum", "maximum"):
            assert getattr(left, part) == getattr(right, part), (name, part)
        assert left.levels == right.levels
        assert (left.rest_rows, left.rest_levels) == (right.rest_rows, right.rest_levels)
        if left.counts is not None:
            assert left.counts.tolist() == right.counts.tolist()
            assert_close(left.mean, right.mean, scale=_magnitude(left))
            assert_close(left.m2, right.m2, scale=_magnitude(left) * _magnitude(left) * max(left.finite, 1))
    for name, blocks in a.sums.items():
        assert {block: values[0] for block, values in blocks.items()} == {
            block: values[0] for block, values in b.sums[name].items()
        }


def _magnitude(column):
    return max(abs(column.minimum or 0), abs(column.maximum or 0), 1.0)


def assert_close(left, right, scale):
    if scale > 1e300:
        return  # squares leave the range of floats; that they stay free of NaN is tested elsewhere
    assert left == pytest.approx(right, abs=1e-9 * scale, nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(rows)
def test_every_row_is_counted_once(values):
    got = profile_batch(frame_of(values), PLAN)
    assert got.rows == len(values) == sum(got.cells.values())
    for name in ("x", "n"):
        column = got.columns[name]
        assert column.finite == int(column.counts.sum())
        assert column.rows == column.missing + column.pos_inf + column.neg_inf + column.finite
    text = got.columns["c"]
    assert text.rows == text.missing + sum(text.levels.values()) + text.rest_rows


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(rows, rows, rows)
def test_a_concatenation_is_the_sum_of_its_parts(a, b, c):
    one, two, three = (profile_batch(frame_of(part), PLAN) for part in (a, b, c))
    whole = profile_batch(frame_of(a + b + c), PLAN)
    assert_same((one + two) + three, whole)
    assert_same(one + (two + three), whole)
    assert_same(three + one + two, whole)
    assert_same(Profile.empty(PLAN) + whole, whole)
    assert_same(whole + Profile.empty(PLAN), whole)


@settings(max_examples=60, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_row_order_is_irrelevant(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert_same(profile_batch(frame_of(values), PLAN), profile_batch(frame_of(shuffled), PLAN))


def mixed(n, seed=0):
    rng = np.random.default_rng(seed)
    floats = rng.lognormal(size=n)
    floats[rng.random(n) < 0.05] = np.nan
    levels = pl.Series([f"v{i}" for i in range(40)] + [None])
    return pl.DataFrame(
        {"x": floats, "n": rng.integers(-5, 2**62, n), "c": levels.gather(pl.Series(rng.integers(0, 41, n)))}
    ).with_columns(day=pl.Series(rng.integers(0, 7, n)).cast(pl.String))


@pytest.mark.sample(1)
@pytest.mark.parametrize("batch_rows", [1, 7, 1000, 1_000_000])
def test_batch_size_is_irrelevant(batch_rows, tmp_path):
    frame = mixed(300 if batch_rows < 10 else 5000)
    frame.write_parquet(tmp_path / "rows.parquet", row_group_size=777)
    plan = make_plan(frame, numeric=["x", "n"], categorical=["c"], cells=["day", "c"], block="day", sums=["n"])
    assert_same(
        profile(pl.scan_parquet(tmp_path / "rows.parquet"), plan, batch_rows=batch_rows), profile_batch(frame, plan)
    )
    assert_same(profile(frame.lazy(), plan, batch_rows=batch_rows), profile_batch(frame, plan))


def test_the_same_frame_gives_the_same_bytes_twice(tmp_path):
    frame = mixed(20_000)
    frame.write_parquet(tmp_path / "rows.parquet", row_group_size=1500)
    plan = make_plan(frame, numeric=["x", "n"], categorical=["c"])
    lazy = pl.scan_parquet(tmp_path / "rows.parquet")
    assert profile(lazy, plan, batch_rows=1000).to_bytes() == profile(lazy, plan, batch_rows=1000).to_bytes()


def test_more_levels_than_kept_over_many_batches_are_still_exact():
    values = [f"v{i % 300}" for i in range(30_000)] + ["often"] * 500 + ["seldom"] * 150
    plan = Plan(categorical=("c",), max_levels=50)
    got = profile(pl.LazyFrame({"c": values}), plan, batch_rows=777).columns["c"]
    assert got.levels == {"often": 500, "seldom": 150}
    assert (got.rest_rows, got.rest_levels) == (30_000, 300)


def test_no_rows_and_no_columns():
    empty = pl.LazyFrame(schema=SCHEMA)
    assert_same(profile(empty, PLAN), Profile.empty(PLAN))
    assert profile(pl.LazyFrame({"x": [1, 2]}), Plan()).rows == 2


def test_profiles_of_two_plans_do_not_add():
    with pytest.raises(InputError, match="one plan"):
        Profile.empty(PLAN) + Profile.empty(Plan())


@settings(max_examples=50, deadline=None)
@given(rows)
def test_a_saved_profile_comes_back(values):
    got = profile_batch(frame_of(values), PLAN)
    back = Profile.from_bytes(got.to_bytes())
    assert back.plan == got.plan
    assert_same(back, got)
    assert back.sums == got.sums
    assert back.to_bytes() == got.to_bytes()
    assert_same(back + got, got + got)


def test_a_saved_profile_keeps_big_integers_and_odd_text(tmp_path):
    frame = pl.DataFrame({"n": pl.Series([2**100 + 1, 3], dtype=pl.Int128), "c": ["emoji 🦉", 'quo"te\n']})
    got = profile_batch(frame, Plan(numeric={"n": (0.0,)}, categorical=("c",)))
    got.save(tmp_path / "reference.profile")
    back = Profile.load(tmp_path / "reference.profile")
    assert back.columns["n"].maximum == 2**100 + 1
    assert back.columns["c"].levels == got.columns["c"].levels


def test_a_wide_profile_is_a_few_kilobytes_per_column():
    rng = np.random.default_rng(1)
    frame = pl.DataFrame({f"x{i}": rng.normal(size=2000) for i in range(20)})
    got = profile_batch(frame, make_plan(frame, numeric=frame.columns, categorical=[]))
    assert len(got.to_bytes()) < 20 * 10_000


@pytest.mark.parametrize("cut", [0, 5, 20, -10])
def test_garbage_is_refused_in_one_line(cut, tmp_path):
    path = tmp_path / "x.profile"
    path.write_bytes(Profile.empty(PLAN).to_bytes()[:cut])
    with pytest.raises(InputError) as caught:
        Profile.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_other_files_and_later_formats_are_refused(tmp_path):
    import zlib

    with pytest.raises(InputError, match="expected a saved profile"):
        Profile.from_bytes(b"PAR1 something else")
    later = b"BSPROF1\n" + zlib.compress(b'{"format": "backslide.profile/2"}')
    with pytest.raises(InputError, match=r"got backslide\.profile/2"):
        Profile.from_bytes(later)
    with pytest.raises(InputError, match="cannot read it"):
        Profile.load(tmp_path / "none")
