"""The preprocessing fitted again on logged rows: on the current window, its days, its batches, or each host's own rows.

Nothing is estimated: the saved pipeline is fitted again as a service might have done it, and asked. First its scalers alone, then
all that learns from inputs, then its encoders with their categories in another order. Whatever the model behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from backslide.causes.replay.preprocessing.replay import ALWAYS, Asker, InputChange, as_logged
from backslide.causes.replay.preprocessing.scaling import BACK, refit_words
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns import names
from backslide.engine.roles.logged_inputs import input_columns
from backslide.engine.sources.errors import reading
from backslide.models.frame import to_pandas
from backslide.models.model import Model
from backslide.models.refit import ORDERS, PREPROCESSING, Order, categories, refit_parts, reorder_categories
from backslide.models.scalers import ColumnScaling, scaled_columns
from backslide.models.wrap import wrap
from backslide.stats.arrays import Ints

BATCHES = (16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 200, 250, 256, 500, 512, 1000, 1024, 2000, 2048, 5000)
"""Sizes in which services are commonly sent rows."""
MOST_GROUPS = 400
MOST_LEVELS = 60
FIRST = 10
"""Rows that the first group must explain before the others are fitted."""
MOST_OF = 0.8
"""Share of those; a few may be saturated."""
MOST_FITTED = 2_000_000
"""Rows of the window that parts are fitted on; of a longer one nothing is known exactly."""

Groups = Ints
"""Of every row the group that it was fitted with."""


@dataclass(frozen=True)
class _Way:
    """What was fitted on what."""

    make: Callable[[Any, pd.DataFrame], Any]
    words: str = ""
    """Of encoders in another order; empty where parts were fitted again."""


def _in_order(order: Order) -> Callable[[Any, pd.DataFrame], Any]:
    return lambda artefact, rows: reorder_categories(artefact, rows, order)


WAYS = (
    _Way(refit_parts),
    _Way(lambda artefact, rows: refit_parts(artefact, rows, PREPROCESSING)),
    *(_Way(_in_order(order), words) for order, words in ORDERS.items()),
)


def find_refit(asker: Asker) -> InputChange | None:
    """The preprocessing fitted again on the logged rows that explains what was served."""
    artefact = asker.model.artefact
    columns = list(asker.model.features or ())
    before, levels = scaled_columns(artefact, columns), categories(artefact, columns)
    if not (before or levels) or not set(columns) <= set(asker.side.sample.columns):
        return None
    logged = _LoggedRows(asker, columns)
    for way in WAYS:
        if (way.words and not levels) or (way is WAYS[0] and not before):
            continue
        for where, fitted_on, asked in logged.groups(whole_only=bool(way.words)):
            model = _explained(asker, way, logged.rows, fitted_on, asked)
            if model is not None:
                found = describe_refit(artefact, model, where, way.words)
                if found is not None:
                    return found
    return None


class _LoggedRows:
    """Rows of the current window that parts may have been fitted on."""

    def __init__(self, asker: Asker, columns: list[str]) -> None:
        side = asker.side
        self.asker, self.sample = asker, side.sample
        self.whole = side.sample.height == side.window.rows or side.window.rows > MOST_FITTED
        if self.whole:
            self.frame = side.sample
        else:
            with reading():
                self.frame = side.window.frame.collect(engine="streaming")
        self.rows = to_pandas(self.frame.select(columns))

    def groups(self, *, whole_only: bool) -> Iterator[tuple[str, Groups, Groups]]:
        """In words, and the group of every row fitted on and of every sampled row."""
        yield "the current window", np.zeros(self.frame.height, np.int64), np.zeros(self.sample.height, np.int64)
        if whole_only:
            return
        if names.DAY in self.sample.columns:
            yield self._by("each day", pl.col(names.DAY).to_physical().cast(pl.String))
            yield self._by("each hour", pl.col(names.TIME).dt.truncate("1h").to_physical().cast(pl.String))
        for column in self._context():
            yield self._by(f"the rows of each {column}", pl.col(column).cast(pl.String))
        if self.whole and self.sample.height == self.asker.side.window.rows:
            for size in BATCHES:
                if size < self.sample.height:
                    own = np.arange(self.sample.height) // size
                    yield f"each batch of {size} rows", own, own

    def _by(self, where: str, key: pl.Expr) -> tuple[str, Groups, Groups]:
        both = [frame.select(key.fill_null("").alias("key"))["key"] for frame in (self.frame, self.sample)]
        codes = {value: k for k, value in enumerate(pl.concat(both).unique().sort().to_list())}
        first, second = (np.array([codes[v] for v in keys.to_list()], np.int64) for keys in both)
        return where, first, second

    def _context(self) -> list[str]:
        """Columns that are no features and part the rows into a few: hosts, sources, batches."""
        roles = self.asker.case.problem.roles
        special = {*roles.columns().values(), *self.asker.case.problem.features}
        special |= set(input_columns(roles, self.sample.columns).values())
        found = []
        for name, dtype in self.asker.side.window.kinds.items():
            if name in special or name not in self.sample.columns or dtype.value not in ("categorical", "numeric"):
                continue
            if 2 <= self.sample[name].n_unique() <= MOST_LEVELS:
                found.append(name)
        return found


def _explained(asker: Asker, way: _Way, rows: pd.DataFrame, fitted_on: Groups, asked: Groups) -> Model | None:
    """The model of the first group, where the models of all groups say what was served on the rows kept back."""
    artefact, task = asker.model.artefact, asker.case.settings.model.task
    of_row = asked[asker.check]
    groups = np.unique(of_row)
    if len(groups) > MOST_GROUPS:
        return None
    sizes = np.bincount(of_row)
    groups = groups[np.argsort(-sizes[groups], kind="stable")]
    equal, seen, first = 0, 0, None
    for group in groups:
        model = wrap(way.make(artefact, rows[fitted_on == group]), name=asker.model.name, task=task)
        at = asker.check[of_row == group]
        seen += len(at)
        if first is None and not _promising(asker, model, at[:FIRST]):
            return None
        equal += int(asker.asking(model).equal(asker.rows(at), at).sum())
        if seen >= FIRST and equal < ALWAYS * seen - 3:
            return None
        first = first or model
    return first if equal >= ALWAYS * seen else None


def _promising(asker: Asker, model: Model, at: Ints) -> bool:
    """Whether it says what was served on a few rows; a pipeline whose parts fit no more raises, which is answer enough."""
    rows = asker.rows(at)
    try:
        model.ask(to_pandas(rows.select(model.features or rows.columns)), False)
    except Exception:
        return False
    return bool(asker.asking(model).equal(rows, at).mean() >= MOST_OF)


def describe_refit(artefact: Any, model: Model, where: str, how: str = "") -> InputChange | None:
    """What ``model`` holds otherwise than ``artefact``, the saved pipeline: scalers first, then categories; ``where`` it was
    fitted again, and ``how`` categories were ordered."""
    columns = list(model.features or ())
    before, after = (scaled_columns(one, columns) for one in (artefact, model.artefact))
    levels, now = (categories(one, columns) for one in (artefact, model.artefact))
    moved = sorted(
        (c for c in before if c in after and before[c] != after[c]), key=lambda c: -_step(before[c], after[c])
    )
    rebuilt = [c for c in levels if [str(v) for v in levels[c]] != [str(v) for v in now.get(c, levels[c])]]
    if moved:
        one = moved[0]
        words = f"{refit_words(one, before[one], after[one], len(moved))}, on {where}"
        words += f", and the encoder of {say.listed(rebuilt, 4)} with it" if rebuilt else ""
        return InputChange(CauseKind.SCALER_REFIT, (*moved, *rebuilt), as_logged, words, BACK, model)
    back = "load the fitted preprocessing of training, never fit one on production data"
    if rebuilt:
        order = f", its categories {how}" if how else ""
        words = f"the encoder of {say.listed(rebuilt, 4)} was fitted again on {where}{order}"
        return InputChange(CauseKind.PREPROCESSING_CHANGE, tuple(rebuilt), as_logged, words, back, model)
    if how or not (before or levels):
        return None
    words = f"parts of the preprocessing were fitted again on {where}"
    return InputChange(CauseKind.PREPROCESSING_CHANGE, (), as_logged, words, back, model)


def _step(before: ColumnScaling, after: ColumnScaling) -> float:
    """How far a column's scaling moved, in spreads."""
    size = max(abs(before.spread), 1e-300)
    return (abs(after.centre - before.centre) + abs(after.spread - before.spread)) / size
