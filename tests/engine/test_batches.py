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
