"""How values are written: numbers, truth values and dates as text, told from the text itself.

A writing reads a series into plain values and writes plain values back, so that a change of format can be undone and done.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from backslide.engine.columns.pair import to_numbers

READABLE = 0.98
"""Share of the values that a writing must read."""
LOOK = 2_000
"""Values looked at to tell a writing."""
_NUMBER = re.compile(r"^(?P<pre>[^\d+\-.,]*)(?P<num>[+-]?[\d.,'\u00a0\u202f ]*\d(?:[eE][+-]?\d+)?)(?P<post>\D*)$")
_TRUTH = (
    ("true", "false"),
    ("t", "f"),
    ("yes", "no"),
    ("y", "n"),
    ("1", "0"),
    ("on", "off"),
    ("ja", "nein"),
    ("oui", "non"),
)
_DATES = (
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
)
_EPOCH = {"s": 1, "ms": 1_000}
_YEARS = (datetime(1900, 1, 1), datetime(2100, 1, 1))
_SINCE = (datetime(1985, 1, 1), datetime(2100, 1, 1))
"""Of counted seconds: small whole numbers would all fall into the seventies."""


class Writing(ABC):
    """A way of writing values."""

    @property
    @abstractmethod
    def words(self) -> str:
        """As sentences name it."""

    @abstractmethod
    def read(self, series: pl.Series) -> pl.Series:
        """Plain values (Float64, Boolean or Datetime); null where a value is not written so."""

    @abstractmethod
    def write(self, values: pl.Series) -> pl.Series:
        """Plain values in this writing."""


@dataclass(frozen=True)
class NativeValues(Writing):
    """Values of their own type."""

    dtype: pl.DataType

    @property
    def words(self) -> str:
        """The type in plain words."""
        if self.dtype == pl.Boolean:
            return "true or false"
        return "a number" if self.dtype.is_numeric() else "a date"

    def read(self, series: pl.Series) -> pl.Series:
        """Numbers as Float64, dates as Datetime."""
        if self.dtype == pl.Boolean:
            return series
        if self.dtype.is_numeric():
            return pl.Series(series.name, to_numbers(series)).fill_nan(None)
        return series.cast(pl.Datetime("us"), strict=False)

    def write(self, values: pl.Series) -> pl.Series:
        """As the type; numbers that do not fit an integer type stay Float64."""
        if values.dtype == pl.Float64 and self.dtype.is_integer():
            fitted = values.cast(self.dtype, strict=False)
            exact = (fitted.cast(pl.Float64) == values).fill_null(True).all()
            return fitted if exact and fitted.null_count() == values.null_count() else values
        return values.cast(self.dtype, strict=False)


@dataclass(frozen=True)
class NumberText(Writing):
    """A number as text."""

    prefix: str = ""
    suffix: str = ""
    thousands: str = ""
    decimal: str = "."
    width: int = 0
    """Digits to which whole numbers are filled with zeros."""

    @property
    def words(self) -> str:
        """Such as "text like '1.234,5 kg'"."""
        return f"text like {self._one(1234.5)!r}"

    def read(self, series: pl.Series) -> pl.Series:
        """Float64, null where it is no number in this writing."""
        text = pl.col(series.name).str.strip_chars()
        text = text.str.strip_prefix(self.prefix.strip()).str.strip_suffix(self.suffix.strip()).str.strip_chars()
        if self.thousands:
            text = text.str.replace_all(self.thousands, "", literal=True)
        if self.decimal != ".":
            text = (
                pl.when(text.str.contains(".", literal=True))
                .then(None)
                .otherwise(text.str.replace(self.decimal, ".", literal=True))
            )
        return series.cast(pl.String).to_frame().select(text.cast(pl.Float64, strict=False)).to_series().fill_nan(None)

    def write(self, values: pl.Series) -> pl.Series:
        """Every digit is kept, so that reading gives the number back."""
        numbers = to_numbers(values)
        texts = [None if np.isnan(v) else self._one(float(v)) for v in numbers]
        return pl.Series(values.name, texts, dtype=pl.String)

    def _one(self, value: float) -> str:
        whole = value == round(value) and abs(value) < 1e15 if np.isfinite(value) else False
        if self.width:
            return f"{self.prefix}{str(int(value)).zfill(self.width) if whole else value}{self.suffix}"
        plain = format(int(value), ",") if whole else format(value, ",")
        swapped = plain.translate({ord(","): self.thousands, ord("."): self.decimal})
        return f"{self.prefix}{swapped}{self.suffix}"


@dataclass(frozen=True)
class TruthText(Writing):
    """A truth value as a word or a digit."""

    yes: str
    no: str

    @property
    def words(self) -> str:
        """Such as "'yes' or 'no'"."""
        return f"{self.yes!r} or {self.no!r}"

    def read(self, series: pl.Series) -> pl.Series:
        """Boolean, null for other words."""
        text = pl.col(series.name).str.strip_chars()
        expression = pl.when(text == self.yes).then(True).when(text == self.no).then(False)
        return series.cast(pl.String).to_frame().select(expression.alias(series.name)).to_series()

    def write(self, values: pl.Series) -> pl.Series:
        """The words."""
        value = pl.col(values.name)
        chosen = pl.when(value).then(pl.lit(self.yes)).when(~value).then(pl.lit(self.no))
        return values.to_frame().select(chosen.alias(values.name)).to_series()


@dataclass(frozen=True)
class TruthNumber(Writing):
    """A truth value as 1 or 0."""

    @property
    def words(self) -> str:
        """In plain words."""
        return "1 or 0"

    def read(self, series: pl.Series) -> pl.Series:
        """Boolean, null for other numbers."""
        value = pl.col(series.name)
        return (
            series.to_frame()
            .select(pl.when(value == 1).then(True).when(value == 0).then(False).alias(series.name))
            .to_series()
        )

    def write(self, values: pl.Series) -> pl.Series:
        """The numbers."""
        return values.cast(pl.Int64)


@dataclass(frozen=True)
class DateText(Writing):
    """A date or time as text."""

    pattern: str

    @property
    def words(self) -> str:
        """Such as "text like '31.12.2025'"."""
        return f"text like {datetime(2025, 12, 31, 18, 30).strftime(self.pattern)!r}"

    def read(self, series: pl.Series) -> pl.Series:
        """Datetime, null where it is not written so."""
        timed = "%H" in self.pattern
        text = series.cast(pl.String).str.strip_chars()
        parsed = (
            text.str.to_datetime(self.pattern, strict=False, time_unit="us")
            if timed
            else text.str.to_date(self.pattern, strict=False)
        )
        return parsed.cast(pl.Datetime("us"))

    def write(self, values: pl.Series) -> pl.Series:
        """The text."""
        return values.dt.strftime(self.pattern)


@dataclass(frozen=True)
class Epoch(Writing):
    """A time as the number of seconds or milliseconds since 1970."""

    unit: str
    text: bool = False

    @property
    def words(self) -> str:
        """Such as "seconds since 1970"."""
        return {"s": "seconds since 1970", "ms": "milliseconds since 1970"}[self.unit]

    def read(self, series: pl.Series) -> pl.Series:
        """Datetime."""
        numbers = series.cast(pl.Float64, strict=False) * (1_000_000 // _EPOCH[self.unit])
        return numbers.round().cast(pl.Int64, strict=False).cast(pl.Datetime("us"))

    def write(self, values: pl.Series) -> pl.Series:
        """The number."""
        numbers = values.cast(pl.Int64) // (1_000_000 // _EPOCH[self.unit])
        return numbers.cast(pl.String) if self.text else numbers


def writings(series: pl.Series) -> list[Writing]:
    """Ways in which the values may be written, the most likely first; empty for plain texts."""
    known = series.drop_nulls()
    if known.dtype.is_float():
        known = known.drop_nans()
    known = known.head(LOOK)
    if not len(known):
        return []
    dtype = series.dtype
    if dtype == pl.Boolean or dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return [NativeValues(dtype)]
    if dtype.is_numeric():
        epochs = [Epoch(unit) for unit in _EPOCH if _plausible(Epoch(unit).read(known), _SINCE)]
        truth = [TruthNumber()] if set(known.unique().to_list()) == {0, 1} else []
        return [NativeValues(dtype), *truth, *epochs]
    if dtype not in (pl.String, pl.Categorical, pl.Enum):
        return []
    texts = known.cast(pl.String)
    found: list[Writing] = [*_truth(texts), *_dates(texts)]
    found += [Epoch(unit, text=True) for unit in _EPOCH if _plausible(Epoch(unit, text=True).read(texts), _SINCE)]
    return [*found, *_numbers(texts)]


def _truth(texts: pl.Series) -> list[Writing]:
    levels = set(texts.str.strip_chars().unique().to_list())
    if len(levels) != 2:
        return []
    for yes, no in _TRUTH:
        found = {level.casefold(): level for level in levels}
        if set(found) == {yes, no}:
            return [TruthText(found[yes], found[no])]
    return []


def _dates(texts: pl.Series) -> list[Writing]:
    if not bool(texts[0]) or not any(c.isdigit() for c in texts[0]) or not 6 <= len(texts[0].strip()) <= 40:
        return []
    found = []
    for pattern in _DATES:
        read = DateText(pattern).read(texts)
        if read.count() >= READABLE * len(texts) and _plausible(read):
            found.append(DateText(pattern))
    return list(found)


def _plausible(times: pl.Series, years: tuple[datetime, datetime] = _YEARS) -> bool:
    """Whether nearly all are moments of the last and the next decades."""
    known = times.drop_nulls()
    if len(known) < READABLE * max(len(times), 1) or not len(known):
        return False
    return known.is_between(*years).sum() / len(known) >= READABLE and known.n_unique() > 1


def _numbers(texts: pl.Series) -> list[Writing]:
    """Writings of numbers that read nearly all the texts; with thousands or decimals in doubt, several."""
    parts = [m for m in (_NUMBER.match(t.strip()) for t in texts.to_list()) if m]
    if len(parts) < READABLE * len(texts):
        return []
    (prefix, often), (suffix, as_often) = (Counter(m[k] for m in parts).most_common(1)[0] for k in ("pre", "post"))
    if min(often, as_often) < READABLE * len(texts) or max(len(prefix.strip()), len(suffix.strip())) > 12:
        return []
    found = []
    for thousands, decimal in (
        ("", "."),
        ("", ","),
        (",", "."),
        (".", ","),
        (" ", "."),
        ("'", "."),
        (" ", ","),
        ("\u00a0", ","),
    ):
        writing = NumberText(prefix, suffix, thousands, decimal)
        if writing.read(texts).count() >= READABLE * len(texts) and _grouped(
            [m["num"] for m in parts], thousands, decimal
        ):
            found.append(writing)
    width = len(parts[0]["num"])
    if all(len(m["num"]) == width and m["num"].isdigit() for m in parts) and any(m["num"][0] == "0" for m in parts):
        return [NumberText(prefix, suffix, "", ".", width)]
    return list(found)


def _grouped(numbers: list[str], thousands: str, decimal: str) -> bool:
    """Whether every separator of thousands stands where one may, and is there at all."""
    if not thousands:
        return True
    rule = re.compile(rf"[+-]?\d{{1,3}}({re.escape(thousands)}\d{{3}})*({re.escape(decimal)}\d+)?")
    return any(thousands in n for n in numbers) and all(rule.fullmatch(n) for n in numbers)
