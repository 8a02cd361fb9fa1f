"""What the world did: one cause that is nobody's fault."""

from __future__ import annotations

from dataclasses import dataclass

from backslide.contracts.cause import CauseKind, Confidence
from backslide.stats.change.effect import Effect


@dataclass(frozen=True)
class WorldChange:
    """One cause that is nobody's fault."""

    kind: CauseKind
    effect: Effect
    features: tuple[str, ...]
    classes: tuple[str, ...]
    confidence: Confidence
    caveat: str = ""
    facts: tuple[str, ...] = ()
    gain: Effect | None = None
    """What a fix aimed at it returns on held-out rows."""
    segment: str | None = None
    every_class: bool = False
    """Whether ``classes`` are all that there are, so that naming them says nothing."""
    policy: bool = False
    """Whether rows of the first class are now labelled as the second."""
    by_answers: bool = False
    """Whether learning the outcome anew from the served answers alone brings it back, so that no other column is needed."""
