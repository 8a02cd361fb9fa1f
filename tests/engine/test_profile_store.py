"""Stored profiles: every partition of rows by day, version and segment adds up to one pass, and comes back from the disk."""

from datetime import date
from functools import reduce
from operator import add

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_profile_monoid import assert_same

from backslide.contracts.errors import InputError, SourceError
from backslide.contracts.roles import Roles
from backslide.engine.columns import names
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.profile import daily_profiles
from backslide.engine.profile.daily_profiles import ALL, UNDATED, ProfileKey, profile_days
from backslide.engine.profile.plan import Plan, make_plan
from backslide.engine.profile.profile import profile_batch
from backslide.engine.profile.profile_store import ProfileManifest, ProfileStore, is_profile_store
from backslide.engine.roles.problem import Problem
from backslide.engine.times.time_range import parse_time_ranges

PLAN = Plan(
    numeric={"x": (-1.0, 0.0, 0.5, 1.0)},
    categorical=("c",),
    cells=(names.DAY, "c"),
    block=names.DAY,
    sums=("x",),
    segments={"c": ("c = 'a'", "c = 'b'"), "x > 0": ("x > 0",)},
)
SCHEMA = {"x": pl.Float64, "c": pl.String, names.DAY: pl.Date, names.VERSION: pl.String}
rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([0.0, float("nan"), float("inf"), -float("inf")])),
        st.sampled_from(["a", "b", "z", None]),
        st.sampled_from([None, date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 9)]),
        st.sampled_from(["v1", "v2", None]),
    ),
    max_size=40,
)


def frame_of(values):
    return pl.DataFrame(values, schema=SCHEMA, orient="row")


def manifest_of(plan, schema=SCHEMA):
    problem = Problem("binary", ("no", "yes"), Roles(label="y"), ("x", "c"), "yes", 0.5, "accuracy", 0.01, True, False)
    return ProfileManifest(plan, problem, dict(schema), {"x": ColumnKind.NUMERIC}, "here")


@settings(max_examples=40, deadline=None)
@given(rows, st.integers(1, 17))
def test_days_versions_and_segments_add_up_to_one_pass_whatever_the_batches(values, size):
    frame = frame_of(values)
    parts = profile_days(frame.lazy(), PLAN, batch_rows=size)
    whole = profile_batch(frame, PLAN)
    for order in (list(parts), list(reversed(parts))):
        every = [parts[key] for key in order if key.segment == ALL]
        if every:
            assert_same(reduce(add, every), whole)
    assert sum(p.rows for key, p in parts.items() if key.segment == ALL) == len(values)
    a = [p for key, p in parts.items() if key.segment == "c: c = 'a'"]
    assert sum(p.rows for p in a) == sum(value[1] == "a" for value in values)
    for variable in PLAN.segments:  # every row is in one segment of each variable
        assert sum(p.rows for key, p in parts.items() if key.segment.startswith(f"{variable}: ")) == len(values)


@pytest.mark.parametrize(("waiting", "most"), [(2**20, 60), (2**12, 200), (0, 820)])
def test_rows_of_mixed_days_are_counted_together_as_far_as_memory_allows(waiting, most, monkeypatch):
    rng = np.random.default_rng(0)
    days = [date(2026, 3, 1 + int(k)) for k in rng.integers(0, 20, 4000)]
    frame = pl.DataFrame({"x": rng.normal(size=4000), names.DAY: days})
    plan = Plan(numeric={"x": (-1.0, 0.0, 1.0)}, categorical=(), cells=(), block=names.DAY, sums=("x",))
    counted = []
    monkeypatch.setattr(daily_profiles, "_WAITING_BYTES", waiting)
    monkeypatch.setattr(
        daily_profiles, "profile_batch", lambda part, own: counted.append(part) or profile_batch(part, own)
    )
    parts = profile_days(frame.lazy(), plan, batch_rows=100)
    assert len(counted) <= most
    assert all(part[names.DAY].n_unique() == 1 for part in counted)
    assert_same(reduce(add, parts.values()), profile_batch(frame, plan))
    assert {key.day: part.rows for key, part in parts.items()} == {
        str(day): rows for day, rows in frame[names.DAY].value_counts().iter_rows()
    }


@settings(max_examples=25, deadline=None)
@given(rows, rows, rows)
def test_merging_is_associative_and_commutative(a, b, c):
    one, two, three = (profile_batch(frame_of(part), PLAN) for part in (a, b, c))
    assert_same((one + two) + three, one + (two + three))
    assert_same(one + two, two + one)


