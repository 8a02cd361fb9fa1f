"""User segments: what is a condition, what it holds for, and that counting by segment adds up."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backslide.contracts.errors import ConfigError
from backslide.engine.columns import segments
from backslide.engine.columns.conditions import code
from backslide.engine.columns.kinds import kind_of
from backslide.engine.profile.profile import Plan, Profile, profile_batch
from backslide.engine.profile.run import profile
from backslide.engine.profile.segment_counts import REST

FRAME = pl.DataFrame(
    {
        "age": [18, 30, 45, 61, None],
        "income": [1.0, float("nan"), None, float("inf"), 5.0],
        "my branch": ["north", "it's", None, "north", "south"],
        "flag": [True, False, None, True, False],
    }
)
SCHEMA = {"reference": FRAME.schema, "current": FRAME.schema}


def rows(expression):
    return segments.holds(FRAME, expression).to_list()


def test_missing_values_are_in_no_segment_but_their_own():
    assert rows("income >= 5") == [False, False, False, True, True], "NaN is not larger than every number"
    assert rows("income is null") == [False, True, True, False, False]
    assert rows("not (income >= 5)") == [True, False, False, False, False]
    assert FRAME.lazy().filter(segments.condition("income >= 5")).collect().height == 2


@pytest.mark.parametrize("name", ["my branch", "order", 'quo"ted', "ümlaut", "1st"])
@pytest.mark.parametrize("level", ["a", "it's", 'say "x"', "", 3, -2.5, True])
def test_what_is_written_reads_back(name, level):
    frame = pl.DataFrame({name: [level, None]})
    expression = f"{segments.quoted(name)} = {segments.literal(level)}"
    assert segments.columns_of(expression) == (name,)
    assert segments.holds(frame, expression).to_list() == [True, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agee > 3", "did you mean 'age'"),
        ("age >", "cannot read"),
        ("my branch = 'north'", 'write "my branch" with double quotes'),
        ("flag age > 3", "cannot read"),
        ("age > 3) or (flag", "cannot read"),
        ("age > 3 income", "something stands behind the condition"),
        ("1 = 1", "reads no column"),
        ("nothing_like_it", "does not have"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(text, said):
    with pytest.raises(ConfigError) as caught:
        segments.check([text], SCHEMA)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_column_that_one_window_lacks_is_refused():
    with pytest.raises(ConfigError, match="current window does not have"):
        segments.check(["age"], SCHEMA | {"current": {"flag": pl.Boolean()}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("age + 1", "yes-or-no"),
        ("age > avg(age)", "depends on rows other than its own"),
        ("max(age) > 3", "depends on rows other than its own"),
        ("age = 'old'", "cannot be evaluated"),
    ],
)
def test_only_conditions_on_single_rows_are_segments(text, said):
    segments.check([text], SCHEMA)
    with pytest.raises(ConfigError, match=said):
        segments.resolve([text], FRAME, FRAME)


def test_a_column_becomes_its_levels_or_quartiles():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.lognormal(8, 1, 4000), "k": rng.integers(0, 3, 4000), "c": ["a", "b"] * 2000})
    found, notes = segments.resolve(["x", "k", "c", "x > 10000"], frame, frame)
    assert notes == []
    assert found["c"] == ("c = 'a'", "c = 'b'")
    assert found["x > 10000"] == ("x > 10000",)
    assert sorted(found["k"]) == ["k = 0", "k = 1", "k = 2"]
    shares = [segments.holds(frame, e).mean() for e in found["x"]]
    assert sum(shares) == pytest.approx(1)
    assert shares == pytest.approx([0.25] * 4, abs=0.01)


def test_only_the_most_frequent_levels_are_tested():
    levels = [f"l{i:02}" for i in range(30) for _ in range(i + 1)]
    frame = pl.DataFrame({"c": levels})
    found, _ = segments.resolve(["c"], frame, frame)
    assert len(found["c"]) == segments.MOST_LEVELS
    assert found["c"][0] == "c = 'l29'"
    assert "c = 'l09'" not in found["c"]


def test_a_column_that_changed_its_type_is_noted_not_fatal():
    found, notes = segments.resolve(["age", "flag"], FRAME, FRAME.with_columns(age=pl.lit("old")))
    assert list(found) == ["flag"]
    assert len(notes) == 1
    assert "'age' is not compared" in notes[0]


@pytest.mark.parametrize("values", [[None, None], [float("nan")] * 2, [[1], [2]]])
def test_a_column_without_groups_is_noted(values):
    frame = pl.DataFrame({"c": values}, strict=False)
    found, notes = segments.resolve(["c"], frame, frame)
    assert found == {}
    assert "make no groups" in notes[0]


record = st.tuples(
    st.one_of(st.none(), st.floats(-5, 5), st.just(float("nan"))),
    st.sampled_from(["a", "b", "c", None]),
    st.sampled_from(["mon", "tue", None]),
)
PLAN = Plan(
    cells=("day", "c"),
    block="day",
    sums=("x",),
    segments={"c": ("c = 'a'", "c = 'b'"), "x > 0": ("x > 0",)},
)


def frame_of(values):
    return pl.DataFrame(values, schema={"x": pl.Float64, "c": pl.String, "day": pl.String}, orient="row")


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(record, max_size=40), st.integers(0, 40))
def test_parts_add_up_and_equal_the_filtered_rows(values, cut):
    frame = frame_of(values)
    whole = profile_batch(frame, PLAN)
    added = profile_batch(frame[:cut], PLAN) + profile_batch(frame[cut:], PLAN)
    back = Profile.from_bytes(whole.to_bytes())
    for variable, expressions in PLAN.segments.items():
        held = [segments.holds(frame, e) for e in expressions]
        rest = ~np.logical_or.reduce([h.to_numpy() for h in held])
        for expression, mask in [*zip(expressions, held, strict=True), (REST, pl.Series(rest))]:
            alone = profile_batch(frame.filter(mask), PLAN)
            for got in (whole, added, back):
                part = got.segment(variable, expression)
                assert part.rows == alone.rows
                assert part.cells == alone.cells
                assert {b: v[0] for b, v in part.sums["x"].items()} == {b: v[0] for b, v in alone.sums["x"].items()}
                for block, (_, total, squares) in part.sums["x"].items():
                    assert (total, squares) == pytest.approx(alone.sums["x"][block][1:], abs=1e-9)
    assert back.plan == PLAN


def test_a_whole_window_is_counted_by_segment_whatever_the_batches():
    rng = np.random.default_rng(1)
    frame = frame_of(list(zip(rng.normal(size=900), rng.choice(["a", "b", "c"], 900), ["mon"] * 900, strict=True)))
    one, many = (profile(frame.lazy(), PLAN, batch_rows=size) for size in (10_000, 71))
    assert one.segment("x > 0", "x > 0").rows == int((frame["x"] > 0).sum())
    assert one.segment("c", REST).rows == int((frame["c"] == "c").sum())
    assert many.segment("c", "c = 'a'").cells == one.segment("c", "c = 'a'").cells


def test_a_profile_saved_before_there_were_segments_can_be_read():
    plan = Plan(cells=("c",)).to_dict()
    plan.pop("segments")
    assert Plan.from_dict(plan) == Plan(cells=("c",))


@pytest.mark.parametrize("column", ["x", "c", "flag", "few"])
def test_every_condition_of_the_search_means_its_rows(column):
    """Codes and texts are two ways to say the same; the text is what a reader will paste."""
    rng = np.random.default_rng(2)
    n = 500
    frame = pl.DataFrame(
        {
            "x": [None if u < 0.1 else v for u, v in zip(rng.random(n), rng.normal(size=n).tolist(), strict=True)],
            "c": [
                None if u < 0.1 else v for u, v in zip(rng.random(n), rng.choice(list("abc"), n).tolist(), strict=True)
            ],
            "flag": rng.random(n) < 0.5,
            "few": rng.integers(0, 4, n).astype(float),
        }
    )
    coded = code(column, kind_of(frame[column].dtype), frame[column][:300], frame[column][300:])
    assert len(coded.texts) == len(coded.ranges) > 1
    for index, text in enumerate(coded.texts):
        assert coded.holds(index).tolist() == segments.holds(frame, text).to_list(), text
