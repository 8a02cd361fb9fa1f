"""A model that was fitted without column names: in which order was it given the logged columns?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from backslide.case import Case, Outcomes, Side
from backslide.contracts import say
from backslide.engine.columns.pair import to_numbers
from backslide.models.model import Model
from backslide.models.orders import Order, by_weight, find_order, usual_orders
from backslide.stats.arrays import Floats, Ints, Mask

LOOKED = 32
"""Rows that every order is asked about."""
MOST = 2_000
"""Orders that are looked at."""
FEW, FEW_ORDERS = 8, 80
"""The same where the model fails in the given order, which makes every question dear."""
CHECKED = 400
"""Rows that took no part in the search and on which the order must give what was logged."""
AGREE = 0.995
AT_ONCE = 400
TOLERANCE = 1e-4
SHOWN = 12


def put_in_order(case: Case, model: Model, side: Side, served: Mask) -> bool:
    """Give a model that knows no column names the order in which it gives what ``side`` served, if there is one.

    ``served`` (n,) marks the rows whose answer was logged completely. The order is kept in the model, and said in its notes.
    """
    if model.features is not None or model.takes != "frame":
        return False
    columns = [column for column in case.problem.features if column in side.sample.columns]
    rows = np.flatnonzero(served)
    if not 2 <= len(columns) or len(rows) < 2 * LOOKED:
        return False
    rows = case.rng("order of columns").permutation(rows)
    at, check = np.sort(rows[:LOOKED]), np.sort(rows[LOOKED : LOOKED + CHECKED])
    asker = _OrderTrial(case, model, side, columns, at)
    if not asker.matters():
        return False
    most = MOST if asker.together else MOST // 5
    if asker.fails:
        asker, most = _OrderTrial(case, model, side, columns, at[:: LOOKED // FEW]), FEW_ORDERS
    numeric = [side.sample.schema[column].is_numeric() for column in columns]
    starts = usual_orders(columns, numeric)
    logged = [column for column in side.sample.columns if column in columns]
    starts = list(dict.fromkeys([*starts, tuple(columns.index(column) for column in logged)]))
    weigher = _OrderTrial(case, model, side, columns, check)
    result = find_order(starts, asker.look, most=most, guide=weigher.likelier if weigher.together else None)
    if result is None:
        return False
    order = tuple(columns[place] for place in result)
    asked = case.answered(replace(model, features=order), side.sample[check])
    if (_near(asked.outcomes, side.outcomes.take(check)) & ~asked.failed).mean() < AGREE:
        return False
    model.features = order
    model.notes = (
        *model.notes,
        f"it was fitted without column names; given the columns in the order {say.listed(order, SHOWN)} it gives what was "
        f"logged, and not in that of {'the configuration' if case.problem.roles.features else 'the log'}",
    )
    return True


class _OrderTrial:
    """The model asked about some rows with their columns in other orders."""

    def __init__(self, case: Case, model: Model, side: Side, columns: list[str], at: Ints) -> None:
        self.case, self.model, self.columns, self.at = case, model, columns, at
        self.fails = False
        """Whether it fails on all rows in the order in which they come."""
        self.rows, self.served = side.sample[at], side.outcomes.take(at)
        kinds = [self.rows.schema[column] for column in columns]
        self.together = all(kind.is_numeric() for kind in kinds)
        if self.together and len(set(kinds)) > 1:
            self.rows = self.rows.with_columns(pl.col(columns).cast(pl.Float64))

    def matters(self) -> bool:
        """Whether the order changes an answer at all: a function may take its columns by name."""
        turned = tuple(range(len(self.columns)))[::-1]
        by_name = self.case.answered(replace(self.model, features=tuple(self.columns)), self.rows)
        other = self.case.answered(replace(self.model, features=tuple(self.columns[i] for i in turned)), self.rows)
        self.fails = bool(by_name.failed.all())
        if self.fails and self.together:
            return False
        return bool(self.fails or other.failed.any() or not _near(by_name.outcomes, other.outcomes).all())

    def likelier(self, order: Order) -> Order:
        """See ``models.orders.by_weight``."""
        frame = self.rows.with_columns(self.rows[self.columns[i]].alias(self.columns[k]) for k, i in enumerate(order))
        asked = self.case.answered(replace(self.model, features=tuple(self.columns)), frame)
        values = np.column_stack([to_numbers(self.rows[column]) for column in self.columns])
        scales = [_scale(one, len(self.case.problem.classes)) for one in (asked.outcomes, self.served)]
        return by_weight(values, order, scales[0], scales[1])

    def look(self, orders: Sequence[Order]) -> tuple[Floats, Floats]:
        """See ``models.orders.Look``."""
        parts = [self._look(orders[start : start + AT_ONCE]) for start in range(0, len(orders), AT_ONCE)]
        if not parts:
            return np.zeros(0), np.zeros(0)
        return np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])

    def _look(self, orders: Sequence[Order]) -> tuple[Floats, Floats]:
        """All orders in one call where the columns are numbers, which can stand in each other's place."""
        if not self.together:
            asked = [
                self.case.answered(replace(self.model, features=tuple(self.columns[i] for i in order)), self.rows)
                for order in orders
            ]
            answers = [_agreement(one.outcomes, self.served, one.failed) for one in asked]
            return np.array([a.mean() for a, _ in answers]), np.array([b.mean() for _, b in answers])
        frames = [
            self.rows.with_columns(self.rows[self.columns[i]].alias(self.columns[k]) for k, i in enumerate(order))
            for order in orders
        ]
        model = replace(self.model, features=tuple(self.columns))
        asked_once = self.case.answered(model, pl.concat(frames))
        served = self.served.take(np.tile(np.arange(len(self.at)), len(orders)))
        same, off = _agreement(asked_once.outcomes, served, asked_once.failed)
        return same.reshape(len(orders), -1).mean(axis=1), off.reshape(len(orders), -1).mean(axis=1)


def _near(one: Outcomes, other: Outcomes) -> Mask:
    return np.asarray(_agreement(one, other, np.zeros(len(one.labels), bool))[0] > 0)


def _agreement(answered: Outcomes, served: Outcomes, failed: Mask) -> tuple[Floats, Floats]:
    """Where answers are those that were served (n,), as 0 and 1, and how far off they are (n,)."""
    if answered.scores is not None and served.scores is not None:
        off = np.abs(_odds(answered.scores) - _odds(served.scores)).max(axis=1)
        same = np.abs(answered.scores - served.scores).max(axis=1) <= TOLERANCE
    elif served.predictions.dtype.kind == "f":
        a, b = answered.predictions.astype(float), served.predictions.astype(float)
        off = np.abs(a - b)
        same = off <= TOLERANCE * np.maximum(1.0, np.abs(b))
    else:
        same = answered.predictions == served.predictions
        off = (~same).astype(float)
    off = np.where(failed | ~np.isfinite(off), np.nanmax(off, initial=1.0) if len(off) else 1.0, off)
    return (same & ~failed).astype(float), off


def _scale(outcomes: Outcomes, classes: int) -> Floats:
    """Answers (n, m) on a scale that is linear for linear models."""
    if outcomes.scores is not None:
        return _odds(outcomes.scores)
    if outcomes.predictions.dtype.kind == "f":
        return np.asarray(outcomes.predictions.astype(float)[:, None])
    codes = outcomes.predictions.astype(np.int64)
    return np.asarray(codes[:, None] == np.arange(classes)[None, :], dtype=np.float64)


def _odds(scores: Floats) -> Floats:
    """Log odds, on which a step nearer to the right order shows for linear models too."""
    chances = np.clip(scores, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(chances) - np.log1p(-chances))
