"""Logs of deployed models by day, for the benchmarks of watching: simulated, and real sets served by a model of some rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backslide.causes.faults.damage import on_rows
from backslide.contracts.config import Settings
from faults import value_faults
from faults.fault import Fault, Scene
from faults.pipelines import PREDICTION, World
from faults.truth import headline, higher_is_better, score

START = datetime(2026, 1, 5)
BLOCK, YEAR = 7, 365
REFERENCE = 42
DAY = "bench_day"
DAYS = {
    "electricity": 400,
    "census_employment_ma": 1000,
    "bank_marketing": 500,
    "green_taxi_fares": 600,
    "noaa_weather": 250,
    "bike_sharing_hourly": 240,
    "reuters_news": 200,
}
"""Rows of a day."""
HOSTS = np.array(["a", "b", "c", "d"], object)
SIZES = (250, 500, 1000, 2000)
TRIES = 12


@dataclass(frozen=True)
class Story:
    """A log by day, and how it is configured."""

    frame: pl.DataFrame
    """With ``DAY`` from 0 on."""
    reference: int
    """Days of it."""
    model: dict[str, Any]
    pipeline: Any = None

    def moment(self, day: int, hour: int = 0) -> datetime:
        """The beginning of a day after the reference."""
        return START + timedelta(days=self.reference + day, hours=hour)

    def write(self, folder: Path, **watch: Any) -> Settings:
        """The log as a file, and its configuration."""
        rank, rows = pl.int_range(pl.len()).over(DAY), pl.len().over(DAY)
        times = self.frame.select(DAY, (86_400 * rank // rows).alias("second"))  # evenly over each day
        served = [START + timedelta(days=d, seconds=s) for d, s in times.iter_rows()]
        frame = self.frame.drop(DAY).with_columns(pl.Series("served_at", served)).sort("served_at")
        frame.write_parquet(folder / "log.parquet")
        last = (START + timedelta(days=self.reference - 1)).date()
        return Settings.from_dict(
            {
                "model": {"name": "bench", "timestamp": "served_at", **self.model},
                "windows": {"reference": f"{START.date()}..{last}"},
                "data": {"source": "log.parquet"},
                "watch": {"diagnose": False, "faults": True, **watch},
            },
            base=folder,
        )


Change = Callable[[dict[str, Any], np.random.Generator], None]


def simulated(seed: int, days: int, change: Change | None = None) -> Story:
    """A lender: prices of two decimals, whole numbers, codes, some missing, and two columns that no model sees.

    Days differ, weekdays too; ``change`` edits the columns that the model is given.
    """
    rng, rows = np.random.default_rng([seed, 23]), SIZES[seed % len(SIZES)]
    n = days * rows
    day = np.repeat(np.arange(days), rows)
    effect = (rng.normal(0, 0.05, days) + 0.04 * np.sin(2 * np.pi * np.arange(days) / 7))[day]
    columns: dict[str, Any] = {
        DAY: day,
        "amount": np.round(np.exp(rng.normal(4 + effect, 0.7, n)), 2),
        "age": np.round(rng.normal(40, 10, n)),
        "visits": rng.poisson(np.exp(0.7 + effect), n),
        "rate": np.where(rng.random(n) < 0.05, np.nan, np.round(rng.gamma(4, 0.01, n), 4)),
        "branch": rng.choice(np.array(["a", "b", "c", "d"], object), n, p=[0.4, 0.3, 0.2, 0.1]),
        "channel": rng.choice(np.array(["web", "shop"], object), n),
        "client": rng.choice(HOSTS, n),
    }
    columns["label"] = np.where(rng.random(n) < _chance(columns), "paid", "default")
    if change is not None:
        change(columns, rng)
    chance = _chance(columns)
    columns["p_paid"], columns["prediction"] = chance, np.where(chance >= 0.5, "paid", "default")
    model = {
        "label": "label",
        "prediction": "prediction",
        "scores": {"paid": "p_paid"},
        "features": ["amount", "age", "visits", "rate", "branch", "channel"],
    }
    return Story(pl.DataFrame(columns, strict=False), REFERENCE, model)


def _chance(columns: dict[str, Any]) -> np.ndarray:
    logit = 2 * (np.log(columns["amount"]) - 4) + (columns["age"] - 40) / 10 + 0.4 * (columns["visits"] - 2)
    logit = logit + np.where(columns["branch"] == "a", 0.5, 0.0)
    return np.asarray(1 / (1 + np.exp(20 * (np.nan_to_num(columns["rate"], nan=0.04) - 0.04) - logit)))


def real(world: World, rng: np.random.Generator, *, shuffled: bool = True, rows: int | None = None) -> Story:
    """The rows that trained nothing, by days of ``rows``, served; blocks of days in another order where ``shuffled``."""
    data, rows = world.data, rows or DAYS[world.data.name]
    days = world.rest.height // rows
    frame = world.rest.head(days * rows).select(*data.features(), data.label)
    place = np.arange(days)
    if shuffled:
        starts = rng.permutation(np.arange(0, days - BLOCK + 1, BLOCK))
        place = np.concatenate([np.arange(s, s + BLOCK) for s in starts])
    index = (place[:, None] * rows + np.arange(rows)).ravel()
    frame = frame[index].with_columns(
        pl.Series(DAY, np.repeat(np.arange(len(place)), rows)),
        pl.Series("host", rng.choice(HOSTS, len(index)).tolist()),
    )
    model: dict[str, Any] = {"label": data.label, "prediction": PREDICTION, "features": data.features()}
    if data.regression:
        model["task"] = "regression"
    else:
        model["scores"] = {str(c): f"p_{c}" for c in world.pipeline.classes_}
    reference = min(REFERENCE, max(len(place) // 2 // BLOCK, 2) * BLOCK)
    return Story(world.serve(frame), reference, model, world.pipeline)


def plant(
    world: World, story: Story, kind: str, rng: np.random.Generator, first: int, days: int
) -> tuple[Story, Fault, float] | None:
    """The story with a fault on one host's rows from a day after the reference on, the worst of some draws; its harm.

    No label is there after the reference.
    """
    data, begins = world.data, story.reference + first
    sound = story.frame.filter(pl.col(DAY).is_between(begins, begins + days - 1))
    metric = headline(data, story.frame.filter(story.frame[DAY] < story.reference))
    sign = -1 if higher_is_better(metric) else 1
    scene = Scene(world, sound.filter(pl.col("host") == "a"), True, True, True)
    best = None
    for _ in range(TRIES):
        fault = getattr(value_faults, kind)(scene, rng)
        if fault is None or fault.apply is None:
            continue
        own = np.asarray((sound["host"] == "a").to_numpy())
        broken = world.serve(on_rows(sound, own, fault.apply, rng))
        harm = sign * (score(data, metric, broken) - score(data, metric, sound))
        if best is None or harm > best[1]:
            best = fault, harm, broken
    if best is None:
        return None
    fault, harm, broken = best
    before = story.frame.filter(pl.col(DAY) < begins)
    return unlabelled(replace(story, frame=pl.concat([before, broken], how="vertical_relaxed"))), fault, harm


def unlabelled(story: Story) -> Story:
    """No label after the reference."""
    label = story.model["label"]
    known = pl.when(pl.col(DAY) < story.reference).then(pl.col(label)).alias(label)
    return replace(story, frame=story.frame.with_columns(known))
