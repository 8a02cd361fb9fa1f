"""Categories that the model read as others: an encoder rebuilt in another order, or codes that it does not know any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from backslide.causes.given.asker import ALWAYS, Alter, Altered, Asker
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.pair import Pair

MOST_LEVELS = 60
MOST_CELLS = 40_000
"""Rows times categories asked about for one column."""
MIN_ROWS = 3
UNSEEN = "a category that no encoder has seen"
"""Text in place of a category that is not known any more; a missing value may be filled before it is encoded."""


def recoded(asker: Asker) -> Altered | None:
    """The reading of one column's categories as others that explains what was served."""
    for column in asker.features:
        pair = asker.case.pairs[column]
        if not pair.discrete or not 2 <= len(pair.levels[0]) <= MOST_LEVELS:
            continue
        found = _mapping(asker, pair)
        if found is None:
            continue
        alter = _as_alteration(column, found)
        if asker.explains(alter):
            return Altered(
                CauseKind.PREPROCESSING_CHANGE, (column,), alter, _words(column, found),
                f"encode {column} with the encoder of training",
            )  # fmt: skip
    return None


@dataclass(frozen=True)
class _Read:
    old: Any
    as_: Any

    @property
    def unknown(self) -> bool:
        """Whether the encoder knows no such category."""
        return self.as_ is None or self.as_ == UNSEEN


def _mapping(asker: Asker, pair: Pair) -> list[_Read] | None:
    """For every logged value the one as which the model read it; None where that explains too little."""
    column = pair.name
    levels: list[Any] = [*pair.reference.drop_nulls().unique().sort().to_list(), UNSEEN, None]
    at = asker.search[: max(MOST_CELLS // len(levels), 1)]
    rows = asker.rows(at)
    levels = [level for level in levels if _fits(rows, column, level)]
    equal = asker.each([rows.with_columns(pl.lit(v, rows.schema[column]).alias(column)) for v in levels], at)
    if equal.any(axis=0).mean() < ALWAYS:
        return None
    found, explained = [], 0
    for value in rows[column].unique().to_list():
        own = rows[column].eq_missing(pl.Series([value], dtype=rows.schema[column])).to_numpy()
        share = equal[:, own].mean(axis=1)
        best = int(share.argmax())
        explained += int(equal[best, own].sum())
        if own.sum() >= MIN_ROWS and share[best] >= ALWAYS and levels[best] != value:
            found.append(_Read(value, levels[best]))
    return found if found and explained >= ALWAYS * len(at) else None


def _fits(rows: pl.DataFrame, column: str, level: Any) -> bool:
    """Whether the logged column can hold the value; a column that changed its type is no encoder's doing."""
    dtype = rows.schema[column]
    if level is None or (level == UNSEEN and isinstance(dtype, pl.Enum)):
        return level is None
    return isinstance(level, str) == (dtype in (pl.String, pl.Categorical, pl.Enum))


def _as_alteration(column: str, found: list[_Read]) -> Alter:
    def alter(frame: pl.DataFrame) -> pl.DataFrame:
        dtype = frame.schema[column]
        chosen = pl.col(column)
        for read in found:
            hit = pl.col(column).is_null() if read.old is None else pl.col(column) == pl.lit(read.old, dtype)
            chosen = pl.when(hit).then(pl.lit(read.as_, dtype)).otherwise(chosen)
        # Every branch looks at the logged value, so that codes which changed places are not mapped twice.
        return frame.with_columns(chosen.alias(column))

    return alter


def _words(column: str, found: list[_Read]) -> str:
    lost = [read for read in found if read.unknown]
    if len(lost) == len(found):
        shown = say.listed([repr(read.old) for read in found])
        return f"{shown} of {column} {'is' if len(found) == 1 else 'are'} taken for nothing known by the encoder that answers"
    shown = say.listed([f"{r.old!r} as {'unknown' if r.unknown else repr(r.as_)}" for r in found])
    return f"the encoder that answers reads the categories of {column} as others: {shown}"
