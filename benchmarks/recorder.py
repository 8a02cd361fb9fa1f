"""What recording a prediction costs, and how fast lines become tables.

    python benchmarks/recorder.py --records 200000

Records have 20 features: 14 numbers of full length, 3 whole numbers, 3 texts. Microseconds per call stand beside a bare
``json.dumps`` with one ``write`` to an open file, measured in turns; the rollup beside Polars reading the same lines and writing
one Parquet file.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from backslide.log.recorder import Recorder
from backslide.log.rollup import rollup
from backslide.log.tables import deltalake
from measure import machine, table

SCORES = {"paid": 0.8, "default": 0.2}


def features(rows: int = 1000) -> list[dict[str, object]]:
    """Different values, so that nothing is quick by being the same."""
    rng = np.random.default_rng(1)
    return [
        {
            f"x{k}": float(rng.normal() * 10**k)
            if k < 14
            else int(rng.integers(100))
            if k < 17
            else f"c{rng.integers(9)}"
            for k in range(20)
        }
        for _ in range(rows)
    ]


def calls(folder: Path, records: int) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds of each call, and of each bare write."""
    recorder = Recorder("m", store=folder)
    bare = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ours, theirs, given = np.empty(records), np.empty(records), features()
    clock, begun_at = time.perf_counter_ns, 1.77e9
    for i in range(records):
        values = given[i % len(given)]
        begun = clock()
        recorder.record(values, "paid", SCORES, id=f"r-{i}", at=begun_at + i)
        middle = clock()
        os.write(bare, (json.dumps({"i": f"r-{i}", "f": values, "p": "paid", "s": SCORES}) + "\n").encode())
        ours[i], theirs[i] = middle - begun, clock() - middle
    recorder.close()
    os.close(bare)
    return ours / 1000, theirs / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    records = given.records
    deltalake()  # importing it is not what is measured
    print(f"{records:,} records of 20 features; {machine()}\n")
    lines, speeds = [], []
    for _ in range(given.repeats):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ours, theirs = calls(folder, records)
            lines.append([np.percentile(took, q) for took in (ours, theirs) for q in (50, 99)])
            spool = folder / "spool" / "m" / "*.jsonl"
            begun = time.perf_counter()
            pl.read_ndjson(spool, infer_schema_length=1000).unnest("f").drop("s").write_parquet(
                folder / "plain.parquet"
            )
            plain = time.perf_counter() - begun
            begun, spent = time.perf_counter(), time.process_time()
            rollup(folder)
            took, spent = time.perf_counter() - begun, time.process_time() - spent
            speeds.append((records / took, records / spent, took / plain))
    middle = np.median(lines, axis=0)
    print(
        table(
            ["a call, µs", "p50", "p99"],
            [
                ["record", f"{middle[0]:.1f}", f"{middle[1]:.1f}"],
                ["json.dumps and write", f"{middle[2]:.1f}", f"{middle[3]:.1f}"],
            ],
        )
    )
    speed = np.median(speeds, axis=0)
    print(
        f"\nrollup: {speed[0]:,.0f} records/s ({speed[1]:,.0f} per second of processor), "
        f"{speed[2]:.2f} times reading the lines with Polars and writing Parquet"
    )


if __name__ == "__main__":
    main()
