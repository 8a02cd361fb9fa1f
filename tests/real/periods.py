"""Stretches of the logs in which nothing happened, and pairs of windows drawn at random from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide import diagnose
from backslide.contracts.cause import Cause
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Diagnosis
from real import worlds
from worlds import failures


@dataclass(frozen=True)
class Period:
    """A model, and rows that it answered while nothing changed."""

    world: Callable[[], worlds.Served]
    cut: Callable[[pl.DataFrame], pl.DataFrame] = lambda log: log

    @property
    def served(self) -> worlds.Served:
        """The model and its whole log."""
        return self.world()

    @property
    def rows(self) -> pl.DataFrame:
        """The quiet rows."""
        return self.cut(self.served.log)


PERIODS = {
    "electricity": Period(worlds.electricity, lambda log: log[: 17_424 - 12_000]),  # before the markets were joined
    "noaa": Period(worlds.noaa),
    "bank": Period(worlds.bank_balanced),
    "census": Period(worlds.census, lambda log: log.filter(pl.col("period") == "reference")),
    "bike": Period(worlds.bike),
    "taxi": Period(worlds.taxi, lambda log: log.filter(pl.col("pickup_time") < pl.datetime(2022, 4, 1))),
    "reuters": Period(worlds.reuters),
}


def diagnosed(served: worlds.Served, reference: pl.DataFrame, current: pl.DataFrame) -> Diagnosis:
    """Verdict and causes with the world's roles and its model; nothing of it may fail."""
    settings = Settings.from_dict({"model": served.roles})
    diagnosis = diagnose(reference, current, settings=settings, reference_model=served.model, quick=True)
    assert failures(diagnosis) == []
    return diagnosis


def random_pair(rows: pl.DataFrame, seed: int, *, smallest: int, largest: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two disjoint random windows of equal size, log-uniform from ``smallest`` to ``largest``, in their original order."""
    rng = np.random.default_rng(seed)
    size = min(int(np.exp(rng.uniform(np.log(smallest), np.log(largest)))), rows.height // 2)
    drawn = rng.permutation(rows.height)[: 2 * size]
    return rows[np.sort(drawn[:size])], rows[np.sort(drawn[size:])]


def data_faults(diagnosis: Diagnosis) -> list[Cause]:
    """Every data fault that is named, whether it costs something or not."""
    return [c for c in (*diagnosis.causes, *diagnosis.harmless) if c.kind.family == "data fault"]
