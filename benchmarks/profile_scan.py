"""What profiling a window costs, as a multiple of merely reading it.

Writes two windows of generated rows as Parquet to a temporary folder, then runs, each in a process of its own and
alternating, so that both meet the same machine:

* the bare scan: sum, minimum, maximum and null count of every column with Polars' streaming engine;
* the profile: everything a diagnosis needs of all rows, on edges from a sample.

Prints seconds (median of the repeats), peak memory of one window, and the ratio.

    python benchmarks/profile_scan.py --rows 5000000 --columns 20
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEXT_SHARE = 5
"""Every fifth column holds text."""


def write_window(path: str, rows: str, columns: str, seed: str) -> None:
    """Floats (some with atoms and nulls), float32, integers small and large, and text levels, in row groups."""
    import numpy as np
    import polars as pl
    import pyarrow.parquet as pq

    rng = np.random.default_rng(int(seed))
    writer = None
    for start in range(0, int(rows), 500_000):
        n = min(500_000, int(rows) - start)
        made = {f"c{i}": _column(rng, i, n) for i in range(int(columns))}
        table = pl.DataFrame(made).to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _column(rng, i, n):
    import numpy as np
    import polars as pl

    if i % TEXT_SHARE == TEXT_SHARE - 1:
        levels = pl.Series([f"level_{k}" for k in range([3, 20, 200, 2000][i // TEXT_SHARE % 4])])
        return levels.gather(pl.Series(rng.integers(0, len(levels), n)))
    shape = i % 6
    if shape == 0:
        return rng.lognormal(0, 1, n)
    if shape == 1:
        return pl.Series(np.where(rng.random(n) < 0.3, 0.0, rng.normal(size=n)))
    if shape == 2:
        return rng.normal(size=n).astype(np.float32)
    if shape == 3:
        return rng.integers(0, 100, n)
    if shape == 4:
        return rng.integers(0, 10**9, n)
    values = pl.Series(rng.gamma(2, 1, n))
    return pl.select(pl.when(pl.Series(rng.random(n) < 0.05)).then(None).otherwise(values)).to_series()


def bare_scan(path: str) -> None:
    """The least that reads every value."""
    import polars as pl
    import polars.selectors as cs

    pl.scan_parquet(path).select(
        cs.numeric().sum().name.suffix("_sum"),
        pl.all().min().name.suffix("_min"),
        pl.all().max().name.suffix("_max"),
        pl.all().null_count().name.suffix("_null"),
    ).collect(engine="streaming")


def profile_window(path: str, plan_file: str) -> None:
    """The kernel over one window, on the plan of the reference."""
    from backslide.engine.local import profile
    from backslide.engine.profile import Profile
    from backslide.engine.source import open_source

    got = profile(open_source(path), Profile.load(plan_file).plan)
    assert all(column.rows == got.rows for column in got.columns.values())


def write_plan(reference: str, plan_file: str) -> None:
    """Edges from a sample of the reference, kept as the profile of no rows."""
    from backslide.engine.columns import ColumnKind, kind_of
    from backslide.engine.profile import Profile, make_plan
    from backslide.engine.sample import sample
    from backslide.engine.source import open_source

    drawn = sample(open_source(reference), 20_000, seed=0)
    kinds = {name: kind_of(dtype) for name, dtype in drawn.schema.items()}
    text = [name for name, kind in kinds.items() if kind is ColumnKind.CATEGORICAL]
    numeric = [name for name, kind in kinds.items() if kind is ColumnKind.NUMERIC]
    Profile.empty(make_plan(drawn, numeric=numeric, categorical=text)).save(plan_file)


def child(task: str, *arguments: Path | int) -> dict[str, float]:
    """Run a task in a process of its own: seconds without imports, peak resident memory in MB."""
    command = [sys.executable, __file__, "--task", task, *map(str, arguments)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def run_task(task: str, arguments: list[str]) -> None:
    import resource

    import polars as pl

    import backslide.engine.local
    import backslide.engine.source  # noqa: F401  (imported here, so that importing is not measured)

    pl.select(pl.lit(1).sum())  # start the thread pool
    begun = time.perf_counter()
    {"bare": bare_scan, "profile": profile_window, "plan": write_plan, "write": write_window}[task](*arguments)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


def compare(rows: int, columns: int, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        windows = [Path(folder) / "reference.parquet", Path(folder) / "current.parquet"]
        for seed, path in enumerate(windows):
            child("write", path, rows, columns, seed)
        plan = Path(folder) / "plan.profile"
        planned = child("plan", windows[0], plan)
        bare, full = [], []
        for _ in range(repeats):
            bare.append([child("bare", path) for path in windows])
            full.append([child("profile", path, plan) for path in windows])
    bare_seconds = statistics.median(sum(run["seconds"] for run in pair) for pair in bare)
    full_seconds = statistics.median(sum(run["seconds"] for run in pair) for pair in full)
    ratio = statistics.median(
        sum(run["seconds"] for run in f) / sum(run["seconds"] for run in b) for f, b in zip(full, bare, strict=True)
    )
    print(f"2 windows of {rows:,} rows x {columns} columns, median of {repeats} runs")
    print(f"  bare scan   {bare_seconds:6.2f} s   peak {peak_of(bare):5.0f} MB")
    print(f"  profile     {full_seconds:6.2f} s   peak {peak_of(full):5.0f} MB   {ratio:.2f} x the bare scan")
    print(
        f"  (sampling 20,000 rows of one window for the edges: {planned['seconds']:.2f} s, peak {planned['peak_mb']:.0f} MB)"
    )


def peak_of(pairs: list[list[dict[str, float]]]) -> float:
    """The highest of all runs, each of one window."""
    return max(run["peak_mb"] for pair in pairs for run in pair)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows per window")
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        run_task(options.task[0], options.task[1:])
    else:
        compare(options.rows, options.columns, options.repeats)


if __name__ == "__main__":
    main()
