"""Encoders rebuilt in another order, several columns at once: which category was each one read as?

One column is read off the answers (``recoded``). Of several at once no row comes out right until all are right, so the readings
are improved column by column until the answers are those that were served: first by how far they are off, then by how many are
equal. The search may end anywhere; only equal answers on rows that took no part in it prove what it found.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import linear_sum_assignment

from backslide.causes.replay.preprocessing.replay import Asker, InputChange, margins
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.models.refit import ORDERS, categories, in_order
from backslide.stats.arrays import Floats

SWEEPS = 5
ROWS = 250
"""Rows by which readings are improved."""
MOST_ROWS = 3_000
"""Rows by which they are settled."""
MOST_LEVELS = 60
MOST_CELLS = 400_000
"""Rows times categories asked about in one sweep over all columns."""
FAR = 3.0
"""Distance of two answers, in log odds or spreads, beyond which all are as wrong."""
BETTER = 0.98
"""What a sweep must leave of the distance to be worth another."""

Reading = dict[str, dict[Any, Any]]
"""Column -> logged category -> the one as which it was read."""


def find_encoder_orders(asker: Asker) -> InputChange | None:
    """The readings of several columns' categories that explain what was served."""
    levels = _levels(asker)
    if len(levels) < 2 or asker.served(asker.search[:1]) is None:
        return None
    cells = sum(len(own) for own in levels.values())
    few = asker.search[: min(ROWS, MOST_CELLS // cells)]
    if len(few) < ROWS // 5:
        return None
    starts = sorted(_starts(asker, levels), key=lambda start: _distance(asker, start, few).mean())
    found = starts[0]
    before = np.inf
    for _ in range(SWEEPS):
        distance = float(_distance(asker, found, few).mean())
        if distance < 1e-6 or distance > BETTER * before:
            break
        before = distance
        for column, own in levels.items():
            found = found | {column: _improve(asker, found, column, own, few)}
    many = asker.search[: max(min(MOST_ROWS, MOST_CELLS // cells), ROWS)]
    if asker.equal(_read(asker.rows(many), found), many).mean() < 0.8:
        return None
    for column, own in levels.items():
        found = found | {column: _settle(asker, found, column, own, many)}
    moved = {c: {v: w for v, w in reading.items() if v != w} for c, reading in found.items()}
    moved = {c: reading for c, reading in moved.items() if reading}
    if not moved or not asker.explains(lambda frame: _read(frame, moved)):
        return None
    share = {c: np.isin(asker.side.sample[c].to_numpy(), list(own)).mean() for c, own in moved.items()}
    columns = tuple(sorted(moved, key=lambda c: -share[c]))
    one = columns[0]
    shown = say.listed([f"{v!r} as {w!r}" for v, w in moved[one].items()], 3)
    words = f"the encoder that answers reads the categories of {say.listed(columns)} as others: of {one} {shown}"
    return InputChange(
        CauseKind.PREPROCESSING_CHANGE,
        columns,
        lambda frame: _read(frame, moved),
        words,
        "encode them with the encoder of training",
    )


def _levels(asker: Asker) -> dict[str, list[Any]]:
    """Categories of every text column that an encoder takes, in its order."""
    known = categories(asker.model.artefact, list(asker.model.features or ()))
    schema = asker.side.sample.schema
    found = {}
    for column, levels in known.items():
        texts = [v for v in levels if isinstance(v, str)]
        if column in asker.features and schema[column] == pl.String and 2 <= len(texts) <= MOST_LEVELS:
            found[column] = texts
    return found


def _starts(asker: Asker, levels: dict[str, list[Any]]) -> list[Reading]:
    """As trained, in the orders in which encoders are commonly rebuilt, and as computed where columns add up."""
    found: list[Reading] = [{c: {v: v for v in own} for c, own in levels.items()}]
    for order in ORDERS:
        reading: Reading = {}
        for column, own in levels.items():
            values = asker.side.sample[column].to_list()
            reading[column] = dict(zip(in_order(own, values, order), own, strict=True))
        found.append(reading)
    solved = additive_reading(asker, levels)
    return found if solved is None else [*found, solved]


def _read(frame: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    return frame.with_columns(pl.col(c).replace(own) for c, own in reading.items() if own)


def _distance(asker: Asker, reading: Reading, at: np.ndarray) -> Floats:
    """How far the answers are from what was served (rows,)."""
    return np.asarray(_far(asker, [_read(asker.rows(at), reading)], at)[0])


def _far(asker: Asker, frames: list[pl.DataFrame], at: np.ndarray) -> Floats:
    said, served = margins(asker.case.answered(asker.model, pl.concat(frames)).outcomes), asker.served(at)
    assert said is not None
    assert served is not None
    spread = max(float(served.std()), 1e-12) if not asker.case.problem.classification else 1.0
    gap = np.abs(said.reshape(len(frames), len(at), -1) - served).mean(axis=2) / spread
    return np.asarray(np.minimum(np.nan_to_num(gap, nan=FAR), FAR))


def _each(asker: Asker, reading: Reading, column: str, levels: list[Any], at: np.ndarray) -> list[pl.DataFrame]:
    """The rows as read, with the column at each of its categories in turn."""
    rows = _read(asker.rows(at), reading)
    return [rows.with_columns(pl.lit(v, pl.String).alias(column)) for v in levels]


def _improve(asker: Asker, reading: Reading, column: str, levels: list[Any], at: np.ndarray) -> dict[Any, Any]:
    """The column's reading that comes nearest, no two categories read as one."""
    far = _far(asker, _each(asker, reading, column, levels, at), at)
    return _assign(asker, column, levels, at, -far, reading[column])


def _settle(asker: Asker, reading: Reading, column: str, levels: list[Any], at: np.ndarray) -> dict[Any, Any]:
    """The column's reading with the most equal answers."""
    equal = asker.each(_each(asker, reading, column, levels, at), at)
    return _assign(asker, column, levels, at, equal.astype(float), reading[column])


def _assign(
    asker: Asker, column: str, levels: list[Any], at: np.ndarray, good: Floats, now: dict[Any, Any]
) -> dict[Any, Any]:
    """One to one, by the sum over the rows of each category of ``good`` (readings, rows); what it is now where all are alike."""
    values = asker.rows(at)[column].to_numpy()
    own = np.array([values == v for v in levels], float)
    score = own @ good.T
    for k, v in enumerate(levels):
        score[k, levels.index(now[v])] += 1e-9
    places, chosen = linear_sum_assignment(score, maximize=True)
    return {levels[k]: levels[w] for k, w in zip(places, chosen, strict=True)}


# Encoders in an order of nobody's, several columns at once, before a model to which every column adds its own part.
#
# Behind a linear model each category of a column is worth a fixed number of log odds (or of the label's unit). What was served
# less what the saved model says is then a sum of one free number per category, which least squares gives exactly; put on the
# saved worth, it must be the worth of another category of the same column. Nothing is tried out, so the number of orders does
# not matter.


MOST_ADDITIVE_ROWS = 2_500
CLOSE = 1e-5
"""Log odds, or spreads of what was served: as near as the worth of two categories must be to be one."""
STEEP = 12.0
"""Log odds beyond which a score holds too few digits."""


def additive_reading(asker: Asker, levels: dict[str, list[Any]]) -> dict[str, dict[Any, Any]] | None:
    """Column -> logged category -> the one as which it was read; None where the answers are no such sum.

    ``levels`` are the categories of every encoded column. What it finds is a guess until answers on other rows are equal.
    """
    at = asker.search[:MOST_ADDITIVE_ROWS]
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
