"""What whole diagnoses of very many rows take, beside a bare scan: processes from two Parquet files to JSON.

The world of ``diagnose_scaling``: a boosted pipeline on numbers, codes and texts that was fitted to few rows serves both windows,
and in the current one a column comes in another unit. In turns: a bare scan of the features, drift with no more than a
prediction logged, the diagnosis without a model, and with it. Of the scan the start of Python counts as well.

    python benchmarks/diagnose_rows.py --rows 5_000_000 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import diagnose_scaling
from measure import child, machine, run_task, table
from profile_scan import CHUNK, bare_scan
from watch_day import Cost, run, run_process

LEARNED = 20_000
ROLES = 'prediction = "prediction"\nfeatures = [{features}]\n'
OUTCOMES = 'label = "label"\ntimestamp = "served_at"\nscores = {{ yes = "p_yes" }}\n'
WINDOWS = '[windows]\nreference = "reference.parquet"\ncurrent = "fault.parquet"\n'
ARTIFACT = '[artifacts]\nreference_model = "model.joblib"\ntrusted = true\n'
CONFIGS = {
    "drift, no more than a prediction logged": "[model]\n" + ROLES + WINDOWS,
    "diagnosis without a model": "[model]\n" + ROLES + OUTCOMES + WINDOWS,
    "diagnosis with a boosted model": "[model]\n" + ROLES + OUTCOMES + WINDOWS + ARTIFACT,
}
BARE = "bare scan of the features"
HEAD = ("whole process", "seconds", "processor s", "x bare scan", "peak MB", "first cause")


def make_windows(folder: str, rows: str, features: str) -> None:
    """The model of few rows, and ``reference.parquet`` and ``fault.parquet`` in groups of rows."""
    import joblib
    import numpy as np
    import polars as pl
    import pyarrow.parquet as pq

    into, total = Path(folder), int(rows)
    diagnose_scaling.make_world(folder, str(LEARNED), features)
    model, rng = joblib.load(into / "model.joblib"), np.random.default_rng(11)
    for month, name in enumerate(("reference", "fault")):
        writer = None
        for start in range(0, total, CHUNK):
            n = min(CHUNK, total - start)
            part = diagnose_scaling.new_window(rng, model, n, int(features), name)
            days = np.linspace(30 * start / total, 30 * (start + n) / total, n, endpoint=False)
            served = np.datetime64("2026-03-01", "us") + np.timedelta64(31 * month, "D")
            part = part.with_columns(pl.Series("served_at", served + (days * 86_400e6).astype("timedelta64[us]")))
            arrow = part.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(into / f"{name}.parquet", arrow.schema, compression="zstd")
            writer.write_table(arrow)
        if writer is not None:
            writer.close()


TASKS: dict[str, Callable[..., None]] = {"write": make_windows, "bare": bare_scan}


def measure(folder: Path, features: int, repeats: int) -> tuple[dict[str, list[Cost]], dict[str, str]]:
    """Every process, in turns; and what each names first."""
    names = ", ".join(f'"c{i}"' for i in range(features))
    costs: dict[str, list[Cost]] = {title: [] for title in (BARE, *CONFIGS)}
    for number, config in enumerate(CONFIGS.values()):
        (folder / f"{number}.toml").write_text(config.format(features=names), "utf-8")
    scan = (sys.executable, __file__, "--task", "bare", "features", "reference.parquet", "fault.parquet")
    for _ in range(repeats):
        costs[BARE].append(run_process(folder, *scan))
        for number, title in enumerate(CONFIGS):
            costs[title].append(run(folder, "diagnose", f"{number}.toml", "-q", "--json", f"{number}.json"))
    causes = {
        title: json.loads((folder / f"{number}.json").read_text("utf-8"))["causes"]
        for number, title in enumerate(CONFIGS)
    }
    return costs, {title: some[0]["kind"] if some else "none" for title, some in causes.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=lambda text: int(text.replace("_", "")), default=500_000, help="per window")
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        run_task(TASKS[options.task[0]], options.task[1:])
        return
    with tempfile.TemporaryDirectory() as name:
        child(__file__, "write", name, options.rows, options.features)
        print(f"2 windows of {options.rows:,} rows, {options.features} features; median of {options.repeats} repeats")
        print(machine())
        costs, causes = measure(Path(name), options.features, options.repeats)
    lines = []
    for title, taken in costs.items():
        middle = [statistics.median(getattr(c, f) for c in taken) for f in ("seconds", "processor")]
        ratio = statistics.median(c.processor / b.processor for c, b in zip(taken, costs[BARE], strict=True))
        peak = max(c.peak_mb for c in taken)
        lines.append(
            [title, *(f"{value:.1f}" for value in middle), f"{ratio:.2f}", f"{peak:.0f}", causes.get(title, "")]
        )
    print(table(HEAD, lines))
    print(machine())


if __name__ == "__main__":
    main()
