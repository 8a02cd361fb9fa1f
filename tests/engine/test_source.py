"""Sources: what opens, what it holds then, and what is said when it does not open."""

import gzip
import math
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from packaging.version import Version

from backslide.contracts.errors import MissingExtraError, SourceError
from backslide.engine.profile.profile import Plan, profile_batch
from backslide.engine.sources.open import describe, open_source

pytestmark = pytest.mark.core

NAN, INF = math.nan, math.inf


def rows_of(source, **options):
    return open_source(source, **options).collect()


@pytest.fixture
def table():
    """Three kinds of missing and both infinities, as Arrow: the one form that holds them all."""
    pa = pytest.importorskip("pyarrow")
    return pa.table(
        {
            "x": pa.array([1.5, None, NAN, INF, -INF, 2.5], from_pandas=False),
            "n": pa.array([2**53 + 1, 2, None, 4, 5, 6], pa.int64()),
            "c": pa.array(["a", "", None, "b", "b", "é"]),
        }
    )


def by_pyarrow(table, path):
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    if path.suffix == ".parquet":
        pa.parquet.write_table(table, path)
    elif path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pa.feather.write_feather(table, path)


def by_polars(table, path):
    frame = pl.from_arrow(table)
    {".parquet": frame.write_parquet, ".csv": frame.write_csv, ".arrow": frame.write_ipc}[path.suffix](path)


def by_pandas(table, path):
    frame = pl.from_arrow(table)
    columns = {name: frame[name].to_list() for name in frame.columns}
    # Nullable columns: plain pandas has one kind of missing only.
    floats = pd.arrays.FloatingArray(np.array([1.5, 0, NAN, INF, -INF, 2.5]), np.array([0, 1, 0, 0, 0, 0], bool))
    made = pd.DataFrame({"x": floats, "n": pd.array(columns["n"], "Int64"), "c": pd.Series(columns["c"], dtype=object)})
    if path.suffix == ".parquet":
        made.to_parquet(path)
    elif path.suffix == ".csv":
        made.to_csv(path, index=False)
    else:
        made.to_feather(path)


@pytest.mark.parametrize("write", [by_pyarrow, by_polars, by_pandas])
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
def test_null_nan_and_infinities_whoever_wrote_the_file(write, suffix, table, tmp_path):
    path = tmp_path / f"rows{suffix}"
    write(table, path)
    frame = rows_of(path)
    got = profile_batch(frame, Plan(numeric={"x": (2.0,), "n": (3.0,)}, categorical=("c",)))
    x, n, c = got.columns["x"], got.columns["n"], got.columns["c"]
    assert (x.rows, x.pos_inf, x.neg_inf, x.counts.tolist()) == (6, 1, 1, [1, 1])
    assert x.missing == 2
    if not (write is by_pandas and suffix == ".csv"):  # pandas writes NaN to CSV as nothing
        assert (x.nulls, x.nans) == (1, 1)
    assert (n.nulls, n.maximum, n.counts.tolist()) == (1, 2**53 + 1, [1, 4])
    assert c.levels["b"] == 2
    assert c.nulls + c.levels.get("", 0) == 2


@pytest.mark.parametrize("name", ["rows.tsv", "rows.csv.gz", "rows.pq", "rows.ipc", "rows.feather", "ROWS.PARQUET"])
def test_formats_by_extension(name, tmp_path):
    frame, path = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}), tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(frame.write_csv().encode()))
    elif name.endswith(".tsv"):
        frame.write_csv(path, separator="\t")
    elif path.suffix in (".ipc", ".feather"):
        frame.write_ipc(path, compression="zstd")
    else:
        frame.write_parquet(path)
    assert rows_of(path).equals(frame)
    assert rows_of(str(path)).equals(frame)
    assert rows_of(name, base=tmp_path).equals(frame)


