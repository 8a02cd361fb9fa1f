"""The types that a model was fitted on, put back before it is asked.

A pandas ``category`` is more than its values: LightGBM and XGBoost refuse a column that was one when they were fitted and is none
now, CatBoost wants its categorical columns as texts, and an encoder that learned the numbers 0, 1, 2 does not know the texts
"0", "1", "2". A log keeps values, not types. What was fitted stands in the artefact: it is read there, and every column that is
asked about gets the fitted categories back, matched by their text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from backslide.contracts.labels import label_text

Way = Callable[[pd.DataFrame], pd.DataFrame]
"""One way of putting types back, applied to a batch of plain columns."""
MOST_LOOKED_AT = 2_000
"""Distinct values of a column that are held against fitted categories."""
FIRST = 20
"""Values whose look decides, where an encoder knows one of them, that a column needs nothing."""
MISSING = "nan"
"""What a missing category becomes for CatBoost, which takes none: what ``astype(str)`` makes of it."""
_TRUTH = {True: ("true", "True", "1"), False: ("false", "False", "0")}


def texts_of(level: Any) -> tuple[str, ...]:
    """Every text that a log may hold for a category: ``1.0`` beside ``1`` for a number, ``True`` beside ``true``."""
    if isinstance(level, (bool, np.bool_)):
        return _TRUTH[bool(level)]
    plain = (label_text(level), str(level))
    if not isinstance(level, (int, float, np.number)):
        return plain
    return (*plain, str(float(level)), *(_TRUTH[bool(level)] if level in (0, 1) else ()))


def same_kind(series: pd.Series[Any]) -> pd.Series[Any]:
    """The column as floats where it holds truth values beside missing ones, which boosters do not take as objects."""
    if series.dtype != object:
        return series
    known = series.dropna()
    boolean = len(known) > 0 and all(isinstance(value, (bool, np.bool_)) for value in known)
    return series.astype("float64") if boolean else series


def _numbers(batch: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """The columns of objects, those of truth values as floats."""
    return {name: same_kind(batch[name]) for name in batch.columns if batch[name].dtype == object}


def with_columns(batch: pd.DataFrame, columns: dict[str, pd.Series[Any]]) -> pd.DataFrame:
    """The batch with some columns replaced, whatever they are called."""
    changed = batch.copy(deep=False)
    for name, series in columns.items():
        changed[name] = series
    return changed


def as_category(series: pd.Series[Any], levels: pd.Index[Any]) -> pd.Series[Any]:
    """The column (n,) as a category of ``levels``, matched by text; values that are none of them are missing."""
    place = _by_text(enumerate(levels))
    codes, values = pd.factorize(series)
    places = np.array([place.get(label_text(value), -1) for value in values] + [-1], dtype=np.int64)
    return pd.Series(pd.Categorical.from_codes(places[codes], categories=levels), index=series.index)


def _by_text(levels: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """Text -> what stands for the category, of pairs (what stands for it, category); the first of a text counts."""
    by_text: dict[str, Any] = {}
    for value, level in levels:
        for text in texts_of(level):
            by_text.setdefault(text, value)
    return by_text


class Restorer:
    """Ways to put the types of a batch back, of which the first that the model answers is kept."""

    def look(self, frame: pl.DataFrame) -> None:
        """See the whole of the rows before parts of them are asked about."""

    def ways(self) -> Sequence[Way]:
        """What to try, likeliest first."""
        return [self._restored]

    def _restored(self, batch: pd.DataFrame) -> pd.DataFrame:
        raise NotImplementedError

    def note(self, way: int) -> str | None:
        """What was done to values rather than to types in the way that was kept, in words; None where nothing was."""
        return None


@dataclass
class LightGbmTypes(Restorer):
    """``pandas_categorical``: lists of categories in the order of the columns that held them, without the columns' names."""

    levels: list[pd.Index[Any]]
    names: Sequence[str]
    certain: frozenset[str]
    """Columns that the model splits by category; ordered categories and unused columns are not among them."""
    chosen: dict[str, pd.Index[Any]] = field(default_factory=dict)

    def look(self, frame: pl.DataFrame) -> None:
        """Find the columns: every list goes to one, their order kept, so that values fit their categories best."""
        if self.chosen or not self.levels:
            return
        blanks = {re.sub(r"\s", "_", column): column for column in frame.columns}  # LightGBM writes them as underscores
        own = [(name if name in frame.columns else blanks.get(name), name in self.certain) for name in self.names]
        columns = [name for name, _ in own if name is not None]
        certain = {name for name, split in own if split}
        fits = np.array([self._fit(frame[name], name in certain) for name in columns]).reshape(
            len(columns), len(self.levels)
        )
        places = in_order(fits)
        self.chosen = {columns[place]: levels for place, levels in zip(places, self.levels, strict=False)}

    def _fit(self, column: pl.Series, split: bool) -> list[float]:
        values = column.drop_nulls().unique().head(MOST_LOOKED_AT).to_list()
        texts = {text for value in values for text in (label_text(value), str(value))}
        bonus = 1.0 if split else 0.0
        results = []
        for levels in self.levels:
            known = {text for level in levels for text in texts_of(level)}
            results.append(bonus + len(texts & known) / max(len(texts), 1))
        return results

    def _restored(self, batch: pd.DataFrame) -> pd.DataFrame:
        columns = {
            name: as_category(batch[name], levels) for name, levels in self.chosen.items() if name in batch.columns
        }
        return with_columns(batch, _numbers(batch) | columns)


