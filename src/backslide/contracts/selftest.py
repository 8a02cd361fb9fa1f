"""What a self-test found out: which faults would have been caught in the user's own data, and at which size."""

from __future__ import annotations

from typing import ClassVar, Literal

from backslide.contracts.cause import CauseKind
from backslide.contracts.rendering import PublishedAnswer
from backslide.contracts.values import Value

TrialOutcome = Literal["named", "other name", "harmless", "missed", "failed"]


class FaultTrial(Value):
    """One fault done to the user's own rows, and what a diagnosis said of it."""

    kind: CauseKind
    features: tuple[str, ...]
    share_of_rows: float
    description: str
    harm: float
    """True change of the headline metric on the same rows, positive when worse."""
    outcome: TrialOutcome
    """``named`` first with kind and column; ``other name``: a cause was named, but another; ``harmless``: listed as a fault that
    costs nothing; ``missed``: not mentioned; ``failed``: the diagnosis could not run."""
    said: str = ""
    points: float | None = None
    """Price of the first cause, signed like the change."""

    @property
    def caught(self) -> bool:
        """Whether it was recognised, as a cause or as harmless."""
        return self.outcome in ("named", "harmless")


class SelfTest(PublishedAnswer):
    """The whole self-test; ``detectable`` is the smallest change of the headline metric that these rows would show."""

    noun: ClassVar[str] = "a self-test"
    writer: ClassVar[str] = "backslide selftest --json"
    format: Literal["backslide.selftest/1"] = "backslide.selftest/1"
    model: str
    metric: str
    share: bool
    """Whether the metric is a fraction."""
    rows: int
    """Rows of each half: one served as it is, the other with a fault."""
    detectable: float | None
    quiet: str
    """Verdict on the two halves without any fault."""
    tried: tuple[FaultTrial, ...]
    notes: tuple[str, ...] = ()

    def one_line(self) -> str:
        caught = sum(one.caught for one in self.tried)
        return f"SelfTest of {self.model}: {caught} of {len(self.tried)} faults recognised"
