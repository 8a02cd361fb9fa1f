"""LIME: how far each feature weighs in a linear model around single rows, by the package lime (an extra).

References: Ribeiro, Singh and Guestrin (2016).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

import numpy as np
import polars as pl

from backslide.case import Case, Side
from backslide.contracts.extras import needs
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import to_numbers, to_texts
from backslide.playbook.explain import rows as chosen
from backslide.stats.arrays import Floats

ROWS = 6
"""Rows per window: each is a model of its own."""
NEIGHBOURS = 1000
"""Fewer, and the weight of a feature that does nothing is mostly the noise of the neighbours drawn."""
MOST_COLUMNS = 60
KINDS = (ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)
SEED = 0


def installed() -> bool:
    """Whether the package lime is there."""
    return find_spec("lime") is not None


class SurrogateColumns:
    """Columns as the numbers that LIME perturbs, and back: numbers as they are, anything else as the place of a row with it."""

    def __init__(self, case: Case, columns: tuple[str, ...], usual: pl.DataFrame) -> None:
        self.columns = [c for c in columns if case.kind(c) in KINDS][:MOST_COLUMNS]
        self.usual = usual
        self.coded = {c: _first_places(usual[c]) for c in self.columns if case.kind(c) != ColumnKind.NUMERIC}
        self.middle = {c: _middle(usual[c]) for c in self.columns if c not in self.coded}

    def numbers(self, frame: pl.DataFrame) -> Floats:
        """(n, p); a text that the background does not have counts as its most frequent one."""
        return np.column_stack([self._numbers(frame[c]) for c in self.columns])

    def _numbers(self, series: pl.Series) -> Floats:
        places = self.coded.get(series.name)
        if places is None:
            values = to_numbers(series)
            return np.where(np.isfinite(values), values, self.middle[series.name])
        first = next(iter(places.values()))
        return np.array([places.get(t, first) for t in to_texts(series)], float)

    def frame(self, row: pl.DataFrame, numbers: Floats) -> pl.DataFrame:
        """Rows like ``row`` (one), with the coded columns taken from ``numbers`` (m, p)."""
        rows = row[np.zeros(len(numbers), np.int64)]
        parts = []
        for j, column in enumerate(self.columns):
            if column in self.coded:
                values = self.usual[column].gather(numbers[:, j].astype(np.int64))
            else:
                values = pl.Series(column, numbers[:, j])
                if row.schema[column].is_integer():
                    values = values.round().cast(row.schema[column], strict=False)
            parts.append(values.alias(column))
        return rows.with_columns(parts)


def _first_places(series: pl.Series) -> dict[str, int]:
    """Text -> place of a row that holds it, the most frequent first."""
    texts = to_texts(series).tolist()
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    return {text: texts.index(text) for text in sorted(counts, key=lambda t: (-counts[t], t))}


def _middle(series: pl.Series) -> float:
    values = to_numbers(series)
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else 0.0


def weights(case: Case, side: Side, columns: tuple[str, ...]) -> tuple[tuple[str, ...], Floats] | None:
    """Absolute LIME weights (n, p) of a few rows on the columns that it can vary; None where it or the model fails."""
    model = case.reference_model
    assert model is not None
    picked = chosen.draw_rows(case)
    asked = chosen.asked_columns(case, model)
    assert asked is not None
    usual = case.reference.sample[picked.background].select(asked)
    coded = SurrogateColumns(case, columns, usual)
    if len(coded.columns) < 2:
        return None
    rows = side.sample[picked.of(case, side, ROWS)].select(asked)
    classifier = bool(chosen.explained_classes(case))

    def around(neighbours: pl.DataFrame) -> Floats:
        outputs = chosen.outputs(case, model, neighbours)
        if not np.isfinite(outputs).all():
            raise ValueError("the model failed")
        return np.column_stack([outputs, 1 - outputs.sum(axis=1)]) if classifier else outputs[:, 0]

    try:
        with warnings.catch_warnings(action="ignore"):  # lime's and the model's own
            return tuple(coded.columns), _explain(coded, rows, classifier, around, chosen.budget(case, NEIGHBOURS))
    except Exception:  # of lime or of the model: the other methods stand
        return None


class _StopError(Exception):
    """The neighbours are drawn, and nothing else was wanted."""


def _explain(
    coded: SurrogateColumns,
    rows: pl.DataFrame,
    classifier: bool,
    around: Callable[[pl.DataFrame], Floats],
    neighbours: int,
) -> Floats:
    """Weights (n, p). The neighbours of all rows are drawn first, so that the model is asked once."""
    with needs("explain", "LIME"):
        from lime.lime_tabular import LimeTabularExplainer

    places = [j for j, c in enumerate(coded.columns) if c in coded.coded]
    explainer = LimeTabularExplainer(
        coded.numbers(coded.usual),
        mode="classification" if classifier else "regression",
        categorical_features=places,
        discretize_continuous=False,
        feature_selection="none",
        random_state=SEED,
    )

    def explain(i: int, ask: Callable[[Floats], Floats]) -> Any:
        numbers, columns = coded.numbers(rows[i])[0], len(coded.columns)
        return explainer.explain_instance(numbers, ask, labels=(0,), num_features=columns, num_samples=neighbours)

    drawn: list[Floats] = []

    def draw(numbers: Floats) -> Floats:
        drawn.append(numbers)
        raise _StopError

    states = []
    for i in range(rows.height):
        states.append(explainer.random_state.get_state())
        with suppress(_StopError):
            explain(i, draw)
    said = around(pl.concat([coded.frame(rows[i], numbers) for i, numbers in enumerate(drawn)]))
    values = np.zeros((rows.height, len(coded.columns)))
    for i, answers in enumerate(np.split(said, rows.height)):
        explainer.random_state.set_state(states[i])  # the same neighbours again
        by_label = explain(i, lambda _, answers=answers: answers).as_map()  # type: ignore[misc]  # a lambda's default has no type
        for j, weight in by_label[0 if classifier else 1]:
            values[i, j] = abs(weight)
    return values
