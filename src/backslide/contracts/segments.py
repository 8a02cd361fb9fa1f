"""What a search for segments says: which combinations of attributes explain the change of a ratio, from counts."""

from __future__ import annotations

from typing import ClassVar, Literal

from backslide.contracts import say
from backslide.contracts.finding import Estimate
from backslide.contracts.rendering import PublishedAnswer
from backslide.contracts.values import Value


class RatioPeriod(Value):
    """One of the two periods: its counts and their ratio."""

    span: str
    """As it was asked for."""
    rows: int
    times: int
    """Distinct ones."""
    numerator: float
    denominator: float
    ratio: float


class RatioSegment(Value):
    """A combination of attribute values whose ratio moved by itself."""

    rank: int
    where: dict[str, str | None]
    """Attribute -> value as text, null where it is missing; a range of numbers as ``2..5``, its end not included."""
    condition: str
    """The same as SQL."""
    points: Estimate
    """What it adds to the change of the whole ratio: its counts beyond what the reference leads to expect of its rows."""
    share: float
    """Of the current denominator."""
    share_of_change: float | None = None
    """None where the whole ratio did not move enough to be shared out."""
    reference: float | None
    """Ratio inside; None where the reference has no such rows."""
    current: float
    denominators: tuple[float, float]
    """Reference and current."""
    instead_of: int | None = None
    """Rank of the segment that explains the same rows better; this one fits nearly as well, and adds nothing to it."""


class SegmentReport(PublishedAnswer):
    """The change of a ratio, shared out: other mix, segments, and the rest."""

    noun: ClassVar[str] = "a segment report"
    writer: ClassVar[str] = "backslide segments --json"
    format: Literal["backslide.segments/1"] = "backslide.segments/1"
    source: str
    numerator: str
    denominator: str
    share: bool
    """Whether the ratio is a share, whose changes are points."""
    reference: RatioPeriod
    current: RatioPeriod
    change: Estimate
    mix: float
    """Part of the change that comes of other rows, each with its usual ratio."""
    rest: float
    """Part that neither the mix nor a segment explains."""
    summary: str
    segments: tuple[RatioSegment, ...]
    """Those that explain the change together, then those that fit nearly as well as the first (``instead_of``)."""
    attributes: tuple[str, ...]
    tried: int
    """Combinations."""
    correlation: float
    """Of the rows of one combination and time, measured in the reference: 0 for independent rows."""
    notes: tuple[str, ...] = ()

    @property
    def ratio(self) -> str:
        """The ratio in words."""
        return f"{self.numerator} / {self.denominator}"

    @property
    def explanation(self) -> tuple[RatioSegment, ...]:
        """The segments that explain the change together."""
        return tuple(one for one in self.segments if one.instead_of is None)

    def one_line(self) -> str:
        levels = say.levels(self.reference.ratio, self.current.ratio, share=self.share)
        return f"Segments of {self.ratio} ({levels}): {self.summary}"
