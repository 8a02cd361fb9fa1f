"""What a whole diagnosis takes beside an earlier commit, as a whole process: start, imports, files, causes, JSON and a page.

Two Parquet windows of the world of ``diagnose_scaling`` with a fault and the saved model are diagnosed by the earlier checkout,
by this one, and by this one with ``--quick``, in turns, so that all meet the same machine. Threads of OpenMP and Polars are one
each, or with ``--own-threads`` as many as the libraries take by themselves, as users run it. Both trees are compiled first, as an
installed package is. Prints medians of seconds and processor seconds, and the medians of the ratios to the earlier commit of
the same turn.

    git worktree add --detach /tmp/earlier 0798dd2
    python benchmarks/earlier_commit.py /tmp/earlier --repeats 5
"""

from __future__ import annotations

import argparse
import compileall
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from measure import child, machine, table

HERE = Path(__file__).resolve().parent
OWN = HERE.parent
WORLD = HERE / "diagnose_scaling.py"
CONFIG = """[model]
label = "label"
prediction = "prediction"
timestamp = "served_at"
scores = { yes = "p_yes" }
[windows]
reference = "reference.parquet"
current = "fault.parquet"
[artifacts]
reference_model = "model.joblib"
trusted = true
"""
THREADS = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Command:
    """A checkout and how it is asked."""

    title: str
    checkout: Path
    options: tuple[str, ...] = ()
    workers: int | None = 1
    """Processes, None for as many as it takes by itself."""
    one_thread: bool = True
    """Of OpenMP, Polars and OpenBLAS."""


@dataclass(frozen=True)
class Taken:
    """What one process and its children took."""

    seconds: float
    processor: float


def run(command: Command, folder: Path) -> Taken:
    """Diagnose once.

    Raises:
        RuntimeError: it gave no answer.
    """
    free = {name: value for name, value in os.environ.items() if name not in THREADS}
    environment = {**free, **(THREADS if command.one_thread else {}), "PYTHONPATH": str(command.checkout / "src")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if command.workers is not None:
        environment["BACKSLIDE_WORKERS"] = str(command.workers)
    files = ["--json", "answer.json", "--html", "page.html"]
    before, begun = os.times(), time.monotonic()
    process = subprocess.run(
        [sys.executable, "-m", "backslide", "diagnose", "--quiet", *files, *command.options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    seconds, after = time.monotonic() - begun, os.times()
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{command.title}: {process.stderr.strip()}")
    own = (after.children_user + after.children_system) - (before.children_user + before.children_system)
    return Taken(seconds, own)


def compare(commands: list[Command], repeats: int, rows: int, features: int) -> str:
    """The table: the first command is what the others are divided by."""
    runs: dict[str, list[Taken]] = {command.title: [] for command in commands}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child(str(WORLD), "world", folder, rows, features)
        (folder / "backslide.toml").write_text(CONFIG, encoding="utf-8")
        for _ in range(repeats):
            for command in commands:
                runs[command.title].append(run(command, folder))
    first = runs[commands[0].title]
    lines = []
    for title, taken in runs.items():
        cells = [statistics.median(getattr(one, field) for one in taken) for field in ("seconds", "processor")]
        ratios = [
            statistics.median(getattr(a, f) / getattr(b, f) for a, b in zip(taken, first, strict=True))
            for f in ("seconds", "processor")
        ]
        lines.append([title, *(f"{cell:.1f}" for cell in cells), *(f"{ratio:.2f}" for ratio in ratios)])
    return table(("whole process", "seconds", "processor s", "x seconds", "x processor s"), lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("earlier", type=Path, help="a checkout of the earlier commit")
    parser.add_argument("--rows", type=int, default=20_000, help="rows per window")
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--own-threads", action="store_true", help="as many threads as libraries take by themselves")
    options = parser.parse_args()
    for checkout in (options.earlier, OWN):
        compileall.compile_dir(checkout / "src", quiet=2)
    commands = [
        Command("earlier", options.earlier),
        Command("now, workers = 1", OWN),
        Command("now, workers = 2", OWN, workers=2),
        Command("now, --quick", OWN, ("--quick",)),
    ]
    commands = [replace(command, one_thread=not options.own_threads) for command in commands]
    print(machine())
    print(compare(commands, options.repeats, options.rows, options.features))
    print(machine())


if __name__ == "__main__":
    main()
