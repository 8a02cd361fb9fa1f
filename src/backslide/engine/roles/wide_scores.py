"""The row quantities of ``derive`` where classes are many: one pass over a matrix of scores instead of expressions per class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from backslide.engine.columns import names
from backslide.stats.metrics.metric import Floats
from backslide.stats.metrics.row_sums import CLIP

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
