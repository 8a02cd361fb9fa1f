"""What looking at every row costs, as a multiple of merely reading it.

Writes two windows of generated predictions as Parquet to a temporary folder: feature columns, and timestamp, label,
prediction and score beside them. Then runs, each in a process of its own and in turns, so that all meet the same machine:

* the bare scan: sum, minimum, maximum and null count of every column with Polars' streaming engine, of the features alone
  and of the whole log;
* the profile: the pass over all rows that a diagnosis rests on, of the features;
* drift checks: opening the windows, sampling, profiling and every drift check, with no more than a prediction logged;
* every check: the same with timestamps, labels and scores, so that the verify and concept steps run as well.

Prints seconds (median of the repeats), the highest resident memory, and the median of the ratios to the bare scan.

    python benchmarks/profile_scan.py --rows 5000000 --columns 20
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from measure import Run, child, machine, median_processor, median_ratio, median_seconds, run_task, table

TEXT_SHARE = 5
"""Every fifth column holds text."""
OUTCOMES = ("served_at", "label", "prediction", "p_yes")
CHUNK = 500_000


def write_window(path: str, rows: str, columns: str, seed: str) -> None:
    """Floats (some with atoms and nulls), float32, integers small and large, and text levels, in row groups."""
    import numpy as np
    import polars as pl
    import pyarrow.parquet as pq

    rng = np.random.default_rng(int(seed))
    writer = None
    for start in range(0, int(rows), CHUNK):
        n = min(CHUNK, int(rows) - start)
        made = {f"c{i}": _column(rng, i, n) for i in range(int(columns))}
        made |= _outcomes(rng, n, start / int(rows), (start + n) / int(rows), int(seed))
        batch = pl.DataFrame(made).to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
        writer.write_table(batch)
    if writer is not None:
        writer.close()


def _column(rng: Any, i: int, n: int) -> Any:
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


def _outcomes(rng: Any, n: int, begin: float, end: float, month: int) -> dict[str, Any]:
    """Thirty days in order; calibrated scores cut at a half."""
    import numpy as np

    score = rng.beta(0.8, 1.2, n)
    first = np.datetime64(datetime(2026, 3 + month, 1), "us")
    seconds = (np.linspace(begin, end, n, endpoint=False) * 30 * 86_400).astype("timedelta64[s]")
    words = np.array(["no", "yes"], object)
    return {
        "served_at": first + seconds,
        "label": words[(rng.random(n) < score).astype(int)],
        "prediction": words[(score >= 0.5).astype(int)],
        "p_yes": score,
    }


def bare_scan(columns: str, *paths: str) -> None:
    """The least that reads every value of the features ("features") or of all columns ("all")."""
    import polars as pl
    import polars.selectors as cs

    for path in paths:
        frame = pl.scan_parquet(path)
        if columns == "features":
            frame = frame.drop(OUTCOMES)
        frame.select(
            cs.numeric().sum().name.suffix("_sum"),
            pl.all().min().name.suffix("_min"),
            pl.all().max().name.suffix("_max"),
            pl.all().null_count().name.suffix("_null"),
        ).collect(engine="streaming")


def write_plan(reference: str, plan_file: str) -> None:
    """Edges from a sample of the reference, kept as the profile of no rows."""
    from backslide.engine.columns.kinds import ColumnKind, kind_of
    from backslide.engine.columns.sample import sample
    from backslide.engine.profile.profile import Profile, make_plan
    from backslide.engine.sources.open import open_source

    drawn = sample(open_source(reference).drop(OUTCOMES), 20_000, seed=0)
    kinds = {name: kind_of(dtype) for name, dtype in drawn.schema.items()}
    text = [name for name, kind in kinds.items() if kind is ColumnKind.CATEGORICAL]
    numeric = [name for name, kind in kinds.items() if kind is ColumnKind.NUMERIC]
    Profile.empty(make_plan(drawn, numeric=numeric, categorical=text)).save(plan_file)


def profile_windows(plan_file: str, *paths: str) -> None:
    """The kernel over both windows, on the plan of the reference."""
    from backslide.engine.profile.profile import Profile
    from backslide.engine.profile.run import profile
    from backslide.engine.sources.open import open_source

    plan = Profile.load(plan_file).plan
    for path in paths:
        got = profile(open_source(path), plan)
        assert all(column.rows == got.rows for column in got.columns.values())


def run_all_checks(roles: str, *paths: str) -> None:
    """Open, sample, profile and check both windows, without a model; ``roles`` is "prediction" or "all"."""
    from backslide.case import Case
    from backslide.contracts.config import Settings
    from backslide.contracts.finding import Status
    from backslide.engine.window import open_windows
    from backslide.playbook.runner import run_checks

    known = {"label": "label", "timestamp": "served_at", "scores": {"yes": "p_yes"}} if roles == "all" else {}
    names = list(_schema(paths[0]))
    features = [name for name in names if name not in OUTCOMES]
    settings = Settings.from_dict({"model": {"prediction": "prediction", "features": features} | known})
    case = Case(open_windows(paths[0], paths[1], settings), settings)
    outcomes = run_checks(case)
    assert not [o for o in outcomes if o.status is Status.FAILED]
    assert all(side.profile.rows == side.window.rows for side in case.sides)


def _schema(path: str) -> dict[str, Any]:
    import polars as pl

    return dict(pl.scan_parquet(path).collect_schema())


TASKS = {
    "write": write_window,
    "bare": bare_scan,
    "plan": write_plan,
    "profile": profile_windows,
    "checks": run_all_checks,
}


def compare(rows: int, columns: int, repeats: int) -> None:
    """Run everything ``repeats`` times in turns and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        windows = [Path(folder) / "reference.parquet", Path(folder) / "current.parquet"]
        for seed, path in enumerate(windows):
            child(__file__, "write", path, rows, columns, seed)
        plan = Path(folder) / "plan.profile"
        child(__file__, "plan", windows[0], plan)
        tasks = {
            "bare scan of the features": ("bare", "features"),
            "profile of the features": ("profile", plan),
            "drift checks": ("checks", "prediction"),
            "bare scan of the whole log": ("bare", "all"),
            "every check": ("checks", "all"),
        }
        print(f"2 windows of {rows:,} rows, {columns} features; median of {repeats} repeats")
        print(machine())
        runs: dict[str, list[Run]] = {name: [] for name in tasks}
        for _ in range(repeats):
            for name, (task, first) in tasks.items():
                runs[name].append(child(__file__, task, first, *windows))
    print_table(runs)


