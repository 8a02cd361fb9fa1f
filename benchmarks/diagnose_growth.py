"""How a whole diagnosis grows with the number of classes, and with the number of days that the windows span.

Two windows of predictions of a linear discriminant analysis on ten numbers, with times, labels, a score for every class and the
saved model; in the current one a column comes in another unit. Each size is diagnosed whole and quickly, in processes of their
own; importing and reading files are not timed.

    python benchmarks/diagnose_growth.py --classes 2 10 50 200 --days 10 30 100 300 1000 --repeats 3
    python benchmarks/diagnose_growth.py --where 50 30         where the time of 50 classes and 30 days goes, by function
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import Run, child, machine, median_processor, median_seconds, run_task, table

FEATURES = 10
FAULTY, FACTOR = "x0", 12.0
SPREAD = 0.7
"""Of the centres of classes along the other columns, in standard deviations within a class."""
BASE = (2, 30)
"""Classes and days."""
HEAD = ("classes", "days", "whole s", "cpu s", "x base", "quick s", "cpu s", "x base", "peak MB", "first cause")


def make_world(folder: str, rows: str, classes: str, days: str) -> None:
    """Write ``reference.parquet``, ``current.parquet`` and ``model.joblib``."""
    import joblib
    import numpy as np
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rng = np.random.default_rng([int(classes), int(days)])
    centres = rng.normal(size=(int(classes), FEATURES)) * SPREAD
    centres[:, 0] = np.linspace(1, 4, int(classes))[rng.permutation(int(classes))]
    names = np.array([f"class_{k:03}" for k in range(int(classes))], object)
    x, label = _inputs(rng, int(rows), centres)
    model = LinearDiscriminantAnalysis().fit(x, names[label])
    joblib.dump(model, Path(folder) / "model.joblib")
    for month, name in enumerate(("reference", "current")):
        x, label = _inputs(rng, int(rows), centres)
        if name == "current":
            x[FAULTY] *= FACTOR
        _served(model, x, names[label], int(days), month).write_parquet(Path(folder) / f"{name}.parquet")


def _inputs(rng: Any, rows: int, centres: Any) -> tuple[Any, Any]:
    import numpy as np
    import pandas as pd

    label = rng.integers(0, len(centres), rows)
    x = centres[label] + rng.normal(size=(rows, FEATURES))
    return pd.DataFrame(np.round(x, 4), columns=[f"x{i}" for i in range(FEATURES)]), label


def _served(model: Any, x: Any, label: Any, days: int, month: int) -> Any:
    """Rows evenly over ``days``; the current window follows the reference."""
    import numpy as np
    import polars as pl

    score = model.predict_proba(x)
    seconds = (np.linspace(0, days, len(x), endpoint=False) * 86_400).astype("timedelta64[s]")
    start = np.datetime64("2024-01-01", "us") + np.timedelta64(days * month, "D")
    return pl.DataFrame(
        {
            **{name: x[name].to_numpy() for name in x},
            "served_at": start + seconds,
            "label": label,
            "prediction": model.classes_[score.argmax(axis=1)],
            **{f"p_{c}": score[:, k] for k, c in enumerate(model.classes_)},
        }
    )


def diagnose_once(folder: str, mode: str) -> Callable[[], str]:
    """The main job on tables in memory, with the saved model: ``whole`` or ``quick``."""
    import joblib
    import polars as pl

    import backslide
    import backslide.jobs.diagnose

    model = joblib.load(Path(folder) / "model.joblib")
    windows = [pl.read_parquet(Path(folder) / f"{name}.parquet") for name in ("reference", "current")]
    scores = {str(c): f"p_{c}" for c in model.classes_}
    roles = backslide.Roles(label="label", prediction="prediction", timestamp="served_at", scores=scores)

    def diagnose() -> str:
        answer = backslide.diagnose(*windows, roles=roles, reference_model=model, quick=mode == "quick")
        return answer.causes[0].kind.value if answer.causes else "none"

    return diagnose


TASKS: dict[str, Callable[..., Callable[[], str] | None]] = {"world": make_world, "diagnose": diagnose_once}


def sizes(classes: list[int], days: list[int]) -> list[tuple[int, int]]:
    """Classes at the base's days, then days at the base's classes, each size once, the base first."""
    return list(dict.fromkeys([BASE, *((k, BASE[1]) for k in sorted(classes)), *((BASE[0], d) for d in sorted(days))]))


def measure_size(rows: int, classes: int, days: int, repeats: int) -> dict[str, list[Run]]:
    """The whole and the quick diagnosis of one size, in turns."""
    runs: dict[str, list[Run]] = {"whole": [], "quick": []}
    with tempfile.TemporaryDirectory() as folder:
        child(__file__, "world", folder, rows, classes, days)
        for _ in range(repeats):
            for mode, taken in runs.items():
                taken.append(child(__file__, "diagnose", folder, mode))
    return runs


def compare(rows: int, classes: list[int], days: list[int], repeats: int) -> None:
    """Measure every size and print the table; ratios are of processor seconds to those of the base."""
    print(f"backslide.diagnose, {rows:,} rows per window, {FEATURES} features; median of {repeats} repeats")
    print(machine())
    measured = {}
    for size in sizes(classes, days):
        measured[size] = measure_size(rows, *size, repeats)
        print(f"measured {size[0]} classes, {size[1]} days", file=sys.stderr)
    base, lines = measured[BASE], []
    for (k, d), runs in measured.items():
        cells = []
        for mode in ("whole", "quick"):
            processor = median_processor(runs[mode])
            cells += [median_seconds(runs[mode]), processor, processor / median_processor(base[mode])]
        peak = max(run.peak_mb for taken in runs.values() for run in taken)
        lines.append(
            [
                str(k),
                str(d),
                *(f"{cell:.2f}" for cell in cells),
                f"{peak:.0f}",
                statistics.mode(run.note for run in runs["whole"]),
            ]
        )
    print(table(HEAD, lines))
    print(machine())


def show_where(rows: int, classes: int, days: int, lines: int) -> None:
    """Where the time of one size goes, by function."""
    with tempfile.TemporaryDirectory() as folder:
        make_world(folder, str(rows), str(classes), str(days))
        job = diagnose_once(folder, "whole")
        job()  # imports are paid
        profiler = cProfile.Profile()
        profiler.runcall(job)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats("backslide", lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000, help="per window")
    parser.add_argument("--classes", type=int, nargs="*", default=[10])
    parser.add_argument("--days", type=int, nargs="*", default=[100])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--where", type=int, nargs=2, metavar=("CLASSES", "DAYS"), help="profile this size instead")
    parser.add_argument("--lines", type=int, default=60, help="functions to show with --where")
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        run_task(TASKS[options.task[0]], options.task[1:])
    elif options.where:
        show_where(options.rows, *options.where, options.lines)
    else:
        compare(options.rows, options.classes, options.days, options.repeats)


if __name__ == "__main__":
    main()
