"""What happened over time as values: panels on one axis, stretches of alarm, dated events; and the small line of a list.

``report/charts/timeline.py`` draws them. Text and Markdown leave them out: the sentences beside them say the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimePoint:
    """One period."""

    at: str
    """Its label: a day, an hour (ISO), or ``rows 1 to 5000``."""
    value: float | None
    """None where there is none: the line is interrupted."""
    expected: float
    low: float
    high: float
    """Ends of the band in which 95 % of quiet periods lie, in the unit of ``value``."""
    rows: int


@dataclass(frozen=True, slots=True)
class TimeLine:
    """A figure over its periods."""

    name: str
    points: tuple[TimePoint, ...]
    estimated: bool = False
    """Whether it stands for what is not measured yet: drawn broken."""


@dataclass(frozen=True, slots=True)
class TimePanel:
    """Figures of one unit on one vertical axis; the band of the first line stands behind them."""

    title: str
    lines: tuple[TimeLine, ...]
    share: bool = False
    tall: bool = False


@dataclass(frozen=True, slots=True)
class IncidentSpan:
    """A stretch in which an incident lasted; ``end`` is None while it is open."""

    name: str
    start: str
    raised: str
    """Period of the alarm."""
    end: str | None
    alarm: bool = True


@dataclass(frozen=True, slots=True)
class TimeEvent:
    """A deploy or another dated change."""

    at: str
    name: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Panels over one axis of time."""

    title: str
    reading: str
    panels: tuple[TimePanel, ...]
    spans: tuple[IncidentSpan, ...] = ()
    events: tuple[TimeEvent, ...] = ()
    kind: str = "timeline"


@dataclass(frozen=True, slots=True)
class Sparkline:
    """The last periods of one figure, small: the line, and the band in which it usually lies."""

    values: tuple[float, ...]
    low: float
    high: float
    reading: str
