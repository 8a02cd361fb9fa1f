"""What comes into a frozen pipeline, held against what it was trained on.

Names and order are looked at on every call. Values (types, ranges, categories) are looked at in full on the first call and then
column by column in turn, as many columns a call as a share of the model's own time pays for, unless a rule asks for every value.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backslide.contracts import say
from backslide.contracts.errors import InputError, did_you_mean
from backslide.contracts.labels import label_text
from backslide.contracts.snapshot import Snapshot
from backslide.engine.profile.column import ColumnProfile
from backslide.stack import guard_rows
from backslide.stack.training import profile_of

Rule = Literal["count", "raise"]
SHARE, FIXED, NAMES = 0.006, 5e-6, 8e-6
"""Time for looking at values: this share of the model's, and this many seconds a call, less what counting rows and comparing
names took beyond ``NAMES`` seconds. The aim for a whole call is 20 microseconds and 2 %."""
MOST_ROWS = 2000
"""Rows of one batch whose values are looked at, evenly spread."""
FEW_ROWS = 8
"""Rows that are looked at value by value; of more, whole columns are."""
MOST_LEVELS = 100
"""Unknown categories kept by name, per column."""
SLOWER, QUICKER = 0.05, 0.3
"""How fast the idea of what a call takes follows one that took longer, and one that took less: it leans to the quick ones, so
that a call which waited for the processor pays for nothing."""


@dataclass
class InputCounts:
    """Counts of what came in."""

    calls: int = 0
    rows: int = 0
    looked_at: Counter[str] = field(default_factory=Counter)
    """Column -> rows whose value was looked at."""
    reordered: int = 0
    """Calls whose columns came in another order or with others between, and were put right."""
    out_of_range: Counter[str] = field(default_factory=Counter)
    """Column -> rows looked at with values beyond those of training."""
    unknown: dict[str, Counter[str]] = field(default_factory=dict)
    """Column -> category that training did not hold -> rows looked at."""
    mapped: Counter[str] = field(default_factory=Counter)
    """Column -> values replaced by the category that stands for unknown ones."""


class TimeBudget:
    """Seconds that a call may spend on looking at values; what one call leaves, the next has, up to the price of a column."""

    def __init__(self) -> None:
        self.saved = 0.0
        self._model: float | None = None
        self._column = {True: FIXED, False: 10 * FIXED}  # few rows, many rows

    def answered(self, seconds: float) -> None:
        """What the model took for a call."""
        last = self._model
        if last is None:
            self._model = seconds
        elif seconds < last:
            self._model = last + QUICKER * (seconds - last)
        else:
            self._model = last + SLOWER * (min(seconds, 2 * last) - last)

    def of_a_call(self, few: bool, names: float = 0.0) -> None:
        """What one more call may spend, whose names took some seconds."""
        earned = SHARE * (self._model or 0.0) + FIXED
        allowed = earned - min(max(names - NAMES, 0.0), 2 * earned)  # beyond it the processor was elsewhere
        self.saved = min(self.saved + allowed, max(earned, self._column[few]))

    def pays(self, few: bool) -> bool:
        """Whether there is enough for one more column."""
        return self.saved >= self._column[few]

    def took(self, seconds: float, few: bool) -> None:
        """What a column took."""
        last = self._column[few]
        seconds = min(seconds, 2 * last)  # beyond it the processor was elsewhere
        self.saved -= seconds
        self._column[few] = last + SLOWER * (seconds - last)


class InputGuard:
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
        self.seen = InputCounts()
        self._expected = None if self.columns is None else list(self.columns)
        self._needed = frozenset(self._expected or ())
        self._place = {name: k for k, name in enumerate(self._expected or ())}
        self._accepted: Any = None
        self._levels = {n: frozenset(c.levels) for n, c in self.trained.items() if c.edges is None and not c.rest_rows}
        self._bounds = {
            n: (float(c.minimum), float(c.maximum))
            for n, c in self.trained.items()
            if c.edges is not None and c.minimum is not None and c.maximum is not None
        }
        self._watched = [n for n in (*self._bounds, *self._levels) if self._expected is None or n in self._place]
        self._turn = 0
        self._budget = TimeBudget()
        for column in unknown if isinstance(unknown, dict) else ():
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
        begun, rows_read = perf_counter(), self.seen
        rows_read.calls += 1
        if type(rows) is np.ndarray:  # the quickest models are asked with arrays
            count = rows.shape[0] if rows.ndim else 1
            if self._expected is not None:
                self._wide_enough(rows, self._expected)
        else:
            count = guard_rows.count_of(rows)
            rows = self._in_order(rows)
        rows_read.rows += count
        if isinstance(self.unknown, dict) and self.unknown:
            rows = self._mapped(rows, self.unknown)
        if self._watched and count:
            self._look(rows, count, begun)
        return rows

    def answered(self, seconds: float) -> None:
        """Time that the model took for the call."""
        self._budget.answered(seconds)

    def _in_order(self, rows: Any) -> Any:
        names = getattr(rows, "columns", None)
        if self._expected is None:
            return rows
        if names is None:
            return self._nameless(rows, self._expected)
        if names is self._accepted or (
            self._accepted is not None and not isinstance(names, list) and self._same(names)
        ):
            return rows
        columns = names if isinstance(names, list) else names.tolist()
        if columns == self._expected:
            # Frames that are cut from one, or built from one list of names, share it; turning it into a list takes longer.
            self._accepted = None if isinstance(names, list) else names
            return rows
        self._complete(columns)
        self.seen.reordered += 1
        return rows[self._expected]

    def _nameless(self, rows: Any, expected: list[str]) -> Any:
        """Arrays, and dictionaries, whose order means nothing."""
        if guard_rows.is_dictionary(rows):
            for row in rows if isinstance(rows, list) else (rows,):
                if not row.keys() >= self._needed:
                    self._complete(list(row))
            return rows
        if getattr(rows, "ndim", 1) == 2:
            self._wide_enough(rows, expected)
        return rows

    def _wide_enough(self, rows: Any, expected: list[str]) -> None:
        if rows.ndim == 2 and rows.shape[1] != len(expected):
            raise InputError(f"expected {len(expected)} columns ({', '.join(expected[:3])}, ...), got {rows.shape[1]}")

    def _complete(self, columns: list[Any]) -> None:
        known = set(columns)
        for column in self._expected or ():
            if column not in known:
                raise InputError(
                    f"expected column {column!r}, which the rows do not hold{did_you_mean(column, map(str, columns))}"
                )

    def _same(self, names: Any) -> bool:
        equals = getattr(self._accepted, "equals", None)
        return bool(equals is not None and equals(names))

    def _mapped(self, rows: Any, instead: dict[str, Any]) -> Any:
        for column, value in instead.items():
            place = self._place.get(column)
            column_values = guard_rows.column_of(rows, column, place)
            if column_values is None:
                continue
            odd = [
                i
                for i, v in enumerate(column_values.tolist())
                if not _missing(v) and label_text(v) not in self._levels[column]
            ]
            if odd:
                values = column_values.astype(object)
                values[odd] = value
                rows = guard_rows.with_column(rows, column, place, values)
                self.seen.mapped[column] += len(odd)
        return rows

    def _look(self, rows: Any, count: int, begun: float) -> None:
        """At every column where a rule asks for it or nothing was seen yet, else at those whose turn it is."""
        few, budget = count <= FEW_ROWS, self._budget
        if self.every or not self.seen.looked_at:
            part, cell = self._part(rows, count, few)
            for name in self._watched:
                self._look_at(name, part, cell)
            return
        before = perf_counter()
        budget.of_a_call(few, before - begun)
        if not budget.pays(few):
            return
        part, cell = self._part(rows, count, few)
        for _ in range(len(self._watched)):
            self._turn = (self._turn + 1) % len(self._watched)
            self._look_at(self._watched[self._turn], part, cell)
            now = perf_counter()
            budget.took(now - before, few)
            before = now
            if not budget.pays(few):
                return

    def _part(self, rows: Any, count: int, few: bool) -> tuple[Any, guard_rows.Cell | None]:
        if few:
            by_place = self._expected is not None or guard_rows.is_dictionary(rows)
            return rows, guard_rows.cells(rows) if by_place else None
        return guard_rows.spread(rows, MOST_ROWS, count), None

    def _look_at(self, name: str, part: Any, cell: guard_rows.Cell | None) -> None:
        count = guard_rows.count_of(part)
        self.seen.looked_at[name] += count
        if cell is not None and self._sound(name, count, cell):
            return
        if self._expected is None and not guard_rows.holds(part, name):
            return
        values = guard_rows.column_of(part, name, self._place.get(name))
        if values is None:
            return
        if name in self._levels:
            self._categories(name, values)
        else:
            self._numbers(name, values, self.trained[name])

    def _sound(self, name: str, count: int, cell: guard_rows.Cell) -> bool:
        """Whether nothing in a few rows of a column is odd, told without making a column of it: a tenth of the time."""
        place = self._place.get(name)
        if place is None:
            return False
        known = self._levels.get(name)
        try:
            if known is not None:
                return all(cell(i, place, name) in known for i in range(count))
            low, high = self._bounds[name]
            for i in range(count):
                value = cell(i, place, name)
                if value < low or value > high:
                    return False
        except TypeError:  # a text where numbers were, or nothing at all
            return False
        return True

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
                ends = (trained.minimum, trained.maximum, float(np.nanmin(values)), float(np.nanmax(values)))
                low, high, lowest, highest = (say.number(end, 6) for end in ends)
                raise InputError(
                    f"expected {name!r} between {low} and {high}, as in training, got {lowest} to {highest}"
                )

    def _categories(self, name: str, values: NDArray[Any]) -> None:
        known, texts = self._levels[name], values.tolist()
        try:
            if known.issuperset(texts):
                return
        except TypeError:  # lists cannot be looked up
            pass
        odd = [label_text(v) for v in texts if not _missing(v)]
        odd = [v for v in odd if v not in known]
        if odd:
            counts = self.seen.unknown.setdefault(name, Counter())
            for value, rows in Counter(odd).items():
                if value in counts or len(counts) < MOST_LEVELS:
                    counts[value] += rows
            if self.unknown == "raise":
                raise InputError(
                    f"column {name!r} holds {odd[0]!r}, which was not in the training rows{did_you_mean(odd[0], known)}"
                )


def _missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA cannot say; a list of several is there
        return type(value).__name__ == "NAType"
