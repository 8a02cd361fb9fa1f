"""What is kept of a period: sums that add up, small enough to keep for years, JSON-safe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backslide.contracts import say
from backslide.monitor.periods import PeriodGrid
from backslide.store.memory import damaged

Moments = tuple[float, float, float]
"""Rows, sum, sum of squares."""


@dataclass(frozen=True)
class Sums:
    """One period, or several."""

    rows: int = 0
    labelled: int = 0
    corrected: int = 0
    """Labels that a reviewer gave and that differ from the prediction."""
    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rows by label and prediction."""
    moments: dict[str, Moments] = field(default_factory=dict)
    """Of the row quantities."""
    segments: dict[str, Sums] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: Sums) -> Sums:
        moments = dict(self.moments)
        for name, more in other.moments.items():
            n, total, square = moments.get(name, (0.0, 0.0, 0.0))
            moments[name] = (n + more[0], total + more[1], square + more[2])
        segments = dict(self.segments)
        for name, part in other.segments.items():
            segments[name] = segments[name] + part if name in segments else part
        return Sums(
            self.rows + other.rows,
            self.labelled + other.labelled,
            self.corrected + other.corrected,
            self.cells + other.cells,
            moments,
            segments,
            dict(Counter(self.missing) + Counter(other.missing)),
            dict(Counter(self.unknown) + Counter(other.unknown)),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe; what is empty is left out."""
        document: dict[str, Any] = {"rows": self.rows, "labelled": self.labelled, "corrected": self.corrected}
        document["cells"] = [[label, prediction, n] for (label, prediction), n in sorted(self.cells.items()) if n]
        # The order in which rows are added moves the last digits; what is kept must not depend on it.
        document["moments"] = {name: [say.significant(v, 12) for v in values] for name, values in self.moments.items()}
        document["segments"] = {name: part.to_dict() for name, part in self.segments.items()}
        document["missing"] = {name: n for name, n in self.missing.items() if n}
        document["unknown"] = {name: n for name, n in self.unknown.items() if n}
        return {name: value for name, value in document.items() if value}

    @classmethod
    def of_period(cls, data: Any, what: str) -> Sums:
        """What was kept of a period, which had rows: less is no quiet period but a damaged state.

        Raises:
            StoreError: it is not what ``to_dict`` wrote.
        """
        try:
            sums = cls.from_dict(data)
            sound = sums.rows >= max(sums.labelled, 1) and min(sums.labelled, sums.corrected) >= 0
        except (AttributeError, KeyError, TypeError, ValueError, IndexError):
            sound = False
        if not sound:
            raise damaged(f"{what} holds no sums of a period")
        return sums

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Sums:
        """What ``to_dict`` wrote."""
        return cls(
            data.get("rows", 0),
            data.get("labelled", 0),
            data.get("corrected", 0),
            Counter({(label, prediction): n for label, prediction, n in data.get("cells", [])}),
            {name: (v[0], v[1], v[2]) for name, v in data.get("moments", {}).items()},
            {name: cls.from_dict(part) for name, part in data.get("segments", {}).items()},
            dict(data.get("missing", {})),
            dict(data.get("unknown", {})),
        )


def sums_of_reference(data: Any) -> dict[str, dict[int, Sums]]:
    """Kind -> period -> sums, as they were kept of a reference.

    Raises:
        StoreError: there are none.
    """
    try:
        sums = {
            kind: {int(n): Sums.of_period(s, f"{kind} of the reference") for n, s in periods.items()}
            for kind, periods in data.items()
        }
    except (AttributeError, ValueError):
        sums = {}
    if not sums.get("inputs") or "labels" not in sums:
        raise damaged("the reference holds no periods")
    return sums


def with_moments(sums: Mapping[int, Sums], name: str, moments: Mapping[int, Moments]) -> dict[int, Sums]:
    """Periods with one more quantity."""
    return {n: replace(s, moments={**s.moments, name: moments[n]}) if n in moments else s for n, s in sums.items()}


def whole_periods(sums: dict[int, Sums], grid: PeriodGrid) -> dict[int, Sums]:
    """Without a first or last period that the window cuts through: under half of the usual rows."""
    if not sums or not grid.timed:
        return sums
    usual = float(np.median([s.rows for s in sums.values()]))
    ends = {min(sums), max(sums)}
    return {n: s for n, s in sums.items() if n not in ends or s.rows >= usual / 2}
