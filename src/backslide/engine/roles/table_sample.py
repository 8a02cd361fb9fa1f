"""A bounded look at a table whose columns have no roles yet, and what was decided about them so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import polars as pl

from backslide.engine.columns.kinds import ColumnKind, kind_of
from backslide.engine.roles import outcome_columns as outcomes

T = TypeVar("T")

LOOK = 10_000
"""Rows read at each end of the table. The newest rows often have no labels yet, so both ends are read."""
COMPARED = 2_000
"""Rows of them by which columns are compared with each other."""

PLAIN = (ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.CATEGORICAL)


@dataclass
class TableLook:
    """Some rows of a table, the roles given so far, and what is said of them."""

    frame: pl.LazyFrame
    rows: int
    look: pl.DataFrame
    kinds: dict[str, ColumnKind]
    notes: list[str] = field(default_factory=list)
    open: dict[str, str] = field(default_factory=dict)
    """Role that was left out -> what is to be decided."""
    taken: set[str] = field(default_factory=set)
    aside: set[str] = field(default_factory=set)
    """Columns without a role that are no features either."""

    @cached_property
    def few(self) -> pl.DataFrame:
        """Rows by which columns are compared, spread over the look."""
        return self.look.gather_every(max(1, self.look.height // COMPARED))

    @cached_property
    def compared(self) -> outcomes.ComparedColumns:
        """The same rows, column by column."""
        return outcomes.ComparedColumns(self.few)

    @cached_property
    def shares(self) -> frozenset[str]:
        """Numeric columns of values from 0 to 1."""
        numeric = [column for column, kind in self.kinds.items() if kind is ColumnKind.NUMERIC]
        return frozenset(column for column in numeric if outcomes.is_share(self.look[column]))

    def free(self, *kinds: ColumnKind) -> list[str]:
        """Columns of these kinds (any when none is given) that have no role yet."""
        return [
            column
            for column, kind in self.kinds.items()
            if column not in self.taken and column not in self.aside and (not kinds or kind in kinds)
        ]

    def take(self, column: str | None) -> str | None:
        """Mark a column as used."""
        if column is not None:
            self.taken.add(column)
        return column

    def ask(self, role: str, what: str, columns: Iterable[str] = ()) -> None:
        """Leave a role out, say what is to be decided, and keep the columns in question from the features."""
        self.open[role] = f"{self.open[role]}; {what}" if role in self.open else what
        self.aside.update(columns)


def look_at(frame: pl.LazyFrame) -> TableLook:
    """Read the two ends of a table."""
    kinds = {name: kind_of(dtype) for name, dtype in frame.collect_schema().items()}
    rows = int(frame.select(pl.len()).collect(engine="streaming").item())
    ends = frame if rows <= 2 * LOOK else pl.concat([frame.head(LOOK), frame.tail(LOOK)])
    return TableLook(frame, rows, ends.collect(), kinds)


def best(candidates: Iterable[T], rank: Callable[[T], int | None]) -> list[T]:
    """Candidates that have a rank, best first; ties stay in order."""
    ranked = [(place, item) for item in candidates if (place := rank(item)) is not None]
    return [item for _, item in sorted(ranked, key=lambda pair: pair[0])]


def listed(columns: Iterable[str], most: int = 8) -> str:
    """Names in quotes, the last ones counted."""
    names = list(columns)
    shown = ", ".join(repr(column) for column in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