def in_order(fits: np.ndarray[Any, np.dtype[np.float64]]) -> list[int]:
    """Rising places (k,) among n columns for k lists, so that the sum of ``fits`` (n, k) is largest; none where k > n."""
    n, k = fits.shape
    if k > n:
        return []
    best = np.full((n + 1, k + 1), -np.inf)
    best[:, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, min(i, k) + 1):
            best[i, j] = max(best[i - 1, j], best[i - 1, j - 1] + fits[i - 1, j - 1])
    places: list[int] = []
    i, j = n, k
    while j > 0:
        if best[i, j] == best[i - 1, j]:
            i -= 1
        else:
            places.append(i - 1)
            i, j = i - 1, j - 1
    return places[::-1]


@dataclass
class XgboostTypes(Restorer):
    """``feature_types``: columns marked ``c`` come as categories, whose values the model looks up itself where it holds them."""

    names: Sequence[str]
    stored: bool
    """Whether the model holds its categories; otherwise their places in the column's own count."""
    dtypes: dict[str, str] = field(default_factory=dict)
    """Column -> type of its categories, where that is known."""
    seen: dict[str, pd.Index[Any]] = field(default_factory=dict)

    def look(self, frame: pl.DataFrame) -> None:
        """Keep the categories of the first rows asked about, in sorted order, for a model that holds none of its own."""
        if self.stored or self.seen:
            return
        for name in self.names:
            if name in frame.columns:
                self.seen[name] = pd.Index(frame[name].drop_nulls().unique().sort().to_list())

    def ways(self) -> Sequence[Way]:
        """The type that is known; else that of the log, texts, and whole numbers of every width."""
        widths: Iterable[str | None] = (None,) if self.dtypes else (None, "str", "int64", "int8", "int16", "int32")
        return [partial(self._with_width, width) for width in widths]

    def note(self, way: int) -> str | None:
        """That the places of categories are assumed."""
        if self.stored or not self.names:
            return None
        return (
            f"the model holds no categories of {', '.join(self.names)}: they are numbered in the order of their sorted values; "
            "save it with XGBoost 3.1 or newer to keep them"
        )

    def _with_width(self, width: str | None, batch: pd.DataFrame) -> pd.DataFrame:
        numbers = _numbers(batch)
        for name in (name for name in self.names if name in batch.columns):
            if name in self.seen:
                numbers[name] = as_category(batch[name], self.seen[name])
                continue
            codes, values = pd.factorize(batch[name])
            levels = _categories(list(values), self.dtypes.get(name, width))
            numbers[name] = pd.Series(pd.Categorical.from_codes(codes, categories=levels), index=batch.index)
        return with_columns(batch, numbers)


def _categories(values: list[Any], dtype: str | None) -> pd.Index[Any]:
    """Categories of one type, as XGBoost compares it; texts stay texts where whole numbers of a width are wanted."""
    result: Any = values
    kind: Any = object if dtype is not None or any(isinstance(value, str) for value in values) else None
    if dtype == "str":
        result = [label_text(value) for value in values]
    elif dtype is not None:
        try:
            result, kind = np.array([int(value) for value in values], dtype=dtype), dtype
        except (TypeError, ValueError, OverflowError):
            kind = object
    index: pd.Index[Any] = pd.Index(result, dtype=kind)
    return index


