"""``backslide log``: rolled up, counted and exported from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import backslide as bs

pytest.importorskip("deltalake")


def record(store: Path, rows: int) -> None:
    with bs.Recorder("m", store=store) as recorder:
        for i in range(rows):
            recorder.record({"x": i}, "a", id=f"r-{i}")


def test_the_command_line(backslide, tmp_path: Path):
    backslide("log", "rollup", "--store", str(tmp_path / "none")).fails("no log at")
    record(tmp_path, 20)
    assert (
        json.loads(backslide("log", "stats", "--store", str(tmp_path), "--json").out)["models"][0]["waiting_bytes"] > 0
    )
    backslide("log", "export", "--store", str(tmp_path), str(tmp_path / "out.parquet")).fails("rollup")
    told = json.loads(backslide("log", "rollup", "--store", str(tmp_path), "--json").out)
    assert told["models"][0]["rows"]["predictions"] == 20
    assert "20 predictions" in backslide("log", "stats", "--store", str(tmp_path)).out
    assert backslide("log", "export", "--store", str(tmp_path), "--model", "m", str(tmp_path / "out.parquet")).code == 0
    assert sorted(pl.read_parquet(tmp_path / "out.parquet")["id"]) == sorted(f"r-{i}" for i in range(20))
    backslide("log", "export", "--store", str(tmp_path), "--model", "n", str(tmp_path / "o.parquet")).fails(
        "no model 'n'", "'m'"
    )
    backslide("log", "export", "--store", str(tmp_path), str(tmp_path / "out.xlsx")).fails(".parquet")


def test_compaction_from_the_command_line(backslide, tmp_path: Path):
    for _ in range(3):
        record(tmp_path, 4)
        backslide("log", "rollup", "--store", str(tmp_path))
    told = backslide("log", "compact", "--store", str(tmp_path), "--grace", "0")
    assert told.code == 0
    assert "m: 3 files made 1; 3 old ones removed from the disk" in told.out
    again = json.loads(
        backslide("log", "compact", "--store", str(tmp_path), "--keep-days", "2", "--grace", "0", "--json").out
    )
    assert again["models"][0]["forgotten"] == {"predictions": 0, "labels": 0, "events": 0}
    backslide("log", "compact", "--store", str(tmp_path), "--keep-days", "0").fails("at least 1 day")


def test_a_table_is_taken_in(backslide, tmp_path: Path):
    rows = pl.DataFrame(
        {
            "request": [f"q{k}" for k in range(40)],
            "served_at": [f"2026-03-{1 + k // 2:02d} 12:00:00" for k in range(40)],
            "x": [k / 7 for k in range(40)],
            "prediction": ["yes" if k % 2 else "no" for k in range(40)],
            "label": ["yes" if k % 3 else "no" for k in range(40)],
        }
    )
    rows.write_csv(tmp_path / "rows.csv")
    given = ("log", "ingest", "rows.csv", "--model", "m", "--id", "request", "--timestamp", "served_at")
    assert "m: 40 predictions, 40 labels added of 40 rows" in backslide(*given).out
    assert json.loads(backslide(*given, "--json").out)["added"] == {"predictions": 0, "labels": 0}
    backslide("log", "export", "out.parquet")
    out = pl.read_parquet(tmp_path / "out.parquet").sort("x")
    assert (out["id"].to_list(), out["at"].dt.day().max()) == (rows["request"].to_list(), 20)
    backslide(*given, "--label", "lable").fails("no column 'lable'", "did you mean 'label'")
    backslide("log", "ingest", "none.csv", "--model", "m").fails("none.csv")


def test_rows_are_drawn_and_labels_taken_back(backslide, tmp_path: Path):
    record(tmp_path / "log", 30)
    backslide("log", "rollup")
    assert "wrote out.csv: 10 of 30 rows" in backslide("log", "to-label", "--n", "10", "out.csv").err
    drawn = pl.read_csv("out.csv")
    assert drawn["inclusion"].to_list() == pytest.approx([1 / 3] * 10)
    drawn.with_columns(label=pl.Series(["a"] * 8 + ["b", None])).write_csv("out.csv")
    told = backslide("log", "label", "out.csv")
    assert "m: 9 labels added; 9 of 10 rows in the file have one" in told.out
    assert "right in 88.9%" in told.out
    assert json.loads(backslide("log", "label", "out.csv", "--json").out)["added"] == 0
    backslide("log", "to-label", "out.parquet").fails(".csv")
    backslide("log", "to-label", "out.csv", "--since", "soon").fails("--since: expected an ISO date or time")
    backslide("log", "label", "none.csv").fails("cannot be read")
