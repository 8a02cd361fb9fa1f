"""Faults after which the values are gone: undone by a guess from the other columns, priced by doing them to the reference."""

from __future__ import annotations

from abc import abstractmethod

import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis, Signature


class LostValues(Signature):
    """A signature of one column whose values are lost on ``hypothesis.rows``; ``params["rate"]`` is the share of rows hit."""

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Draw the lost values from the other columns."""
        (column,) = hypothesis.features
        return edit.impute(case, frame, column, hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Do the same to the same share of reference rows, of the same kind where the other columns tell which are hit."""
        (column,) = hypothesis.features
        rows = edit.likely_rows(case, hypothesis.rows, hypothesis.features, hypothesis.params.get("rate", 1.0))
        return self.lose(frame, column, rows, hypothesis)

    @abstractmethod
    def lose(self, frame: pl.DataFrame, column: str, rows: edit.Mask, hypothesis: Hypothesis) -> pl.DataFrame:
        """``frame`` with the values of ``column`` lost on ``rows``."""
