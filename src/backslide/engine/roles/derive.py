"""Expressions that turn logged roles into canonical columns and the row quantities that profiles sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np
import polars as pl

from backslide.contracts.errors import LabelError
from backslide.engine.columns import names
from backslide.engine.roles.problem import Problem
from backslide.stats.arrays import Floats
from backslide.stats.metrics.row_sums import CLIP


def label_expression(column: str, dtype: pl.DataType) -> pl.Expr:
    """Class labels as canonical text (see ``contracts.labels``); NaN and null are null."""
    value = pl.col(column)
    if dtype == pl.Boolean:
        return pl.when(value).then(pl.lit("true")).when(~value).then(pl.lit("false")).otherwise(None)
    if dtype.is_float() or dtype.is_decimal():
        number = value.cast(pl.Float64)
        whole = (number == number.round()) & number.is_finite()
        exact = pl.when(whole).then(number).otherwise(None).cast(pl.Int64, strict=False).cast(pl.String)
        return pl.when(number.is_nan()).then(None).when(whole).then(exact).otherwise(number.cast(pl.String))
    if dtype == pl.Binary:
        return value.cast(pl.String, strict=False)
    return value.cast(pl.String)


def score_expressions(problem: Problem, schema: dict[str, pl.DataType]) -> list[pl.Expr]:
    """One Float64 column per class; the other side of a binary task is one minus the given score.

    Raises:
        LabelError: when a score column does not hold numbers.
    """
    expressions: list[pl.Expr] = []
    for label, column in problem.roles.scores.items():
        if not schema[column].is_numeric():
            raise LabelError(f"score of {label!r}: expected numbers in column {column!r}, found {schema[column]}")
        number = pl.col(column).cast(pl.Float64)
        expressions.append(pl.when(number.is_finite()).then(number).alias(names.score(label)))
    other = [label for label in problem.classes if label not in problem.roles.scores]
    if problem.task == "binary" and len(problem.roles.scores) == 1 and len(other) == 1:
        (column,) = problem.roles.scores.values()
        expressions.append((1.0 - pl.col(column).cast(pl.Float64)).fill_nan(None).alias(names.score(other[0])))
    elif problem.task == "multiclass" and problem.roles.scores:
        expressions += [pl.lit(0.0).alias(names.score(label)) for label in other]  # classes that the model never knew
    return expressions


def decision(problem: Problem) -> pl.Expr:
    """The class that the scores decide for: by threshold (binary) or the largest (first wins ties)."""
    if problem.task == "binary" and problem.positive is not None:
        negative = next((label for label in problem.classes if label != problem.positive), None)
        value = pl.col(names.score(problem.positive))
        return (
            pl.when(value >= problem.threshold)
            .then(pl.lit(problem.positive))
            .when(value.is_not_null())
            .then(pl.lit(negative))
        )
    scores = [pl.col(names.score(label)) for label in problem.classes]
    best = pl.max_horizontal(scores)
    chain: pl.Expr = pl.lit(None, dtype=pl.String)
    for label, value in reversed(list(zip(problem.classes, scores, strict=True))):
        chain = pl.when(value == best).then(pl.lit(label)).otherwise(chain)
    return chain


def derived(problem: Problem, present: set[str]) -> list[pl.Expr]:
    """Row quantities of a window, from the canonical columns that are ``present``."""
    if not problem.classification:
        return _errors(problem) if {names.LABEL, names.PREDICTION} <= present else []
    if not problem.has_scores:
        return []
    if problem.task != "binary" and len(problem.classes) > MANY:
        return [quantities(problem.classes, present)]
    prediction = pl.col(names.PREDICTION) if names.PREDICTION in present else decision(problem)
    columns = [] if names.PREDICTION in present else [prediction.alias(names.PREDICTION)]
    scores = {label: pl.col(names.score(label)) for label in problem.classes}
    columns.append(_pick(prediction, scores).alias(names.CONFIDENCE))
    margin = _margin(problem, scores)
    columns.append(margin.alias(names.MARGIN))
    columns.append((margin < names.NEAR_BOUNDARY).cast(pl.Float64).alias(names.NEAR))
    columns.append(_entropy(list(scores.values())).alias(names.ENTROPY))
    if names.LABEL in present:
        own = _pick(pl.col(names.LABEL), scores)
        total = reduce(lambda a, b: a + b, scores.values())
        columns.append((-(own / total).clip(CLIP, 1.0).log()).alias(names.LOG_LOSS))
        squares = reduce(lambda a, b: a + b, [value * value for value in scores.values()])
        brier = squares - 2 * own + 1.0
        columns.append((brier / 2 if len(scores) == 2 else brier).alias(names.BRIER))
    return columns


def _errors(problem: Problem) -> list[pl.Expr]:
    label = pl.col(names.LABEL)
    error = pl.col(names.PREDICTION) - label
    expressions = [
        error.alias(names.ERROR),
        error.abs().alias(names.ABSOLUTE),
        (error * error).alias(names.SQUARED),
        pl.when(label != 0).then(error.abs() / label.abs()).alias(names.PERCENTAGE),
        pl.when(error.is_not_null()).then(label - problem.centre).alias(names.CENTRED),
    ]
    if problem.costs is not None:
        cost = pl.when(error > 0).then(problem.costs.over * error).otherwise(-problem.costs.under * error)
        expressions.append(cost.alias(names.COST))
    return expressions


def _pick(label: pl.Expr, scores: dict[str, pl.Expr]) -> pl.Expr:
    """The score of the class that ``label`` names; null where it names none."""
    chain: pl.Expr = pl.lit(None, dtype=pl.Float64)
    for name, value in scores.items():
        chain = pl.when(label == name).then(value).otherwise(chain)
    return chain


def _margin(problem: Problem, scores: dict[str, pl.Expr]) -> pl.Expr:
    if problem.task == "binary" and problem.positive is not None:
        return (scores[problem.positive] - problem.threshold).abs()
    # The second largest of k values without sorting rows: the largest after the maximum is taken out once.
    values = [value.fill_null(-1.0) for value in scores.values()]
    best, second = values[0], pl.lit(-1.0)
    for value in values[1:]:
        second = pl.max_horizontal(second, pl.min_horizontal(best, value))
        best = pl.max_horizontal(best, value)
    return pl.max_horizontal(list(scores.values())) - second


def _entropy(scores: list[pl.Expr]) -> pl.Expr:
    terms = [
        pl.when(p > 0).then(-p * p.clip(CLIP, 1.0).log()).otherwise(pl.when(p.is_null()).then(None).otherwise(0.0))
        for p in scores
    ]
    return reduce(lambda a, b: a + b, terms) / math.log(max(len(scores), 2))


# The row quantities of ``derive`` where classes are many: one pass over a matrix of scores instead of expressions per class.


MANY = 12
"""Classes from which a plan of expressions for each takes longer to make than the rows take to read."""


def quantities(classes: Sequence[str], present: set[str]) -> pl.Expr:
    """One expression for several columns (confidence, margin, entropy, losses; the prediction where none was logged)."""
    known = [name for name in (names.LABEL, names.PREDICTION) if name in present]
    quantity_names = [names.CONFIDENCE, names.MARGIN, names.NEAR, names.ENTROPY]
    quantity_names += [names.LOG_LOSS, names.BRIER] if names.LABEL in present else []
    fields: dict[str, pl.DataType] = {name: pl.Float64() for name in quantity_names}
    if names.PREDICTION not in present:
        fields = {names.PREDICTION: pl.String(), **fields}
    codes = pl.Enum(list(classes))
    inputs = [pl.col(names.score(label)) for label in classes]
    inputs += [pl.col(name).cast(codes, strict=False).to_physical() for name in known]

    def work(rows: pl.Series) -> pl.Series:
        table = rows.struct.unnest()
        # What is null must be NaN here, and stay null in what comes out.
        scores = (
            table.select(names.score(label) for label in classes).cast(pl.Float64).fill_null(float("nan")).to_numpy()
        )
        code = {name: table[name].cast(pl.Int64).fill_null(-1).to_numpy() for name in known}
        values = row_quantities(scores, code.get(names.PREDICTION), code.get(names.LABEL))
        columns = [pl.Series(name, values[name]).fill_nan(None) for name in quantity_names]
        if names.PREDICTION in fields:
            labels = [None if c < 0 else classes[c] for c in decide(scores)]
            columns.insert(0, pl.Series(names.PREDICTION, labels, dtype=pl.String))
        return pl.DataFrame(columns).to_struct(rows.name)

    return pl.struct(inputs).map_batches(work, return_dtype=pl.Struct(fields), is_elementwise=True).struct.unnest()


def decide(scores: Floats) -> np.ndarray:
    """The class with the largest score (n,), the first of equals; -1 where all are NaN."""
    best = np.where(np.isnan(scores), -np.inf, scores)
    return np.where(np.isfinite(best).any(axis=1), best.argmax(axis=1), -1) if len(best) else np.empty(0, np.int64)


def row_quantities(scores: Floats, predictions: np.ndarray | None, labels: np.ndarray | None) -> dict[str, Floats]:
    """Confidence, margin, entropy and losses of rows (n,) from their scores (n, K); NaN where they cannot be known.

    ``predictions`` and ``labels`` are class codes, -1 where unknown.
    """
    decisions = decide(scores) if predictions is None else predictions
    with np.errstate(invalid="ignore", divide="ignore"):
        two = np.sort(np.where(np.isnan(scores), -1.0, scores), axis=1)[:, -2:]
        margin = np.where(np.isnan(scores).all(axis=1), np.nan, two[:, 1] - two[:, 0])
        logs = np.where(
            scores > 0, -scores * np.log(np.clip(scores, CLIP, 1.0)), np.where(np.isnan(scores), np.nan, 0.0)
        )
        result = {
            names.CONFIDENCE: _own_scores(scores, decisions),
            names.MARGIN: margin,
            names.NEAR: np.where(np.isnan(margin), np.nan, margin < names.NEAR_BOUNDARY),
            names.ENTROPY: logs.sum(axis=1) / math.log(max(scores.shape[1], 2)),
        }
        if labels is not None:
            own = _own_scores(scores, labels)
            result[names.LOG_LOSS] = -np.log(np.clip(own / scores.sum(axis=1), CLIP, 1.0))
            result[names.BRIER] = (scores**2).sum(axis=1) - 2 * own + 1.0
    return result


def _own_scores(scores: Floats, codes: np.ndarray) -> Floats:
    """The score of each row's own class; NaN where there is none."""
    place = np.clip(codes, 0, None)
    return np.where(codes >= 0, np.take_along_axis(scores, place[:, None], axis=1)[:, 0], np.nan)