def test_arrow_stream_format(tmp_path):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, 2]})
    with pa.OSFile(str(tmp_path / "rows.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert rows_of(tmp_path / "rows.arrow")["a"].to_list() == [1, 2]


def test_csv_types(tmp_path):
    path = tmp_path / "rows.csv"
    late = "\n".join(f"{i},1,a,2026-03-01T10:00:00Z,0{i % 7}" for i in range(2000))
    path.write_text(f"id,late,text,at,zip\n{late}\n2000,2.5,NaN,2026-03-02T00:00:00Z,nan\n")
    frame = rows_of(path)
    assert frame.schema["late"] == pl.Float64  # an integer until the last row
    assert frame.schema["text"] == pl.String
    assert frame.schema["at"] == pl.Datetime("us", "UTC")
    assert frame["id"].max() == 2000


@pytest.mark.skipif(Version(pl.__version__) < Version("1.41"), reason="older Polars refuse such a file")
def test_csv_integers_beyond_64_bits(tmp_path):
    (tmp_path / "rows.csv").write_text("id,big\n1,1\n2,99999999999999999999\n")
    assert rows_of(tmp_path / "rows.csv")["big"].max() == 99999999999999999999


def test_csv_text_columns_stay_text(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("empty,word,level\n,nan,1\n,inf,x\n,,nan\n")
    schema = open_source(path).collect_schema()
    assert (schema["empty"], schema["level"]) == (pl.Null, pl.String)
    assert schema["word"] == pl.Float64


def test_globs_and_folders_are_read_in_order_and_types_meet(tmp_path):
    pl.DataFrame({"a": [1], "b": ["x"]}).write_parquet(tmp_path / "2026-03-01.parquet")
    pl.DataFrame({"a": [2.5], "c": [True]}).write_parquet(tmp_path / "2026-03-02.parquet")
    for source in ("*.parquet", "2026-03-0[12].parquet", "."):
        frame = rows_of(source, base=tmp_path)
        assert frame.rows() == [(1.0, "x", None), (2.5, None, True)]
    same = tmp_path / "same"
    same.mkdir()
    for day in range(3):
        pl.DataFrame({"a": [day]}).write_parquet(same / f"{day}.parquet")
    assert rows_of(same)["a"].to_list() == [0, 1, 2]


def test_partition_folders_become_columns(tmp_path):
    for day in ("2026-03-01", "2026-03-02"):
        folder = tmp_path / f"day={day}"
        folder.mkdir()
        pl.DataFrame({"a": [1]}).write_parquet(folder / "part.parquet")
    (tmp_path / "_temporary").mkdir()
    (tmp_path / "_temporary" / "part.parquet").write_bytes(b"half written")
    assert rows_of(tmp_path)["day"].to_list() == ["2026-03-01", "2026-03-02"]


def test_contradicting_files_are_named(tmp_path):
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame({"a": [[1]]}).write_parquet(tmp_path / "2.parquet")
    with pytest.raises(SourceError, match="expected the same columns in all files"):
        open_source("*.parquet", base=tmp_path)


def test_delta_table(tmp_path):
    pytest.importorskip("deltalake")
    frame = pl.DataFrame({"a": [1, 2], "at": [datetime(2026, 3, 1, tzinfo=UTC)] * 2})
    frame.write_delta(tmp_path / "log")
    frame.write_delta(tmp_path / "log", mode="append")
    assert rows_of(tmp_path / "log")["a"].sort().to_list() == [1, 1, 2, 2]
    assert rows_of(f"delta://{tmp_path / 'log'}").height == 4
    assert rows_of("delta://log", base=tmp_path).height == 4


def test_delta_without_the_extra(tmp_path, monkeypatch):
    (tmp_path / "log" / "_delta_log").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(MissingExtraError, match=r"backslide\[delta\]"):
        open_source(tmp_path / "log")


def test_a_folder_that_only_looks_like_a_delta_table(tmp_path):
    pytest.importorskip("deltalake")
    (tmp_path / "log" / "_delta_log").mkdir(parents=True)
    with pytest.raises(SourceError, match="cannot be read as a Delta table"):
        open_source(tmp_path / "log")


def test_frames_in_memory():
    eager = pl.DataFrame({"a": [1, 2]})
    lazy = eager.lazy()
    assert open_source(lazy) is lazy
    assert rows_of(eager).equals(eager)


def test_a_frame_that_speaks_arrow_needs_no_package():
    class Table:
        """What any library that speaks the Arrow C stream hands over."""

        def __arrow_c_stream__(self, requested_schema=None):
            return pl.DataFrame({"a": [1, None], "b": ["x", "y"]}).__arrow_c_stream__(requested_schema)

    assert rows_of(Table()).rows() == [(1, "x"), (None, "y")]


def test_arrow_tables_in_memory():
    pa = pytest.importorskip("pyarrow")
    eager = pl.DataFrame({"a": [1, 2]})
    assert rows_of(pa.table({"a": [1, 2]})).equals(eager)
    assert describe(pa.table({})) == "Arrow Table"
    assert rows_of(pa.RecordBatch.from_pydict({"a": [1, 2]})).equals(eager)
    assert rows_of(pa.table({"a": [1, 2]}).to_reader()).equals(eager)
    dictionary = pa.table({"a": pa.array(["x", "y", "x"]).dictionary_encode()})
    assert rows_of(dictionary)["a"].cast(pl.String).to_list() == ["x", "y", "x"]


def test_arrow_types_arrive_whole():
    pa = pytest.importorskip("pyarrow")
    table = pa.table(
        {
            "price": pa.array([Decimal("1.10")], pa.decimal128(10, 2)),
            "big": pa.array([2**63 + 5], pa.uint64()),
            "day": pa.array([date(2026, 3, 1)]),
            "at": pa.array([datetime(2026, 3, 1, tzinfo=UTC)], pa.timestamp("ns", "UTC")),
            "tags": pa.array([["a"]]),
            "nothing": pa.nulls(1),
        }
    )
    frame = rows_of(table)
    assert frame["price"].to_list() == [Decimal("1.10")]
    assert frame["big"].to_list() == [2**63 + 5]
    assert frame.schema["tags"] == pl.List(pl.String)
    assert frame.schema["nothing"] == pl.Null


def test_descriptions():
    assert describe("data/april.parquet") == "data/april.parquet"
    assert describe(pd.DataFrame()) == "pandas DataFrame"
    assert describe(pl.DataFrame()) == "Polars DataFrame"
    assert describe(pl.LazyFrame()) == "Polars LazyFrame"
    assert describe(3) == "int"


def error_of(source, base=None):
    with pytest.raises(SourceError) as caught:
        open_source(source, base=base)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_files(tmp_path):
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "april.parquet")
    assert "did you mean 'april.parquet'?" in error_of("apirl.parquet", tmp_path)
    assert str(tmp_path) not in error_of("apirl.parquet", tmp_path)
    assert "there is no folder 'data'" in error_of("data/april.parquet", tmp_path)
    assert "found none" in error_of("may-*.parquet", tmp_path)
    (tmp_path / "empty").mkdir()
    assert "expected Parquet or CSV files or a Delta table" in error_of("empty", tmp_path)
    assert "the folder holds no table" in error_of("empty/a.parquet", tmp_path)
    assert "empty text" in error_of(" ")


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.json", "rows", "rows.gz"])
def test_unsupported_extensions(name, tmp_path):
    (tmp_path / name).write_bytes(b"something")
    assert "expected one of .parquet" in error_of(name, tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1 is not enough", b"\x00" * 100])
@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_corrupt_files(content, suffix, tmp_path):
    (tmp_path / f"rows{suffix}").write_bytes(content)
    assert f"'rows{suffix}' cannot be read as {suffix[1:]}" in error_of(f"rows{suffix}", tmp_path)


def test_corrupt_csv_and_compression(tmp_path):
    (tmp_path / "empty.csv").write_bytes(b"")
    assert "'empty.csv' cannot be read as csv" in error_of("empty.csv", tmp_path)
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 1000)[:40])
    assert "'rows.csv.gz' cannot be read" in error_of("rows.csv.gz", tmp_path)


def test_unknown_objects():
    assert "got list" in error_of([1, 2])
    assert "single array" in error_of(pl.Series([1, 2]))
