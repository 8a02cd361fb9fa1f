"""The true effect of an incident: the metric on the same rows with and without it, and the paired error of that difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from faults.sets import DataSet
from faults.truth import headline, higher_is_better, material, pair

REPLICATES = 120
ERRORS = 2.8
"""Standard errors of the paired effect that a material one exceeds: about one in two hundred by chance, one-sided."""

__all__ = ["Effect", "effect_of", "headline", "material"]


@dataclass(frozen=True)
class Effect:
    """What an incident changed."""

    metric: str
    change: float
    """Signed like the metric."""
    error: float
    """Standard error, by the bootstrap of the rows that both sides share."""
    least: float
    """What counts as material whatever the noise: two points, or their like in the label's unit."""

    @property
    def harm(self) -> float:
        """Positive when worse."""
        return -self.change if higher_is_better(self.metric) else self.change

    @property
    def material(self) -> bool:
        """At least two points and 2.8 standard errors worse."""
        return self.harm >= self.least and self.harm >= ERRORS * self.error


def effect_of(
    data: DataSet, metric: str, least: float, sound: pl.DataFrame, altered: pl.DataFrame, origin: np.ndarray
) -> Effect:
    """``origin`` holds the position in ``sound`` of each row of ``altered``: rows may be lost or come several times."""
    before, after = (_rows(data, metric, rows) for rows in (sound, altered))
    n = sound.height
    value = after.metric(np.ones(len(origin))) - before.metric(np.ones(n))
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(REPLICATES):
        weight = np.bincount(rng.integers(0, n, n), minlength=n).astype(float)
        drawn.append(after.metric(weight[origin]) - before.metric(weight))
    return Effect(metric, value, float(np.std(drawn)), least)


@dataclass(frozen=True)
class _Rows:
    """What the metric is made of, for each row."""

    values: np.ndarray
    """The error, the hit, or cell of the table of labels and answers."""
    levels: int = 0

    def metric(self, weight: np.ndarray) -> float:
        if not self.levels:
            return float(np.average(self.values, weights=weight))
        k = self.levels
        table = np.bincount(self.values, weight, minlength=k * k).reshape(k, k)
        f1 = 2 * np.diag(table) / np.maximum(table.sum(axis=0) + table.sum(axis=1), 1e-12)
        return float(f1[table.sum(axis=1) > 0].mean())


def _rows(data: DataSet, metric: str, rows: pl.DataFrame) -> _Rows:
    truth, said = pair(data, rows)
    if metric == "mae":
        return _Rows(np.abs(truth - said))
    if metric == "accuracy":
        return _Rows((truth == said).astype(float))
    levels = np.unique(np.concatenate([truth, said]))
    k = len(levels)
    return _Rows(np.searchsorted(levels, truth) * k + np.searchsorted(levels, said), k)
