"""Which rows does the other model answer? A rollout to some hosts, hours or versions, or from some day on.

Told from the replay alone: rows on which the old model and what was served differ. Where scores are logged every row of the
other model differs; with decisions alone only its flips do, so a mark is a set of values inside which rows flip at one rate and
outside at none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from backslide.case import Case
from backslide.causes.faults.markers import (
    Marker,
    MarkerLevels,
    describe,
    levels_of_columns,
    marker_of,
    selects_its_rows,
)
from backslide.engine.columns import names
from backslide.engine.columns.segments import holds
from backslide.stats.arrays import Floats, Mask

CLEAN = 0.005
"""Share of rows that may differ where the old model answers."""
CAPTURED = 0.9
"""Share of the differing rows that a mark must hold."""
EXACT = 0.9
"""Share of rows that differ where only the other model answers and scores tell."""
MIN_ROWS = 30
GAIN = 30.0
PER_LEVEL = 10.0
"""Likelihood ratio (2 log L) that a mark must gain over none, and for each value that it names: they were searched for."""


@dataclass(frozen=True)
class Rollout:
    """The rows that the other model answers."""

    rows: Mask
    """Of the current sample (n_cur,)."""
    segment: str | None
    since: str | None
    """First day (ISO), where the old model answered on days before."""

    @property
    def words(self) -> str:
        """End of a sentence: `` where host = 'b', since 2026-04-03``."""
        return (f" where {self.segment}" if self.segment else "") + (f", since {self.since}" if self.since else "")


def find_rollout(case: Case, differs: Mask, comparable: Mask) -> Rollout:
    """What marks the rows that differ (n_cur,) among those that can be compared; every row where nothing does.

    The beginning is looked for first, then a mark among the rows from then on.
    """
    since, after, settled = _beginning(case, differs, comparable)
    tells = case.problem.has_scores or not case.problem.classification
    inside = settled & comparable
    # Where scores tell, the rows that differ are the rows; with decisions alone they are only the flips among them.
    unmarked = Rollout(differs if tells else after, None, since)
    if inside.sum() < 2 * MIN_ROWS or differs[inside].mean() >= 1 - CLEAN:
        return unmarked
    part = case.part(np.ones(case.reference.sample.height, bool), inside)
    marker = describe(part, differs[inside], ()) if tells else _by_rate(part, differs[inside])
    if marker is None or (~marker.current).sum() < MIN_ROWS or differs[inside][~marker.current].mean() > 1 - EXACT:
        return unmarked
    rows = differs if tells else after & holds(case.current.sample, marker.expression).to_numpy()
    return Rollout(rows, marker.expression, since)


def _beginning(case: Case, differs: Mask, comparable: Mask) -> tuple[str | None, Mask, Mask]:
    """First day of the other model, the rows from then on, and those after that day; all rows where there is no such day."""
    every = np.ones(len(differs), bool)
    if names.DAY not in case.current.sample.columns:
        return None, every, every
    days = case.current.sample[names.DAY]
    known = comparable & days.is_not_null().to_numpy()
    codes, index = np.unique(days.to_physical().fill_null(0).to_numpy(), return_inverse=True)
    rows = np.bincount(index[known], minlength=len(codes)).astype(float)
    hits = np.bincount(index[known & differs], minlength=len(codes)).astype(float)
    before, hits_before = np.cumsum(rows)[:-1], np.cumsum(hits)[:-1]
    usable = (before >= MIN_ROWS) & (hits_before <= CLEAN * before) & (rows.sum() - before >= MIN_ROWS)
    if not usable.any():
        return None, every, every
    gain = _gain(hits.sum() - hits_before, rows.sum() - before, hits_before, before)
    best = int(np.argmax(np.where(usable, gain, -np.inf)))
    if gain[best] < GAIN + PER_LEVEL:
        return None, every, every
    after, settled = np.asarray(index > best), np.asarray(index > best + 1)
    return str(days.filter(index == best + 1)[0]), after, settled if settled.sum() >= 2 * MIN_ROWS else after


def _gain(hits_in: Floats, rows_in: Floats, hits_out: Floats, rows_out: Floats) -> Floats:
    """Twice the log likelihood that two rates gain over one."""

    def log_likelihood(hits: Floats, rows: Floats) -> Floats:
        rate = hits / np.maximum(rows, 1.0)
        return np.asarray(xlogy(hits, rate) + xlogy(rows - hits, 1 - rate))

    apart = log_likelihood(hits_in, rows_in) + log_likelihood(hits_out, rows_out)
    return 2 * (apart - log_likelihood(hits_in + hits_out, rows_in + rows_out))


def _by_rate(part: Case, differs: Mask) -> Marker | None:
    """The column whose values part rows that flip from rows that never do.

    No feature: two models may well agree on all rows of one kind.
    """
    best: tuple[float, Marker] | None = None
    for levels in levels_of_columns(part):
        found = None if levels.ordered or levels.column in part.problem.features else _two_rates(levels, differs)
        if found is not None and (best is None or found[0] > best[0]):
            marker = marker_of(levels, found[1], ())
            best = (found[0], marker) if selects_its_rows(part, marker) else best
    return None if best is None else best[1]


def _two_rates(levels: MarkerLevels, differs: Mask) -> tuple[float, tuple[int, ...]] | None:
    """What the best set of levels gains beyond its price, and the set; None where none passes."""
    k = len(levels.texts)
    known = levels.current >= 0
    rows = np.bincount(levels.current[known], minlength=k).astype(float)
    hits = np.bincount(levels.current[known & differs], minlength=k).astype(float)
    order = np.argsort(-hits / np.maximum(rows, 1.0), kind="stable")
    hits_in, rows_in = np.cumsum(hits[order])[:-1], np.cumsum(rows[order])[:-1]
    hits_out, rows_out = hits.sum() - hits_in, rows.sum() - rows_in
    named = np.minimum(np.arange(1, k), k - np.arange(1, k))
    gain = _gain(hits_in, rows_in, hits_out, rows_out) - GAIN - PER_LEVEL * named
    usable = (
        (np.minimum(rows_in, rows_out) >= MIN_ROWS)
        & (hits_out <= CLEAN * rows_out)
        & (hits_in >= CAPTURED * differs.sum())
    )
    if not usable.any():
        return None
    at = int(np.argmax(np.where(usable, gain, -np.inf)))
    return (float(gain[at]), tuple(sorted(int(i) for i in order[: at + 1]))) if gain[at] > 0 else None
