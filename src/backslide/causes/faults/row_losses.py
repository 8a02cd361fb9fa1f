"""What the model loses on every row, as logged and when rows exchange the values of a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Outcomes, Side
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.stats.arrays import Floats, Ints
from backslide.stats.metrics.metric import METRICS

ROWS_BESIDE = 20
"""Rows, one after the other in time, that exchange their values."""


def row_losses(bench: PricingBench, labels: NDArray[Any], answers: Outcomes) -> Floats:
    """Log loss, error, or 0 and 1 of each row (n,) by its label (n,); NaN without a label or an answer."""
    problem, outcomes = bench.case.problem, Outcomes(labels, answers.predictions, answers.scores)
    if not problem.classification:
        return np.asarray(np.abs(outcomes.labels.astype(float) - outcomes.predictions.astype(float)))
    if outcomes.scores is None:
        wrong = (outcomes.labels != outcomes.predictions).astype(float)
    else:
        wrong = outcomes.statistics(METRICS["log_loss"], len(problem.classes))[:, 1]
    return np.where(outcomes.known(), wrong, np.nan)


def rises_when_exchanged(bench: PricingBench, side: Side, columns: Sequence[str], at: Ints) -> Floats:
    """By how much the loss of the rows ``at`` rises when they exchange their values of a column (columns, len(at))."""
    rows, n = side.sample[at], len(at)
    order = in_time(side, at)
    rng = bench.case.rng("exchanged values")
    frames = [rows.with_columns(rows[column][exchanged(order, rng)]) for column in columns]
    answers = bench.answer(pl.concat([rows, *frames]))
    parts = [answers.take(np.arange(k * n, (k + 1) * n)) for k in range(len(frames) + 1)]
    labels = side.outcomes.take(at).labels
    own, *other = (row_losses(bench, labels, part) for part in parts)
    return np.asarray(np.array(other) - own)


def mean_and_variance(rises: Floats) -> tuple[Floats, Floats]:
    """Mean and squared standard error of each row of (k, n) over its known values (k,), (k,); 0 where the model answered none."""
    known = np.isfinite(rises)
    count = np.maximum(known.sum(axis=1), 1)
    values = np.where(known, rises, 0.0)
    mean = values.sum(axis=1) / count
    return mean, np.maximum((values**2).sum(axis=1) / count - mean**2, 0.0) / count


def in_time(side: Side, at: Ints) -> Ints:
    """The places of the rows ``at`` in order of time (len(at),); as they stand where there are no times."""
    return np.arange(len(at)) if side.seconds is None else np.argsort(side.seconds[at], kind="stable")


def exchanged(places: Ints, rng: np.random.Generator) -> Ints:
    """For every row one of those beside it in time (n,), as values of an hour, or of the same hour of another day, may still tell
    what sort of hour it is; ``places`` are the rows in order of time."""
    stretch = np.arange(len(places)) // ROWS_BESIDE
    other = np.empty(len(places), np.int64)
    other[places] = places[np.lexsort((rng.random(len(places)), stretch))]
    return other
