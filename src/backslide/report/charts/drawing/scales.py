"""From values to pixels: linear, logarithmic, time, rows and plain pixels, with the ticks of their axes (as d3 places them)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from backslide.report.charts.drawing.limits import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3600.0, 86_400.0
INTERVALS = (
    *((SECOND, k) for k in (1, 5, 15, 30)),
    *((MINUTE, k) for k in (1, 5, 15, 30)),
    *((HOUR, k) for k in (1, 3, 6, 12)),
    *((DAY, k) for k in (1, 2, 7)),
    *((30 * DAY, k) for k in (1, 3)),
    (365 * DAY, 1),
)
"""Units of time in seconds and how many of them may lie between two ticks."""


SMALLEST = 1e-290
"""Distance of two ticks, and one over the largest, that floating-point numbers can count in."""


class AxisScale(Protocol):
    """Values of a channel on a side of the plot."""

    def at(self, value: Any) -> float:
        """Pixels from the left or from the top."""

    def ticks(self, count: int) -> list[Any]:
        """About so many values to write at the axis."""


@dataclass(frozen=True)
class Linear:
    """Numbers; ``span``: pixels of the ends."""

    domain: tuple[float, float]
    span: tuple[float, float]

    def at(self, value: Any) -> float:
        """Pixels of a number; of a single one in the middle."""
        low, high = self.domain
        share = (value - low) / (high - low) if high != low else 0.5
        return self.span[0] + share * (self.span[1] - self.span[0])

    def ticks(self, count: int) -> list[float]:
        """Round numbers within the domain."""
        low, high = self.domain
        if low == high:
            return [low]
        step = tick_step(low, high, count)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return [_times(step, k) for k in range(first, last + 1)]


@dataclass(frozen=True)
class Logarithmic:
    """Positive numbers."""

    domain: tuple[float, float]
    span: tuple[float, float]

    def at(self, value: Any) -> float:
        """Pixels of a number above zero."""
        low, high = (math.log(end) for end in self.domain)
        return Linear((low, high), self.span).at(math.log(value))

    def ticks(self, count: int) -> list[float]:
        """Every digit of every decade, or powers of ten where there are many."""
        low, high = self.domain
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        if math.log10(high / low) >= count:
            return [10.0**k for k in Linear((first, last), self.span).ticks(count) if low <= 10.0**k <= high]
        found = [digit * 10.0**k for k in range(first, last + 1) for digit in range(1, 10)]
        found = [value for value in found if low <= value <= high]
        return found if 2 * len(found) >= count else Linear(self.domain, self.span).ticks(count)


@dataclass(frozen=True)
class Time:
    """Moments in milliseconds since 1970, UTC."""

    domain: tuple[float, float]
    span: tuple[float, float]

    def at(self, value: Any) -> float:
        """Pixels of a moment."""
        return Linear(self.domain, self.span).at(value)

    def ticks(self, count: int) -> list[float]:
        """Beginnings of hours, days, weeks, months or years."""
        low, high = (end / 1000 for end in self.domain)
        wanted = (high - low) / count
        lengths = [unit * k for unit, k in INTERVALS]
        i = next((i for i, length in enumerate(lengths) if length > wanted), len(lengths) - 1)
        if i and wanted / lengths[i - 1] < lengths[i] / max(wanted, 1e-9):
            i -= 1
        return [1000 * moment for moment in _moments(low, high, *INTERVALS[i], wanted)]


def _moments(low: float, high: float, unit: float, every: int, wanted: float) -> list[float]:
    if unit < DAY:
        step = unit * every
        return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    day = datetime.fromtimestamp(math.ceil(low / DAY) * DAY, UTC)
    years = max(1, round(tick_step(0, wanted / (365 * DAY), 1))) if unit == 365 * DAY else 1
    found = []
    while day.timestamp() <= high:
        if _begins(day, unit, every, years):
            found.append(day.timestamp())
        day += timedelta(days=1)
    return found


def _begins(day: datetime, unit: float, every: int, years: int) -> bool:
    if unit == DAY:
        return day.isoweekday() == 7 if every == 7 else (day.day - 1) % every == 0
    months = every if unit == 30 * DAY else 12
    return day.day == 1 and (day.month - 1) % months == 0 and day.year % years == 0


@dataclass(frozen=True)
class Rows:
    """Names in a row, each with a band of ``step`` pixels; ``pad`` of them lie before the first, ``band`` belong to one."""

    names: tuple[str, ...]
    step: float
    pad: float
    band: float

    def at(self, value: Any) -> float:
        """The middle of the band of a name."""
        return self.pad + self.names.index(value) * self.step + self.band / 2

    def ticks(self, count: int) -> list[str]:
        """All names."""
        return list(self.names)


class Pixels:
    """Values that are pixels themselves."""

    def at(self, value: Any) -> float:
        """The same."""
        return float(value)

    def ticks(self, count: int) -> list[float]:
        """None: it has no axis."""
        return []


def tick_step(low: float, high: float, count: int) -> float:
    """1, 2 or 5 times a power of ten, about so many times in the range.

    Raises:
        UnsupportedError: the range is next to nothing, or next to infinite.
    """
    step = (high - low) / max(count, 1)
    if not SMALLEST < step < 1 / SMALLEST:
        raise UnsupportedError(f"a range from {low} to {high}")
    power = 10.0 ** math.floor(math.log10(step))
    error = step / power
    return power * (
        10 if error >= math.sqrt(50) else 5 if error >= math.sqrt(10) else 2 if error >= math.sqrt(2) else 1
    )


def nice(low: float, high: float, count: int = 10) -> tuple[float, float]:
    """The ends moved out to round numbers."""
    if low == high:
        return low, high
    for _ in range(3):
        step = tick_step(low, high, count)
        ends = _times(step, math.floor(low / step + 1e-9)), _times(step, math.ceil(high / step - 1e-9))
        if ends == (low, high):
            break
        low, high = ends
    return low, high


def _times(step: float, k: int) -> float:
    """A multiple of a step, without the error of a step below one that binary numbers do not hold."""
    return k / round(1 / step) if step < 1 and step > 1e-15 else k * step


def ends(values: Sequence[float]) -> tuple[float, float]:
    """Smallest and largest."""
    return min(values), max(values)
