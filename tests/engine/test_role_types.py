"""The type of every role's column: refused in one line that names column, role, type and remedy, wherever rows are opened."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.contracts.errors import ColumnError, InputError
from backslide.engine.columns.kinds import ColumnKind, kind_of, shared_kind
from backslide.engine.window import cut_window, open_windows

ROWS = 40
ROLES = {
    "label": "label",
    "prediction": "prediction",
    "scores": {"yes": "score"},
    "timestamp": "at",
    "label_time": "came",
    "label_source": "who",
    "id": "id",
    "version": "version",
}


def frame() -> pl.DataFrame:
    at = [datetime(2026, 3, 1) + timedelta(hours=i) for i in range(ROWS)]
    answers = ["yes", "no"] * (ROWS // 2)
    return pl.DataFrame(
        {
            "label": answers,
            "prediction": answers,
            "score": [0.9, 0.1] * (ROWS // 2),
            "at": at,
            "came": at,
            "who": ["review"] * ROWS,
            "id": range(ROWS),
            "version": ["v1"] * ROWS,
            "x": [float(i) for i in range(ROWS)],
        }
    )


def every(value: object, dtype: object = None) -> pl.Series:
    return pl.Series([value] * ROWS, dtype=dtype)


ODD = {
    "lists": every([1.0, 2.0]),
    "lists of texts": every(["a"]),
    "nested lists": every([[1]]),
    "arrays": every([1.0, 2.0], pl.Array(pl.Float64, 2)),
    "nested objects": every({"a": 1}),
    "durations": every(timedelta(seconds=3)),
    "times of day": every(time(1, 2)),
    "Python objects": pl.Series([object() for _ in range(ROWS)], dtype=pl.Object),
}
COLUMNS = {
    "label": "label",
    "prediction": "prediction",
    "score": "score",
    "timestamp": "at",
    "label_time": "came",
    "label_source": "who",
    "id": "id",
    "version": "version",
}


def opened(reference: pl.DataFrame, current: pl.DataFrame, **model: object):
    return open_windows(reference, current, Settings.from_dict({"model": ROLES | model}))


@pytest.mark.parametrize("role", COLUMNS)
@pytest.mark.parametrize("kind", ODD)
def test_an_odd_type_is_one_line(role, kind):
    column = COLUMNS[role]
    with pytest.raises(InputError) as caught:
        opened(frame(), frame().with_columns(ODD[kind].alias(column)))
    said = str(caught.value)
    assert said.startswith(role)
    assert repr(column) in said
    assert "in the current window" in said
    assert "\n" not in said
    assert "name another column" in said


SPECIAL = [
    ("label", every(date(2026, 3, 1)), "dates"),
    ("label", every(datetime(2026, 3, 1)), "datetimes"),
    ("score", every("0.5"), "texts"),
    ("score", every(True), "booleans"),
    ("score", every(b"1"), "bytes"),
    ("at", every(True), "booleans"),
    ("at", every(b"2026-03-01"), "bytes"),
]


@pytest.mark.parametrize(("column", "values", "words"), SPECIAL)
def test_a_type_that_only_some_roles_take(column, values, words):
    with pytest.raises(InputError, match=words):
        opened(frame(), frame().with_columns(values.alias(column)))


PLAIN = [
    ("label", pl.Series([True, False] * (ROWS // 2)), {"prediction": pl.Series([True, False] * (ROWS // 2))}),
    ("score", every(Decimal("0.5")), {}),
    ("score", every(0), {}),
    ("version", every(date(2026, 3, 1)), {}),
    ("version", every(3), {}),
    ("version", every(Decimal("1.5")), {}),
    ("id", every(10**30, pl.Int128), {}),
    ("label", pl.Series(["yes", "no"] * (ROWS // 2), dtype=pl.Categorical), {}),
]


@pytest.mark.parametrize(("column", "values", "others"), PLAIN)
def test_plain_types_are_taken(column, values, others):
    both = frame().with_columns(values.alias(column), *(series.alias(name) for name, series in others.items()))
    scores = {"true": "score"} if values.dtype == pl.Boolean else {"yes": "score"}
    assert opened(both, both, scores=scores).reference.rows == ROWS


@pytest.mark.parametrize("column", ["label", "prediction", "version", "id", "who"])
def test_bytes_are_read_as_the_text_that_they_encode(column):
    texts = frame()[column].cast(pl.String)
    written = frame().with_columns(texts.cast(pl.Binary).alias(column))
    found = opened(frame(), written)
    assert any(note == f"bytes of the current window are read as UTF-8 text: {column}" for note in found.notes)
    assert found.current.frame.collect()[column].equals(texts)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(ColumnError, match="not UTF-8 text"):
        opened(frame(), frame().with_columns(every(b"\xff\xfe").alias("version")))


TWICE = [
    ({"version": "id"}, "id and version"),
    ({"label_time": "at"}, "timestamp and label_time"),
    ({"prediction": "label"}, "label and prediction"),
    ({"scores": {"yes": "score", "no": "score"}}, "score of 'yes' and score of 'no'"),
    ({"features": ["x", "score"]}, "among [model] features"),
]


@pytest.mark.parametrize(("roles", "words"), TWICE)
def test_one_column_for_two_roles_is_refused(roles, words):
    with pytest.raises(ColumnError) as caught:
        opened(frame(), frame(), **roles)
    assert words in str(caught.value)


def test_columns_of_the_other_model_are_looked_at_as_well():
    rows = frame().with_columns(every([1]).alias("other"))
    settings = Settings.from_dict({"model": ROLES, "shadow": {"new": {"scores": {"yes": "other"}}}})
    with pytest.raises(InputError, match=r"score of 'yes' by the new model.*lists"):
        open_windows(rows, rows, settings)
    settings = Settings.from_dict({"model": ROLES, "shadow": {"new": {"prediction": "label"}}})
    with pytest.raises(ColumnError, match="label and prediction of the new model"):
        open_windows(rows, rows, settings)


def test_rows_are_looked_at_before_a_time_range_cuts_them():
    rows = frame().with_columns(every([1]).alias("label"))
    settings = Settings.from_dict({"model": ROLES})
    with pytest.raises(InputError, match="label: expected"):
        cut_window("reference", rows, settings)


@pytest.mark.parametrize("kind", ODD)
def test_a_feature_of_an_odd_type_in_one_window_is_left_alone(kind):
    dtype = ODD[kind].dtype
    windows = [
        (kind_of(pl.Float64()), frame().lazy()),
        (kind_of(dtype), frame().with_columns(ODD[kind].alias("x")).lazy()),
    ]
    found = shared_kind("x", windows)
    assert found in (ColumnKind.OTHER, ColumnKind.EMBEDDING, ColumnKind.CATEGORICAL)
    if found == ColumnKind.CATEGORICAL:  # then it can be written as text
        assert windows[1][1].select(pl.col("x").cast(pl.String)).collect().height == ROWS
