"""Logs of a simulated model by day, with faults on order, and configurations over them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backslide.contracts.config import Settings

START = datetime(2026, 1, 5)
REFERENCE = 42
PROJECT = """
[model]
name = "loans"
label = "label"
prediction = "prediction"
scores = { paid = "p_paid" }
timestamp = "served_at"
[windows]
reference = "2026-01-05..2026-02-15"
[data]
source = "log.parquet"
[watch]
diagnose = false
estimate = false
faults = false
"""
"""The configuration file of a ``watched_project``; what is written behind it belongs to [watch], or begins a table of its own."""


def served(
    seed: int,
    days: int,
    *,
    rows: int = 200,
    change: Callable[[dict[str, Any]], None] | None = None,
    late: tuple[float, float] = (0.0, 0.0),
) -> pl.DataFrame:
    """``rows`` a day from 2026-01-05 on; ``change`` edits the columns, ``day`` among them, before the model answers.

    ``late`` are mean delays in days of the labels of both classes.
    """
    rng = np.random.default_rng(seed)
    n = days * rows
    day = np.repeat(np.arange(days), rows)
    columns: dict[str, Any] = {
        "day": day,
        "income": np.exp(rng.normal(3, 0.5, n)),
        "age": rng.normal(40, 10, n),
        "branch": rng.choice(np.array(["a", "b", "c"], object), n),
        "rng": rng,
        "flip": np.zeros(n),
    }
    truth = _logit(columns)
    y = rng.random(n) < 1 / (1 + np.exp(-truth))
    if change is not None:
        change(columns)
    y = np.where(rng.random(n) < columns["flip"], ~y, y)
    score = 1 / (1 + np.exp(-_logit(columns)))
    seconds = np.sort(rng.integers(0, 86_400, (days, rows)), axis=1).ravel()
    at = [START + timedelta(days=int(d), seconds=int(s)) for d, s in zip(day, seconds, strict=True)]
    delay = np.where(y, rng.exponential(1, n) * late[0], rng.exponential(1, n) * late[1])
    beside = {"client": columns["client"]} if "client" in columns else {}
    return pl.DataFrame(
        {
            **beside,
            "served_at": at,
            "income": columns["income"],
            "age": columns["age"],
            "branch": columns["branch"],
            "p_paid": score,
            "prediction": np.where(score >= 0.5, "paid", "default"),
            "label": np.where(y, "paid", "default"),
            "label_at": [t + timedelta(days=float(d)) for t, d in zip(at, delay, strict=True)],
        },
        strict=False,
    )


def _logit(columns: dict[str, Any]) -> np.ndarray:
    income = np.nan_to_num(columns["income"], nan=20.0)
    return 2.4 * (np.log(income) - 3) + (columns["age"] - 40) / 10 + np.where(columns["branch"] == "a", 0.5, 0.0) - 0.3


def config(
    folder: Path, frame: pl.DataFrame, *, late: bool = False, watch: dict[str, Any] | None = None, **more: Any
) -> Settings:
    """A configuration over the log, written to ``folder``."""
    frame = frame if late else frame.drop("label_at")
    frame.write_parquet(folder / "log.parquet")
    last = (START + timedelta(days=REFERENCE - 1)).date()
    model = {
        "name": "loans",
        "label": "label",
        "prediction": "prediction",
        "scores": {"paid": "p_paid"},
        "timestamp": "served_at",
        **({"label_time": "label_at"} if late else {}),
        **more.pop("model", {}),
    }
    data = {
        "model": model,
        "windows": {"reference": f"{START.date()}..{last}"},
        "data": {"source": "log.parquet"},
        "watch": {"diagnose": False, "estimate": False, "faults": False, **(watch or {})},
        **more,
    }
    return Settings.from_dict(data, base=folder)


def monthly_income(columns: dict[str, Any]) -> None:
    """From day 12 after the reference on, ``income`` is that of a month and no longer of a year: an alarm within the week."""
    columns["income"] = columns["income"] / (1 + 11 * (columns["day"] >= REFERENCE + 12))


def watched_project(folder: Path, *, days: int = 20, broken: bool = True, more: str = "") -> Path:
    """A folder as people have it: the log of ``days`` after the reference, and ``backslide.toml`` with ``more`` behind it."""
    frame = served(41, REFERENCE + days, rows=100, change=monthly_income if broken else None)
    frame.drop("label_at").write_parquet(folder / "log.parquet")
    (folder / "backslide.toml").write_text(PROJECT + more, encoding="utf-8")
    return folder


def after(day: int) -> str:
    """The date of a day after the reference."""
    return (START + timedelta(days=REFERENCE + day)).date().isoformat()


def moment(day: int, hour: int = 0) -> datetime:
    """The beginning of a day after the reference."""
    return START + timedelta(days=REFERENCE + day, hours=hour)
