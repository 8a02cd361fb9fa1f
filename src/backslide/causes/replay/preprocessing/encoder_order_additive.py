"""Encoders in an order of nobody's, several columns at once, before a model to which every column adds its own part.

Behind a linear model each category of a column is worth a fixed number of log odds (or of the label's unit). What was served less
what the saved model says is then a sum of one free number per category, which least squares gives exactly; put on the saved
worth, it must be the worth of another category of the same column. Nothing is tried out, so the number of orders does not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import linear_sum_assignment

from backslide.causes.replay.preprocessing.replay import Asker, margins
from backslide.stats.metrics.metric import Floats

MOST_ROWS = 2_500
CLOSE = 1e-5
"""Log odds, or spreads of what was served: as near as the worth of two categories must be to be one."""
STEEP = 12.0
"""Log odds beyond which a score holds too few digits."""


def additive_reading(asker: Asker, levels: dict[str, list[Any]]) -> dict[str, dict[Any, Any]] | None:
    """Column -> logged category -> the one as which it was read; None where the answers are no such sum.

    ``levels`` are the categories of every encoded column. What it finds is a guess until answers on other rows are equal.
    """
    at = asker.search[:MOST_ROWS]
    rows, served = asker.rows(at), asker.served(at)
    said = asker.margins(rows)
    if served is None or said is None:
        return None
    spread = 1.0 if asker.case.problem.classification else max(float(served.std()), 1e-12)
    fine = (np.isfinite(said) & np.isfinite(served)).all(axis=1)
    if asker.case.problem.classification:
        fine &= np.abs(served).max(axis=1) < STEEP
    shown = {c: [v for v in own if bool((rows[c] == v).any())] for c, own in levels.items()}
    tables = {
        c: np.column_stack([(rows[c] == v).fill_null(value=False).to_numpy() for v in own])[fine].astype(float)
        for c, own in shown.items()
        if own
    }
    left = (served - said)[fine]
    if len(left) < 2 * sum(t.shape[1] for t in tables.values()):
        return None
    # Columns that overlap share what only one of them moved, so those that nothing needs are left out, one by one.
    if not _explains(tables, left, spread):
        return None
    for column in sorted(tables, key=lambda c: tables[c].shape[1]):
        fewer = {c: t for c, t in tables.items() if c != column}
        if fewer and _explains(fewer, left, spread):
            tables = fewer
    moved = np.linalg.lstsq(np.column_stack(list(tables.values())), left, rcond=1e-10)[0]
    found, first = {c: {v: v for v in own} for c, own in levels.items()}, 0
    for column, table in tables.items():
        part = moved[first : first + table.shape[1]]
        reading = _match(asker, rows[:1], column, levels[column], shown[column], part, spread)
        if reading is None:
            return None
        found[column] = reading
        first += table.shape[1]
    return found


def _explains(tables: dict[str, Floats], left: Floats, spread: float) -> bool:
    """Whether one number per category of these columns gives what is left on nearly all rows."""
    table = np.column_stack(list(tables.values()))
    off = np.abs(table @ np.linalg.lstsq(table, left, rcond=1e-10)[0] - left).max(axis=1)
    return bool(np.quantile(off, 0.99) <= CLOSE * spread)


def _match(
    asker: Asker, row: pl.DataFrame, column: str, levels: list[Any], shown: list[Any], moved: Floats, spread: float
) -> dict[Any, Any] | None:
    """The categories whose worth (levels, k) is that of the shown ones moved, one to one, up to one number for all of them."""
    asked = pl.concat([row.with_columns(pl.lit(v, pl.String).alias(column)) for v in levels])
    worth = margins(asker.case.answered(asker.model, asked).outcomes)
    if worth is None or not np.isfinite(worth).all():
        return None
    now = worth[[levels.index(v) for v in shown]] + moved
    best: tuple[float, dict[Any, Any]] = (np.inf, {})
    for common in worth - now[0]:
        gap = np.abs((now + common)[:, None, :] - worth[None]).max(axis=2)
        places, chosen = linear_sum_assignment(gap)
        off = float(gap[places, chosen].max())
        if off < best[0]:
            best = off, {shown[i]: levels[j] for i, j in zip(places, chosen, strict=True)}
    if best[0] > CLOSE * spread:
        return None
    rest = iter([v for v in levels if v not in best[1].values()])
    return {v: best[1][v] if v in best[1] else next(rest) for v in levels}
