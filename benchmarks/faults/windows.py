"""Reference and current windows before any fault: how they are drawn, what else is logged, and what moves harmlessly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from faults import truth
from faults.pipelines import World

MARKED_SHARE = 0.4
MARKED = "b"
HOSTS = {"a": 0.2, MARKED: MARKED_SHARE, "c": 0.25, "d": 0.15}
"""Share of the traffic of each host: the marked rows are those of one."""
NAMES = ("host", "source", "client", "client_version")
FIRST_DAY = datetime(2026, 3, 1)
DAYS = 28
TRIES = 6


@dataclass(frozen=True)
class Pair:
    """Two windows of sound rows as served, with context columns."""

    reference: pl.DataFrame
    current: pl.DataFrame
    marker: str
    """Context column with the hosts' shares."""
    timed: bool
    background: str
    """What moved harmlessly, in words."""
    pool: pl.DataFrame
    """Rows from which current was drawn."""


def largest(world_rows: int, wanted: int, *, spare: bool) -> int:
    """Rows per window: as wanted, or what is there (a third where rows must be left to choose from)."""
    return min(wanted, world_rows // (3 if spare else 2))


def draw(world: World, rows: int, background: str, rng: np.random.Generator) -> Pair:
    """Draw a pair of windows before any fault.

    ``still``: two random windows of one population, in random order. ``drift``: one that moved and cost next to nothing.
    ``spare``: as ``still`` with rows left over for resampling. ``natural``: two consecutive periods, whatever happened between
    them."""
    n = largest(world.rest.height, rows, spare=background != "still")
    marker = str(rng.choice(NAMES))
    timed = bool(rng.random() < 0.5)
    if background in ("still", "spare"):
        reference, pool = _split(world.rest, n, rng)
        current = _some(pool, n, rng)
        words = "none"
    elif background == "natural":
        reference, current = _consecutive(world.rest, n, rng)
        pool, words = current, "consecutive periods"
    else:
        reference, current, pool, words = _benign(world, n, rng)
    served = [
        world.serve(_context(world, frame, marker, timed, start, rng))
        for frame, start in ((reference, FIRST_DAY), (current, FIRST_DAY + timedelta(days=DAYS)))
    ]
    return Pair(served[0], served[1], marker, timed, words, pool)


def redrawn(pair: Pair, world: World, positions: np.ndarray, rng: np.random.Generator) -> Pair:
    """The same pair with other rows of its pool as current."""
    start = FIRST_DAY + timedelta(days=DAYS)
    current = world.serve(_context(world, pair.pool[rng.permutation(positions)], pair.marker, pair.timed, start, rng))
    return replace(pair, current=current)


def _split(rows: pl.DataFrame, n: int, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """In random order: rows of years, sorted into the days of a month, would move within each window as no month does."""
    order = rng.permutation(rows.height)
    return rows[order[:n]], rows[order[n:]]


def _some(rows: pl.DataFrame, n: int, rng: np.random.Generator) -> pl.DataFrame:
    return rows[rng.permutation(rows.height)[:n]]


def _consecutive(rows: pl.DataFrame, n: int, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    start = int(rng.integers(0, max(rows.height - 2 * n, 0) + 1))
    return rows[start : start + n], rows[start + n : start + 2 * n]


def _benign(world: World, n: int, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, str]:
    """Of a few drawn movements the first that costs less than half of what counts, else the cheapest of them."""
    seen = []
    for _ in range(TRIES):
        if rng.random() < 0.35:
            reference, current = _consecutive(world.rest, n, rng)
            candidate = (reference, current, current, "consecutive periods")
        else:
            reference, pool = _split(world.rest, n, rng)
            columns = [str(c) for c in rng.choice(world.data.features(), size=int(rng.integers(1, 3)), replace=False)]
            strength = float(rng.uniform(0.2, 0.5))
            current = pool[rng.permutation(tilted(pool, columns, strength, n, rng))]
            candidate = (reference, current, pool, f"tilted by {', '.join(columns)} ({strength:.2f})")
        metric = truth.headline(world.data, reference)
        cost = abs(
            truth.score(world.data, metric, world.serve(current))
            - truth.score(world.data, metric, world.serve(reference))
        )
        seen.append((cost / truth.material(world.data, reference), candidate))
        if seen[-1][0] < 0.25:
            break
    return min(seen, key=lambda s: s[0])[1]


def tilted(rows: pl.DataFrame, columns: list[str], strength: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of ``n`` rows drawn without replacement with weights exp(strength * rank score) of each column.

    Categories are ranked at random; ranks and not values, so that a skewed column keeps its shape.
    """
    weight = np.zeros(rows.height)
    for column in columns:
        values = rows[column]
        if values.dtype == pl.String:
            levels = values.unique().sort().to_list()
            place = dict(zip(levels, rng.permutation(len(levels)).tolist(), strict=True))
            values = pl.Series([place[v] for v in values.to_list()])
        rank = values.rank("average").to_numpy() / rows.height
        weight += strength * (rank - 0.5) * np.sqrt(12)
    return np.argsort(-(weight + rng.gumbel(size=rows.height)))[:n]


def _context(
    world: World, rows: pl.DataFrame, marker: str, timed: bool, start: datetime, rng: np.random.Generator
) -> pl.DataFrame:
    """What is logged: the features, the label, and columns that no model sees: who served, where from, and when.

    Not what is known only afterwards: it would be searched for segments and tell the label.
    """
    rows = rows.select(*world.data.features(), world.data.label)
    n = rows.height
    hosts = rng.choice(list(HOSTS), size=n, p=list(HOSTS.values()))
    regions = rng.choice(["north", "south", "west"], size=n)
    rows = rows.with_columns(pl.Series(marker, hosts.tolist()), pl.Series("region", regions.tolist()))
    if not timed:
        return rows
    seconds = np.sort(rng.integers(0, DAYS * 86_400, size=n))
    return rows.with_columns(pl.Series("served_at", [start + timedelta(seconds=int(s)) for s in seconds]))
