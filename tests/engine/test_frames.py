"""pandas frames become Polars frames without losing what they hold."""

import math
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from backslide.contracts.errors import SourceError
from backslide.engine.columns.kinds import ColumnKind, kind_of
from backslide.engine.sources.dataframes import from_pandas
from backslide.engine.sources.open import open_source

pytestmark = pytest.mark.core


def column(values, **options):
    return open_source(pd.DataFrame({"v": pd.Series(values, **options)})).collect()["v"]


def same(got, dtype, values):
    assert got.dtype == dtype
    assert got.to_list() == values


def test_numpy_numbers_keep_their_types():
    for dtype, expected in {"int8": pl.Int8, "uint64": pl.UInt64, "float32": pl.Float32, "bool": pl.Boolean}.items():
        assert column([0, 1], dtype=dtype).dtype == expected
    same(column([2**63 + 1], dtype="uint64"), pl.UInt64, [2**63 + 1])
    assert column(np.array([1.5], dtype=">f8")).to_list() == [1.5]
    assert column([1.5, 2], dtype="float16").to_list() == [1.5, 2.0]


def test_nan_of_plain_floats_stays_nan():
    got = column([1.0, math.nan, math.inf, -math.inf])
    assert got.null_count() == 0
    assert got.is_nan().sum() == 1
    assert got.is_infinite().sum() == 2


def test_nullable_types_have_nulls():
    same(column([1, None, 2**60 + 1], dtype="Int64"), pl.Int64, [1, None, 2**60 + 1])
    same(column([1.5, None], dtype="Float64"), pl.Float64, [1.5, None])
    same(column([True, None], dtype="boolean"), pl.Boolean, [True, None])
    same(column(["a", None], dtype="string"), pl.String, ["a", None])
    same(column([None, None], dtype="Int32"), pl.Int32, [None, None])


def test_default_strings():
    same(column(["a", None, ""]), pl.String, ["a", None, ""])
    same(column(["a", math.nan, None, pd.NA], dtype=object), pl.String, ["a", None, None, None])


def test_arrow_backed_columns():
    pa = pytest.importorskip("pyarrow")
    same(column([1, None], dtype=pd.ArrowDtype(pa.int32())), pl.Int32, [1, None])
    same(column(["a", None], dtype=pd.ArrowDtype(pa.string())), pl.String, ["a", None])
    same(column([Decimal("1.5")], dtype=pd.ArrowDtype(pa.decimal128(5, 2))), pl.Decimal(5, 2), [Decimal("1.50")])
    assert column([], dtype=pd.ArrowDtype(pa.int32())).dtype == pl.Int32


def test_categories_are_what_they_are():
    same(column(["b", None, "a", "b"], dtype="category"), pl.String, ["b", None, "a", "b"])
    same(column([2, 1], dtype="category"), pl.Int64, [2, 1])
    same(column(pd.Categorical([2, 1, None], categories=[1, 2])), pl.Int64, [2, 1, None])
    same(column(pd.Categorical([True, None])), pl.Boolean, [True, None])
    same(column(pd.Categorical(["b", 1])), pl.String, ["b", "1"])
    same(column(pd.Categorical(pd.cut(pd.Series([0.5, 1.5]), [0, 1, 2]))), pl.String, ["(0, 1]", "(1, 2]"])
    same(column(pd.Categorical([None, None])), pl.String, [None, None])
    same(column(pd.Categorical(["a"], categories=["z", "a"])), pl.String, ["a"])


def test_times_are_the_same_instants():
    naive = pd.Series(pd.to_datetime(["2026-03-01 10:00", None]))
    same(column(naive).cast(pl.Datetime("us")), pl.Datetime("us"), [datetime(2026, 3, 1, 10), None])
    zoned = naive.dt.tz_localize("America/New_York")
    got = column(zoned)
    assert got.dtype.time_zone == "UTC"
    assert got.to_list() == [datetime(2026, 3, 1, 15, tzinfo=UTC), None]
    fixed = naive.dt.tz_localize(timezone(timedelta(hours=2)))
    assert column(fixed).to_list() == [datetime(2026, 3, 1, 8, tzinfo=UTC), None]
    assert column(pd.Series(np.array(["2026-03-01"], "datetime64[s]"))).to_list() == [datetime(2026, 3, 1)]
    assert column(pd.Series([timedelta(hours=1), None])).to_list() == [timedelta(hours=1), None]
    same(column(pd.Series(pd.period_range("2026-03", periods=1, freq="M"))), pl.String, ["2026-03"])


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 2, None], pl.Int64, None),
        ([2**80, 1], pl.Int128, None),
        ([2**200, 1], pl.String, [str(2**200), "1"]),
        ([1, 2.5, None], pl.Float64, None),
        ([2**53 + 1, 2.5], pl.String, [str(2**53 + 1), "2.5"]),
        ([True, None, False], pl.Boolean, None),
        ([True, 1], pl.String, ["true", "1"]),
        ([1, "1", 1.0], pl.String, ["1", "1", "1"]),
        (["a", 2, None], pl.String, ["a", "2", None]),
        ([np.int64(3), 4], pl.Int64, [3, 4]),
        ([np.str_("a")], pl.String, ["a"]),
        ([date(2026, 3, 1), None], pl.Date, None),
        ([time(1, 2)], pl.Time, None),
        ([datetime(2026, 3, 1), None], pl.Datetime("us"), None),
        ([b"a", None], pl.Binary, None),
        ([None, None], pl.Null, None),
        ([], pl.Null, None),
        ([1 + 2j], pl.String, ["(1+2j)"]),
    ],
)
def test_objects_by_what_they_are(values, dtype, expected):
    same(column(values, dtype=object), dtype, values if expected is None else expected)


