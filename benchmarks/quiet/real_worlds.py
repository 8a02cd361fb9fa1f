"""The quiet stretches of the real tables, with the models that answered them; shared with the tests over real data."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

TESTS = Path(__file__).resolve().parents[2] / "tests"
TABLES = ("electricity", "noaa", "bank", "census", "bike", "taxi")
"""Text has no columns to be flagged."""


def available() -> bool:
    """Whether the data sets are at hand."""
    return Path(os.environ.get("BACKSLIDE_DATA", "")).is_dir() and bool(os.environ.get("BACKSLIDE_DATA"))


@cache
def quiet_rows(name: str) -> tuple[Any, pl.DataFrame]:
    """The served world and the rows in which nothing happened."""
    period = _periods()[name]
    return period.served, period.rows


@cache
def heights() -> dict[str, int]:
    """Quiet rows of each table."""
    return {name: quiet_rows(name)[1].height for name in TABLES}


def _periods() -> Any:
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
    from real.periods import PERIODS

    return PERIODS
