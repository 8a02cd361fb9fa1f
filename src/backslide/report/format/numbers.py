"""How numbers are written: points, levels, intervals, counts, dates. One place, so that every surface says the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from backslide.contracts.cause import Cause
    from backslide.contracts.finding import Estimate

MINUS = "−"
_UNBOUNDED_METRICS = frozenset({"log_loss", "cost", "expected_cost"})
"""Metrics of classifiers that are no fractions and hence have no points."""


def signed(value: float, decimals: int) -> str:
    """``+1.2``, ``−0.3`` or ``0.0``: a zero after rounding carries no sign."""
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text
    return ("+" if value > 0 else MINUS) + text


def unsigned(value: float, decimals: int) -> str:
    """``1,234.5``, with a true minus sign where it is negative."""
    text = f"{abs(value):,.{decimals}f}"
    return MINUS + text if value < 0 and text.strip("0.,") else text


def significant(value: float, digits: int = 3) -> int:
    """Decimals (0 to 6) that show ``digits`` significant figures of ``value``."""
    if value == 0 or not math.isfinite(value):
        return 0
    return min(6, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def plain(value: float, digits: int = 3) -> str:
    """A number of unknown scale at ``digits`` significant figures; very small ones as ``2.1e−7``."""
    if value != 0 and abs(value) < 1e-4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    text = unsigned(value, significant(value, digits))
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: float, decimals: int = 1) -> str:
    """A fraction as ``84.2 %``."""
    return f"{unsigned(100 * value, decimals)} %"


def count(value: int) -> str:
    """``12,480``."""
    return f"{value:,}"


def rows(value: int) -> str:
    """``12,480 rows``."""
    return f"{value:,} row" + ("" if value == 1 else "s")


def share_of_rows(share: float) -> str:
    """``all rows``, ``37 % of rows``, ``under 1 % of rows``."""
    if share >= 0.9995:
        return "all rows"
    if share < 0.01:
        return "under 1 % of rows"
    return f"{min(99, round(100 * share))} % of rows"


def p_value(value: float) -> str:
    """``p = 0.003`` or ``p < 0.0001``."""
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.2g}"


def moment(text: str) -> str:
    """An ISO time as ``2026-04-03 10:00 UTC``; a bare date, or what is no ISO time, as it stands."""
    if len(text) <= 10:
        return text
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    if at.tzinfo is None:
        return at.strftime("%Y-%m-%d %H:%M")
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def since(cause: Cause) -> str:
    """When a cause began, the days that it could be instead, and when it ended, where that is known; empty without a day."""
    if cause.since is None:
        return ""
    said, began = moment(cause.since), cause.began
    if began is not None and began.low != began.high:
        said += f" ({moment(began.low)} to {moment(began.high)})"
    return said if cause.until is None else f"{said}, until {moment(cause.until)}"


@dataclass(frozen=True, slots=True)
class Unit:
    """How one metric is written: in points (hundredths) or in its own unit, at a fixed number of decimals."""

    points: bool
    decimals: int

    @classmethod
    def of(cls, metric: str, *, classification: bool, level: float | None, change: Estimate | None) -> Unit:
        """The unit of a metric; decimals fit the size of the change."""
        points = classification and metric not in _UNBOUNDED_METRICS
        factor = 100.0 if points else 1.0
        scale = 0.0 if change is None else max(abs(change.estimate), _half_width(change)) * factor
        if points:
            return cls(True, 1 if scale == 0 else min(3, max(1, significant(scale, 1))))
        return cls(False, significant(scale) if scale else significant(level or 0.0, 3))

    def level(self, value: float | None) -> str:
        """``84.2 %`` or ``12.4``; a dash where not estimable."""
        if value is None:
            return "not estimable"
        return percent(value, self.decimals) if self.points else unsigned(value, self.decimals)

    def number(self, value: float) -> str:
        """The signed number alone: ``−3.4``."""
        return signed(100 * value if self.points else value, self.decimals)

    def change(self, value: float) -> str:
        """``−3.4 points``, or the signed number in the metric's own unit."""
        return f"{self.number(value)} points" if self.points else self.number(value)

    def size(self, value: float) -> str:
        """The same without sign: ``1.1 points``."""
        text = unsigned(abs(100 * value if self.points else value), self.decimals)
        return f"{text} points" if self.points else text

    def interval(self, estimate: Estimate) -> str:
        """``−4.5 to −2.3``; empty where there is none."""
        if estimate.low is None or estimate.high is None:
            return ""
        return f"{self.number(estimate.low)} to {self.number(estimate.high)}"

    def estimate(self, estimate: Estimate) -> str:
        """``−3.4 points [−4.5 to −2.3]``."""
        interval = self.interval(estimate)
        return self.change(estimate.estimate) + (f" [{interval}]" if interval else "")


def basis(estimate: Estimate) -> str:
    """``sample of 5,000 rows`` where an estimate does not rest on all rows; empty otherwise."""
    if estimate.basis == "all":
        return ""
    return "sample" if estimate.n is None else f"sample of {rows(estimate.n)}"


POINTS = frozenset({"points", "point", "pt"})
"""Units of findings whose numbers are fractions, written in points."""
SHARES = frozenset({"share", "%", "fraction"})
"""Units of findings whose numbers are fractions, written as percentages."""
UNNAMED = frozenset({"", "unit of the feature"})
"""Units that say nothing beside a number."""


def free_estimate(estimate: Estimate, unit: str) -> str:
    """The estimate of a finding in the unit that the finding names: ``points``, ``share``, or its own."""
    if unit in POINTS:
        return Unit(True, 1 if abs(estimate.estimate) >= 0.001 else 2).estimate(estimate)
    if unit in SHARES:
        return _joined(estimate, percent, "")
    return _joined(estimate, plain, "" if unit in UNNAMED else f" {unit}")


def free_size(value: float, unit: str) -> str:
    """The size of a change in the unit that a finding names, without sign: ``0.8 points``, ``1.2 %``, ``45 USD``."""
    size = abs(value)
    if unit in POINTS:
        return Unit(True, 1 if size >= 0.001 else 2).size(size)
    if unit in SHARES:
        return percent(size, 1 if size >= 0.001 else 2)
    return plain(size) + ("" if unit in UNNAMED else f" {unit}")


def _joined(estimate: Estimate, write: Callable[[float], str], suffix: str) -> str:
    text = write(estimate.estimate) + suffix
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{write(estimate.low)} to {write(estimate.high)}]"


def _half_width(estimate: Estimate) -> float:
    if estimate.low is None or estimate.high is None:
        return 0.0
    return abs(estimate.high - estimate.low) / 2
