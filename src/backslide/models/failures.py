"""Which rows a model cannot answer.

A model that meets one bad value refuses the whole batch. First one failing row is isolated by halving; then the column that
makes it fail is found by lending it another row's values. Every row with the same value is set aside and the rest asked
again: a new category scattered over half of the window costs some twenty calls. Rows that fail for no single value are
found by halving alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from backslide.contracts.errors import BackslideError, ModelError, ModelTimeoutError

if TYPE_CHECKING:
    from backslide.models.answer import Reply

Ask = Callable[[pd.DataFrame], "Reply"]
Rows = np.ndarray
"""Positions within a batch."""

DONORS_TRIED = 16
SINGLE_CARRIERS = 2
"""After so many culprits that only one row carried, halving everything is cheaper."""


@dataclass
class Effort:
    """What the search may still spend, and what it found out, over all batches of one question."""

    calls: int
    culprits: list[tuple[str, Any]] = field(default_factory=list)
    """(column, value): rows with this value fail."""


def answer_what_can_be(ask: Ask, batch: pd.DataFrame, effort: Effort) -> tuple[list[tuple[Rows, Reply]], str | None]:
    """Ask about the whole batch and, where that raises, about all rows but the failing ones.

    Returns:
        Positions with their reply, and the first failure in one line. Positions in no reply have failed, or were given
        up when the effort was spent.
    """
    search = _Search(ask, batch, effort)
    if not search.answers(np.arange(len(batch)), free=True):
        search.run()
    return search.answered, search.error


def one_line(error: BaseException) -> str:
    """``ValueError: could not convert string to float: 'many'``, on one line and not endless."""
    text = " ".join(str(error).split("\nStack trace:")[0].split())  # XGBoost's C++ stack helps nobody
    text = text if len(text) <= 300 else text[:297] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def explain_failure(what: str, kind: type[BackslideError] = ModelError) -> Iterator[None]:
    """Turn what a library or the user's code raises in the block into one line that begins with ``what``; our own errors pass."""
    try:
        yield
    except BackslideError:
        raise
    except Exception as error:
        raise kind(f"{what}: {one_line(error)}") from None


@dataclass
class _Search:
    """The search within one batch."""

    ask: Ask
    batch: pd.DataFrame
    effort: Effort
    answered: list[tuple[Rows, Reply]] = field(default_factory=list)
    error: str | None = None
    pending: list[Rows] = field(default_factory=list)
    """Parts that failed, or hold a row that must have failed."""

    def answers(self, rows: Rows, *, free: bool = False) -> bool:
        """Ask about these rows and keep the reply."""
        reply = self._try(self.batch if free else self.batch.iloc[rows], free=free)
        if reply is not None:
            self.answered.append((rows, reply))
        return reply is not None

    def run(self) -> None:
        """Answer everything but the failing rows, as far as the effort goes."""
        self._set_aside(np.arange(len(self.batch)), always=False)
        alone = 0
        while self.pending and self.effort.calls > 0:
            row = self._isolate()
            if row is None:
                continue
            culprit = self._blame(row)
            if culprit is None:
                return self._halve()
            self.effort.culprits.append(culprit)
            rest = np.concatenate(self.pending) if self.pending else np.empty(0, dtype=int)
            alone += not self._carriers(rest).any()
            self._set_aside(rest)
            if alone >= SINGLE_CARRIERS:
                return self._halve()
        return None

    def _set_aside(self, rows: Rows, *, always: bool = True) -> None:
        """Give up the rows that carry a culprit and ask about the others; they are pending when that fails."""
        rest = rows[~self._carriers(rows)]
        untried = always or len(rest) < len(rows)
        self.pending = [] if not len(rest) or (untried and self.answers(rest)) else [rest]

    def _carriers(self, rows: Rows) -> np.ndarray:
        """(len(rows),) bool: rows with a value that is known to make the model fail."""
        mask = np.zeros(len(rows), dtype=bool)
        for column, value in self.effort.culprits:
            values = self.batch[column].iloc[rows]
            missing = bool(pd.api.types.is_scalar(value) and pd.isna(value))
            same = partial(_same_value, bad=value)
            mask |= (values.isna() if missing else values.map(same)).to_numpy(bool)
        return mask

    def _isolate(self) -> int | None:
        """Go down into the part asked last until one row is left; None when that row does not fail by itself."""
        rows = self.pending.pop()
        while len(rows) > 1 and self.effort.calls > 0:
            left, right = np.array_split(rows, 2)
            if self.answers(left):
                rows = right
            else:
                self.pending.append(right)
                rows = left
        if len(rows) > 1:
            self.pending.append(rows)
            return None
        return None if self.answers(rows) else int(rows[0])

    def _blame(self, row: int) -> tuple[str, Any] | None:
        """The column and value that alone make a row fail.

        The first p columns are lent from a row that works. The smallest p that helps ends at a culprit.
        """
        donor = self._donor()
        if donor is None:
            return None
        low, high = 0, self.batch.shape[1]  # lending `low` columns does not help, lending all of them does
        while high - low > 1 and self.effort.calls > 0:
            middle = (low + high) // 2
            works = self._works(self._mixed(donor, row, list(range(middle))))
            low, high = (low, middle) if works else (middle, high)
        fails = not self._works(self._mixed(row, donor, [high - 1]))
        value = self.batch.iat[row, high - 1]
        return (str(self.batch.columns[high - 1]), value) if fails else None

    def _mixed(self, lender: int, borrower: int, columns: list[int]) -> pd.DataFrame:
        """The borrower's row with these columns of the lender, dtypes kept."""
        parts = {
            name: self.batch[name].iloc[[lender if i in columns else borrower]].reset_index(drop=True)
            for i, name in enumerate(self.batch.columns)
        }
        return pd.DataFrame(parts, columns=self.batch.columns)

    def _donor(self) -> int | None:
        """A row that the model answers."""
        if self.answered:
            return int(self.answered[0][0][0])
        rest = np.concatenate(self.pending) if self.pending else np.empty(0, dtype=int)
        spread = np.linspace(0, len(rest) - 1, DONORS_TRIED if len(rest) else 0).astype(int)
        return next((int(row) for row in rest[np.unique(spread)] if self._works(self.batch.iloc[[row]])), None)

    def _halve(self) -> None:
        """Ask about ever smaller parts of what is pending, largest first."""
        parts = [(-len(rows), int(rows[0]), rows) for rows in self.pending]
        heapq.heapify(parts)
        while parts and self.effort.calls > 0:
            rows = heapq.heappop(parts)[2]
            for half in np.array_split(rows, min(2, len(rows))):
                if not self.answers(half) and len(half) > 1:
                    heapq.heappush(parts, (-len(half), int(half[0]), half))
        self.pending = []

    def _works(self, rows: pd.DataFrame) -> bool:
        return self._try(rows) is not None

    def _try(self, rows: pd.DataFrame, *, free: bool = False) -> Reply | None:
        if not free:
            if self.effort.calls <= 0:
                return None
            self.effort.calls -= 1
        try:
            return self.ask(rows)
        except ModelTimeoutError:
            raise  # every further question would take as long again
        except Exception as error:  # the user's code: whatever it raises is a failure of these rows
            self.error = self.error or one_line(error)
            return None


def _same_value(value: Any, bad: Any) -> bool:
    """Whether both are equal and of one type: ``True`` is not ``1`` to an encoder."""
    return type(value) is type(bad) and bool(np.all(value == bad))
