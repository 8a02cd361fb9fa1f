"""Categories that the model read as others: an encoder rebuilt in another order, or codes that it does not know any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import linear_sum_assignment

from backslide.causes.replay.preprocessing.replay import ALWAYS, Alter, Asker, InputChange
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair

MOST_LEVELS = 60
FIRST = 150
"""Rows on which a column is told not to be the one."""
MOST_CELLS = 120_000
"""Rows times categories asked about for one column."""
MIN_ROWS = 3
UNSEEN = "a category that no encoder has seen"
"""Text in place of a category that is not known any more; a missing value may be filled before it is encoded."""


def find_recoding(asker: Asker) -> InputChange | None:
    """The reading of one column's categories as others that explains what was served."""
    for column in asker.features:
        pair = asker.case.pairs[column]
        if not pair.discrete or not 2 <= len(pair.levels[0]) <= MOST_LEVELS:
            continue
        for found in _mappings(asker, pair):
            alter = _as_alteration(column, found)
            if asker.explains(alter):
                return InputChange(
                    CauseKind.PREPROCESSING_CHANGE,
                    (column,),
                    alter,
                    _words(column, found),
                    f"encode {column} with the encoder of training",
                )
    return None


@dataclass(frozen=True)
class _CategoryReading:
    old: Any
    as_: Any

    @property
    def unknown(self) -> bool:
        """Whether the encoder knows no such category."""
        return self.as_ is None or self.as_ == UNSEEN


def _mappings(asker: Asker, pair: Pair) -> list[list[_CategoryReading]]:
    """For every logged value the one as which the model read it; none where that explains too little.

    Where several readings come out the same on few rows, an encoder in another order settles it: no two values are read as one.
    """
    column = pair.name
    levels: list[Any] = [*pair.reference.drop_nulls().unique().sort().to_list(), UNSEEN, None]
    levels = [level for level in levels if _fits(asker.rows(asker.search[:1]), column, level)]
    for most in (FIRST, max(MOST_CELLS // len(levels), FIRST)):
        at = asker.search[:most]
        rows = asker.rows(at)
        equal = asker.each([rows.with_columns(pl.lit(v, rows.schema[column]).alias(column)) for v in levels], at)
        if equal.any(axis=0).mean() < ALWAYS:
            return []
    values = rows[column].unique(maintain_order=True).to_list()
    own = np.array([rows[column].eq_missing(pl.Series([v], dtype=rows.schema[column])).to_numpy() for v in values])
    counts = own.sum(axis=1)
    hits = equal.astype(np.int64) @ own.T.astype(np.int64)
    best = hits.argmax(axis=0)
    apart = best.copy()
    known = [k for k, level in enumerate(levels) if level is not None and level != UNSEEN]
    places, chosen = linear_sum_assignment(hits[known], maximize=True)
    apart[chosen] = np.array(known)[places]
    found = []
    for reading, least in ((best, MIN_ROWS), (apart, 1)):
        explained = hits[reading, np.arange(len(values))]
        if explained.sum() < ALWAYS * len(at):
            continue
        sure = (counts >= least) & (explained >= ALWAYS * counts)
        moved = [
            _CategoryReading(v, levels[k])
            for v, k, s in zip(values, reading, sure, strict=True)
            if s and levels[k] != v
        ]
        if moved and moved not in found:
            found.append(moved)
    return found


def _fits(rows: pl.DataFrame, column: str, level: Any) -> bool:
    """Whether the logged column can hold the value; a column that changed its type is no encoder's doing."""
    dtype = rows.schema[column]
    if level is None or (level == UNSEEN and isinstance(dtype, pl.Enum)):
        return level is None
    return isinstance(level, str) == (dtype in (pl.String, pl.Categorical, pl.Enum))


def _as_alteration(column: str, found: list[_CategoryReading]) -> Alter:
    def alter(frame: pl.DataFrame) -> pl.DataFrame:
        dtype = frame.schema[column]
        chosen = pl.col(column)
        for read in found:
            hit = pl.col(column).is_null() if read.old is None else pl.col(column) == pl.lit(read.old, dtype)
            chosen = pl.when(hit).then(pl.lit(read.as_, dtype)).otherwise(chosen)
        # Every branch looks at the logged value, so that codes which changed places are not mapped twice.
        return frame.with_columns(chosen.alias(column))

    return alter


def _words(column: str, found: list[_CategoryReading]) -> str:
    lost = [read for read in found if read.unknown]
    if len(lost) == len(found):
        shown = say.listed([repr(read.old) for read in found])
        return f"{shown} of {column} {'is' if len(found) == 1 else 'are'} taken for nothing known by the encoder that answers"
    shown = say.listed([f"{r.old!r} as {'unknown' if r.unknown else repr(r.as_)}" for r in found])
    return f"the encoder that answers reads the categories of {column} as others: {shown}"