@dataclass
class CatBoostTypes(Restorer):
    """``cat_feature_indices``: those columns come as texts or whole numbers, never as floats and never missing."""

    names: Sequence[str]
    filled: dict[str, int] = field(default_factory=dict)
    """Column -> missing values seen, which were handed on as a text."""

    def look(self, frame: pl.DataFrame) -> None:
        """Count what is missing."""
        for name in self.names:
            if name in frame.columns and (missing := frame[name].null_count()):
                self.filled[name] = max(missing, self.filled.get(name, 0))

    def note(self, way: int) -> str | None:
        """That missing categories were handed on as a text."""
        if not self.filled:
            return None
        listing = ", ".join(f"{name} ({rows} rows)" for name, rows in self.filled.items())
        return f"missing categories of {listing} are handed to the model as {MISSING!r}, for CatBoost takes none that are missing"

    def _restored(self, batch: pd.DataFrame) -> pd.DataFrame:
        numbers = _numbers(batch)
        for name in (name for name in self.names if name in batch.columns):
            codes, values = pd.factorize(batch[name])
            plain = [int(v) if isinstance(v, (bool, np.bool_)) else v for v in values]
            texts = np.array([*map(label_text, plain), MISSING], dtype=object)
            numbers[name] = pd.Series(texts[codes], index=batch.index, dtype=object)
        return with_columns(batch, numbers)


@dataclass
class EncoderTypes(Restorer):
    """Categories of encoders, wherever in a pipeline: a column none of whose values they know is read by text."""

    levels: dict[str, list[Any]]

    def _restored(self, batch: pd.DataFrame) -> pd.DataFrame:
        columns = {name: _as_known(batch[name], self.levels[name]) for name in self.levels if name in batch.columns}
        return with_columns(batch, {name: series for name, series in columns.items() if series is not None})


def _as_known(series: pd.Series[Any], levels: list[Any]) -> pd.Series[Any] | None:
    """The column in the values that an encoder knows; None where it knows some as they are, or none by their text either."""
    known = {level for level in levels if level == level and level is not None}
    # Texts as they are, for a table may have hundreds of such columns; missing ones are in no set.
    first = series.to_numpy()[:FIRST] if series.dtype == object else series.iloc[:FIRST].dropna()
    if any(value in known for value in first):
        return None
    codes, values = pd.factorize(series)
    if not len(values) or not known or any(value in known for value in values):
        return None
    texts = _by_text((level, level) for level in known)
    if not any(label_text(value) in texts for value in values):
        return None
    labels = [texts.get(label_text(value), value) for value in values]
    result = np.array([*labels, np.nan], dtype=object)[codes]
    whole = all(isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in labels)
    return pd.Series(result, index=series.index, dtype="float64" if whole else object)


@dataclass
class LayeredTypes(Restorer):
    """Types of encoders first, then those of a booster; for a booster inside a pipeline also without the latter."""

    base: Restorer | None
    inner: Restorer | None
    outermost: bool

    def look(self, frame: pl.DataFrame) -> None:
        """Let both see the rows."""
        for part in (self.base, self.inner):
            if part is not None:
                part.look(frame)

    def ways(self) -> Sequence[Way]:
        """Every way of the booster on top of the encoders' types."""
        first: Way = self.base.ways()[0] if self.base is not None else lambda batch: batch
        then = list(self.inner.ways()) if self.inner is not None else []
        plain: list[Way] = [] if self.outermost and then else [first]
        return [*plain, *((lambda batch, way=way: way(first(batch))) for way in then)]

    def note(self, way: int) -> str | None:
        """What the booster's types did to values."""
        before = 0 if self.outermost else 1
        return None if self.inner is None or way < before else self.inner.note(way - before)


@dataclass
class SeenTypes(Restorer):
    """For a function that raises on plain columns: texts as categories of the values seen first, in sorted order."""

    texts: pl.DataFrame | None = None
    """Columns of texts of the first rows."""

    def look(self, frame: pl.DataFrame) -> None:
        """Keep the texts of the first rows."""
        if self.texts is None:
            self.texts = frame.select(c for c in frame if c.dtype in (pl.String, pl.Categorical, pl.Enum))

    def ways(self) -> Sequence[Way]:
        """Texts as categories."""
        return [self._restored] if self.texts is not None and self.texts.width else []

    def note(self, way: int) -> str | None:
        """That this was done."""
        columns = [] if self.texts is None else self.texts.columns
        return f"it raises on texts, so those of {', '.join(columns)} are handed to it as pandas categories"

    @cached_property
    def _levels(self) -> dict[str, pd.Index[Any]]:
        assert self.texts is not None
        return {
            c.name: pd.Index(c.cast(pl.String).drop_nulls().unique().sort().to_list(), dtype=object) for c in self.texts
        }

    def _restored(self, batch: pd.DataFrame) -> pd.DataFrame:
        return with_columns(
            batch, {c: as_category(batch[c], levels) for c, levels in self._levels.items() if c in batch.columns}
        )
