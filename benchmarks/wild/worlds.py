"""Models trained once for each set, kind of model and seed; and two consecutive windows of what they were then served."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import joblib
import numpy as np
import polars as pl

from faults.pipelines import World, labels_of, unfitted
from faults.sets import DataSet
from wild.sets import AT, WILD

SEEDS = (0, 1, 2)
PAST_SHARE = 0.4
"""Models of an even seed are trained on rows of this first share of the time, those of an odd one on rows of all times: the
first kind ages as models do, the second knows every season."""
HOSTS = {"a": 0.3, "b": 0.4, "c": 0.2, "d": 0.1}
MARKED = {"40": "b", "10": "d"}
"""Hosts whose traffic has that share."""
NAMES = ("host", "source", "client", "client_version")
REGIONS = ("north", "south", "west")


@dataclass(frozen=True)
class Windows:
    """Consecutive periods as served, before any incident, with context columns."""

    reference: pl.DataFrame
    current: pl.DataFrame
    marker: str
    """Context column with the shares of the hosts."""


@lru_cache(maxsize=4)
def world_of(name: str, model: str, seed: int, cache: Path | None) -> World:
    """Train, or read what was trained before from the folder ``cache``."""
    data: DataSet = WILD[name]
    rows, rng = data.rows(), np.random.default_rng([seed, 17])
    past = seed % 2 == 0
    first = max(int(PAST_SHARE * rows.height), int(1.25 * data.train_rows)) if past else rows.height
    chosen = np.isin(np.arange(rows.height), rng.permutation(first)[: data.train_rows])
    served = np.arange(rows.height) >= first if past else ~chosen
    train, rest = rows.filter(pl.Series(chosen)), rows.filter(pl.Series(served))
    path = cache / f"wild.{name}.{model}.{seed}.joblib" if cache else None
    if path is not None and path.exists():
        return World(data, model, seed, joblib.load(path), train, rest)
    frame = train.select(data.features()).to_pandas()
    pipeline = unfitted(data, model, seed).fit(frame, labels_of(data, train))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{id(pipeline)}")  # two runs may train the same
        joblib.dump(pipeline, unfinished)
        unfinished.replace(path)
    return World(data, model, seed, pipeline, train, rest)


def consecutive(world: World, place: float, rng: np.random.Generator) -> Windows:
    """Two neighbouring windows of equal size that begin at the share ``place`` of what is possible."""
    n = min(WILD[world.data.name].window, world.rest.height // 2)
    start = int(place * (world.rest.height - 2 * n))
    marker = str(rng.choice(NAMES))
    reference, current = (
        world.serve(_logged(world, world.rest[begin : begin + n], marker, rng)) for begin in (start, start + n)
    )
    return Windows(reference, current, marker)


def _logged(world: World, rows: pl.DataFrame, marker: str, rng: np.random.Generator) -> pl.DataFrame:
    """Features, label, time, and two columns that no model sees: who served, and where."""
    hosts = rng.choice(list(HOSTS), size=rows.height, p=list(HOSTS.values()))
    regions = rng.choice(REGIONS, size=rows.height)
    return rows.select(AT, *world.data.features(), world.data.label).with_columns(
        pl.Series(marker, hosts.tolist()), pl.Series("region", regions.tolist())
    )
