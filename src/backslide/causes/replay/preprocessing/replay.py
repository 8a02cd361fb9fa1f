"""The saved model asked about altered inputs, and its answers held against what was served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case, Outcomes, Side
from backslide.contracts.cause import CauseKind
from backslide.models.model import Model
from backslide.playbook.shadow.replay import ReplayResult, equal_answers
from backslide.stats.arrays import Floats, Ints, Mask

Alter = Callable[[pl.DataFrame], pl.DataFrame]

ALWAYS = 0.99
"""Share of the rows that the saved model does not reproduce that an alteration must explain."""
MIN_ODD = 30
"""Rows not reproduced under which nothing is looked for."""
MOST = 5_000
"""Rows not reproduced that are looked at; a part of them is kept back to check what was found."""
FELT = 0.05
"""Share of the rows that other values of a column must move: more than an explanation may leave out."""
SMALLEST = 1e-12
SATURATED = 1e-3


@dataclass(frozen=True)
class InputChange:
    """An alteration that explains what was served."""

    kind: CauseKind
    features: tuple[str, ...]
    alter: Alter
    """Logged rows to the rows that the model was given."""
    words: str
    """As a clause: "the places of income and age are exchanged"."""
    undo: str
    model: Model | None = None
    """The saved model with parts fitted again, where no alteration of the rows says as much."""
    reproduces: bool = True
    """Whether with it the saved model gives what was served; otherwise that is known of the logged inputs alone."""


def as_logged(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows as they are, where it is the model that was altered."""
    return frame


class Asker:
    """Search rows and check rows of the current window that the saved model does not reproduce."""

    def __init__(self, case: Case, model: Model, side: Side, done: ReplayResult) -> None:
        self.case, self.model, self.side, self.tolerance = case, model, side, done.tolerance
        odd = np.flatnonzero(done.comparable & ~done.equal & _telling(side.outcomes))
        self.enough = len(odd) >= MIN_ODD
        order = case.rng("inputs given").permutation(odd)[:MOST]
        half = len(order) // 2
        self.search, self.check = np.sort(order[:half]), np.sort(order[half:])

    def asking(self, model: Model) -> Asker:
        """The same rows, another model."""
        other = copy(self)
        other.model = model
        return other

    @property
    def features(self) -> list[str]:
        """Logged features that the model takes."""
        known = self.model.features
        return [c for c in self.case.pairs if known is None or c in known]

    def rows(self, at: Ints) -> pl.DataFrame:
        """Logged rows."""
        return self.side.sample[at]

    def equal(self, frame: pl.DataFrame, at: Ints) -> Mask:
        """Where the model says to ``frame`` what was served on the rows ``at`` (repeated as often as frame repeats them)."""
        answered = self.case.answered(self.model, frame)
        served = self.side.outcomes.take(at)
        return equal_answers(answered.outcomes, served, self.tolerance) & ~answered.failed

    def each(self, frames: Sequence[pl.DataFrame], at: Ints) -> Mask:
        """Equality of several alterations of the same rows in one call (alterations, rows)."""
        together = pl.concat(frames, how="vertical_relaxed")
        return self.equal(together, np.tile(at, len(frames))).reshape(len(frames), len(at))

    def matters(self, columns: Sequence[str], at: Ints) -> bool:
        """Whether the model answers otherwise where the rows have each other's values of the columns."""
        rows = self.rows(at)
        turned = rows.with_columns(rows[c].reverse().alias(c) for c in columns)
        both = self.case.answered(self.model, pl.concat([rows, turned])).outcomes
        n = len(at)
        same = equal_answers(both.take(np.arange(n)), both.take(np.arange(n, 2 * n)), self.tolerance)
        return bool(1 - same.mean() >= FELT)

    def explains(self, alter: Alter) -> bool:
        """Whether an alteration explains the rows that were kept back."""
        return bool(self.equal(alter(self.rows(self.check)), self.check).mean() >= ALWAYS)

    def margins(self, frame: pl.DataFrame) -> Floats | None:
        """What the model says, on a scale on which linear models are linear (n, k); None without scores."""
        return margins(self.case.answered(self.model, frame).outcomes)

    def served(self, at: Ints) -> Floats | None:
        """What was served, on the same scale."""
        return margins(self.side.outcomes.take(at))


def _telling(served: Outcomes) -> Mask:
    """Rows whose score is not next to 0 or 1, where many alterations would come out the same (n,)."""
    if served.scores is None:
        return np.ones(len(served.labels), bool)
    return np.asarray(served.scores.max(axis=1) < 1 - SATURATED)


def margins(outcomes: Outcomes) -> Floats | None:
    """Log odds of every class against their mean, or the number predicted; None where only classes are known."""
    if outcomes.scores is not None:
        logs = np.log(np.maximum(outcomes.scores, SMALLEST))
        return np.asarray(logs - logs.mean(axis=1, keepdims=True))
    if outcomes.predictions.dtype.kind == "f":
        return np.asarray(outcomes.predictions.astype(float)[:, None])
    return None
