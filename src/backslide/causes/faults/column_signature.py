"""A signature that recognises, undoes and does a fault one column at a time; faults after which the values are gone; and other
values in place of some."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis, Remedy, Signature
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Mask


class ColumnSignature(Signature):
    """A family of faults that hit columns one by one."""

    numeric: ClassVar[bool] = False
    """Whether only columns of numbers can have it."""

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """Hypotheses about each comparable column."""
        for pair in case.pairs.values():
            if pair.numeric or not self.numeric:
                yield from self.recognise_column(case, pair)

    @abstractmethod
    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """Hypotheses about one column."""

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Draw the values from the other columns."""
        (column,) = hypothesis.features
        return edit.impute(case, frame, column, hypothesis.rows)


class Replacement(Remedy):
    """``params["values"]`` in place of the values on ``hypothesis.rows``; there is nothing known to be done to the reference."""

    injectable = False

    def __init__(self, kind: CauseKind) -> None:
        self.kind = kind

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` with the other values."""
        (column,) = hypothesis.features
        return edit.write(frame, column, hypothesis.params["values"], hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` as it is."""
        return frame


class LostValues(ColumnSignature):
    """Values are lost on ``hypothesis.rows``; ``params["rate"]`` is the share of rows hit. Priced by losing as many."""

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Do the same to the same share of reference rows, of the same kind where the other columns tell which are hit."""
        (column,) = hypothesis.features
        rows = edit.likely_rows(case, hypothesis.rows, hypothesis.features, hypothesis.params.get("rate", 1.0))
        return self.lose(frame, column, rows, hypothesis)

    def lose(self, frame: pl.DataFrame, column: str, rows: Mask, hypothesis: Hypothesis) -> pl.DataFrame:
        """``frame`` with the values of ``column`` lost on ``rows``: one value in place of all, unless it is another loss."""
        return edit.constant(frame, column, hypothesis.params["value"], rows)
