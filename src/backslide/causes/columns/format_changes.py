"""Which writing of values a column had, and which it has now: over all rows, or over some."""

from __future__ import annotations

import numpy as np
import polars as pl

from backslide.causes.columns.formats import READABLE, NativeValues, NumberText, TruthText, Writing, writings
from backslide.engine.columns.cache import once
from backslide.engine.columns.kinds import ColumnKind, kind_of
from backslide.engine.columns.pair import Pair, to_numbers
from backslide.stats.arrays import Floats, Mask
from backslide.stats.two_sample import ks, ks_limit

SAME = 0.1
"""Distance of the values, once read, from the reference up to which they are the same column."""
MOVED = 0.5
"""The same where numbers, truth values or dates of their own type now come as text: that the type changed is certain, and the
values may have moved for reasons of their own."""
PART = 0.02
"""Smallest share of the values that is written otherwise when the others are not."""
LEAST = 20
"""And their smallest number."""
CODES = 100
"""Distinct texts up to which numbers written as text are codes."""

FormatChange = tuple[Writing, Writing]


@once
def find_format_change(pair: Pair) -> FormatChange | None:
    """How the column was written and how it is written now; None where the writing did not change."""
    kinds = [kind_of(side.dtype) for side in (pair.reference, pair.current)]
    if kinds[0] == kinds[1] != ColumnKind.CATEGORICAL:
        return None
    texts = pair.reference.dtype == pair.current.dtype == pl.String
    if texts and set(pair.levels[1]) <= set(pair.levels[0]):
        return None  # every text that comes came before
    after = writings(pair.current)
    before = writings(pair.reference) if after else []
    if any(writing in before for writing in after):
        return None
    if texts and (any(_same(old, pair.current) for old in before) or any(_same(new, pair.reference) for new in after)):
        return None
    if texts and len(pair.levels[0]) <= CODES:  # codes with digits are categories: written otherwise, they are renamed
        before, after = ([w for w in side if not isinstance(w, NumberText)] for side in (before, after))
    return _closest(before, after, pair)


def _closest(before: list[Writing], after: list[Writing], pair: Pair) -> FormatChange | None:
    """Of the writings that read both sides as one column, the two whose values are the most alike."""
    apart = {(i, k): _apart(old, new, pair) for i, old in enumerate(before) for k, new in enumerate(after)}
    known = {places: distance for places, distance in apart.items() if distance is not None}
    if not known:
        return None
    i, k = min(known, key=lambda places: known[places])
    return before[i], after[k]


@once
def find_partial_format_change(pair: Pair) -> tuple[FormatChange, Mask] | None:
    """How a column of numbers, truth values or dates was written, how some of its values are written now, and which rows (n_cur,)
    hold those; None where none do. The other rows are written as before, as text."""
    if kind_of(pair.reference.dtype) != ColumnKind.NUMERIC or pair.current.dtype != pl.String:
        return None
    plain = NativeValues(pair.reference.dtype)
    read = _as_number(pair.current)
    rows = (read.is_null() & pair.current.is_not_null()).to_numpy()
    given = _count_known(pair.current)
    if rows.sum() < max(LEAST, PART * given) or rows.sum() > (1 - PART) * given:
        return None
    texts = pair.current.filter(pl.Series(rows))
    part = Pair(pair.name, pair.kind, pair.reference, texts)
    change = _closest([plain], [w for w in writings(texts) if isinstance(w, NumberText)], part)
    return None if change is None else (change, rows)


def _as_number(texts: pl.Series) -> pl.Series:
    return texts.str.strip_chars().cast(pl.Float64, strict=False)


def _same(writing: Writing, series: pl.Series) -> bool:
    """Whether a writing gives the very texts of a column back: codes 10 to 99 are written alike with and without a rare 05."""
    given = series.drop_nulls()
    return bool((writing.write(writing.read(given)) == given).fill_null(False).all())


def _apart(before: Writing, after: Writing, pair: Pair) -> float | None:
    """Distance of the values once read; None where they are not of one nature, or too far apart for one column."""
    if isinstance(before, NumberText) and isinstance(after, NumberText) and _letters(before) != _letters(after):
        return None  # codes such as A1 and B1: another spelling of categories, not another format of numbers
    if isinstance(before, TruthText) and isinstance(after, TruthText) and _folded(before) == _folded(after):
        return None  # the same words in other letters are categories spelled in another way
    ref, cur = before.read(pair.reference), after.read(pair.current)
    if ref.dtype != cur.dtype or not ref.count() or cur.count() < READABLE * _count_known(pair.current):
        return None
    if isinstance(ref.dtype, pl.Datetime):
        return 0.0
    distance = ks(as_numbers(ref), as_numbers(cur))
    typed = isinstance(before, NativeValues) and isinstance(after, NumberText)
    limit = (MOVED if typed else SAME) + ks_limit(ref.count(), cur.count())
    return distance if distance <= limit else None


def _folded(writing: TruthText) -> tuple[str, str]:
    return writing.yes.casefold(), writing.no.casefold()


def _letters(writing: NumberText) -> str:
    return "".join(c for c in writing.prefix if c.isalpha())


def _count_known(series: pl.Series) -> int:
    return int(series.drop_nans().count()) if series.dtype.is_float() else int(series.count())


def as_numbers(values: pl.Series) -> Floats:
    """Plain values on one axis, for comparing: numbers as they are, truth as 0 and 1, times in seconds; finite ones, sorted."""
    if isinstance(values.dtype, pl.Datetime):
        values = values.cast(pl.Int64).cast(pl.Float64) / 1e6
    numbers = to_numbers(values)
    return np.sort(numbers[np.isfinite(numbers)])
