"""Feature columns as one float matrix for the nuisance models (domain classifier, loss regression, imputation)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import MISSING, Pair, as_text, codes_in, to_numbers
from backslide.stats.arrays import Floats, Mask

MAX_LEVELS = 200
"""Levels kept per categorical column by reference frequency; the rest share one code (gradient boosting takes 255)."""


@dataclass(frozen=True)
class Design:
    """How columns become a matrix: numbers as they are (NaN = missing), categories as codes by reference frequency."""

    columns: tuple[str, ...]
    levels: dict[str, dict[str, int]]
    """Categorical column -> level -> code. Unknown levels get the code after the last; missing is NaN."""

    @property
    def categorical(self) -> Mask:
        """Which columns hold codes (p,)."""
        return np.array([column in self.levels for column in self.columns], bool)

    def matrix(self, frame: pl.DataFrame) -> Floats:
        """The columns of ``frame`` as float64 (n, p)."""
        if not self.columns:
            return np.empty((frame.height, 0))
        return np.column_stack([_column(frame[column], self.levels.get(column)) for column in self.columns])

    def windows(self, pairs: Mapping[str, Pair]) -> tuple[Floats, Floats]:
        """The columns of both windows, float64 (n_ref, p) and (n_cur, p); a column is encoded once for every design with it."""
        columns = [_encoded(pairs[column]) for column in self.columns]
        reference, current = (np.column_stack(part) for part in zip(*columns, strict=True))
        return reference, current


def _column(series: pl.Series, codes: dict[str, int] | None) -> Floats:
    """A column as float64 (n,): its numbers, or the codes of its categories."""
    if codes is None:
        values = to_numbers(series)
        return np.where(np.isfinite(values), values, np.nan)
    texts = as_text(series)
    return np.where((texts == MISSING).to_numpy(), np.nan, codes_in(texts, codes, len(codes)))


@once
def _codes(pair: Pair) -> dict[str, int] | None:
    """Codes of the levels by reference frequency; None for numbers."""
    if not pair.categorical:
        return None
    # No type can be inferred for the default of a lambda:
    ordered = sorted(pair.levels[0], key=lambda level, counts=pair.levels[0]: (-counts[level], level))  # type: ignore[misc]
    return {level: code for code, level in enumerate(ordered[:MAX_LEVELS])}


@once
def _encoded(pair: Pair) -> tuple[Floats, Floats]:
    """The column in both windows."""
    codes = _codes(pair)
    return _column(pair.reference, codes), _column(pair.current, codes)


def make_design(pairs: Iterable[Pair], leave_out: Iterable[str] = ()) -> Design:
    """A design over the usable pairs.

    Left out: columns constant in the reference (they separate the windows trivially once they vary), and text columns that
    are mostly unique.
    """
    out = set(leave_out)
    columns: list[str] = []
    levels: dict[str, dict[str, int]] = {}
    for pair in pairs:
        if pair.name in out or pair.constant_before or pair.identifier:
            continue
        columns.append(pair.name)
        if (codes := _codes(pair)) is not None:
            levels[pair.name] = codes
    return Design(tuple(columns), levels)
