"""Lines read in bulk are what they are read carefully, or are not taken."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from itertools import accumulate

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from backslide.log.columns import _bulk as in_bulk
from backslide.log.columns import column_name, plain_names, rows_of
from backslide.log.lines import line, to_json_value
from backslide.log.parse_rows import ParsedLines, parse_records, records_of

SPECIAL = [
    math.nan,
    math.inf,
    -math.inf,
    -0.0,
    5e-324,
    1e308,
    2**53 + 1,
    2**63,
    2**64 - 1,
    2**70,
    -(2**63),
    b"\x00",
    Decimal("1.10"),
    date(2026, 1, 2),
    "",
    '":',
    '\\":"',
    '{"$f":"nan"}',
    "null",
    ":null",
    "NaN",
    "a\nb",
    "é😀\x00",
    [1.0, None],
    [1, math.nan],
    ["a"],
    [],
    {"a": 1},
    {"$f": "nan"},
    -7.120117120117e-291,
]
ONE = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(), st.text(max_size=6), st.sampled_from(SPECIAL)
)
COLUMN = st.sampled_from(
    [
        st.floats(),
        st.integers(-(2**60), 2**60),
        st.text(max_size=6),
        st.booleans(),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.text(max_size=4),
        st.dates(),
        ONE,
        st.lists(st.floats(), max_size=3),
    ]
)
NAMES = st.sampled_from(["x", "y z", "", 'q"', "$f", "a~b", "k", "é", "X"])


@st.composite
def batches(draw: st.DrawFn) -> tuple[str, list[dict]]:
    """Records as a recorder makes them: mostly of one shape, of columns of one type."""
    kind = draw(st.sampled_from("ppl"))
    answers = draw(COLUMN)
    columns = {name: draw(COLUMN) for name in draw(st.lists(NAMES, unique=True, max_size=4))}
    full = draw(st.booleans())
    records = []
    for k in range(draw(st.integers(1, 12))):
        values = {name: draw(own) for name, own in columns.items() if full or draw(st.integers(0, 3))}
        at = draw(st.floats(-1e11, 1e12) | st.none())
        record = {"k": kind, "i": draw(st.text(max_size=4)) or f"r{k}", "t": at}
        if kind == "p":
            scores = draw(st.none() | st.just({"a": 0.5, "b": 0.25}))
            record |= {
                "f": values,
                "p": to_json_value(draw(answers)),
                "s": scores,
                "v": draw(st.none() | st.just("v1")),
                "x": None,
            }
        else:
            record |= {"y": to_json_value(draw(answers)), "o": draw(st.none() | st.just("review")), "n": at}
        records.append(record)
    return kind, records


def written(kind: str, records: list[dict]) -> list[tuple[int, bytes]]:
    lines = [line(record, *(("f", "s", "x") if kind == "p" else ())).rstrip(b"\n") for record in records]
    return list(zip(accumulate((len(text) + 1 for text in lines), initial=7), lines, strict=False))


def whole(rows: ParsedLines) -> pl.DataFrame:
    made = rows.own.with_columns(values.alias(prefix + name) for prefix, name, values in rows.values)
    return made.select(sorted(made.columns))


@settings(max_examples=150, deadline=None)
@given(batches())
def test_bulk_is_exact_or_nothing(batch):
    kind, records = batch
    lines = written(kind, records)
    bulk = in_bulk(kind, lines)
    if bulk is not None:
        assert_frame_equal(whole(bulk), whole(parse_records(kind, records_of(lines)[0])), check_exact=True)


def usual(k: int, rng: np.random.Generator, **values: object) -> dict:
    features = {"n": float(rng.normal()), "c": f"c{k % 5}", "i": k, "b": bool(k % 2), **values}
    return {
        "k": "p",
        "i": f"r-{k}",
        "t": 1.77e9 + k / 7,
        "f": features,
        "p": "a",
        "s": {"a": 0.5},
        "v": None,
        "x": None,
    }


def test_usual_lines_are_taken_in_bulk():
    """The other way is exact as well, so only this would show that nothing is quick any more."""
    rng = np.random.default_rng(3)
    odd = [math.nan, math.inf, -math.inf, 1.5]
    records = [
        usual(k, rng, odd=odd[k % 4], day=date(2026, 1, 1 + k % 9), v=[0.5, math.nan], none=None) for k in range(2000)
    ]
    lines = written("p", records)
    bulk = in_bulk("p", lines)
    assert bulk is not None
    made = whole(bulk)
    assert_frame_equal(made, whole(parse_records("p", records_of(lines)[0])), check_exact=True)
    assert made["f_odd"].is_nan().sum() == 500
    labels = [{"k": "l", "i": f"r-{k}", "t": 1.8e9, "y": k / 3, "o": None, "n": 1.8e9} for k in range(100)]
    assert in_bulk("l", written("l", labels)) is not None


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    "late",
    [
        {"new": 1.5},
        {"new": "text"},
        {"c": 5},
        {"c": [1]},
        {"c": True},
        {"n": "text"},
        {"i": 2.5},
        {"i": 2**63},
        {"b": 1},
        {"n": {"a": 1}},
        {"c": '":'},
        {"": "x"},
    ],
    ids=str,
)
def test_what_the_sample_does_not_show_is_noticed(late: dict):
    """One odd line among thousands, off the sampled ones."""
    rng = np.random.default_rng(4)
    records = [usual(k, rng) for k in range(3000)]
    records[1501]["f"] |= late
    lines = written("p", records)
    assert in_bulk("p", lines) is None
    data = b"".join(text + b"\n" for _, text in lines)
    found, broken = rows_of(data, 7)
    assert broken == 0
    assert_frame_equal(whole(found["p"]), whole(rows_of(data, 7, quick=False)[0]["p"]), check_exact=True)


def test_a_missing_and_a_new_name_do_not_make_up_for_each_other():
    rng = np.random.default_rng(5)
    records = [usual(k, rng) for k in range(3000)]
    del records[1501]["f"]["c"]
    records[1501]["f"]["d"] = "renamed"
    assert in_bulk("p", written("p", records)) is None


def test_kinds_of_lines_mix_and_a_line_that_went_on_in_a_torn_one_counts():
    rng = np.random.default_rng(6)
    lines = [text for _, text in written("p", [usual(k, rng) for k in range(20)])]
    label = written("l", [{"k": "l", "i": "r-3", "t": 1.8e9, "y": "b", "o": None, "n": 1.8e9}])[0][1]
    event = b'{"k":"e","t":1.8e9,"y":"deploy"}'
    torn = lines[5][:40] + lines[6]
    data = b"".join(text + b"\n" for text in [*lines[:5], b"", label, torn, event, *lines[7:], b"not a line"])
    found, broken = rows_of(data, 50)
    assert broken == 2
    assert found["p"].own["id"].to_list() == [f"r-{k}" for k in range(20) if k != 5]
    for place, name in found["p"].own.select("place", "id").rows():
        assert data[place - 50 :].startswith(b'{"k":"p","i":"%s"' % name.encode())
    assert (found["l"].own.height, found["e"].own["text"].to_list()) == (1, ["deploy"])


def test_names_with_any_sign_come_back():
    for name in ("a~b", "a b", "%7E", "é", "f_x"):
        (stem,) = plain_names(["f_" + column_name(name)]).values()
        assert stem[0] == name