@settings(max_examples=15, deadline=None)
@given(rows)
def test_profiles_come_back_from_the_disk_as_they_were(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("store") / "profiles"
    parts = profile_days(frame_of(values).lazy(), PLAN)
    days = ProfileStore.create(folder, manifest_of(PLAN)).write(parts)
    store = ProfileStore.open(folder)
    assert store.manifest == manifest_of(PLAN)
    assert store.days() == days == sorted({key.day for key in parts})
    back = {key: profile for day in days for key, profile in store.read(day).items()}
    assert list(back) == list(parts)
    for key, profile in parts.items():
        assert_same(back[key], profile)


@pytest.fixture
def store(tmp_path):
    values = [(1.0, "a", date(2026, 3, day), "v1" if day < 3 else "v2") for day in (1, 2, 3, 4) for _ in range(day)]
    store = ProfileStore.create(tmp_path / "profiles", manifest_of(PLAN))
    store.write(profile_days(frame_of([*values, (None, None, None, None)]).lazy(), PLAN))
    return store


def test_periods_versions_and_segments_are_read_apart(store):
    assert is_profile_store(store.folder)
    assert not is_profile_store(store.folder / ("SELECT 1 " * 100))
    days = store.days_within(parse_time_ranges("2026-03-02..2026-03-03"))
    assert days == ["2026-03-02", "2026-03-03"]
    assert {day: p.rows for day, p in store.by_day(days).items()} == {"2026-03-02": 2, "2026-03-03": 3}
    assert list(store.by_day(days, version="v2")) == ["2026-03-03"]
    assert sum(p.rows for p in store.by_day(days, segment="c: c = 'a'").values()) == 5
    assert store.days_within(None)[-1] == UNDATED
    assert store.versions(store.days()) == ("v1", "v2")


def test_a_day_that_is_written_again_takes_the_place_of_the_former_one(store):
    again = profile_days(frame_of([(2.0, "b", date(2026, 3, 4), "v2")]).lazy(), PLAN)
    assert store.write(again) == ["2026-03-04"]
    assert sum(p.rows for p in store.by_day(["2026-03-04"]).values()) == 1
    assert len(store.days()) == 5


def test_what_cannot_be_read_is_one_line(store, tmp_path):
    with pytest.raises(SourceError, match="hold whole days"):
        store.days_within(parse_time_ranges("2026-03-01T12:00..2026-03-02"))
    with pytest.raises(SourceError, match="there are 2026-03-01 to 2026-03-04"):
        store.days_within(parse_time_ranges("2027-01-01..2027-01-02"))
    with pytest.raises(InputError, match="new or empty folder"):
        ProfileStore.create(store.folder, manifest_of(PLAN))
    other = Plan(numeric={"x": (0.0,)})
    with pytest.raises(InputError, match="under the plan of the store"):
        store.write({ProfileKey("2026-03-01", None, ALL): profile_batch(frame_of([]), other)})
    file = store.folder / "days" / "2026-03-02.profile"
    for damage in (b"", file.read_bytes()[:-9], b"x" + file.read_bytes()):
        file.write_bytes(damage)
        with pytest.raises(SourceError, match="is damaged"):
            ProfileStore.open(store.folder).read("2026-03-02")
    for text in ("", "{}", '{"format": "backslide.profiles/9"}', "[" * 100_000):
        (store.folder / "profiles.json").write_text(text)
        with pytest.raises(SourceError, match="is damaged"):
            ProfileStore.open(store.folder)
    with pytest.raises(SourceError, match="expected stored profiles"):
        ProfileStore.open(tmp_path / "nothing")


def test_a_numeric_column_takes_at_most_5_kilobytes_a_day(tmp_path):
    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.lognormal(8, 1, 20_000) for i in range(5)} | {
        f"n{i}": rng.normal(size=20_000) for i in range(5)
    }
    frame = pl.DataFrame(columns).with_columns(pl.lit(date(2026, 3, 1)).alias(names.DAY))
    plan = make_plan(frame, numeric=list(columns), categorical=[])
    store = ProfileStore.create(tmp_path / "profiles", manifest_of(plan, frame.schema))
    store.write(profile_days(frame.lazy(), plan))
    size = (store.folder / "days" / "2026-03-01.profile").stat().st_size
    assert size / len(columns) <= 5_000
