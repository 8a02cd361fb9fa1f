"""What is summed of features whose values are followed themselves: numbers cut at far fences, and categories."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.errors import ConfigError, did_you_mean
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.stored_window import StoredWindow
from backslide.stats.arrays import Floats

FENCE = 3.0
"""Interquartile ranges beyond the quartiles at which values are cut (Tukey's outer fences): one odd row moves no mean."""
TAIL = 0.005
"""Share of the reference at either end that may lie beyond a fence; where more would, the fence is at that quantile."""
DIGITS = 3
"""Of fences, so that they can be said."""
FOLLOWED = (ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)
MOST_LEVELS = 10
LEAST_SHARE = 0.01
"""Of the reference's rows with a value, for a category to be followed."""


@dataclass(frozen=True)
class NumberScale:
    """How a number is read: cut at ``low`` and ``high``, then in standard deviations from its mean in the reference."""

    centre: float
    deviation: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Floats) -> NumberScale | None:
        """Of the reference's finite values; None where they are all one."""
        values = values[np.isfinite(values)]
        if not len(values):
            return None
        first, lower, upper, last = np.quantile(values, [TAIL, 0.25, 0.75, 1 - TAIL], method="inverted_cdf")
        reach = FENCE * (upper - lower)
        low, high = (say.significant(float(v), DIGITS) for v in (min(lower - reach, first), max(upper + reach, last)))
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            return None
        within = np.clip(values, low, high)
        deviation = float(within.std())
        return cls(float(within.mean()), deviation, low, high) if deviation > 0 else None

    def expression(self, column: str) -> pl.Expr:
        """Deviations of the column's values, null where there is none; what is infinite lies at a fence."""
        value = pl.col(column).cast(pl.Float64, strict=False)
        return (pl.when(value.is_not_nan()).then(value).clip(self.low, self.high) - self.centre) / self.deviation


@dataclass(frozen=True)
class FeatureValues:
    """Which values are followed, and how they are read."""

    numbers: Mapping[str, NumberScale] = field(default_factory=dict)
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Category column -> those of its values that are followed, the most frequent first."""
    constant: tuple[str, ...] = ()
    """Columns that are named and have nothing that could be followed."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is named and not followed."""
        reason = "one value in the reference, no category of 1% of its rows, or a number of a stored profile"
        return (
            (f"[watch] features: nothing to follow of {say.listed(self.constant)} ({reason})",) if self.constant else ()
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe: kept with the reference, since sums of later periods are read by it."""
        return {
            "numbers": {c: [s.centre, s.deviation, s.low, s.high] for c, s in self.numbers.items()},
            "levels": {c: list(levels) for c, levels in self.levels.items()},
            "constant": list(self.constant),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FeatureValues:
        """What ``to_dict`` wrote."""
        return cls(
            {c: NumberScale(*map(float, scale)) for c, scale in data["numbers"].items()},
            {c: tuple(levels) for c, levels in data["levels"].items()},
            tuple(data["constant"]),
        )


NO_VALUES = FeatureValues()
"""Nothing is named."""


def value_name(column: str) -> str:
    """Name of the moments of a number's deviations."""
    return f"__value {column}"


def square_name(column: str) -> str:
    """Name of the moments of their squares."""
    return f"__square {column}"


def level_name(column: str, level: str) -> str:
    """Name of the moments of rows that hold a category, among those that hold any."""
    return f"__level {column}={level}"


def feature_values(patterns: Sequence[str], case: Case) -> FeatureValues:
    """What is followed of the columns that are named, as their values in the reference suggest.

    Raises:
        ConfigError: a name is that of no feature that has a level, a spread or shares.
    """
    stored, kinds = case.reference.stored, case.reference.window.kinds
    # The reference alone decides: a column that is gone later, or of another type, is what watching must survive.
    taken = {*case.problem.roles.columns().values()}
    free = [c for c in kinds if c not in taken and (stored is None or c in stored.whole.columns)]
    columns = [c for c in free if kinds[c] in FOLLOWED]
    chosen = dict.fromkeys(c for pattern in patterns for c in _matching(pattern, columns, free))
    numbers: dict[str, NumberScale] = {}
    levels: dict[str, tuple[str, ...]] = {}
    for column in chosen:
        if kinds[column] != ColumnKind.NUMERIC:
            counts = _counts(case.reference.sample[column]) if stored is None else _stored_counts(stored, column)
            levels[column] = _followed_levels(counts)
        elif stored is None:
            scale = NumberScale.of(case.reference.sample[column].cast(pl.Float64, strict=False).drop_nulls().to_numpy())
            if scale is not None:
                numbers[column] = scale
    constant = tuple(c for c in chosen if c not in numbers and not levels.get(c))
    return FeatureValues(numbers, {c: some for c, some in levels.items() if some}, constant)


def _matching(pattern: str, columns: list[str], free: list[str]) -> list[str]:
    """A column's own name goes before what it means as a pattern."""
    found = [pattern] if pattern in columns else [c for c in columns if fnmatch.fnmatchcase(c, pattern)]
    if not found and pattern in free:
        raise ConfigError(
            f"[watch] features names {pattern!r}, whose values are neither numbers nor categories; level, spread and shares are "
            "followed of those alone"
        )
    if not found:
        raise ConfigError(
            f"[watch] features names {pattern!r}, which is no column without another role{did_you_mean(pattern, columns)}"
        )
    return found


def _counts(values: pl.Series) -> dict[str, int]:
    table = values.cast(pl.String).drop_nulls().value_counts()
    return {str(level): int(rows) for level, rows in table.iter_rows()}


def _stored_counts(stored: StoredWindow, column: str) -> dict[str, int]:
    return dict(stored.whole.columns[column].levels)


def _followed_levels(counts: Mapping[str, int]) -> tuple[str, ...]:
    """The most frequent categories; of two one, since the other says the same. None where every row holds one and the same."""
    rows = sum(counts.values())
    ranked = sorted(counts, key=lambda level: (-counts[level], level))
    if len(ranked) <= 2:
        return tuple(ranked[1:])
    return tuple(level for level in ranked if counts[level] >= LEAST_SHARE * rows)[:MOST_LEVELS]
