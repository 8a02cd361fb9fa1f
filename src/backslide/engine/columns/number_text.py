"""How numbers are written in texts: what parts thousands and decimals, a currency or percent sign, what stands for none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

READABLE = 0.98
"""Share of a window's values that a writing must read."""
CODES = 40
"""Distinct texts up to which numbers are codes or categories, which they stay."""
_SPACES = "[ \u00a0\u202f'\u2019]"
_SIGN = "^[+-]?"
_PLAIN = _SIGN + r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_COMMA_GROUPS = _SIGN + r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?$"
_POINT_GROUPS = _SIGN + r"[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]*)?$"
_COMMA = _SIGN + r"[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?$"
_WHOLE = _SIGN + r"[0-9]+$"
_EITHER = _SIGN + r"[1-9][0-9]{0,2},[0-9]{3}$"
"""1,234: thousands or decimals."""
_MARK = r"([$€£¥%]|USD|EUR|GBP|CHF)"
MONEY = frozenset(("$", "€", "£", "¥", "USD", "EUR", "GBP", "CHF"))
"""Signs that may be left out without another number being meant."""
_UNIT = r"[0-9.,]\s+([A-Za-z°µ/]{1,6})$"
"""Of what is measured, after a space: A12 and 12A are codes."""


@dataclass(frozen=True)
class NumberWriting:
    """A way of writing numbers."""

    decimal: str = "."
    whole: bool = False
    """Whether no number has decimals."""

    def read(self, column: str, missing: Collection[str]) -> pl.Expr:
        """Texts as Float64 (Int64 where all are whole); null where a text is none in this writing."""
        text = bare(present_text(pl.col(column), missing))
        if self.decimal == ".":
            text = (
                pl.when(text.str.contains(_COMMA_GROUPS))
                .then(text.str.replace_all(",", "", literal=True))
                .otherwise(pl.when(text.str.contains(_PLAIN)).then(text))
            )
        else:
            grouped = text.str.contains(_POINT_GROUPS)
            text = (
                pl.when(grouped)
                .then(text.str.replace_all(".", "", literal=True))
                .otherwise(pl.when(text.str.contains(_COMMA) | text.str.contains(_WHOLE)).then(text))
                .str.replace(",", ".", literal=True)
            )
        return text.cast(pl.Int64 if self.whole else pl.Float64, strict=False)


def present_text(value: pl.Expr, missing: Collection[str]) -> pl.Expr:
    """Texts without spaces around them; null where they are blank or stand for a missing value."""
    text = value.cast(pl.String).str.strip_chars()
    return pl.when((text != "") & ~text.is_in(list(missing))).then(text)


def bare(text: pl.Expr) -> pl.Expr:
    """Without a currency or percent sign and what parts thousands beside comma and point; (12) and 12- are -12."""
    return _joined(_unmarked(text))


def _unmarked(text: pl.Expr) -> pl.Expr:
    text = text.str.replace(r"^\(([^()]+)\)$", "-${1}").str.replace("\u2212", "-", literal=True)
    return (
        text.str.replace(r"^([0-9][0-9.,]*)\s?-$", "-${1}")  # as accounting programs write them
        .str.replace(rf"^([+-]?)\s*{_MARK}\s*", "${1}")
        .str.replace(rf"\s*{_MARK}$", "")
        .str.replace(r"([0-9.,])\s+[A-Za-z°µ/]{1,6}$", "${1}")
    )


def _joined(text: pl.Expr) -> pl.Expr:
    grouped = text.str.contains(_SIGN + rf"[0-9]{{1,3}}(?:{_SPACES}[0-9]{{3}})+(?:[.,][0-9]+)?$")
    return pl.when(grouped).then(text.str.replace_all(_SPACES, "")).otherwise(text)


@dataclass(frozen=True)
class Texts:
    """What one window's texts of a column look like."""

    values: int = 0
    """Neither blank nor standing for a missing value."""
    tokens: int = 0
    token: str | None = None
    point: int = 0
    """Readable as 1,234.5."""
    comma: int = 0
    """Readable as 1.234,5."""
    whole: int = 0
    plain: int = 0
    """With neither commas nor signs."""
    either: int = 0
    """1,234, which may be both."""
    commas: int = 0
    grouped: int = 0
    """With thousands parted."""
    long: int = 0
    """Whole numbers from 1000 on without thousands parted."""
    round: int = 0
    """Of ``either``: ending in two zeros."""
    padded: int = 0
    """With leading zeros."""
    marks: int = 0
    kinds: int = 0
    """Distinct currency and percent signs."""
    mark: str | None = None
    distinct: int = 0
    example: str | None = None
    odd: str | None = None
    """A value that is no number."""

    @property
    def readable(self) -> float:
        """Share of the values that some writing reads; 1 where there is none."""
        return max(self.point, self.comma) / self.values if self.values else 1.0


