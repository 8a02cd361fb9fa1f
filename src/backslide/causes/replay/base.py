"""A change of our own: another model, threshold or preprocessing, or answers that were altered."""

from __future__ import annotations

from dataclasses import dataclass

from backslide.case import Outcomes
from backslide.contracts.cause import CauseKind, Confidence
from backslide.stats.arrays import Mask
from backslide.stats.change.effect import Effect


@dataclass(frozen=True)
class OwnChange:
    """A change of our own, its price, and the current outcomes without it."""

    kind: CauseKind
    effect: Effect | None
    undone: Outcomes
    seen: str
    undo: str
    share_of_rows: float
    classes: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    """Columns that another preprocessing handed to the model otherwise."""
    segment: str | None = None
    """What marks the rows concerned, where only some are and something does."""
    rows: Mask | None = None
    """Rows of the current sample concerned (n_cur,), from which it is dated; None where that is not known."""
    confidence: Confidence = Confidence.PROVEN
