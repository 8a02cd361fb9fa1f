"""What a look of ``watch`` at one new day takes on a log of many rows, as a process, and whether it grows with the days.

A log of one Parquet file a day, 13 columns, of which the first 28 days are the reference. The log is looked at up to the day
before the last, and then once more, with one new day: against the rows of the reference, and against its stored profiles; then
with the new day profiled as well and no row read at all. Nothing is diagnosed, since nothing happens.

    python benchmarks/watch_day.py --rows 100_000 --days 30 60
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from measure import child, machine, run_task, table

START, REFERENCE = datetime(2026, 3, 2), 28
CONFIG = """[model]
name = "loans"
label = "label"
prediction = "prediction"
scores = {{ paid = "p_paid" }}
timestamp = "served_at"
[windows]
reference = "{reference}"
[data]
source = "{source}"
[watch]
diagnose = false
"""
HEAD = ("look", "days", "seconds", "processor s", "peak MB")


@dataclass(frozen=True)
class Look:
    """A way to look, and the processes that look at the new day by it."""

    title: str
    reference: str
    source: str
    profiled: bool = False
    """The new day is profiled first."""


@dataclass(frozen=True)
class Cost:
    """What processes took together, and the highest memory of one."""

    seconds: float
    processor: float
    peak_mb: float


def write_days(folder: str, rows: str, days: str) -> None:
    """One file a day: six numbers, one of them with gaps, three categories, and time, label, prediction and score."""
    import numpy as np
    import polars as pl

    for day in range(int(days)):
        rng, n = np.random.default_rng([7, day]), int(rows)
        x = rng.normal(size=(n, 6)).round(3)
        logit = 2 * x[:, 0] + x[:, 1] - 0.5 * x[:, 2] + rng.normal(0, 0.05)
        score = 1 / (1 + np.exp(-logit))
        words = np.array(["default", "paid"], object)
        moment = np.datetime64(START + timedelta(days=day), "us")
        served = moment + (np.arange(n) * 86_400_000_000 // n).astype("timedelta64[us]")
        x[rng.random(n) < 0.05, 5] = np.nan
        pl.DataFrame(
            {
                **{f"x{i}": pl.Series(x[:, i], nan_to_null=True) for i in range(6)},
                "branch": rng.choice(np.array(["a", "b", "c", "d"], object), n),
                "channel": rng.choice(np.array(["web", "shop"], object), n),
                "product": rng.choice(np.array([f"p{k}" for k in range(20)], object), n),
                "served_at": served,
                "label": words[(rng.random(n) < score).astype(int)],
                "prediction": words[(score >= 0.5).astype(int)],
                "p_paid": score,
            }
        ).write_parquet(Path(folder) / f"{day:04}.parquet")


TASKS: dict[str, Callable[..., None]] = {"write": write_days}


def run(folder: Path, *arguments: str) -> Cost:
    """One command of backslide, as a process."""
    return run_process(folder, sys.executable, "-m", "backslide", *arguments)


def run_process(folder: Path, *command: str) -> Cost:
    """A process to its end.

    Raises:
        RuntimeError: it failed.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        if process.returncode not in (0, 1):
            raise RuntimeError(errors.read().decode(errors="replace").strip())
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def together(costs: list[Cost]) -> Cost:
    """Of processes one after the other."""
    return Cost(sum(c.seconds for c in costs), sum(c.processor for c in costs), max(c.peak_mb for c in costs))


def looks(folder: Path, days: int, repeats: int) -> dict[str, list[Cost]]:
    """Profiles of the reference, and each look at the last day, ``repeats`` times from the state of the day before."""
    last = f"{START.date() + timedelta(days=REFERENCE - 1)}"
    span = f"{START.date()}..{last}"
    ways = (
        Look("a new day, against rows", span, "log/*.parquet"),
        Look("a new day, against profiles", "profiles", "log/*.parquet"),
        Look("a new day profiled, then no row read", span, "all_profiles", profiled=True),
    )
    as_of = [(START + timedelta(days=days + more)).date().isoformat() for more in (-1, 0)]
    costs: dict[str, list[Cost]] = {"profiles of the reference, once": []}
    for name, way in zip(("rows", "profiles", "none"), ways, strict=True):
        (folder / f"{name}.toml").write_text(CONFIG.format(reference=way.reference, source=way.source), "utf-8")
    log, newest = folder / "log", sorted((folder / "log").iterdir())[days - 1 :]
    for file in newest:
        file.rename(folder / file.name)
    costs["profiles of the reference, once"].append(
        run(folder, "log", "profile", "rows.toml", "-q", "--out", "profiles")
    )
    for name, way in zip(("rows", "profiles", "none"), ways, strict=True):
        if way.profiled:
            profile = ("log", "profile", "rows.toml", "-q", "--out", "all_profiles", "--rows", "log/*.parquet")
            shutil.copytree(folder / "profiles", folder / "all_profiles")
            run(folder, *profile)
        look = ("watch", f"{name}.toml", "-q", "--as-of")
        run(folder, *look, as_of[0])
        shutil.copy(folder / "backslide.db", folder / "before.db")
        (folder / newest[0].name).rename(log / newest[0].name)
        costs[way.title] = []
        for _ in range(repeats):
            shutil.copy(folder / "before.db", folder / "backslide.db")
            steps = [run(folder, *profile, "--new")] if way.profiled else []
            costs[way.title].append(together([*steps, run(folder, *look, as_of[1])]))
        if way is ways[0]:
            costs["nothing new, against rows"] = [run(folder, *look, as_of[1]) for _ in range(repeats)]
        (log / newest[0].name).rename(folder / newest[0].name)
        (folder / "backslide.db").unlink()
    for file in newest:
        (folder / file.name).rename(log / file.name)
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000, help="of a day")
    parser.add_argument("--days", type=int, nargs="+", default=[60], help="of the log, the new one among them")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        run_task(TASKS[options.task[0]], options.task[1:])
        return
    print(f"{options.rows:,} rows a day; median of {options.repeats} repeats, of the memory the highest")
    print(machine())
    lines = []
    for days in options.days:
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "log").mkdir()
            child(__file__, "write", Path(name) / "log", options.rows, days)
            for title, costs in looks(Path(name), days, options.repeats).items():
                middle = [statistics.median(getattr(c, f) for c in costs) for f in ("seconds", "processor")]
                peak = max(cost.peak_mb for cost in costs)
                lines.append([title, str(days), *(f"{value:.1f}" for value in middle), f"{peak:.0f}"])
    print(table(HEAD, lines))
    print(machine())


if __name__ == "__main__":
    main()
