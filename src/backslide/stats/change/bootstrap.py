"""One block bootstrap shared by every term of a diagnosis, so that the terms add up in each replicate."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from backslide.stats.arrays import Floats, Ints

MIN_BLOCKS = 8


class Resampler:
    """How often each row of a window counts in each of B replicates.

    With at least ``MIN_BLOCKS`` blocks (days), whole blocks are drawn, stratified by weekday where each weekday occurs twice;
    with fewer, rows.
    """

    def __init__(self, rows: int, blocks: Ints | None, replicates: int, rng: np.random.Generator) -> None:
        self.rows = rows
        self.replicates = replicates
        distinct = np.unique(blocks) if blocks is not None else np.empty(0, np.int64)
        self.by_block = len(distinct) >= MIN_BLOCKS
        if self.by_block and blocks is not None:
            self._unit = np.searchsorted(distinct, blocks)
            self._counts = _block_counts(distinct, replicates, rng)
        else:
            self._unit = np.arange(rows)
            self._counts = rng.poisson(1.0, size=(rows, replicates)).astype(np.float32)

    @property
    def weights(self) -> NDArray[np.float32]:
        """How often each row counts in each replicate (n, B)."""
        return self._counts[self._unit] if self.by_block else self._counts

    def sums(self, rows: Floats, factors: Floats | None = None) -> Floats:
        """Sums of row statistics (n, F) in each replicate: (B, F); ``factors`` (n, B) weigh rows in each of them."""
        if factors is not None:
            return np.asarray((sparse.csr_matrix(rows.T) @ (self.weights * factors)).T, dtype=np.float64)
        if self.by_block:  # a block counts as a whole, so that its rows are summed once for all replicates
            units = len(self._counts)
            summed = np.column_stack([np.bincount(self._unit, column, units) for column in rows.T])
            return np.asarray(self._by_replicate @ summed)
        if rows.shape[1] > 8 and np.count_nonzero(rows) < rows.size / 4:
            return np.asarray((sparse.csr_matrix(rows.T) @ self._counts).T, dtype=np.float64)
        return np.asarray(self._by_replicate @ rows)

    @cached_property
    def _by_replicate(self) -> Floats:
        """How often each block, or row, counts, as float64 (B, blocks), converted once for all effects."""
        return np.ascontiguousarray(self._counts.T, dtype=np.float64)


def _block_counts(blocks: Ints, replicates: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Multiplicity of each block in each replicate (blocks, B); drawn within weekdays where every weekday occurs twice."""
    weekday = blocks % 7
    frequencies = np.bincount(weekday, minlength=7)
    stratified = frequencies[frequencies > 0].min() >= 2
    counts = np.zeros((len(blocks), replicates), np.float32)
    for group in [np.flatnonzero(weekday == d) for d in np.unique(weekday)] if stratified else [np.arange(len(blocks))]:
        counts[group] = rng.multinomial(len(group), np.full(len(group), 1 / len(group)), size=replicates).T
    return counts


def interval(estimate: float, replicates: Floats, df: float = np.inf) -> tuple[float, float]:
    """95 % interval: the estimate +- t times the replicates' standard deviation (stable for a few hundred replicates)."""
    half = float(stats.t.ppf(0.975, df)) * _spread(replicates)
    return estimate - half, estimate + half


def z_score(estimate: float, replicates: Floats) -> float:
    """Estimate over the replicates' standard deviation; 0 for 0/0, signed infinity when the replicates do not vary."""
    sd = _spread(replicates)
    if sd == 0:
        return 0.0 if estimate == 0 else float(np.copysign(np.inf, estimate))
    return estimate / sd


def _spread(replicates: Floats) -> float:
    """Standard deviation of the replicates in which the value could be estimated; NaN with fewer than two of them."""
    known = replicates[np.isfinite(replicates)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")
