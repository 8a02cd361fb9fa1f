"""How numbers, names and lists are written: one place, so that terminal, page, notebook, message and sentence say the same.

Shares are percentages without a space (``84.2%``), changes of shares are points with one decimal, thousands have commas,
negative numbers a true minus sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from backslide.contracts.finding import Estimate

MINUS = "−"
SMALLEST = 1e-4
"""Numbers nearer to zero are written with an exponent: ``2.1e−7``."""
_METRICS = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "mape": "mean absolute percentage error",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "brier": "Brier score",
    "matthews": "Matthews correlation",
    "p90_absolute_error": "90th percentile of the absolute error",
}
_WORDS = {"f1": "F1"}
_UNBOUNDED_METRICS = frozenset({"log_loss", "cost", "expected_cost"})
"""Metrics of classifiers that are no fractions and hence have no points."""
LARGEST = 1e16
"""From here on floats tell no two whole numbers apart, and a row of digits says less than an exponent."""
POINTS = frozenset({"points", "point", "pt"})
"""Units of findings whose numbers are fractions, written in points."""
SHARES = frozenset({"share", "%", "fraction"})
"""Units of findings whose numbers are fractions, written as percentages."""
UNNAMED = frozenset({"", "unit of the feature"})
"""Units that say nothing beside a number."""


def number(value: float, digits: int = 4) -> str:
    """A number at so many significant digits: ``1,234,568``, ``0.5``, ``2.1e−7``; no exponent where avoidable."""
    if not math.isfinite(value):
        return str(value).replace("-", MINUS)
    size = abs(value)
    if 0 < size < SMALLEST or size >= LARGEST:
        mantissa, exponent = f"{value:.{min(digits, 3) - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    text = fixed(value, decimals(value, digits))
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimals(value: float, digits: int = 3) -> int:
    """Decimals (0 to 6) that show ``digits`` significant digits of ``value``."""
    if value == 0 or not math.isfinite(value):
        return 0
    return min(6, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def significant(value: float, digits: int) -> float:
    """The number itself rounded to so many significant digits, for those who write it later."""
    return float(f"{value:.{digits}g}")


def fixed(value: float, places: int, *, sign: bool = False) -> str:
    """``1,234.5`` or with ``sign`` ``+1.2``, ``−0.3``: a zero after rounding carries no sign."""
    text = f"{abs(value):,.{places}f}"
    if not text.strip("0.,"):
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def signed(value: float, digits: int = 3) -> str:
    """A number at so many significant digits, with its sign."""
    return ("+" if value >= 0 else "") + number(value, digits)


def percent(share: float, places: int | None = None) -> str:
    """A share as a percentage: ``84.2%``; small ones keep two significant digits."""
    if places is None:
        places = 1 if abs(share) >= 0.01 or share == 0 else 2
    return f"{fixed(100 * share, places)}%"


def level(value: float, *, share: bool, digits: int = 4) -> str:
    """The value of a metric: ``84.2%`` for shares, else a number."""
    return percent(value, 1) if share else number(value, digits)


def levels(first: float, second: float, *, share: bool) -> str:
    """``84.2% → 80.8%``, with as many digits as it takes to tell the two apart."""
    for more in range(4):
        ends = [percent(v, 1 + more) if share else number(v, 4 + more) for v in (first, second)]
        if ends[0] != ends[1]:
            break
    else:
        ends = [level(v, share=share) for v in (first, second)]
    return f"{ends[0]} → {ends[1]}"


def change(value: float, *, share: bool, unit: str = "") -> str:
    """The size of a change of a metric: ``3.4 points`` for shares, a number in the metric's unit otherwise; never negative."""
    size = abs(value)
    if share:
        return f"{fixed(size * 100, 1)} points"
    return f"{number(size, 3)}{f' {unit}' if unit else ''}"


def count(value: int) -> str:
    """``12,480``."""
    return f"{value:,}".replace("-", MINUS)


def counted(value: int, noun: str) -> str:
    """``1 row``, ``12,480 rows``."""
    return f"{count(value)} {noun}" + ("" if value == 1 else "s")


def share_of_rows(share: float) -> str:
    """``all rows``, ``37% of rows``, ``under 1% of rows``."""
    if share >= 0.9995:
        return "all rows"
    if share < 0.01:
        return "under 1% of rows"
    return f"{min(99, round(100 * share))}% of rows"


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


def day(text: str) -> str:
    """An ISO date as people say it, ``10 February``; a time with its hour; what is no ISO time as it stands."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    named = f"{at.day} {at:%B}"
    if len(text) <= 10:
        return named
    return f"{named} {at:%H:%M}" if at.tzinfo is None else f"{named} {at.astimezone(UTC):%H:%M} UTC"


def metric(name: str) -> str:
    """A metric as sentences write it: ``macro F1``, ``F1 of 'paid'`` for ``f1[paid]``; a user's function as it is named."""
    if ":" in name.partition("[")[0]:
        return name
    plain, _, label = name.partition("[")
    spelled = _METRICS.get(plain) or " ".join(_WORDS.get(word, word) for word in plain.split("_"))
    return f"{spelled} of {label[:-1]!r}" if label else spelled


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text if not text else text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def listed(words: list[str] | tuple[str, ...], most: int = 4) -> str:
    """``a, b and c``; more than ``most`` end in ``and 5 more``."""
    names = list(words)
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]


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
        half_width = 0.0 if change is None or change.low is None or change.high is None else change.high - change.low
        scale = 0.0 if change is None else max(abs(change.estimate), abs(half_width) / 2) * factor
        if points:
            return cls(True, 1 if scale == 0 else min(3, max(1, decimals(scale, 1))))
        return cls(False, decimals(scale) if scale else decimals(level or 0.0))

    def level(self, value: float | None) -> str:
        """``84.2%`` or ``12.4``; said where it is not estimable."""
        if value is None:
            return "not estimable"
        return percent(value, self.decimals) if self.points else fixed(value, self.decimals)

    def number(self, value: float) -> str:
        """The signed number alone: ``−3.4``."""
        return fixed(100 * value if self.points else value, self.decimals, sign=True)

    def change(self, value: float) -> str:
        """``−3.4 points``, or the signed number in the metric's own unit."""
        return f"{self.number(value)} points" if self.points else self.number(value)

    def size(self, value: float) -> str:
        """The same without sign: ``1.1 points``."""
        text = fixed(abs(100 * value if self.points else value), self.decimals)
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
    return "sample" if estimate.n is None else f"sample of {counted(estimate.n, 'row')}"


def free_estimate(estimate: Estimate, unit: str) -> str:
    """The estimate of a finding in the unit that the finding names: ``points``, ``share``, or its own."""
    if unit in POINTS:
        return Unit(True, 1 if abs(estimate.estimate) >= 0.001 else 2).estimate(estimate)
    if unit in SHARES:
        return _joined(estimate, lambda value: percent(value, 1), "")
    return _joined(estimate, lambda value: number(value, 3), "" if unit in UNNAMED else f" {unit}")


def free_size(value: float, unit: str) -> str:
    """The size of a change in the unit that a finding names, without sign: ``0.8 points``, ``1.2%``, ``45 USD``."""
    size = abs(value)
    if unit in POINTS:
        return Unit(True, 1 if size >= 0.001 else 2).size(size)
    if unit in SHARES:
        return percent(size, 1 if size >= 0.001 else 2)
    return number(size, 3) + ("" if unit in UNNAMED else f" {unit}")


def _joined(estimate: Estimate, write: Callable[[float], str], suffix: str) -> str:
    text = write(estimate.estimate) + suffix
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{write(estimate.low)} to {write(estimate.high)}]"
