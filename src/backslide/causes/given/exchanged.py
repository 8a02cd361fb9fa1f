"""Columns handed to the model in another order: two in each other's place, or all of them as another list has them."""

from __future__ import annotations

from itertools import combinations

import polars as pl

from backslide.causes.given.asker import ALWAYS, Alter, Altered, Asker
from backslide.contracts import say
from backslide.contracts.cause import CauseKind

TRIED = 40
"""Rows on which every exchange is tried."""
MOST_PAIRS = 1_500


def exchanged(asker: Asker) -> Altered | None:
    """The exchange of two columns of one type, or the order of all columns, that explains what was served."""
    at = asker.search[:TRIED]
    rows = asker.rows(at)
    orders = [{one: other, other: one} for one, other in combinations(asker.features, 2) if _alike(rows, one, other)]
    orders = [*orders[:MOST_PAIRS], *_other_lists(asker, rows)]
    if not orders:
        return None
    share = asker.each([_reordered(rows, order) for order in orders], at).mean(axis=1)
    best = int(share.argmax())
    order = orders[best]
    alter = _as_alteration(order)
    if share[best] < ALWAYS or not asker.explains(alter):
        return None
    moved = tuple(order)
    words = f"{say.listed(moved)} stand in each other's place" if len(moved) == 2 else "columns come in another order"
    return Altered(
        CauseKind.PREPROCESSING_CHANGE, moved, alter,
        f"{words} in what the model is given, while the log has them right", "hand the columns on in the order of training",
    )  # fmt: skip


def _alike(rows: pl.DataFrame, one: str, other: str) -> bool:
    a, b = rows.schema[one], rows.schema[other]
    return a == b or (a.is_numeric() and b.is_numeric())


def _other_lists(asker: Asker, rows: pl.DataFrame) -> list[dict[str, str]]:
    """The orders of the alphabet and of the log in place of the fitted one, where all columns are numbers."""
    fitted = list(asker.model.features or ())
    if not fitted or not set(fitted) <= set(rows.columns) or not all(rows.schema[c].is_numeric() for c in fitted):
        return []
    lists = (sorted(fitted), [c for c in rows.columns if c in set(fitted)])
    found = [{a: b for a, b in zip(fitted, other, strict=True) if a != b} for other in lists]
    return [order for order in found if order]


def _as_alteration(order: dict[str, str]) -> Alter:
    return lambda frame: _reordered(frame, order)


def _reordered(frame: pl.DataFrame, order: dict[str, str]) -> pl.DataFrame:
    """Every column of ``order`` with the values of the one it is mapped to."""
    changed = [frame[source].alias(column) for column, source in order.items()]
    if any(frame.schema[c] != frame.schema[s] for c, s in order.items()):
        changed = [series.cast(pl.Float64) for series in changed]
    return frame.with_columns(changed)