def summary_of(column: str, key: str, missing: Collection[str], weight: str | None = None) -> list[pl.Expr]:
    """The aggregates behind ``Texts``, as ``key name``.

    Args:
        weight: the column that says how many rows each row stands for, where only distinct texts are looked at.
    """
    rows = pl.lit(1, pl.Int64) if weight is None else pl.col(weight).cast(pl.Int64)

    def count(flag: pl.Expr) -> pl.Expr:
        return (flag.fill_null(False).cast(pl.Int64) * rows).sum()

    source = pl.col(column).cast(pl.String).str.strip_chars()
    text = present_text(pl.col(column), missing)
    unmarked = _unmarked(text)
    core = _joined(unmarked)
    plain, whole = core.str.contains(_PLAIN), core.str.contains(_WHOLE)
    by_comma, by_point = core.str.contains(_COMMA_GROUPS), core.str.contains(_POINT_GROUPS)
    comma, either = core.str.contains(_COMMA), core.str.contains(_EITHER)
    number = plain | by_comma | comma | by_point
    mark = pl.coalesce(text.str.extract(_MARK), text.str.extract(_UNIT))
    token = source.is_in(list(missing))
    summary = {
        "values": count(text.is_not_null()),
        "tokens": count(token),
        "token": source.filter(token).first(),
        "point": count(plain | by_comma),
        "comma": count(whole | comma | by_point),
        "whole": count(whole | (by_comma & ~core.str.contains(".", literal=True))),
        "plain": count(plain & (core == text)),
        "either": count(either),
        "commas": count(comma | by_comma),
        "grouped": count((by_comma & ~either) | (by_point & ~plain) | (core != unmarked)),
        "long": count(core.str.contains(_SIGN + "[0-9]{4,}")),
        "round": count(either & core.str.ends_with("00")),
        "padded": count(core.str.contains(_SIGN + "0[0-9]")),
        "marks": count(mark.is_not_null()),
        "kinds": mark.drop_nulls().n_unique(),
        "mark": mark.drop_nulls().first(),
        "distinct": text.drop_nulls().head(100_000).n_unique(),
        "example": text.filter(number).first(),
        "odd": text.filter(~number).first(),
    }
    return [expression.alias(f"{key} {name}") for name, expression in summary.items()]


def writing_of(sides: Collection[Texts], decimal: str | None) -> NumberWriting | None:
    """The one writing of all sides; None where they differ or no writing reads them.

    Args:
        decimal: the decimal sign that the configuration names.
    """
    known = [side for side in sides if side.values]
    if not known:
        return None
    whole = all(side.whole == max(side.point, side.comma) for side in known)
    fit = {
        ".": all(side.point >= READABLE * side.values for side in known),
        ",": all(side.comma >= READABLE * side.values for side in known),
    }
    if decimal is not None:
        chosen = decimal if fit[decimal] else None
    elif fit["."] and fit[","]:
        chosen = "." if not any(side.commas for side in known) else _of_either(known)
    else:
        chosen = next((sign for sign, fits in fit.items() if fits), None)
    if chosen is None or _differ(known, chosen):
        return None
    return NumberWriting(chosen, whole and (chosen == "." or not any(side.commas for side in known)))


def _of_either(sides: Collection[Texts]) -> str:
    """Which sign the comma in 1,234 is, where every value may be read in both ways."""
    if any(side.long for side in sides):
        return ","  # 12345 beside 1,234: commas do not part thousands
    short = sum(side.plain for side in sides)
    either = sum(side.either for side in sides)
    rounded = sum(side.round for side in sides)
    return "." if short or rounded > either / 2 else ","


def _differ(sides: Collection[Texts], decimal: str) -> bool:
    """Whether one side is written otherwise than another: a fault to be named and not to be mended in silence."""
    if len({(side.mark, side.marks >= READABLE * side.values) for side in sides}) > 1:
        return True
    if any(
        side.kinds > 1 or (side.mark is not None and side.mark not in MONEY and side.marks < READABLE * side.values)
        for side in sides
    ):
        return True
    apart = [side.grouped + (side.either if decimal == "." else 0) for side in sides]
    parted = any(n and not side.long for n, side in zip(apart, sides, strict=True))
    return parted and any(side.long and not n for n, side in zip(apart, sides, strict=True))
