"""A million short documents a window through the checks of texts, against a bare scan that takes every document apart into words.

python benchmarks/text_checks.py --rows 1000000 --repeats 3
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from measure import child, machine, median_ratio, median_seconds, run_task, table

WINDOWS = ("reference", "current")
WORD = r"[\p{L}\p{M}\p{N}]+"
VOCABULARY = 20_000
TEXT_CHECKS = ("DRF009", "DRF010", "DRF011", "DRF012")
PART = 100_000


def write(folder: Path, rows: int) -> None:
    """Two windows of documents of 5 to 40 words, word frequencies as in language (Zipf); a part at a time."""
    rng = np.random.default_rng(1)
    letters = np.array(list("etaoinshrdlucmfwypvbgkqjxz"), object)
    sizes = rng.integers(2, 11, VOCABULARY)
    words = np.array(["".join(rng.choice(letters, n)) for n in sizes], object)
    small = "the of and to is that for it was with as by this are be at from have has not".split()  # noqa: SIM905
    words[: len(small)] = small
    weight = 1 / np.arange(1, VOCABULARY + 1)
    for start, window in zip((datetime(2026, 3, 2), datetime(2026, 3, 30)), WINDOWS, strict=True):
        (folder / window).mkdir()
        for part, at in enumerate(range(0, rows, PART)):
            n = min(PART, rows - at)
            length = rng.integers(5, 41, n)
            chosen = words[rng.choice(VOCABULARY, int(length.sum()), p=weight / weight.sum())]
            ends = np.cumsum(length)
            texts = [" ".join(chosen[e - k : e]) for e, k in zip(ends, length, strict=True)]
            days = np.sort(rng.integers(0, 28 * 86_400, n))
            pl.DataFrame(
                {
                    "note": texts,
                    "prediction": rng.choice(["yes", "no"], n),
                    "served_at": [start + timedelta(seconds=int(s)) for s in days],
                }
            ).write_parquet(folder / window / f"{part:03d}.parquet")


def scan(folder: str) -> Callable[[], str]:
    """Words of every document of both windows counted, and nothing kept."""

    def run() -> str:
        total = 0
        for window in WINDOWS:
            words = pl.col("note").str.to_lowercase().str.extract_all(WORD).list.len().sum()
            total += pl.scan_parquet(f"{folder}/{window}/*.parquet").select(words).collect(engine="streaming").item()
        return f"{total} words"

    return run


def checks(folder: str, which: str) -> Callable[[], str]:
    """Open, sample and, for ``text``, run the checks of texts; for ``all``, every check that applies."""
    from backslide.case import Case
    from backslide.contracts.config import Settings
    from backslide.engine.window import open_windows
    from backslide.playbook.registry import all_checks
    from backslide.playbook.runner import run_checks

    muted = {c.code: {"mute": True} for c in all_checks() if which == "text" and c.code not in TEXT_CHECKS}
    model = {"prediction": "prediction", "timestamp": "served_at", "features": ["note"], "task": "binary"}
    settings = Settings.from_dict({"model": model, "checks": muted})

    def run() -> str:
        case = Case(open_windows(f"{folder}/reference/*.parquet", f"{folder}/current/*.parquet", settings), settings)
        found = run_checks(case)
        worst = [f.key for o in found for f in o.findings if f.severity.rank]
        return f"{sum(len(o.findings) for o in found)} findings, flagged: {', '.join(worst) or 'none'}"

    return run


TASKS = {
    "scan": scan,
    "text": lambda folder: checks(folder, "text"),
    "all": lambda folder: checks(folder, "all"),
}
NAMES = {"scan": "bare scan with words counted", "text": "checks of texts", "all": "every check without labels"}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("arguments", nargs="*")
    given = parser.parse_args()
    if given.task:
        run_task(TASKS[given.task], given.arguments)
        return
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.rows)
        runs = [{task: child(__file__, task, folder) for task in TASKS} for _ in range(given.repeats)]
    rows = []
    for task, name in NAMES.items():
        own = [r[task] for r in runs]
        ratio = median_ratio(own, [r["scan"] for r in runs])
        peak = max(r.peak_mb for r in own)
        rows.append((name, f"{median_seconds(own):.2f}", f"{peak:.0f}", f"{ratio:.3g}"))
        print(f"{name}: {own[-1].note}")
    print(table(("both windows", "seconds", "peak MB", "x bare scan"), rows))


if __name__ == "__main__":
    main()
