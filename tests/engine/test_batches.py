"""Batches keep order and rows, and shrink where texts are long."""

import polars as pl
import pytest

from backslide.contracts.errors import SourceError
from backslide.engine.sources import batches as module
from backslide.engine.sources.batches import batches


@pytest.mark.parametrize("rows", [1, 64, 1000, 10**9])
def test_all_rows_in_order(rows, tmp_path):
    pl.DataFrame({"row": range(1000)}).write_parquet(tmp_path / "rows.parquet", row_group_size=130)
    got = list(batches(pl.scan_parquet(tmp_path / "rows.parquet"), rows))
    assert pl.concat(got)["row"].to_list() == list(range(1000))
    assert max(batch.height for batch in got) <= max(rows, 1)


def test_long_texts_make_small_batches(monkeypatch):
    monkeypatch.setattr(module, "_BATCH_BYTES", 10_000)
    frame = pl.LazyFrame({"text": ["x" * 100] * 1000, "short": [None] * 1000}, schema_overrides={"short": pl.String})
    assert max(batch.height for batch in batches(frame, 500)) <= 100
    huge = pl.LazyFrame({"text": ["x" * 1_000_000] * 3})
    assert [batch.height for batch in batches(huge, 500)] == [1, 1, 1]
    assert max(batch.height for batch in batches(frame.drop("text"), 500)) == 500


def test_reading_errors(tmp_path):
    with pytest.raises(SourceError):
        list(batches(pl.scan_parquet(tmp_path / "none.parquet"), 10))


def files(tmp_path, rows=1000):
    """A scan of two files of Parquet, and its rows."""
    frame = pl.DataFrame({"row": range(rows), "text": [f"t{i % 7}" for i in range(rows)]})
    frame.head(300).write_parquet(tmp_path / "a.parquet", row_group_size=130)
    frame.tail(-300).write_parquet(tmp_path / "b.parquet")
    return pl.scan_parquet(tmp_path / "*.parquet"), frame


def test_parquet_files_are_read_in_ranges_of_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_RANGE_BYTES", 8 * 3 * 100)
    scan, frame = files(tmp_path)
    prepared = scan.with_columns((pl.col("row") * 2).alias("twice"))
    assert len(list(module._ranges(prepared, 100))) == 10
    assert len(list(module._ranges(prepared, 64))) == 16, "a range holds whole batches"
    assert len(list(module._ranges(prepared, 40))) == 13
    got = pl.concat(batches(prepared, 64))
    assert got.equals(frame.with_columns((pl.col("row") * 2).alias("twice")))
    assert len(list(module._ranges(prepared, 10**6))) == 1


def test_rows_that_a_file_cannot_be_asked_for_are_read_in_one_go(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_RANGE_BYTES", 8 * 2 * 100)
    scan, frame = files(tmp_path)
    frame.write_csv(tmp_path / "rows.csv")
    others = [
        scan.filter(pl.col("row") % 2 == 0),
        scan.with_columns(pl.col("row").shift(1)),
        scan.sort("text", maintain_order=True),
        pl.concat([scan, scan]),
        scan.join(scan, on="row", maintain_order="left"),
        pl.scan_csv(tmp_path / "rows.csv"),
        frame.lazy(),
    ]
    for other in others:
        assert len(list(module._ranges(other, 64))) == 1
        assert pl.concat(batches(other, 64)).equals(other.collect())