def test_datetimes_of_several_zones():
    values = [datetime(2026, 3, 1, 2, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 3, 1, tzinfo=UTC)]
    assert column(values, dtype=object).to_list() == [datetime(2026, 3, 1, tzinfo=UTC)] * 2
    assert column([values[0], datetime(2026, 3, 1)], dtype=object).dtype == pl.String


def test_decimals_in_objects():
    got = column([Decimal("1.10"), None, Decimal("2.25")], dtype=object)
    assert got.dtype.is_decimal()
    assert got.to_list() == [Decimal("1.10"), None, Decimal("2.25")]


@pytest.mark.parametrize("values", [[{"a": 1}, {"a": 2}], [["a"], None], [[[1], [2]]]])
def test_nested_objects_are_nested(values):
    assert kind_of(column(values, dtype=object).dtype) is ColumnKind.NESTED


@pytest.mark.parametrize("values", [[[1, 2], None], [np.array([1.0, 2.0])], [(1, 2)]])
def test_objects_that_are_lists_of_numbers_are_vectors(values):
    assert kind_of(column(values, dtype=object).dtype) is ColumnKind.EMBEDDING


def test_nested_objects_that_no_type_holds_become_text():
    assert column([[1, "a", {}], [None]], dtype=object).dtype == pl.String


def test_objects_of_foreign_classes_become_text():
    class Branch:
        def __str__(self):
            return "Zurich"

    same(column([Branch(), None], dtype=object), pl.String, ["Zurich", None])


def test_sparse_and_complex_columns():
    assert column(pd.arrays.SparseArray([0, 0, 3])).to_list() == [0, 0, 3]
    assert column(np.array([1j])).dtype == pl.String


def test_names_and_order_and_index():
    frame = pd.DataFrame([[1, 2]], columns=[7, ("a", "b")], index=[99])
    assert open_source(frame).collect_schema().names() == ["7", "a_b"]
    assert open_source(pd.DataFrame()).collect().shape == (0, 0)


@pytest.mark.parametrize("names", [["a", "a"], [1, "1"]])
def test_repeated_names(names):
    with pytest.raises(SourceError, match="twice; rename or drop one"):
        open_source(pd.DataFrame([[1, 2]], columns=names))


def test_all_of_it_without_pyarrow(tmp_path):
    code = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.partition(".")[0] == "pyarrow" else find(name, *more)
import numpy as np, pandas as pd, polars as pl
from backslide.engine.sources.open import open_source
frame = pd.DataFrame({
    "f": [1.0, np.nan], "i": pd.array([1, None], "Int64"), "s": ["a", None], "c": pd.Categorical(["x", None]),
    "t": pd.to_datetime(["2026-03-01", None]).tz_localize("Europe/Paris"), "o": pd.Series([1, "b"], dtype=object),
    "b": pd.array([True, None], "boolean"), "st": pd.array(["q", None], "string"),
})
got = open_source(frame).collect()
assert got.null_count().row(0) == (0, 1, 1, 1, 1, 0, 1, 1), got
got.write_parquet(sys.argv[1] + "/rows.parquet")
assert open_source(sys.argv[1] + "/rows.parquet").collect().equals(got)
if "delta" in sys.argv:
    assert open_source(sys.argv[1] + "/log").collect().height == 2
"""
    arguments = [str(tmp_path)]
    try:
        pl.DataFrame({"a": [1, 2]}).write_delta(tmp_path / "log")
        arguments.append("delta")
    except ImportError:
        pass
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("odd", ["Infinity", "-Infinity", "NaN", "sNaN", "1e60", "1e-60", "1." + "3" * 50])
@pytest.mark.parametrize("beside", [Decimal("1.5"), 2, 2.5])
def test_decimals_that_no_decimal_type_holds_are_floats(odd, beside):
    values = from_pandas(pd.DataFrame({"v": pd.Series([Decimal(odd), beside, None], dtype=object)}))["v"]
    assert values.dtype.is_numeric()
    assert float(values[1]) == float(beside)
    if "Inf" in odd:
        assert values.is_infinite().sum() == 1


@pytest.mark.parametrize(
    "value", [[Decimal("Infinity")], {"a": Decimal("Infinity")}, [[Decimal("NaN")]], timedelta.max]
)
def test_nested_decimals_and_endless_durations_are_read(value):
    assert len(from_pandas(pd.DataFrame({"v": pd.Series([value] * 3, dtype=object)}))["v"].drop_nulls()) == 3
