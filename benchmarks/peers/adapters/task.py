"""What the adapters share: a task of one peer as a whole process, from the two files to what it says.

Runs inside a peer's own environment, with nothing but pandas and the peer at hand:

    python evidently_adapter.py drift reference.parquet current.parquet report.html

A task that a peer does not have is left out of its table of tasks.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd

OUTCOMES = ("served_at", "label", "prediction", "p_yes")
"""Columns of the log that are no features."""
Task = Callable[[pd.DataFrame, pd.DataFrame, Path], object]


def features(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Columns of numbers, and of texts."""
    inputs = [column for column in frame.columns if column not in OUTCOMES]
    numeric = [column for column in inputs if pd.api.types.is_numeric_dtype(frame[column])]
    return numeric, [column for column in inputs if column not in numeric]


def main(tasks: dict[str, Task]) -> None:
    """Do the task that the command line names; exit with 3 where the peer has none of that name."""
    name, reference, current, report = sys.argv[1:]
    if name not in tasks:
        raise SystemExit(3)
    warnings.filterwarnings("ignore")
    columns = None if name == "performance" else _inputs(reference)
    windows = [_read(path, columns) for path in (reference, current)]
    tasks[name](windows[0], windows[1], Path(report))


def _inputs(path: str) -> list[str]:
    import pyarrow.parquet as pq

    return [name for name in pq.read_schema(path).names if name not in OUTCOMES[1:]]


def _read(path: str, columns: list[str] | None) -> pd.DataFrame:
    """A window; everything that is no number and no time is text."""
    frame = pd.read_parquet(path, columns=columns)
    for column in features(frame)[1]:
        known = frame[column].notna()
        frame[column] = frame[column].astype(str).astype(object).where(known, None)
    return frame
