"""What recording a prediction costs, and how fast lines become tables.

    python benchmarks/recorder.py --records 200000

Microseconds per call stand beside a bare ``json.dumps`` with one ``write`` to an open file, measured in turns; the rollup beside
writing the same rows to one Parquet file.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from backslide.log.reading import open_log
from backslide.log.recorder import Recorder
from backslide.log.rollup import rollup

FEATURES = {f"x{k}": 1.5 * k for k in range(20)}
SCORES = {"paid": 0.8, "default": 0.2}


def calls(folder: Path, records: int) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds of each call, and of each bare write."""
    recorder = Recorder("m", store=folder)
    bare = os.open(folder / "bare.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ours, theirs = np.empty(records), np.empty(records)
    clock = time.perf_counter_ns
    for i in range(records):
        begun = clock()
        recorder.record(FEATURES, "paid", SCORES, id=f"r-{i}")
        middle = clock()
        os.write(bare, (json.dumps({"i": f"r-{i}", "f": FEATURES, "p": "paid", "s": SCORES}) + "\n").encode())
        ours[i], theirs[i] = middle - begun, clock() - middle
    recorder.close()
    os.close(bare)
    return ours / 1000, theirs / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=200_000)
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, theirs = calls(folder, records)
        print(f"{records:,} records of {len(FEATURES)} features, load {os.getloadavg()[0]:.1f}")
        for what, took in (("record", ours), ("json and write", theirs)):
            print(f"{what:<16} p50 {np.percentile(took, 50):6.1f} µs   p99 {np.percentile(took, 99):6.1f} µs")
        begun = time.perf_counter()
        rollup(folder)
        seconds = time.perf_counter() - begun
        rows = open_log(folder).predictions().collect()
        begun = time.perf_counter()
        rows.write_parquet(folder / "plain.parquet")
        plain = time.perf_counter() - begun
        print(
            f"rollup           {records / seconds:,.0f} records/s, {seconds / plain:.1f} times writing one Parquet file"
        )


if __name__ == "__main__":
    main()
