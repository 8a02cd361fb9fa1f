"""Reading a log day by day, beside plain Parquet files with the same rows in the same order.

    python benchmarks/log_reading.py --rows 5000000 --days 30

Every reading is a process of its own, in turns: each day is read whole and summed. The log is what several commits a day
and a compaction leave behind; the plain files are one a day, written by Polars.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from backslide.contracts.roles import Roles
from backslide.log.ingest import ingest
from backslide.log.reading import open_log
from backslide.log.retention import compact
from measure import child, machine, median_ratio, median_seconds, run_task, table

BEGUN = datetime(2026, 3, 1, tzinfo=UTC)
FEATURES = 20


def rows_of(day: int, rows: int) -> pl.DataFrame:
    """A day of predictions: 17 numbers, 3 texts, two scores, a label that comes five days later on average."""
    rng = np.random.default_rng(day)
    score = rng.random(rows)
    seconds = np.sort(rng.random(rows)) * 86_400
    micros = ((BEGUN + timedelta(days=day)).timestamp() * 1e6 + np.floor(seconds * 1e6)).astype(np.int64)
    return pl.DataFrame(
        {
            "id": [f"{day:03d}-{k:08d}" for k in range(rows)],
            "at": pl.Series(micros).cast(pl.Datetime("us", "UTC")),
            "prediction": np.where(score > 0.5, "yes", "no"),
            "label": pl.Series(np.where(rng.random(rows) < score, "yes", "no")),
            "label_at": pl.Series(micros + np.floor(rng.exponential(5 * 86_400e6, rows)).astype(np.int64)).cast(
                pl.Datetime("us", "UTC")
            ),
            "p_yes": score,
            "p_no": 1 - score,
            **{f"x{k}": rng.normal(size=rows) for k in range(FEATURES - 3)},
            **{f"c{k}": pl.Series(rng.integers(0, 30, rows)).cast(pl.String) for k in range(3)},
        }
    )


def build(folder: Path, rows: int, days: int) -> None:
    """The log and the plain files."""
    roles = Roles(
        id="id",
        timestamp="at",
        prediction="prediction",
        label="label",
        label_time="label_at",
        scores={"yes": "p_yes", "no": "p_no"},
        features=(*(f"x{k}" for k in range(FEATURES - 3)), "c0", "c1", "c2"),
    )
    (folder / "plain").mkdir()
    for day in range(days):
        part = rows_of(day, rows // days)
        part.write_parquet(folder / "plain" / f"{day:03d}.parquet")
        half = part.height // 2
        for piece in (part[:half], part[half:]):
            ingest(piece.lazy(), folder / "log", "m", roles)
    compact(folder / "log", grace=0)


def _sum(frame: pl.LazyFrame) -> float:
    return float(frame.collect()["x0"].sum())


def read_plain(folder: str, days: str) -> str:
    """The plain files, day by day."""
    return (
        f"{sum(_sum(pl.scan_parquet(Path(folder) / 'plain' / f'{day:03d}.parquet')) for day in range(int(days))):.3f}"
    )


def read_log(folder: str, days: str, labels: bool = False) -> str:
    """The log, day by day."""
    log = open_log(Path(folder) / "log")
    total = 0.0
    for day in range(int(days)):
        since = BEGUN + timedelta(days=day)
        total += _sum(log.predictions(since=since, until=since + timedelta(days=1), labels=labels))
    return f"{total:.3f}"


def read_plain_whole(folder: str, days: str) -> str:
    """The plain files at once; they hold the labels."""
    return f"{_sum(pl.scan_parquet(Path(folder) / 'plain' / '*.parquet')):.3f}"


def read_log_whole(folder: str, days: str) -> str:
    """The whole log with its labels."""
    return f"{_sum(open_log(Path(folder) / 'log').predictions()):.3f}"


TASKS = {
    "plain": read_plain,
    "log": read_log,
    "log-labels": lambda *given: read_log(*given, labels=True),
    "plain-whole": read_plain_whole,
    "log-whole": read_log_whole,
}


def main() -> None:
    """Build, read in turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        build(Path(name), given.rows, given.days)
        print(f"{given.rows:,} rows of {FEATURES} features on {given.days} days; {machine()}\n", flush=True)
        runs = {task: [] for task in TASKS}
        for _ in range(given.repeats):
            for task, done in runs.items():
                done.append(child(__file__, task, name, given.days))
        assert len({run.note for task in ("plain", "log", "log-labels") for run in runs[task]}) == 1
        against = {task: runs["plain-whole" if "whole" in task else "plain"] for task in TASKS}
        words = {
            "plain": "plain Parquet, day by day",
            "log": "log, day by day",
            "log-labels": "log with last labels, day by day",
            "plain-whole": "plain Parquet, at once",
            "log-whole": "log with last labels, at once",
        }
        lines = [
            [
                words[t],
                f"{median_seconds(r):.2f}",
                f"{max(one.peak_mb for one in r):.0f}",
                f"{median_ratio(r, against[t]):.2f}",
            ]
            for t, r in runs.items()
        ]
        print(table(["what", "seconds", "peak MB", "times plain Parquet"], lines))


if __name__ == "__main__":
    if "--task" in sys.argv:
        _, _, task, *rest = sys.argv
        run_task(lambda *given: lambda: TASKS[task](*given), rest)
    else:
        main()
