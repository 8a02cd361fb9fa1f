"""Which rows are explained, and what is asked of a model about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case, Side, codes_of
from backslide.engine.columns import names
from backslide.engine.columns.cache import once
from backslide.models.model import Model
from backslide.playbook.drift import change_of_column
from backslide.stats.arrays import Floats, Ints

BACKGROUND = 100
"""Reference rows that stand for what a feature usually is."""
MOST_OUTPUTS = 4
"""Classes of a multiclass model whose scores are explained, the most frequent first."""
OF_TEXTS = 5
Index = Ints


@dataclass(frozen=True)
class ExplainedRows:
    """Sampled rows of both windows in the order in which they are used, and the background of the reference."""

    reference: Index
    current: Index
    background: Index

    def of(self, case: Case, side: Side, most: int) -> Index:
        """At most ``most`` rows of a window."""
        return (self.reference if side is case.reference else self.current)[:most]


@once
def draw_rows(case: Case) -> ExplainedRows:
    """The rows in an order that chance and their content decide, never their place; the windows alike in weekdays."""
    rng = case.rng("explained rows")
    keep = change_of_column.weekday_weights(change_of_column.both_days(case)), None
    picks = []
    for side, weight in zip(case.sides, keep, strict=True):
        columns = [*case.pairs, *([names.LABEL] if names.LABEL in side.sample.columns else [])]
        order = change_of_column.canonical(side, columns)
        chance = rng.random((2, len(order)))
        rows = order[chance[0] < (1.0 if weight is None else weight[order])]
        picks.append(rows[np.argsort(chance[1][: len(rows)], kind="stable")])
    usual = min(BACKGROUND, len(picks[0]) // 4)
    return ExplainedRows(picks[0][usual:], picks[1], picks[0][:usual])


def budget(case: Case, answers: int) -> int:
    """Answers that may be asked for: a fifth of ``answers`` where the model reads running text, which takes it much longer."""
    return answers // OF_TEXTS if any(pair.free_text for pair in case.pairs.values()) else answers


def days_at(case: Case, side: Side, rows: Index) -> change_of_column.Days:
    """Days of some sampled rows; None where a window has none."""
    days = change_of_column.both_days(case)[0 if side is case.reference else 1]
    return None if days is None else days[rows]


def asked_columns(case: Case, model: Model) -> list[str] | None:
    """Feature columns that the model is given; None where it wants one that a window does not have."""
    wanted = list(model.features) if model.features is not None else list(case.problem.features)
    there = all(set(wanted) <= set(side.sample.columns) for side in case.sides)
    return wanted if there else None


def explained_classes(case: Case) -> tuple[str, ...]:
    """Classes whose scores are explained: the positive one of two, else the most frequent; empty for a regression."""
    problem = case.problem
    if not problem.classification or not problem.classes:
        return ()
    if len(problem.classes) == 2:
        return (problem.positive if problem.positive in problem.classes else problem.classes[-1],)
    codes = case.reference.outcomes.predictions.astype(np.int64)
    counts = np.bincount(codes[codes >= 0], minlength=len(problem.classes))
    return tuple(problem.classes[k] for k in np.argsort(-counts, kind="stable")[:MOST_OUTPUTS])


def outputs(case: Case, model: Model, frame: pl.DataFrame) -> Floats:
    """What is explained (n, K): scores of ``explained_classes``, else whether one is answered, else numbers; NaN = failed."""
    columns = asked_columns(case, model) or list(frame.columns)
    answer = model.answer(frame.select(columns), decisions=False)
    classes = explained_classes(case)
    if not classes:
        numbers = answer.predictions
        usable = numbers is not None and numbers.dtype.kind == "f"
        return np.asarray(numbers if usable else np.full(frame.height, np.nan), float)[:, None]
    spelled = case.problem.spellings
    known = [spelled.get(label, label) for label in (answer.classes or model.classes or ())]
    if answer.scores is not None:
        columns_of = [answer.scores[:, known.index(c)] if c in known else np.zeros(frame.height) for c in classes]
    elif answer.predictions is not None:
        codes = codes_of(answer.predictions, classes, spelled)
        columns_of = [(codes == k).astype(float) for k in range(len(classes))]
    else:
        columns_of = [np.full(frame.height, np.nan) for _ in classes]
    values = np.column_stack(columns_of).astype(float)
    values[answer.failed] = np.nan
    return values
