"""What the benchmarks share: a task in a process of its own, medians of ratios, and the machine in one line."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One task once."""

    seconds: float
    """Without starting Python and importing."""
    peak_mb: float
    """Highest resident memory of the process."""
    note: str = ""
    """What came out of it."""
    processor: float = 0.0
    """Seconds of all its threads and of processes that it started and waited for."""


def child(script: str, task: str, *arguments: object) -> Run:
    """Run ``task`` of a benchmark script in a process of its own.

    OpenMP threads wait asleep: where other programs want the cores too, spinning ones measure those programs.
    """
    command = [sys.executable, script, "--task", task, *map(str, arguments)]
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def run_task(task: Callable[..., Callable[[], str] | None], arguments: Sequence[str]) -> None:
    """The other end of :func:`child`: do it and print what it took.

    A task that has something to prepare returns a function of no arguments; then only that is timed.
    """
    begun, spent = time.perf_counter(), processor_seconds()
    prepared = task(*arguments)
    note = ""
    if prepared is not None:
        begun, spent = time.perf_counter(), processor_seconds()
        note = prepared()
    run = Run(time.perf_counter() - begun, peak_memory_mb(), note, processor_seconds() - spent)
    print(json.dumps(asdict(run)))


def processor_seconds() -> float:
    """What this process and its finished children took so far."""
    return sum(os.times()[:4])


def peak_memory_mb() -> float:
    """Highest resident memory of this process so far.

    From /proc where there is one: what ``getrusage`` says of a child begins with the size of the process that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def median_seconds(runs: Sequence[Run]) -> float:
    """Median of the repeats."""
    return statistics.median(run.seconds for run in runs)


def median_processor(runs: Sequence[Run]) -> float:
    """Median of the repeats, in processor seconds."""
    return statistics.median(run.processor for run in runs)


def median_ratio(runs: Sequence[Run], yardsticks: Sequence[Run]) -> float:
    """Median of the ratios of repeats that ran next to each other, so that both met the same machine."""
    return statistics.median(run.seconds / one.seconds for run, one in zip(runs, yardsticks, strict=True))


def machine() -> str:
    """Cores, load and versions."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("polars", "numpy", "scikit-learn"))
    return f"{os.cpu_count()} cores, load {load}; Python {sys.version.split()[0]}, {libraries}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns that are Markdown as well."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    shown = [
        [cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))]
        for line in lines
    ]
    rule = ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [shown[0], rule, *shown[1:]])
