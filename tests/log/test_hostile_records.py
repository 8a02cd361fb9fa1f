"""Whatever is recorded, a rollup gets through: what is acknowledged reaches the tables, the rest is refused at once."""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import backslide as bs
from backslide.log.lines import DEPTH, to_json_value, value_of
from backslide.log.reading import open_log
from backslide.log.recorder import LONGEST
from backslide.log.rollup import rollup

pytest.importorskip("deltalake")


def nested(depth: int, kind: str) -> object:
    value: object = "end"
    for _ in range(depth):
        value = {"dict": {"d": value}, "list": [value], "tag": {"$f": value}, "wrap": {"$m": value}}[kind]
    return value


def doubled(depth: int, kind: type) -> object:
    """Few objects that are 2 ** depth values when written."""
    value: object = "ha"
    for _ in range(depth):
        value = {"a": value, "b": value} if kind is dict else kind((value, value))
    return value


class Colour(Enum):
    LIKE_A_TAG = {"$f": "red"}


RING: list[object] = []
RING.append(RING)
KEPT = [
    *[nested(depth, kind) for depth in (1, 2, 28, 90) for kind in ("dict", "list", "tag", "wrap")],
    *[
        {tag: held}
        for tag in ("$f", "$d", "$t", "$o", "$b", "$m", "$$f")
        for held in ("hello", 5, None, [1], {"$f": "nan"})
    ],
    Colour.LIKE_A_TAG,
    np.longdouble(1.5),
    np.void(b"abc"),
    np.datetime64("2026-01-01", "ns"),
    np.array([]),
    b"\xff",
    10**400,
    2**53 + 1,
    np.uint64(2**64 - 1),
    1 + 2j,
    "\x00",
    "\ud800",
    {"a": {"b": math.nan}},
    [b"x", {"a": b"y"}],
    {None: 1},
    {1: {2: 3}},
    pd.Series([pd.NA, 1]),
    range(3),
    pd.Timestamp.max,
    object,
    math.inf,
    1e300,
    {"$f": math.nan},
    [[1], [2, 3]],
]
REFUSED = [
    *[nested(depth, kind) for depth in (DEPTH + 60, 3000) for kind in ("dict", "list", "tag")],
    *[doubled(40, kind) for kind in (list, tuple, dict)],
    RING,
    {1: "a", "1": "b"},
    "x" * (LONGEST + 1),
]


def test_values_of_every_kind_are_acknowledged_and_rolled_up(tmp_path: Path):
    with bs.Recorder("m", store=tmp_path) as recorder:
        for k, value in enumerate(KEPT):
            assert recorder.record(
                {"x": 1.0, "odd": value}, value, {"a": 0.5, "b": value}, id=f"r-{k}", extra={"y": value}
            )
            assert recorder.label(f"r-{k}", value)
    (done,) = rollup(tmp_path)
    assert (done.set_aside, done.broken, done.rows["predictions"], done.rows["labels"]) == (0, 0, len(KEPT), len(KEPT))
    rows = open_log(tmp_path).predictions().collect()
    assert rows.height == len(KEPT)
    assert rows["odd"].dtype == pl.String


@pytest.mark.parametrize("value", REFUSED, ids=range(len(REFUSED)))
def test_what_is_too_deep_or_too_long_is_refused_and_counted(value: object, tmp_path: Path):
    recorder = bs.Recorder("m", store=tmp_path)
    assert recorder.record({"x": 1.0, "odd": value}, "a") is None
    assert recorder.record({"x": 1.0}, "a", {"a": value}) is None
    if not isinstance(value, dict) or 1 not in value:
        assert recorder.record({"x": 1.0}, value) is None
    assert "LogError: expected" in recorder.stats()["error"]
    assert recorder.record({"x": 1.0}, "a", id="next") == "next"


@pytest.mark.parametrize("given", [[1.0, 2.0], "text", 0.7, (1,), {1}, np.ones(2), True], ids=repr)
@pytest.mark.parametrize("where", ["features", "scores", "extra"])
def test_what_is_no_mapping_is_refused_with_the_reason(where: str, given: object, tmp_path: Path):
    recorder = bs.Recorder("m", store=tmp_path, drop=("secret",))
    assert recorder.record(**{"features": {"x": 1.0}, "prediction": "a", where: given}) is None
    assert recorder.stats()["failed"] == 1
    assert f"expected {where} as a mapping of names to values" in recorder.stats()["error"]


def test_the_texts_of_nested_values_grow_with_their_depth_alone():
    short, long = (len(value_of(to_json_value(nested(depth, "dict")))) for depth in (20, 40))
    assert long - short == 20 * len('{"d":}')
    assert (
        value_of(to_json_value({"a": {"$f": "hello"}, "b": [math.nan, b"x"]}))
        == '{"a":{"$f":"hello"},"b":[null,"eA=="]}'
    )


