"""How fast the payload log of a server becomes a log, and that a kill in the middle loses and doubles nothing.

    python benchmarks/payload_logs.py                    # 100 000 records
    python benchmarks/payload_logs.py --records 1000000  # the numbers in docs/benchmarks.md

Writes records of KServe's inference logger (CloudEvents: half of them requests, half responses) and ingests them three times:
once whole and timed, once into a new log with a SIGKILL after a third of that time, and again into the same log.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

CHUNK = 50_000


def write(path: Path, records: int) -> None:
    """Requests and responses in turn, of one row each."""
    rng = np.random.default_rng(0)
    calls = records // 2
    kinds = ("request", "response")
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, calls, CHUNK):
            income = rng.normal(3000, 900, min(CHUNK, calls - start)).round(2).tolist()
            lines = []
            for k, value in enumerate(income, start):
                bodies = (
                    {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [value, k % 70, k % 7]}]},
                    {"outputs": [{"name": "predict", "shape": [1], "datatype": "INT64", "data": [int(value > 3000)]}]},
                )
                at = f"2026-03-{1 + k * 28 // calls:02d}T{k % 24:02d}:{k % 60:02d}:00Z"
                for kind, body in zip(kinds, bodies, strict=True):
                    about = {
                        "specversion": "1.0",
                        "id": f"c{k}",
                        "time": at,
                        "type": f"org.kubeflow.serving.inference.{kind}",
                    }
                    lines.append(
                        json.dumps(
                            about | {"source": "http://localhost:9081/", "inferenceservicename": "loans", "data": body}
                        )
                    )
            file.write("\n".join(lines) + "\n")


def ingest(folder: Path, store: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "backslide", "log", "ingest", "calls.jsonl", "--format", "kserve"]
    return subprocess.Popen([*command, "--store", store, "--model", "loans"], cwd=folder, stdout=subprocess.DEVNULL)


def check(folder: Path, store: str, calls: int) -> None:
    """Every call once."""
    from backslide.log.reading import open_log

    rows = (
        open_log(folder / store, "loans")
        .predictions()
        .select(pl.len(), pl.col("id").n_unique().alias("ids"))
        .collect()
        .row(0)
    )
    if rows != (calls, calls):
        raise SystemExit(f"{store}: expected {calls:,} predictions, each once; got {rows[0]:,} of {rows[1]:,} ids")


def main() -> None:
    """Measure, kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "calls.jsonl", records)
        begun = time.perf_counter()
        if ingest(folder, "whole").wait():
            raise SystemExit("the ingest failed")
        seconds = time.perf_counter() - begun
        used = os.times()
        print(f"{records:,} records in {seconds:.1f} s: {records / seconds:,.0f} records/s")
        busy = used.children_user + used.children_system
        print(f"  {busy:.1f} s of processor time: {records / busy:,.0f} records a second of it")
        check(folder, "whole", records // 2)
        process = ingest(folder, "killed")
        time.sleep(seconds / 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for _ in range(2):
            if ingest(folder, "killed").wait():
                raise SystemExit("the ingest failed")
        check(folder, "killed", records // 2)
        print("killed after a third, resumed, done again: every call once")


if __name__ == "__main__":
    main()
