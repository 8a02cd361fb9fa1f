"""What the real packages write is read: whole, once, with the names, types and answers that were served."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from commands import backslide
from integrations.environments import python_with, run

SIDES = {
    "bentoml": (("bentoml",), "monitoring/loans", {"vector"}),
    "ray": (("ray[serve]",), "logs", {"deployment", "route"}),
    "mlserver": (("mlserver",), "topics.jsonl", {"p_0", "p_1"}),
}


@pytest.mark.parametrize("format", SIDES)
def test_what_the_package_writes_is_read(format: str, tmp_path: Path):
    requirements, source, more = SIDES[format]
    run(python_with(*requirements), Path(__file__).with_name(f"serve_with_{format}.py"), tmp_path)
    take = ("log", "ingest", source, "--format", format, "--model", "loans")
    done = backslide(tmp_path, *take)
    assert done.out.startswith("loans: 3 predictions added"), done.out + done.err
    assert backslide(tmp_path, *take).out.startswith("loans: nothing added")
    assert backslide(tmp_path, "log", "export", "--model", "loans", "out.parquet").code == 0
    rows = pl.read_parquet(tmp_path / "out.parquet").sort("age")
    assert rows["age"].to_list() == [33, 41, 52]
    assert rows["job"].to_list() == ["nurse", "nurse", "cook"]
    assert [str(said) for said in rows["prediction"]] in (["no", "no", "yes"], ["0.0", "0.0", "1.0"], ["0", "0", "1"])
    assert more <= set(rows.columns)
    assert rows["id"].n_unique() == 3
