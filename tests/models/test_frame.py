"""The pandas frame that models are given: exact dtypes, one kind of missing, nothing lost."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backslide.models.frame import to_pandas

pytestmark = pytest.mark.core


def column(values, dtype=None) -> pd.Series:
    return to_pandas(pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)}))["x"]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1.5, 2.0], pl.Float64, "float64"),
        ([1.5, None], pl.Float32, "float64"),
        ([1, 2], pl.Int8, "int64"),
        ([1, 2], pl.UInt32, "int64"),
        ([1, None], pl.Int64, "float64"),
        ([2**63 + 1, 0], pl.UInt64, "uint64"),
        ([5, 0], pl.UInt64, "int64"),
        ([2**100, 1], pl.Int128, "object"),
        ([Decimal("1.10"), None], pl.Decimal(10, 2), "float64"),
        (["a", None], pl.String, "object"),
        (["a", "b"], pl.Categorical, "object"),
        (["a", None], pl.Enum(["a", "b"]), "object"),
        ([True, False], pl.Boolean, "bool"),
        ([True, None], pl.Boolean, "object"),
        ([None, None], pl.Null, "object"),
        ([date(2026, 3, 1), None], pl.Date, "datetime64[us]"),
        ([datetime(2026, 3, 1), None], pl.Datetime("us"), "datetime64[us]"),
        ([datetime(2026, 3, 1), None], pl.Datetime("ns"), "datetime64[ns]"),
        ([datetime(2026, 3, 1, tzinfo=UTC)], pl.Datetime("us", "UTC"), "datetime64[us, UTC]"),
        ([timedelta(hours=1), None], pl.Duration("us"), "timedelta64[us]"),
        ([time(12, 30), None], pl.Time, "object"),
        ([[1, 2], [3, 4]], pl.List(pl.Int64), "object"),
    ],
)
def test_dtype(values, dtype, expected):
    assert str(column(values, dtype).dtype) == expected


@pytest.mark.parametrize(
    ("values", "dtype"),
    [(["a", None], pl.String), ([True, None], pl.Boolean), ([None], pl.Null), ([2**60 + 1, None], pl.Int64)],
)
def test_missing_in_objects_is_nan_and_never_none(values, dtype):
    missing = column(values, dtype).iloc[-1]
    assert isinstance(missing, float)
    assert np.isnan(missing)


def test_missing_times_are_nat():
    for dtype in (pl.Date, pl.Datetime("us"), pl.Datetime("us", "Europe/Berlin"), pl.Duration("us")):
        assert column([None], dtype).iloc[0] is pd.NaT


def test_digits_of_large_integers_survive():
    assert column([2**63 - 1, 1]).iloc[0] == 2**63 - 1
    assert column([2**63 + 1, 1], pl.UInt64).iloc[0] == 2**63 + 1
    assert column([2**60 + 1, None]).iloc[0] == 2**60 + 1
    assert column([-(2**100), 1], pl.Int128).iloc[0] == -(2**100)


def test_nan_null_and_infinity_in_floats():
    found = column([1.0, None, float("nan"), float("inf")])
    assert found.isna().tolist() == [False, True, True, False]
    assert np.isposinf(found.iloc[3])


def test_zoned_times_keep_the_instant():
    found = column([datetime(2026, 7, 1, 12, tzinfo=UTC)], pl.Datetime("us", "Europe/Berlin"))
    assert found.iloc[0] == pd.Timestamp("2026-07-01 12:00", tz="UTC")
    assert str(found.iloc[0].tz) == "Europe/Berlin"


def test_shape_order_and_emptiness():
    frame = pl.DataFrame({"b": [1, 2], "a": ["x", "y"]})
    assert to_pandas(frame).columns.tolist() == ["b", "a"]
    empty = to_pandas(frame.clear())
    assert empty.shape == (0, 2)
    assert str(empty["a"].dtype) == "object"


def test_the_frame_can_be_written_to():
    """Models change their input in place; that must neither fail nor reach the rows it was made from."""
    frame = pl.DataFrame({"f": [1.0, 2.0], "i": [1, 2], "b": [True, False]})
    given_out = to_pandas(frame)
    given_out.loc[0, ["f", "i", "b"]] = [9.0, 9, False]
    given_out["f"] *= 2
    given_out.fillna(0, inplace=True)
    assert frame["f"].to_list() == [1.0, 2.0]
    assert frame["i"].to_list() == [1, 2]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1))
def test_integers_never_change_value(values):
    found = column(values, pl.Int64)
    for value, back in zip(values, found, strict=True):
        assert pd.isna(back) if value is None else int(back) == value


@given(st.lists(st.one_of(st.none(), st.text()), min_size=1))
def test_texts_never_change(values):
    found = column(values, pl.String)
    assert found.dtype == object
    assert [None if isinstance(back, float) else back for back in found] == values


def test_works_without_pyarrow():
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import polars as pl\n"
        "from datetime import datetime\n"
        "from backslide.models.frame import to_pandas\n"
        "frame = pl.DataFrame({'s': ['a', None], 'c': pl.Series(['a', 'b'], dtype=pl.Categorical), 'i': [1, None],\n"
        "    'b': [True, None], 't': pl.Series([datetime(2026, 1, 1), None], dtype=pl.Datetime('us', 'UTC'))})\n"
        "print(to_pandas(frame).shape)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "(2, 5)", ran.stderr
