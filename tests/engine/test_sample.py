"""The sample: uniform, seeded, in order, and the same however the rows are cut."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import chisquare

from backslide.contracts.errors import ColumnError, SourceError
from backslide.engine.columns.sample import positions, sample, sample_groups
from backslide.engine.profile.profile import Plan
from backslide.engine.profile.run import profile


def numbered(n):
    return pl.DataFrame({"row": np.arange(n), "text": pl.Series(np.arange(n)).cast(pl.String)})


def test_everything_when_there_is_not_more():
    frame = numbered(100)
    assert sample(frame.lazy(), 100, seed=0).equals(frame)
    assert sample(frame.lazy(), 1000, seed=0).equals(frame)
    assert sample(frame.lazy().head(0), 10, seed=0).height == 0


def test_exactly_as_many_as_asked_without_repeats_and_in_order():
    got = sample(numbered(10_000).lazy(), 777, seed=1)
    rows = got["row"].to_list()
    assert len(rows) == 777
    assert rows == sorted(set(rows))
    assert got["text"].to_list() == [str(row) for row in rows]


def test_the_seed_decides():
    lazy = numbered(5000).lazy()
    assert sample(lazy, 50, seed=3).equals(sample(lazy, 50, seed=3))
    assert not sample(lazy, 50, seed=3).equals(sample(lazy, 50, seed=4))


@pytest.mark.parametrize("group", [100, 3331, 50_000])
def test_chunks_decide_nothing(group, tmp_path):
    frame = numbered(50_000)
    frame.write_parquet(tmp_path / "rows.parquet", row_group_size=group)
    expected = sample(frame.lazy(), 500, seed=9)
    assert sample(pl.scan_parquet(tmp_path / "rows.parquet"), 500, seed=9).equals(expected)
    pieces = pl.concat([frame[i : i + group] for i in range(0, frame.height, group)], rechunk=False)
    assert sample(pieces.lazy(), 500, seed=9, total=50_000).equals(expected)


def test_more_rows_than_one_batch():
    got = sample(numbered(400_000).lazy(), 2000, seed=2)
    assert got.height == 2000
    assert got["row"].max() > 390_000
    assert got["row"].min() < 10_000


def test_it_is_uniform():
    lazy = numbered(200).lazy()
    drawn = np.concatenate([sample(lazy, 20, seed=seed)["row"].to_numpy() for seed in range(300)])
    counts = np.bincount(drawn // 10, minlength=20)
    # Rows come without replacement, so counts vary a little less than the test supposes: it can only be too mild by 10 %.
    assert chisquare(counts).pvalue > 1e-4


def test_filtered_frames():
    lazy = numbered(1000).lazy().filter(pl.col("row") % 2 == 1)
    got = sample(lazy, 100, seed=0)
    assert got.height == 100
    assert (got["row"] % 2 == 1).all()


def test_late_reading_errors_are_one_line(tmp_path):
    lazy = pl.scan_parquet(tmp_path / "gone.parquet")
    for read in (lambda: sample(lazy, 10, seed=0), lambda: profile(lazy, Plan(categorical=("a",)))):
        with pytest.raises(SourceError) as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_damaged_data_page_is_a_source_error(tmp_path):
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"a": np.random.default_rng(0).normal(size=50_000)}).write_parquet(path)
    content = bytearray(path.read_bytes())
    content[100:5000] = b"\xff" * 4900
    path.write_bytes(bytes(content))
    with pytest.raises(SourceError, match="cannot be read"):
        profile(pl.scan_parquet(path), Plan(numeric={"a": (0.0,)}))


def test_a_planned_column_that_is_not_there():
    with pytest.raises(ColumnError, match="did you mean 'income'"):
        profile(pl.LazyFrame({"income": [1]}), Plan(numeric={"incom": (0.0,)}))


def test_of_each_group_as_many_as_asked_in_their_order(monkeypatch):
    monkeypatch.setattr("backslide.engine.columns.sample._BATCH_ROWS", 700)
    rng = np.random.default_rng(4)
    frame = pl.DataFrame(
        {"day": rng.choice([3, 1, 7, None], 5000, p=[0.7, 0.28, 0.01, 0.01]).tolist(), "row": range(5000)}
    )
    parts = sample_groups(frame.lazy(), "day", 1000, seed=2)
    assert {day: part.height for day, part in parts.items()}.keys() == {1, 3, 7, None}
    for day, part in parts.items():
        whole = frame.filter(pl.col("day").eq_missing(day))
        same = whole if whole.height <= 1000 else whole[positions(whole.height, 1000, 2)]
        assert part.equals(same)
    assert sample_groups(frame.lazy().filter(pl.lit(False)), "day", 10, seed=1) == {}
