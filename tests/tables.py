"""A simulated table with the oddities of real ones, for tests of faults: columns that hang together, are skewed, bounded, of few
values, and hosts that mark nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm

from backslide.playbook.base import Scenario

NUMBERS = ("income", "spending", "savings", "share", "hour", "grade", "children", "visits", "price")
TEXTS = ("city", "plan")
ROLES: dict[str, Any] = {
    "label": "label",
    "prediction": "prediction",
    "scores": {"yes": "score"},
    "timestamp": "at",
    "features": (*NUMBERS, *TEXTS),
}
HOSTS = ("a", "b", "c")
GRADES = np.array([300, 420, 480, 560, 590, 640, 700, 730, 790, 850])
PRICES = np.array([4.99, 9.99, 14.5, 19.99, 24.0, 49.99, 79.5, 99.0])


def month(rng: np.random.Generator, rows: int, start: datetime, drift: float = 0.0) -> pl.DataFrame:
    """Four weeks. ``drift`` moves, by so many standard deviations, what the rows are like, and no column's meaning."""
    wealth = rng.normal(drift, 1, rows)
    noise = rng.normal
    city = rng.choice(["north", "south", "east", "west", "centre"], rows, p=_moved([0.3, 0.25, 0.2, 0.15, 0.1], drift))
    rank = norm.cdf(0.8 * wealth + noise(0, 0.6, rows))
    logit = 1.5 * wealth + np.where(city == "north", 1.0, -0.5)
    label = rng.random(rows) < 1 / (1 + np.exp(-logit))
    seconds = np.sort(rng.random(rows)) * 28 * 86400
    return pl.DataFrame(
        {
            "income": np.exp(8 + 0.5 * wealth + noise(0, 0.25, rows)),
            "spending": np.round(np.exp(6 + 0.6 * wealth + noise(0, 0.4, rows)), 2),
            "savings": 500 * wealth + noise(800, 300, rows),
            "share": np.round(rank, 3),
            "hour": rng.integers(0, 24, rows),
            "grade": GRADES[np.minimum((norm.cdf(wealth + noise(0, 0.5, rows)) * 10).astype(int), 9)],
            "children": rng.poisson(1.2 + 0.3 * drift, rows),
            "visits": np.where(rng.random(rows) < 0.4 - 0.1 * drift, 0.0, rng.gamma(2, 3 + drift, rows)),
            "price": PRICES[np.minimum((norm.cdf(wealth + noise(0, 1, rows)) * 8).astype(int), 7)],
            "city": city,
            "plan": np.where(
                wealth + noise(0, 1, rows) > 0.5, "gold", np.where(rng.random(rows) < 0.3, "silver", "basic")
            ),
            "host": rng.choice(HOSTS, rows, p=[0.4, 0.35, 0.25]),
            "at": [start + timedelta(seconds=float(s)) for s in seconds],
            "label": np.where(label, "yes", "no"),
            "score": 1 / (1 + np.exp(-logit)),
            "prediction": np.where(logit > 0, "yes", "no"),
        }
    )


def months(seed: int, rows: int = 3000, drift: float = 0.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two months in a row, the second with ``drift``."""
    rng = np.random.default_rng(seed)
    return month(rng, rows, datetime(2026, 3, 2)), month(rng, rows, datetime(2026, 3, 30), drift)


def scenario(reference: pl.DataFrame, current: pl.DataFrame) -> Scenario:
    """With the roles of the table, without a saved model."""
    return Scenario(reference, current, ROLES)


def on(frame: pl.DataFrame, host: str) -> np.ndarray:
    """Rows of a host (n,)."""
    return np.asarray((frame["host"] == host).to_numpy())


def at_random(frame: pl.DataFrame, share: float, seed: int = 5) -> np.ndarray:
    """Rows that nothing marks (n,)."""
    return np.asarray(np.random.default_rng(seed).random(frame.height) < share)


def put(frame: pl.DataFrame, column: str, values: Any, rows: np.ndarray | None = None) -> pl.DataFrame:
    """The frame with other values of a column, on some rows."""
    new = pl.Series(column, values)
    if rows is None:
        return frame.with_columns(new)
    kept = frame[column].cast(new.dtype)
    return frame.with_columns(new.zip_with(pl.Series(np.asarray(rows)), kept).alias(column))


def shuffled(frame: pl.DataFrame, column: str, rows: np.ndarray, seed: int = 3) -> pl.DataFrame:
    """The values of some rows handed round among them."""
    values = frame[column].to_numpy().copy()
    values[rows] = np.random.default_rng(seed).permutation(values[rows])
    return put(frame, column, values)


def _moved(shares: list[float], drift: float) -> np.ndarray:
    weights = np.array(shares) * np.exp(np.linspace(0.3, -0.3, len(shares)) * drift)
    return weights / weights.sum()
