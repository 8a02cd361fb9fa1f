"""What the gate says: may a challenger take over from the champion? Every requirement is a line with its numbers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal

from backslide.contracts.finding import Estimate
from backslide.contracts.retrain_settings import GateSettings
from backslide.contracts.shadow import ShadowInputs
from backslide.contracts.values import Published, Value, written


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


class Gate(Published):
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

    # Imported late, so that reading a report needs no templates.
    def to_text(self) -> str:
        """The report for a terminal or a mail."""
        from backslide.report.documents.gate import render_gate_text

        return render_gate_text(self)

    def to_markdown(self, path: str | Path | None = None) -> str:
        """The report for a pull request; also written to ``path`` when one is given."""
        from backslide.report.documents.gate import render_gate_markdown

        return written(render_gate_markdown(self), path)

    def to_html(self, path: str | Path | None = None) -> str:
        """The self-contained page; also written to ``path`` when one is given."""
        from backslide.report.documents.gate import render_gate_html

        return written(render_gate_html(self), path)

    def __repr__(self) -> str:
        """One line: ``<Gate of loans, hold: ...>``."""
        from backslide.report.format.escape import clean_text

        return clean_text(f"<Gate of {self.model}, {self.verdict}: {self.summary}>")

    __str__ = __repr__
