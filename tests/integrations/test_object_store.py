"""Payload logs and tables are read from an object store by their URI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from integrations.environments import ROOT, python_with


def test_payloads_and_tables_come_by_uri(tmp_path: Path):
    pytest.importorskip("deltalake")
    python = python_with("moto[server]")
    (tmp_path / "objects").mkdir()
    calls = [
        {
            "id": f"c{k}",
            "time": f"2026-03-01T{k:02d}:00:00Z",
            "request": {"age": 40 + k},
            "response": {"prediction": "paid"},
        }
        for k in range(3)
    ]
    (tmp_path / "objects" / "calls.jsonl").write_text(
        "".join(json.dumps(call) + "\n" for call in calls), encoding="utf-8"
    )
    pl.DataFrame(calls).with_columns(
        pl.col("request", "response").map_elements(json.dumps, return_dtype=pl.String)
    ).write_parquet(tmp_path / "objects" / "calls.parquet")
    pl.DataFrame({"id": ["c1", "other"], "label": ["default", "paid"]}).write_parquet(
        tmp_path / "objects" / "outcomes.parquet"
    )
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        [python, Path(__file__).with_name("serve_objects.py")],
        cwd=tmp_path,
        env=own,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        address = next(line for line in server.stdout if line.startswith("http://")).strip()
        ours = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
            "AWS_ENDPOINT_URL": address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "of a test",
        }

        def run(*words: str) -> str:
            command = [sys.executable, "-m", "backslide", "log", *words, "--model", "loans"]
            ran = subprocess.run(command, cwd=tmp_path, env=ours, capture_output=True, text=True, timeout=600)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            return ran.stdout

        assert run("ingest", "s3://calls/calls.jsonl", "--format", "json-lines").startswith(
            "loans: 3 predictions added"
        )
        assert run("ingest", "s3://calls/calls.parquet", "--format", "json-lines").startswith("loans: nothing added")
        assert run("label", "s3://calls/outcomes.parquet").startswith("loans: 1 label added")
    finally:
        server.communicate()