def test_names_that_differ_in_case_live_side_by_side(tmp_path: Path):
    batches = [
        {"Age": 1.0},
        {"age": 2.0, "Age": 3.0},
        {"AGE": 4.0, "age": "five"},
        {"aGE": 6.0, "%41ge": 7.0, "AGE": 8},
    ]
    for k, features in enumerate(batches):
        with bs.Recorder("m", store=tmp_path) as recorder:
            recorder.record(features, "Yes", {"Yes": 0.6, "yes": 0.4}, id=str(k), extra={"Host": "a", "host": "b"})
        assert rollup(tmp_path)[0].set_aside == 0
    rows = open_log(tmp_path).predictions().collect().sort("id")
    assert rows["Age"].to_list() == [1.0, 3.0, None, None]
    assert rows["age"].to_list() == [None, "2.0", "five", None]
    assert rows["AGE"].to_list() == [None, None, 4.0, 8.0]
    assert (rows["aGE"][3], rows["%41ge"][3]) == (6.0, 7.0)
    assert (rows["p_Yes"][0], rows["p_yes"][0], rows["Host"][0], rows["host"][0]) == (0.6, 0.4, "a", "b")


def test_features_called_as_columns_of_the_log_or_of_each_other(tmp_path: Path):
    names = ("id", "feature_id", "feature_feature_id", "p_a", "label", "at", "day", "Day", "")
    with bs.Recorder("m", store=tmp_path) as recorder:
        recorder.record(dict.fromkeys(names, 1.0), "a", {"a": 0.5}, id="r", extra=OrderedDict.fromkeys(names, 2.0))
    rollup(tmp_path)
    row = open_log(tmp_path).predictions().collect().to_dicts()[0]
    assert sorted(value for value in row.values() if isinstance(value, float)) == [0.5, *[1.0] * 9, *[2.0] * 9]


def test_missing_is_missing_and_an_array_of_one_is_its_value(tmp_path: Path):
    missing = {"a": pd.NA, "b": pd.NaT, "c": np.ma.masked, "d": np.datetime64("NaT"), "e": None, "f": np.array([None])}
    with bs.Recorder("m", store=tmp_path, hash=("b",)) as recorder:
        recorder.record({"n": 31, "v": np.array([2.5]), **missing}, np.array(["paid"]), id="1")
        recorder.record({"n": pd.NA, "v": pd.Series([1.5]), "b": "b"}, np.array([[b"paid"]]), id=np.array(["2"]))
        recorder.record(pd.DataFrame({"n": [33], "v": [0.5]}), np.str_("paid"), id=pd.NA)
        assert recorder.label(np.array(["2"]), b"paid")
        assert not recorder.label(None, "paid")
        assert recorder.stats()["recorded"] == 3
    rollup(tmp_path)
    rows = open_log(tmp_path).predictions().collect().sort("v", descending=True)
    assert (rows["n"].dtype, rows["n"].to_list()) == (pl.Int64, [31, None, 33])
    assert rows["v"].to_list() == [2.5, 1.5, 0.5]
    assert rows["prediction"].to_list() == ["paid"] * 3
    assert (rows["id"].to_list()[:2], len(rows["id"][2])) == (["1", "2"], 32)
    assert rows["label"].to_list() == [None, "paid", None]
    assert rows["b"].null_count() == 2
    assert not {"a", "c", "d", "e", "f"} & set(rows.columns)


def test_whole_numbers_keep_their_digits(tmp_path: Path):
    long = 2**53 + 1
    for values in ([long, 1], [0.5, long], [0.5], [long]):
        with bs.Recorder("m", store=tmp_path) as recorder:
            for value in values:
                recorder.record({"x": value, "y": value}, "a")
        rollup(tmp_path)
    held = open_log(tmp_path)._tables["predictions"].scan().collect()
    texts = [str(v) for c in held.columns if c.startswith("f_x") for v in held[c].drop_nulls()]
    assert texts.count(str(long)) == 3


AT = 1_772_326_754


@pytest.mark.parametrize(
    "at",
    [
        AT,
        AT * 10**3,
        AT * 10**6,
        AT * 10**9,
        float(AT),
        np.int64(AT * 1000),
        np.datetime64(AT * 10**9, "ns"),
        np.array([AT]),
        datetime.fromtimestamp(AT, UTC),
        datetime.fromtimestamp(AT, UTC).isoformat(),
        pd.Timestamp(AT, unit="s"),
    ],
    ids=repr,
)
def test_times_in_every_unit(at: object, tmp_path: Path):
    with bs.Recorder("m", store=tmp_path) as recorder:
        recorder.record({"x": 1}, "a", at=at)
    rollup(tmp_path)
    assert open_log(tmp_path).predictions().collect()["at"][0] == datetime.fromtimestamp(AT, UTC)


def test_days_and_times_that_are_missing_or_none(tmp_path: Path):
    with bs.Recorder("m", store=tmp_path) as recorder:
        for k, at in enumerate((date(2026, 3, 1), pd.NaT, math.nan)):
            assert recorder.record({"x": 1}, "a", id=str(k), at=at)
        for at in ("yesterday", 1e13, -math.inf, 10**400, [1], {}, b"x"):
            assert recorder.record({"x": 1}, "a", at=at) is None
        assert "expected a time" in recorder.stats()["error"]
    rollup(tmp_path)
    rows = open_log(tmp_path).predictions().collect().sort("id")
    assert rows["at"].to_list() == [datetime(2026, 3, 1, tzinfo=UTC), None, None]
