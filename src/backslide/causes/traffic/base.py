"""A change of which rows came, priced by weights on the very rows that were served: it asks no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backslide.case import Side
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.contracts.cause import CauseKind, Confidence
from backslide.stats.arrays import Floats
from backslide.stats.change.effect import Effect

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class TrafficChange:
    """Rows that came again or no longer, and what that did to the target metric."""

    kind: CauseKind
    seen: str
    undo: str
    rows: Mask
    """Rows of the current sample concerned (n_cur,), from which it is dated."""
    share_of_rows: float
    rest: tuple[Mask, Mask]
    """Rows of both samples that the world is asked about, with this undone: (n_ref,) and (n_cur,)."""
    repair_effect: Effect | None
    """Of undoing it on the current rows; None without their labels."""
    injection_effect: Effect | None
    """Of doing it to the reference rows; None without their labels, or where nothing tells which ones."""
    features: tuple[str, ...] = ()
    segment: str | None = None
    restored: bool = True
    """Whether undoing it leaves the very rows that should have come, and no others in their place."""

    @property
    def exact(self) -> bool:
        """Whether it may be named without a price: rows are counted."""
        return True

    @property
    def points(self) -> Effect | None:
        """The part of the change that it accounts for, signed like the change; see ``Fault.points``."""
        if self.repair_effect is None or (self.injection_effect is not None and not self.restored):
            return self.injection_effect
        return -self.repair_effect

    @property
    def confidence(self) -> Confidence:
        """Rows are counted and not guessed, so one price is enough for support; undoing and doing it may agree on one."""
        effects = [e for e in (self.repair_effect, self.injection_effect) if e is not None and e.clear]
        if len(effects) == 2 and effects[0].value * effects[1].value < 0:
            return Confidence.VERIFIED
        return Confidence.SUPPORTED if effects else Confidence.SUSPECTED


@dataclass(frozen=True)
class WeightedRows:
    """Sums of the target's statistics over rows of a window, and their replicates: what metrics of mixed rows are made of."""

    total: Floats
    replicates: Floats

    def __add__(self, other: WeightedRows) -> WeightedRows:
        return WeightedRows(self.total + other.total, self.replicates + other.replicates)


def weighted_rows(bench: PricingBench, side: Side, weights: Floats) -> WeightedRows:
    """Labelled rows of a window as served, each with its weight (n,)."""
    rows = bench.rows(side)
    served = side.outcomes.take(rows).statistics(bench.target, len(bench.case.problem.classes))
    served = served * weights[rows][:, None]
    return WeightedRows(served.sum(0), bench.draw(side).sums(served))


def effect_between(bench: PricingBench, start: WeightedRows, end: WeightedRows) -> Effect:
    """Change of the target from the one set of rows to the other."""
    value = bench.target.value
    return Effect(float(value(end.total)) - float(value(start.total)), value(end.replicates) - value(start.replicates))


def as_current(bench: PricingBench, effect: Effect) -> Effect:
    """An effect on the reference rows as one on the current rows, which are another draw with noise of their own."""
    ref, cur = (len(bench.rows(side)) or side.sample.height for side in bench.case.sides)
    return effect.scaled(float(np.sqrt(1 + ref / max(cur, 1))))