def print_table(runs: dict[str, list[Run]]) -> None:
    """Each task against the bare scan that stands before it."""
    rows, yardstick = [], ""
    for name, repeats in runs.items():
        if name.startswith("bare"):
            yardstick = name
        peak = max(run.peak_mb for run in repeats)
        ratio = "1" if name == yardstick else f"{median_ratio(repeats, runs[yardstick]):.2f}"
        times = [f"{median_seconds(repeats):.2f}", f"{median_processor(repeats):.2f}"]
        rows.append([name, *times, f"{peak:.0f}", ratio])
    print(table(["both windows", "seconds", "cpu s", "peak MB", "x bare scan"], rows))
    print(machine())


def _import_what_is_measured() -> None:
    """Importing and starting the thread pool is not part of the measurement."""
    import polars as pl

    import backslide.case
    import backslide.engine.profile.run
    import backslide.engine.sources.open
    import backslide.playbook.registry
    import backslide.playbook.runner

    backslide.playbook.registry.all_checks()
    pl.select(pl.lit(1).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows per window")
    parser.add_argument("--columns", type=int, default=20, help="feature columns")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        _import_what_is_measured()
        run_task(TASKS[options.task[0]], options.task[1:])
    else:
        compare(options.rows, options.columns, options.repeats)


if __name__ == "__main__":
    main()
