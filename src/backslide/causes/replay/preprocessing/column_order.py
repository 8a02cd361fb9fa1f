"""Columns handed to the model in another order: two in each other's place, or all of them as another list has them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl

from backslide.causes.replay.preprocessing.replay import ALWAYS, Alter, Asker, InputChange, margins
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import to_numbers
from backslide.models.orders import Order, by_weight, find_order
from backslide.playbook.shadow.replay import equal_answers
from backslide.stats.arrays import Floats, Ints

TRIED = 40
"""Rows on which every exchange is tried."""
MOST_PAIRS = 1_500
MOST_STEPS = 1_000
"""Orders looked at where they are found step by step."""
WEIGHED = 400
"""Rows on which the weights of columns are told."""
FAR = 0.3
"""Of how far the answers to two rows lie apart: as far as those to rows in another order are off at least."""
NEARER = 0.9
"""Share of the former distance that a step must come down to."""


def find_column_order(asker: Asker) -> InputChange | None:
    """The exchange of two columns of one type, or the order of all columns, that explains what was served."""
    at = asker.search[:TRIED]
    rows = asker.rows(at)
    orders = [{one: other, other: one} for one, other in combinations(asker.features, 2) if _alike(rows, one, other)]
    orders = [*orders[:MOST_PAIRS], *_other_lists(asker, rows)]
    if not orders:
        return None
    share = asker.each([_reordered(rows, order) for order in orders], at).mean(axis=1)
    best = int(share.argmax())
    order = orders[best] if share[best] >= ALWAYS else _step_by_step(asker, rows, at)
    if not order:
        return None
    alter = _as_alteration(order)
    if not asker.explains(alter):
        return None
    moved = tuple(order)
    words = f"{say.listed(moved)} stand in each other's place" if len(moved) == 2 else "columns come in another order"
    return InputChange(
        CauseKind.PREPROCESSING_CHANGE,
        moved,
        alter,
        f"{words} in what the model is given, while the log has them right",
        "hand the columns on in the order of training",
    )


def _alike(rows: pl.DataFrame, one: str, other: str) -> bool:
    a, b = rows.schema[one], rows.schema[other]
    return a == b or (a.is_numeric() and b.is_numeric())


def _other_lists(asker: Asker, rows: pl.DataFrame) -> list[dict[str, str]]:
    """The orders of the alphabet and of the log in place of the fitted one, where all columns are numbers."""
    fitted = _taken(asker)
    if not fitted or not set(fitted) <= set(rows.columns) or not all(rows.schema[c].is_numeric() for c in fitted):
        return []
    lists = (sorted(fitted), [c for c in rows.columns if c in set(fitted)])
    found = [{a: b for a, b in zip(fitted, other, strict=True) if a != b} for other in lists]
    return [order for order in found if order]


def _taken(asker: Asker) -> list[str]:
    """The columns in the order in which the model takes them."""
    return list(asker.model.features or asker.case.problem.features)


def _step_by_step(asker: Asker, rows: pl.DataFrame, at: Ints) -> dict[str, str]:
    """An order that no list gives, where the answers are far off and come nearer with every exchange; else none."""
    columns = _taken(asker)
    served = asker.served(at)
    if (
        served is None
        or len(columns) < 2
        or not all(c in rows.columns and rows.schema[c].is_numeric() for c in columns)
    ):
        return {}

    def look(orders: Sequence[Order]) -> tuple[Floats, Floats]:
        frames = [_reordered(rows, {columns[k]: columns[i] for k, i in enumerate(order)}) for order in orders]
        answered = asker.case.answered(asker.model, pl.concat(frames, how="vertical_relaxed"))
        each = np.tile(np.arange(len(at)), len(orders))
        same = equal_answers(answered.outcomes, asker.side.outcomes.take(at[each]), asker.tolerance) & ~answered.failed
        said = margins(answered.outcomes)
        off = np.ones(len(each)) if said is None else np.abs(said - served[each]).max(axis=1)
        off = np.where(np.isfinite(off), off, np.nanmax(off, initial=1.0))
        return same.reshape(len(orders), -1).mean(axis=1), off.reshape(len(orders), -1).mean(axis=1)

    start = tuple(range(len(columns)))
    more = asker.search[:WEIGHED]
    many, wanted = asker.rows(more), asker.served(more)
    assert wanted is not None
    apart = float(np.abs(served - served[::-1]).max(axis=1).mean())
    if not look([start])[1][0] >= FAR * apart:
        return {}  # another model that says much the same
    held = np.column_stack([to_numbers(many[c]) for c in columns])

    def likelier(order: Order) -> Order:
        said = asker.margins(_reordered(many, {columns[k]: columns[i] for k, i in enumerate(order)}))
        return order if said is None else by_weight(held, order, said, wanted)

    found = find_order([start], look, most=MOST_STEPS, exhaustive=False, nearer=NEARER, guide=likelier)
    return {} if found is None else {columns[k]: columns[i] for k, i in enumerate(found) if k != i}


def _as_alteration(order: dict[str, str]) -> Alter:
    return lambda frame: _reordered(frame, order)


def _reordered(frame: pl.DataFrame, order: dict[str, str]) -> pl.DataFrame:
    """Every column of ``order`` with the values of the one it is mapped to."""
    changed = [frame[source].alias(column) for column, source in order.items()]
    if any(frame.schema[c] != frame.schema[s] for c, s in order.items()):
        changed = [series.cast(pl.Float64) for series in changed]
    return frame.with_columns(changed)
