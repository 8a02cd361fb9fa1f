"""Pairs of windows: which ones the benchmark asks about, and how each is made from its own seed alone.

A pair is known by a short identifier that holds everything that makes it, so that it can be made again anywhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np
import polars as pl

from quiet import real_worlds, streams
from quiet.streams import Change, Days

SIZES = (200, 1_000, 5_000, 20_000, 100_000, 500_000)
"""Rows per window of quiet streams."""
SPANS = (Days(28, 1), Days(28, 7), Days(28, 28), Days(60, 60), Days(7, 7), Days(1, 1))
"""Days of both windows of quiet streams; the last two hold too few days to know what a day is worth."""
REAL_SIZES = (200, 1_000, 5_000)
"""And half of all rows."""
POWER_SIZES = (500, 2_000, 20_000, 100_000)
POWER_DAYS = Days(28, 7)
CHANGES = (Change(0.1, 0.01, 0.01), Change(0.2, 0.03, 0.02), Change(0.5, 0.10, 0.05))
TINY = Change(shift=0.005)
"""What nobody should be told of, however many rows show it."""


@dataclass(frozen=True)
class Pair:
    """Two windows to be compared."""

    world: str
    """``rows`` and ``days`` are streams, anything else a real data set."""
    rows: int
    seed: int
    days: Days | None = None
    change: Change | None = None
    whole: bool = False
    """Whether the whole diagnosis is asked for, with the model that served the rows."""

    @property
    def name(self) -> str:
        """Everything that makes it."""
        parts = [self.world, f"n{self.rows}"]
        if self.days:
            parts.append(f"d{self.days.reference}+{self.days.current}")
        if self.change:
            parts.append(f"c{self.change.shift:g},{self.change.points:g},{self.change.drop:g}")
        return "/".join([*parts, *(["whole"] if self.whole else []), f"s{self.seed}"])

    @property
    def quiet(self) -> bool:
        """Whether nothing happens between its windows."""
        return self.change is None

    @property
    def simulated(self) -> bool:
        """Whether it is a stream."""
        return self.world in ("rows", "days")

    def make(self) -> Windows:
        """Draw it.

        Raises:
            LookupError: a real set with fewer rows than two such windows need.
        """
        if not self.simulated:
            return _real(self)
        rng = np.random.default_rng([self.seed, zlib.crc32(self.name.rpartition("/")[0].encode())])
        reference, current = streams.windows(rng, self.rows, self.days, self.change)
        roles = streams.ROLES | ({"timestamp": streams.TIME} if self.days else {})
        return Windows(reference, current, roles, streams.CATEGORICAL, streams.TrueModel())


@dataclass(frozen=True)
class Windows:
    """The rows of a pair, their roles as in ``[model]``, and the model that served them."""

    reference: pl.DataFrame
    current: pl.DataFrame
    roles: dict[str, Any]
    categorical: tuple[str, ...]
    model: Any = field(repr=False)

    @property
    def numeric(self) -> tuple[str, ...]:
        """Features that are not categorical."""
        return tuple(c for c in self.roles["features"] if c not in self.categorical)


def _real(pair: Pair) -> Windows:
    served, rows = real_worlds.quiet_rows(pair.world)
    if rows.height < 2 * pair.rows:
        raise LookupError(f"{pair.world} has {rows.height} rows")
    drawn = np.random.default_rng([pair.seed, zlib.crc32(pair.world.encode())]).permutation(rows.height)
    reference, current = (rows[np.sort(drawn[k * pair.rows : (k + 1) * pair.rows])] for k in (0, 1))
    text = (pl.String, pl.Boolean, pl.Categorical)
    categorical = tuple(c for c in served.features if rows[c].dtype in text)
    return Windows(reference, current, served.roles | {"features": served.features}, categorical, served.model)


def quiet_streams(seeds: range, largest: int) -> Iterator[Pair]:
    """Streams of every size, without days and with two of the spans; over six seeds every size meets every span."""
    for seed in seeds:
        for place, rows in enumerate(n for n in SIZES if n <= largest):
            yield Pair("rows", rows, seed)
            for turn in (0, 3):
                yield Pair("days", rows, seed, SPANS[(seed + place + turn) % len(SPANS)])


def quiet_tables(seeds: range, largest: int) -> Iterator[Pair]:
    """Random windows of every real table, in turns of every size that it has rows for."""
    for seed in seeds:
        for name, height in real_worlds.heights().items():
            sizes = [n for n in (*REAL_SIZES, height // 2) if 2 * n <= height and n <= largest]
            if sizes:
                yield Pair(name, sizes[seed % len(sizes)], seed)


def whole_pairs(seeds: range, *, real: bool) -> Iterator[Pair]:
    """Quiet pairs of moderate size for the whole diagnosis."""
    sizes = (1_000, 5_000, 20_000)
    for seed in seeds:
        yield Pair("days", sizes[seed % 3], seed, SPANS[seed % len(SPANS)], whole=True)
        if real:
            for name, height in real_worlds.heights().items():
                fitting = [n for n in sizes if 2 * n <= height]
                yield Pair(name, fitting[seed % len(fitting)], seed, whole=True)


def power_pairs(seeds: range, largest: int) -> Iterator[Pair]:
    """Every change at every size, without and with days."""
    for seed in seeds:
        for rows in (n for n in POWER_SIZES if n <= largest):
            for change in CHANGES:
                yield Pair("rows", rows, seed, None, change)
                yield Pair("days", rows, seed, POWER_DAYS, change)
        if largest >= SIZES[-1]:
            yield Pair("rows", SIZES[-1], seed, None, TINY)


def in_turns(*lists: Iterator[Pair]) -> list[Pair]:
    """One of each in turn, so that whatever the time allows has some of everything."""
    return [pair for row in zip_longest(*lists) for pair in row if pair is not None]
