"""What the gate says: may a challenger take over from the champion? Every requirement is a line with its numbers."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from backslide.contracts.finding import Estimate
from backslide.contracts.rendering import PublishedAnswer
from backslide.contracts.retrain_settings import GateSettings
from backslide.contracts.shadow import ShadowInputs
from backslide.contracts.values import Value


class GateVerdict(StrEnum):
    """What may be done with the challenger."""

    PROMOTE = "promote"
    HOLD = "hold"
    ROLL_BACK = "roll_back"
    """It is shown to be worse overall: where it answers already, the champion should again."""

    @property
    def held(self) -> bool:
        """Whether it must not take over; the command line exits with 1."""
        return self is not GateVerdict.PROMOTE


class GateLine(Value):
    """One requirement and whether it is met."""

    kind: Literal["headline", "stretches", "class", "segment", "calibration", "answers", "latency", "size"]
    name: str
    """Of the class, the segment, or what is limited."""
    metric: str
    higher_is_better: bool = False
    share: bool = False
    """Whether the values are fractions, shown in points."""
    rule: str
    """In words, with its number: ``gain shown, of at least 1.0 points``."""
    old: float | None = None
    new: float | None = None
    difference: Estimate | None = None
    """New minus old."""
    level: float | None = None
    """Of the interval; its ends are one-sided bounds at half of what is left."""
    margin: float
    """As a size in the metric's unit."""
    p_value: float | None = None
    """One-sided, of what the rule wants shown; adjusted (Holm) where several are tested together."""
    test: str = ""
    rows: int = 0
    """Labelled rows it rests on."""
    passed: bool | None = None
    """None where it could not be judged."""
    note: str = ""


class Gate(PublishedAnswer):
    """Champion against challenger, line by line."""

    noun: ClassVar[str] = "a gate report"
    writer: ClassVar[str] = "backslide gate --json"
    format: Literal["backslide.gate/1"] = "backslide.gate/1"
    model: str
    champion: str
    challenger: str
    verdict: GateVerdict
    summary: str
    reason: str
    """What to do now, and why."""
    lines: tuple[GateLine, ...]
    policy: GateSettings
    inputs: ShadowInputs

    @property
    def failed(self) -> tuple[GateLine, ...]:
        """Requirements that are not met."""
        return tuple(line for line in self.lines if line.passed is False)

    def one_line(self) -> str:
        return f"Gate of {self.model}, {self.verdict}: {self.summary}"
