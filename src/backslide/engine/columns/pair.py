"""One column in both samples, in the shapes that tests and signatures need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.engine.columns.cache import Cache
from backslide.engine.columns.kinds import ColumnKind
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.two_sample import ks, ks_limit, runs_of_sorted

MISSING = "(missing)"
MIN_WORDS = 3
"""Median number of words from which on a column is free text."""
OF_WORDS = 0.2
"""Share of names and titles that are more than one word."""
FEW_LEVELS = 40
LEAST_IN_HALF = 100
"""Rows of each half of the reference from which on its usual drift is read."""


_OF_NUMPY = frozenset(
    {*(pl.Int8, pl.Int16, pl.Int32, pl.Int64), *(pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64), pl.Float32, pl.Float64}
)
"""Types that NumPy has as well: taken over as they are, in a tenth of the time of an expression."""


def to_numbers(series: pl.Series) -> Floats:
    """Float64 values; null and NaN are NaN, infinities stay."""
    if series.dtype == pl.Boolean:
        series = series.cast(pl.Int8)
    if series.dtype in _OF_NUMPY:
        return series.to_numpy().astype(np.float64, copy=True)  # which writes nulls as NaN
    return series.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(np.float64, copy=True)


def to_texts(series: pl.Series) -> NDArray[np.object_]:
    """Values as text, missing as ``MISSING``; whole floats without a decimal point, so that 1 and 1.0 agree."""
    return as_text(series).to_numpy().astype(object)


def as_text(series: pl.Series) -> pl.Series:
    """The same as a column of texts; lists and structs, which one window may hold where the other has codes, as Python does."""
    if series.dtype.is_nested():
        written = [None if value is None else str(value) for value in series.to_list()]
        return pl.Series(series.name, written, dtype=pl.String).fill_null(MISSING)
    if series.dtype.is_float():
        value = pl.col("x")
        whole = value.is_finite() & (value == value.round()) & (value.abs() < 1e15)
        text = pl.when(whole).then(value.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(value.cast(pl.String))
        series = series.fill_nan(None).to_frame("x").select(text).to_series()
    return series.cast(pl.String, strict=False).fill_null(MISSING)


LONGEST_WORD = 1_000
"""Characters of a text up to which it stands in an array as it is: such an array takes four bytes for each of the longest one, in
every row, so that one document of ten megabytes in a sample would take the memory of a machine."""
SHOWN_OF_LONG = 200
"""Characters of a longer text that stand before its digest."""


def to_words(texts: Iterable[object]) -> NDArray[np.str_]:
    """Texts as an array of fixed width (n,), which sorts and compares fast; long ones as beginning and digest, still distinct."""
    words = list(map(str, texts.tolist() if isinstance(texts, np.ndarray) else texts))
    if max(map(len, words), default=0) > LONGEST_WORD:
        words = [_abbreviated(word) if len(word) > LONGEST_WORD else word for word in words]
    return np.array(words, dtype=np.str_)


def _abbreviated(word: str) -> str:
    return f"{word[:SHOWN_OF_LONG]}… {blake2b(word.encode(errors='replace'), digest_size=16).hexdigest()}"


def codes_in(texts: pl.Series | NDArray[np.object_], place: Mapping[str, int], rest: int) -> Ints:
    """The code that ``place`` gives each text (n,), ``rest`` for any other; in one pass, without a look-up per row."""
    # From a list: an array of objects whose first is None becomes a series of objects, which nothing can be looked up in.
    series = texts if isinstance(texts, pl.Series) else pl.Series(texts.tolist(), dtype=pl.String)
    old, new = pl.Series(list(place), dtype=pl.String), pl.Series(list(place.values()), dtype=pl.Int64)
    return series.replace_strict(old, new, default=rest, return_dtype=pl.Int64).fill_null(rest).to_numpy()


class Pair:
    """A column in the reference and the current sample."""

    def __init__(
        self,
        name: str,
        kind: ColumnKind,
        reference: pl.Series,
        current: pl.Series,
        *,
        days: Ints | None = None,
    ) -> None:
        """``days``: the day of each reference row (n_ref,), where rows have a time."""
        self.days = days
        self.name = name
        self.kind = kind
        self.reference = reference
        self.current = current
        self.cache = Cache()

    @property
    def numeric(self) -> bool:
        """Whether values are numbers."""
        return self.kind == ColumnKind.NUMERIC

    @property
    def categorical(self) -> bool:
        """Whether values are categories or booleans."""
        return self.kind in (ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)

    @cached_property
    def numbers(self) -> tuple[Floats, Floats]:
        """Float64 values of both windows, NaN where missing."""
        return to_numbers(self.reference), to_numbers(self.current)

    @cached_property
    def finite(self) -> tuple[Floats, Floats]:
        """Finite values only, sorted, of both windows."""
        ref, cur = self.numbers
        return np.sort(ref[np.isfinite(ref)]), np.sort(cur[np.isfinite(cur)])

    @cached_property
    def moved(self) -> float:
        """KS distance of the finite values of both windows."""
        return ks(*self.finite)

    @cached_property
    def missing(self) -> tuple[Mask, Mask]:
        """Where values are null, NaN or infinite: no model can use them."""
        return _missing(self.reference), _missing(self.current)

    @cached_property
    def texts(self) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        """Values as text, missing ones as ``MISSING``."""
        if not self.categorical:
            return to_texts(self.reference), to_texts(self.current)
        levels, (reference, current) = self.codes
        words = np.array(levels, dtype=object)
        return words[reference], words[current]

    @cached_property
    def codes(self) -> tuple[list[str], tuple[Ints, Ints]]:
        """The sorted texts of both windows, ``MISSING`` among them, and the place of each row's text there (n_ref,), (n_cur,)."""
        rows = [as_text(self.reference), as_text(self.current)]
        levels = pl.concat(rows).unique().sort()
        reference, current = (part.cast(pl.Enum(levels)).to_physical().cast(pl.Int64).to_numpy() for part in rows)
        return levels.to_list(), (reference, current)

    def codes_in(self, place: Mapping[str, int], rest: int) -> tuple[Ints, Ints]:
        """The code that ``place`` gives the text of each row of both windows, ``rest`` for any other."""
        levels, (reference, current) = self.codes
        found = np.array([place.get(level, rest) for level in levels], np.int64)
        return found[reference], found[current]

    @cached_property
    def levels(self) -> tuple[dict[str, int], dict[str, int]]:
        """Rows per level without the missing, of both windows."""
        levels, codes = self.codes
        reference, current = (np.bincount(part, minlength=len(levels)).tolist() for part in codes)
        return _present(levels, reference), _present(levels, current)

    @cached_property
    def filled(self) -> bool:
        """Whether both windows hold a value that is not missing."""
        return all(len(_drop_missing(series)) > 0 for series in (self.reference, self.current))

    @cached_property
    def largest_share(self) -> float:
        """Share of the most frequent number among the known current ones; cheaper than ``levels`` where there are many."""
        if self.numeric and self.current.dtype.is_float() and not np.isinf(self.numbers[1]).any():
            rows = runs_of_sorted(self.finite[1])  # sorted already, for other readers
            return int(rows.max(initial=0)) / max(len(self.finite[1]), 1)
        known = _drop_missing(self.current)
        return max(known.unique_counts().to_list(), default=0) / max(len(known), 1)

    @cached_property
    def discrete(self) -> bool:
        """Whether the column is a set of codes: categories, or numbers with few distinct whole values in the reference."""
        if self.categorical:
            return True
        if not self.numeric:
            return False
        ref = self.finite[0]
        distinct = np.unique(ref)
        return 2 <= len(distinct) <= FEW_LEVELS and bool((distinct == np.round(distinct)).all())

    @cached_property
    def usual_drift(self) -> float:
        """How far the earlier half of the reference lies from the later one beyond noise: KS distance of numbers, total variation
        of categories; 0 without days."""
        if self.days is None or len(self.days) != len(self.reference):
            return 0.0
        early = self.days < np.median(self.days)
        known = ~self.missing[0]
        halves = early & known, ~early & known
        if min(int(half.sum()) for half in halves) < LEAST_IN_HALF or not (self.numeric or self.categorical):
            return 0.0
        n, m = (int(half.sum()) for half in halves)
        if self.numeric:
            return max(ks(*(np.sort(self.numbers[0][half]) for half in halves)) - ks_limit(n, m), 0.0)
        levels, (codes, _) = self.codes
        shares = [_present(levels, np.bincount(codes[half], minlength=len(levels)).tolist()) for half in halves]
        apart = sum(abs(shares[0].get(k, 0) / n - shares[1].get(k, 0) / m) for k in {*shares[0], *shares[1]}) / 2
        return float(max(apart - ks_limit(n, m) * np.sqrt(max(len(shares[0]), 1)) / 2, 0.0))

    @cached_property
    def identifier(self) -> bool:
        """Whether a text column is mostly unique: ids and free text separate any two windows and say nothing."""
        if self.kind != ColumnKind.CATEGORICAL:
            return False
        ref = self.levels[0]
        return len(ref) > 0.5 * max(sum(ref.values()), 1)

    @cached_property
    def free_text(self) -> bool:
        """Whether a column holds sentences rather than categories or keys."""
        if not self.identifier:
            return False
        words = self._words
        return len(words) >= 30 and float(np.median(words)) >= MIN_WORDS

    @cached_property
    def short_text(self) -> bool:
        """Whether a column holds names and titles: hardly one twice, in words, though too few to be sentences."""
        if not self.identifier or self.free_text:
            return False
        words = self._words
        return len(words) >= 30 and sum(n > 1 for n in words) >= OF_WORDS * len(words)

    @cached_property
    def _words(self) -> list[int]:
        """Number of words of some reference values."""
        return [str(t).strip().count(" ") + 1 for t in self.texts[0][~self.missing[0]][:500]]

    @cached_property
    def constant_before(self) -> bool:
        """Whether the reference holds at most one distinct value, missing included."""
        if self.reference[:FEW_LEVELS].n_unique() > 2:  # most columns show it at once
            return False
        distinct = self.reference.unique()
        return len(distinct) <= 2 and len({str(v) for v in distinct.to_list()}) <= 1


def _drop_missing(series: pl.Series) -> pl.Series:
    known = series.drop_nulls()
    return known.drop_nans() if known.dtype.is_float() else known


def _missing(series: pl.Series) -> Mask:
    if series.dtype in (pl.Float32, pl.Float64):
        return np.asarray(~np.isfinite(series.to_numpy()), bool)
    return series.is_null().to_numpy().astype(bool) if series.null_count() else np.zeros(len(series), bool)


def _present(levels: list[str], rows: list[int]) -> dict[str, int]:
    return {level: n for level, n in zip(levels, rows, strict=True) if n and level != MISSING}
