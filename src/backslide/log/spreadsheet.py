"""Tables that people open in a spreadsheet: no text of them is computed there, and each comes back as it was.

A spreadsheet takes a text that begins with one of ``= + - @`` for a formula, which may send rows to whoever wrote it. Such a text
is written behind an apostrophe, and so is one with apostrophes before such a sign, so that taking one away gives every text back.
Plain numbers are left as they are. Source: OWASP, CSV injection.
"""

from __future__ import annotations

from typing import TypeVar

import polars as pl

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
_FORMULA = r"^'*[=+\-@\t\r\n]"
_NUMBER = r"^[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
_GUARDED = r"^'+[=+\-@\t\r\n]"


def guard_formulas(table: Frame) -> Frame:
    """The table to write as CSV; the names of its columns are texts too."""
    texts = [name for name, kind in table.collect_schema().items() if kind in (pl.String, pl.Categorical, pl.Enum)]
    guarded = table.with_columns(_guarded(pl.col(name).cast(pl.String)).alias(name) for name in texts)
    names = pl.Series(table.collect_schema().names(), dtype=pl.String).to_frame("name")
    return guarded.rename(dict(names.select("name", to=_guarded(pl.col("name"))).iter_rows()))


def unguard(text: pl.Expr) -> pl.Expr:
    """A text as it was before it was guarded."""
    return pl.when(text.str.contains(_GUARDED)).then(text.str.slice(1)).otherwise(text)


def _guarded(text: pl.Expr) -> pl.Expr:
    formula = text.str.contains(_FORMULA) & ~text.str.contains(_NUMBER)
    return pl.when(formula).then(pl.lit("'") + text).otherwise(text)
