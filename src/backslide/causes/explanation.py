"""What the search found out, before it is put into words; its parts add up to the change."""

from __future__ import annotations

from dataclasses import dataclass

from backslide.causes.faults.base import Fault
from backslide.causes.replay.base import OwnChange
from backslide.causes.shift.base import WorldChange
from backslide.causes.suspicion import Suspicion
from backslide.causes.traffic.base import TrafficChange
from backslide.stats.change.effect import Effect


@dataclass(frozen=True)
class Explanation:
    """Everything that was found out, before it is put into words."""

    change: Effect | None
    own_change: OwnChange | None = None
    own_change_matters: bool = False
    faults: tuple[Fault, ...] = ()
    """Harmful faults with the points that are theirs."""
    harmless: tuple[Fault, ...] = ()
    suspects: tuple[Suspicion, ...] = ()
    """What is not proven enough to be a cause, where something is left to explain."""
    traffic: tuple[TrafficChange, ...] = ()
    """Rows that came again or no longer, with their harm."""
    harmless_traffic: tuple[TrafficChange, ...] = ()
    shifts: tuple[WorldChange, ...] = ()
    possible_shifts: tuple[WorldChange, ...] = ()
    """What the world may have done besides, where a cause that is surer stands: a split that many rows lie outside of."""
    artefact: bool = False
    """Whether the saved model answered; else a stand-in fitted to the logged scores, or none."""
    notes: tuple[str, ...] = ()

    @property
    def proving(self) -> bool:
        """Whether the saved model answered or a replay decided, so that a repair can prove what the metric's noise hides."""
        return self.artefact or self.own_change_matters

    @property
    def unexplained(self) -> Effect | None:
        """What no cause accounts for."""
        if self.change is None:
            return None
        priced = [self.own_change.effect] if self.own_change is not None and self.own_change_matters else []
        priced += [*(fault.points for fault in self.faults), *(change.points for change in self.traffic)]
        priced += [shift.effect for shift in self.shifts]
        rest = self.change
        for effect in priced:
            rest = rest - effect if effect is not None else rest
        return rest
