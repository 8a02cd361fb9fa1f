"""Faults done to real rows, written from what the fault means in a pipeline and not from how it is recognised.

Each takes the rows as they arrived upstream and returns them as the model then got them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

Rows = pl.DataFrame
Change = Callable[[Rows, np.random.Generator], Rows]


@dataclass(frozen=True)
class Injected:
    """A fault: what it is called, which columns it hits, and what it does."""

    kind: str
    columns: tuple[str, ...]
    apply: Change

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(self.columns)})"


def unit(column: str, factor: float, offset: float = 0.0) -> Injected:
    """Another unit."""
    return Injected("unit_change", (column,), lambda rows, _: rows.with_columns(pl.col(column) * factor + offset))


def missing(column: str, share: float) -> Injected:
    """A share of the values is lost on the way."""

    def apply(rows: Rows, rng: np.random.Generator) -> Rows:
        lost = pl.Series(rng.random(rows.height) < share)
        return rows.with_columns(pl.when(lost).then(None).otherwise(pl.col(column)).alias(column))

    return Injected("missing_values", (column,), apply)


def default(column: str, value: object, share: float) -> Injected:
    """A failing lookup answers with a default."""

    def apply(rows: Rows, rng: np.random.Generator) -> Rows:
        lost = pl.Series(rng.random(rows.height) < share)
        return rows.with_columns(pl.when(lost).then(pl.lit(value)).otherwise(pl.col(column)).alias(column))

    return Injected("default_value", (column,), apply)


def frozen(column: str) -> Injected:
    """The feed is stuck at its last value."""
    return Injected(
        "frozen_feature", (column,), lambda rows, _: rows.with_columns(pl.lit(rows[column][0]).alias(column))
    )


def renamed(column: str, spelling: Callable[[str], str]) -> Injected:
    """Upstream writes its codes in another way."""

    def apply(rows: Rows, _: np.random.Generator) -> Rows:
        mapping = {v: spelling(v) for v in rows[column].drop_nulls().unique().to_list()}
        return rows.with_columns(pl.col(column).replace(mapping))

    return Injected("category_recode", (column,), apply)


def permuted(column: str) -> Injected:
    """An encoder was rebuilt: every code now stands for the next category by frequency."""

    def apply(rows: Rows, _: np.random.Generator) -> Rows:
        codes = [r[0] for r in rows[column].drop_nulls().value_counts(sort=True).iter_rows()]
        return rows.with_columns(pl.col(column).replace(dict(zip(codes, codes[1:] + codes[:1], strict=True))))

    return Injected("category_recode", (column,), apply)


def unseen(column: str, value: str, share: float) -> Injected:
    """A new value that training never saw."""
    return Injected("unseen_category", (column,), default(column, value, share).apply)


def swapped(one: str, other: str) -> Injected:
    """Two columns change places in the mapping."""

    def apply(rows: Rows, _: np.random.Generator) -> Rows:
        a, b = rows[one], rows[other]
        if a.dtype != b.dtype:
            a, b = a.cast(pl.Float64), b.cast(pl.Float64)
        return rows.with_columns(b.alias(one), a.alias(other))

    return Injected("swapped_columns", (one, other), apply)


def clipped(column: str, quantile: float, *, above: bool = True) -> Injected:
    """A cap cuts off one end."""

    def apply(rows: Rows, _: np.random.Generator) -> Rows:
        limit = rows[column].quantile(quantile, "nearest")
        bounds = {"upper_bound": limit} if above else {"lower_bound": limit}
        return rows.with_columns(pl.col(column).clip(**bounds))

    return Injected("clipped_range", (column,), apply)
