"""What comes into a frozen pipeline, held against what it was trained on.

Names and order are looked at on every call. Values (types, ranges, categories) are looked at on the first call and then as
often as a share of the model's own time pays for, unless a rule asks for every call.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backslide.contracts.errors import InputError, did_you_mean
from backslide.contracts.snapshot import Snapshot
from backslide.engine.column_profile import ColumnProfile
from backslide.stack.training import profile_of

Rule = Literal["count", "raise"]
SHARE, FIXED = 0.012, 5e-6
"""Time for looking at values: this share of the model's, and this many seconds a call. With what names cost beside it, a call
takes some 20 microseconds and 2 % longer."""
MOST_ROWS = 2000
"""Rows of one batch whose values are looked at, evenly spread."""
FEW_ROWS = 8
"""Rows that are looked at value by value; of more, whole columns are."""
MOST_LEVELS = 100
"""Unknown categories kept by name, per column."""


@dataclass
class Seen:
    """Counts of what came in."""

    calls: int = 0
    rows: int = 0
    looked_at: int = 0
    """Rows whose values were looked at."""
    reordered: int = 0
    """Calls whose columns came in another order or with others between, and were put right."""
    out_of_range: Counter[str] = field(default_factory=Counter)
    """Column -> rows looked at with values beyond those of training."""
    unknown: dict[str, Counter[str]] = field(default_factory=dict)
    """Column -> category that training did not hold -> rows looked at."""
    mapped: Counter[str] = field(default_factory=Counter)
    """Column -> values replaced by the category that stands for unknown ones."""


class Gate:
    """Checks the rows of one call; returns them, in fitted order and with unknown categories mapped."""

    def __init__(
        self, snapshot: Snapshot, columns: tuple[str, ...] | None, *, ranges: Rule, unknown: Rule | dict[str, Any]
    ) -> None:
        profile = profile_of(snapshot)
        golden = tuple(snapshot.golden.dtypes) if snapshot.golden is not None else None
        self.columns = columns or golden
        self.trained: dict[str, ColumnProfile] = {} if profile is None else dict(profile.columns)
        self.ranges, self.unknown = ranges, unknown
        self.every = ranges == "raise" or unknown == "raise"
        self.seen = Seen()
        self._expected = None if self.columns is None else list(self.columns)
        self._accepted: Any = None
        self._levels = {n: frozenset(c.levels) for n, c in self.trained.items() if c.edges is None and not c.rest_rows}
        self._numbers_of = [
            n
            for n, c in self.trained.items()
            if c.edges is not None and c.minimum is not None and c.maximum is not None
        ]
        self._low = np.array([self.trained[n].minimum for n in self._numbers_of], dtype=np.float64)
        self._high = np.array([self.trained[n].maximum for n in self._numbers_of], dtype=np.float64)
        self._levels_of = list(self._levels)
        self._places: tuple[list[tuple[int, float, float]], list[tuple[int, frozenset[str]]]] | None = None
        self._check_rules()
        self._spent = self._model = self._last = 0.0

    def _check_rules(self) -> None:
        if isinstance(self.unknown, dict):
            for column in self.unknown:
                if column not in self._levels:
                    raise InputError(
                        f"unknown categories of {column!r} cannot be mapped: the snapshot's training profile holds no complete "
                        f"list of its categories{did_you_mean(column, self._levels)}"
                    )

    def enter(self, rows: Any) -> Any:
        """The rows as the model is to be given them.

        Raises:
            InputError: a column is missing, of another type, or breaks a rule.
        """
        seen = self.seen
        seen.calls += 1
        count = len(rows) if hasattr(rows, "__len__") else rows.shape[0]  # sparse matrices have no length
        seen.rows += count
        rows = self._in_order(rows)
        if isinstance(self.unknown, dict) and self.unknown:
            rows = self._mapped(rows, self.unknown)
        if not self.trained:
            return rows
        if self.every or not seen.looked_at or self._spent + self._last <= SHARE * self._model + FIXED * seen.calls:
            start = perf_counter()
            self._look(rows, count)
            # The first look pays for imports and caches; it says nothing about the next.
            self._last = (perf_counter() - start) if self._spent else FIXED
            self._spent += self._last
        return rows

    def answered(self, seconds: float) -> None:
        """Time that the model took for the call."""
        self._model += seconds

    def _in_order(self, rows: Any) -> Any:
        names = getattr(rows, "columns", None)
        if self._expected is None:
            return rows
        if names is None:
            width = rows.shape[1] if getattr(rows, "ndim", 1) == 2 else None
            if width is not None and width != len(self._expected):
                raise InputError(
                    f"expected {len(self._expected)} columns ({', '.join(self._expected[:3])}, ...), got {width}"
                )
            return rows
        if names is self._accepted or (
            self._accepted is not None and not isinstance(names, list) and self._same(names)
        ):
            return rows
        given = names if isinstance(names, list) else names.tolist()
        if given == self._expected:
            # Frames that are cut from one, or built from one list of names, share it; turning it into a list takes longer.
            self._accepted = None if isinstance(names, list) else names
            return rows
        known = set(given)
        for column in self._expected:
            if column not in known:
                raise InputError(
                    f"expected column {column!r}, which the rows do not hold{did_you_mean(column, map(str, given))}"
                )
        self.seen.reordered += 1
        return rows[self._expected]

    def _same(self, names: Any) -> bool:
        equals = getattr(self._accepted, "equals", None)
        return bool(equals is not None and equals(names))

    def _mapped(self, rows: Any, instead: dict[str, Any]) -> Any:
        if not hasattr(rows, "columns"):
            return rows
        changed = {}
        for column, value in instead.items():
            held = _values(rows, column)
            odd = [i for i, v in enumerate(held.tolist()) if not _missing(v) and _level(v) not in self._levels[column]]
            if odd:
                values = held.astype(object)
                values[odd] = value
                changed[column] = values
                self.seen.mapped[column] += len(odd)
        return rows.assign(**changed) if changed else rows

    def _look(self, rows: Any, count: int) -> None:
        if not hasattr(rows, "columns") or not count:
            return
        step = max(1, -(-count // MOST_ROWS))
        part = rows if step == 1 else rows[::step]
        self.seen.looked_at += len(part)
        if len(part) <= FEW_ROWS and self._sound(part):
            return
        for columns, at_once, one in (
            (self._numbers_of, self._all_numbers, self._number_column),
            (self._levels_of, self._all_levels, self._level_column),
        ):
            if not columns:
                continue
            try:
                at_once(part)
            except InputError:
                raise
            except (TypeError, ValueError):  # lists, missing values of pandas' own kind, two columns of one name
                for name in columns:
                    one(part, name)

    def _sound(self, part: Any) -> bool:
        """Whether nothing in a few rows is odd, told without making a column of anything: a tenth of the time."""
        if self._expected is None or not hasattr(part, "iloc"):
            return False
        if self._places is None:
            place = {name: k for k, name in enumerate(self._expected)}
            if not place.keys() >= self.trained.keys():
                return False
            bounds = zip(self._numbers_of, self._low.tolist(), self._high.tolist(), strict=True)
            self._places = (
                [(place[name], low, high) for name, low, high in bounds],
                [(place[name], levels) for name, levels in self._levels.items()],
            )
        numbers, levels = self._places
        try:
            for i in range(len(part)):
                row = part.iloc[i].tolist()
                for k, low, high in numbers:
                    value = row[k]
                    if value < low or value > high:
                        return False
                for k, known in levels:
                    if row[k] not in known:
                        return False
        except TypeError:  # a text where numbers were, or nothing at all
            return False
        return True

    def _all_numbers(self, part: Any) -> None:
        """All numeric columns in one table; one by one only those that hold something odd."""
        table = part[self._numbers_of].to_numpy()
        if table.dtype.kind in "biuf":
            beyond = ((table < self._low) | (table > self._high)).any(axis=0)
            odd = [self._numbers_of[k] for k in np.flatnonzero(beyond)] if beyond.any() else []
        else:  # one column of texts or of missing values makes objects of all
            odd = self._numbers_of
        for name in odd:
            self._numbers(name, _values(part, name), self.trained[name])

    def _all_levels(self, part: Any) -> None:
        """All columns of categories in one table; one by one only those that hold what training did not."""
        table = part[self._levels_of].to_numpy()
        for k, name in enumerate(self._levels_of):
            known, held = self._levels[name], table[:, k].tolist()
            if not known.issuperset(held):
                self._categories(name, np.asarray(held, dtype=object))

    def _number_column(self, part: Any, name: str) -> None:
        self._numbers(name, _values(part, name), self.trained[name])

    def _level_column(self, part: Any, name: str) -> None:
        self._categories(name, _values(part, name))

    def _numbers(self, name: str, values: NDArray[Any], trained: ColumnProfile) -> None:
        if values.dtype.kind not in "biuf":
            try:
                values = np.array([np.nan if _missing(v) else v for v in values.tolist()], dtype=np.float64)
            except (TypeError, ValueError):
                odd = next(v for v in values.tolist() if not isinstance(v, (int, float)) and not _missing(v))
                raise InputError(f"expected numbers in column {name!r}, as in training, got {odd!r}") from None
        if trained.minimum is None or trained.maximum is None:
            return
        beyond = int(((values < trained.minimum) | (values > trained.maximum)).sum())
        if beyond:
            self.seen.out_of_range[name] += beyond
            if self.ranges == "raise":
                low, high = float(np.nanmin(values)), float(np.nanmax(values))
                raise InputError(
                    f"expected {name!r} between {trained.minimum:.6g} and {trained.maximum:.6g}, as in training, "
                    f"got {low:.6g} to {high:.6g}"
                )

    def _categories(self, name: str, values: NDArray[Any]) -> None:
        known = self._levels[name]
        odd = [_level(v) for v in values.tolist() if not _missing(v)]
        odd = [v for v in odd if v not in known]
        if odd:
            counts = self.seen.unknown.setdefault(name, Counter())
            for value, rows in Counter(odd).items():
                if value in counts or len(counts) < MOST_LEVELS:
                    counts[value] += rows
            if self.unknown == "raise":
                raise InputError(
                    f"column {name!r} holds {odd[0]!r}, which training did not{did_you_mean(odd[0], known)}"
                )


def _values(rows: Any, column: str) -> NDArray[Any]:
    return np.asarray(rows[column].to_numpy())


def _missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA cannot say; a list of several is there
        return type(value).__name__ == "NAType"


def _level(value: Any) -> str:
    """As profiles name levels."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
