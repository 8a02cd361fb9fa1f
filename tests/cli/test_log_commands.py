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
