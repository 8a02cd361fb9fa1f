"""What signatures share: writing into a column, filling from the other columns, and asking whether a change is natural."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from backslide.case import Case
from backslide.contracts.diagnosis import LEAST_ROWS
from backslide.engine.columns import names
from backslide.engine.columns.cache import once
from backslide.engine.columns.design_matrix import make_design
from backslide.engine.columns.pair import Pair, to_numbers, to_texts, to_words
from backslide.stats.arrays import Floats, Mask
from backslide.stats.drift.boosting import classify, regress
from backslide.stats.two_sample import ranks

MIN_ROWS = LEAST_ROWS
"""Rows per window below which no signature is read: replays only."""

FEW_OF_A_KIND = 15
"""Rows on either side of a split by which a kind is told."""


def write(frame: pl.DataFrame, column: str, values: Iterable[object], rows: Mask | None = None) -> pl.DataFrame:
    """``frame`` with ``values`` (n,) in ``column``, only on ``rows`` when given.

    None and NaN become null. The column keeps its type where the values fit it; numbers that do not make it Int64 or Float64,
    and texts in a column of numbers or booleans make it text.
    """
    mask = np.ones(frame.height, bool) if rows is None else rows
    old, new = frame[column], _written(column, values, mask)
    if old.dtype == pl.Null:
        old = old.cast(new.dtype)
    elif new.dtype != old.dtype:
        old, new = _one_type(old, new)
    return frame.with_columns(pl.select(pl.when(pl.Series(mask)).then(new).otherwise(old).alias(column)).to_series())


def _written(column: str, values: Iterable[object], mask: Mask) -> pl.Series:
    """The values on the rows of ``mask``, null elsewhere."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pl.Series(column, np.where(mask, values.astype(float), np.nan)).fill_nan(None)
    given = [None if isinstance(v, float) and np.isnan(v) else v for v in values]
    return _series(column, [v if hit else None for v, hit in zip(given, mask, strict=True)])


def _series(column: str, values: list[object]) -> pl.Series:
    known = [v for v in values if v is not None]
    if all(isinstance(v, (bool, np.bool_)) for v in known) and known:
        return pl.Series(column, values, dtype=pl.Boolean)
    if all(isinstance(v, (int, float, np.number)) for v in known):
        return pl.Series(column, np.array([np.nan if v is None else v for v in values], float)).fill_nan(None)
    return pl.Series(column, [None if v is None else str(v) for v in values], dtype=pl.String)


def _one_type(old: pl.Series, new: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Both as the old type where the new values fit it, else as the narrowest type that holds both."""
    if old.dtype.is_numeric() and new.dtype.is_numeric():
        whole = old.dtype.is_integer() and bool((new.drop_nulls() == new.drop_nulls().round()).all())
        for dtype in [old.dtype, pl.Int64()] if whole else [] if old.dtype.is_integer() else [old.dtype]:
            fitted = new.cast(dtype, strict=False)
            if fitted.null_count() == new.null_count():
                return old.cast(dtype), fitted
        return old.cast(pl.Float64), new
    return old.cast(pl.String), new.cast(pl.String)


def blank(frame: pl.DataFrame, column: str, rows: Mask) -> pl.DataFrame:
    """``frame`` with null in ``column`` on ``rows``."""
    return frame.with_columns(pl.when(pl.Series(rows)).then(None).otherwise(pl.col(column)).alias(column))


def constant(frame: pl.DataFrame, column: str, value: object, rows: Mask | None = None) -> pl.DataFrame:
    """``frame`` with one value in ``column``, on ``rows`` or everywhere."""
    mask = rows if rows is not None else np.ones(frame.height, bool)
    return write(frame, column, [value] * frame.height, mask)


def rolled(series: pl.Series, by: int) -> pl.Series:
    """The values moved down by some rows, the last ones to the top."""
    n = len(series)
    return series.gather((np.arange(n) - by) % max(n, 1)).alias(series.name)


def impute(case: Case, frame: pl.DataFrame, column: str, rows: Mask, among: Mask | None = None) -> pl.DataFrame:
    """Draw ``column`` on ``rows`` from its reference distribution given the other columns, as it is on the reference rows
    ``among`` (n_ref,) where they are given and enough.

    Numeric: gradient boosting on ranks plus a resampled residual (mean-only fills shrink the variance and overstate harm for
    tree models). Categories: a class drawn from predicted probabilities.
    """
    pair = case.pairs[column]
    design = make_design(case.pairs.values(), leave_out={column, *case.suspects})
    rng = case.rng(f"impute {column}")
    known = ~pair.missing[0]
    if among is not None and (known & among).sum() >= MIN_ROWS:
        known = known & among
    if not rows.any() or known.sum() < MIN_ROWS or not design.columns:
        return frame
    x_ref = design.windows(case.pairs)[0][known]
    x = design.matrix(frame.filter(pl.Series(rows)))
    values = np.full(frame.height, np.nan if pair.numeric else None, float if pair.numeric else object)
    if pair.numeric:
        values[rows] = _draw_numbers(pair.numbers[0][known], x_ref, x, design.categorical, rng)
    else:
        values[rows] = _draw_levels(pair, known, x_ref, x, design.categorical, rng)
    return write(frame, column, values, rows)


def _draw_numbers(y: Floats, x_ref: Floats, x: Floats, categorical: Mask, rng: np.random.Generator) -> Floats:
    finite = np.isfinite(y)
    y, x_ref = y[finite], x_ref[finite]
    order = np.argsort(y, kind="stable")
    rank = np.empty(len(y))
    rank[order] = (np.arange(len(y)) + 0.5) / len(y)
    model = regress(x_ref, rank, categorical, rounds=60, l2=0.0)
    residual = rank - model.predict(x_ref)
    drawn = np.clip(model.predict(x) + rng.choice(residual, len(x)), 0.0, 1.0 - 1e-9)
    return np.asarray(np.sort(y)[(drawn * len(y)).astype(int)])


def _draw_levels(
    pair: Pair, known: Mask, x_ref: Floats, x: Floats, categorical: Mask, rng: np.random.Generator
) -> list[object]:
    frequent = sorted(pair.levels[0], key=lambda k: -pair.levels[0][k])[:40]
    texts = pair.texts[0][known]
    use = np.isin(to_words(texts), to_words(frequent))
    if len(set(texts[use])) < 2:
        return [frequent[0] if frequent else None] * len(x)
    model = classify(x_ref[use], to_words(texts[use]), categorical, rounds=40, l2=0.0)
    cumulative = np.cumsum(model.predict_proba(x), axis=1)
    chosen = (rng.random((len(x), 1)) > cumulative).sum(axis=1).clip(0, len(model.classes_) - 1)
    original = dict(zip(to_words(frequent), frequent, strict=True))
    values = [str(original[model.classes_[i]]) for i in chosen]
    if pair.reference.dtype == pl.Boolean:
        return [value == "true" for value in values]
    return list(values)


def expected(case: Case, hit: Mask, leave_out: Iterable[str]) -> Floats:
    """Chance of an event on each current row, had it followed the other columns as in the reference (n_cur,).

    ``hit`` (n_ref,) marks the event on reference rows. A change of its share that these chances foresee is natural: the rows
    differ, not the recording of the column.
    """
    design = make_design(case.pairs.values(), leave_out={*leave_out, *case.suspects})
    n_cur = case.current.sample.height
    if not 5 <= hit.sum() <= len(hit) - 5 or not design.columns:
        return np.full(n_cur, float(hit.mean()))
    reference, current = design.windows(case.pairs)
    return np.asarray(classify(reference, hit, design.categorical).predict_proba(current)[:, 1])


def of_a_kind(case: Case, rows: Mask, leave_out: Iterable[str]) -> bool:
    """Whether the other columns tell current ``rows`` (n_cur,) from the others: area under the curve on held-out halves, beyond 2
    standard errors (Hanley and McNeil, 1982)."""
    design = make_design(case.pairs.values(), leave_out={*leave_out, *case.suspects})
    if not design.columns or not 2 * FEW_OF_A_KIND <= rows.sum() <= len(rows) - 2 * FEW_OF_A_KIND:
        return False
    x = design.windows(case.pairs)[1]
    half = case.rng("of a kind " + " ".join(leave_out)).random(len(rows)) < 0.5
    if min(rows[half].sum(), rows[~half].sum()) < FEW_OF_A_KIND:
        return False
    chance = classify(x[half], rows[half], design.categorical).predict_proba(x[~half])[:, 1]
    hit = rows[~half]
    ones, others = int(hit.sum()), int((~hit).sum())
    return float(roc_auc_score(hit, chance)) > 0.5 + 2 * float(np.sqrt((ones + others + 1) / (12 * ones * others)))


def likely_rows(case: Case, rows: Mask, leave_out: Iterable[str], rate: float) -> Mask:
    """Rows of the reference that a fault with these current ``rows`` would have hit: ``rate`` of them.

    Where the other columns tell which rows are hit (a host, a country), the same kind of rows is drawn; else any.
    """
    rng = case.rng("hit " + " ".join(leave_out))
    n_ref = case.reference.sample.height
    if rate >= 1.0:
        return np.ones(n_ref, bool)
    flat = rng.random(n_ref) < rate
    design = make_design(case.pairs.values(), leave_out={*leave_out, *case.suspects})
    if not design.columns or not 30 <= rows.sum() <= len(rows) - 30:
        return flat
    x = design.windows(case.pairs)[1]
    half = rng.random(len(rows)) < 0.5
    if not (5 <= rows[half].sum() < half.sum() - 5 and 5 <= rows[~half].sum() < (~half).sum() - 5):
        return flat
    model = classify(x[half], rows[half], design.categorical, rounds=40, leaves=6, l2=10.0)
    if roc_auc_score(rows[~half], model.predict_proba(x[~half])[:, 1]) < 0.6:
        return flat
    chance = model.predict_proba(design.matrix(case.reference.sample))[:, 1]
    return np.asarray(rng.random(n_ref) < np.clip(chance * rate / max(float(chance.mean()), 1e-9), 0, 1))


def numbers_of(frame: pl.DataFrame, column: str) -> Floats:
    """Float64 values of a column, NaN where missing."""
    return to_numbers(frame[column])


def texts_of(frame: pl.DataFrame, column: str) -> NDArray[np.object_]:
    """Values of a column as text."""
    return to_texts(frame[column])


@once
def outcomes_of(case: Case) -> tuple[Floats, Floats]:
    """``outcome_of`` both samples; once per case."""
    reference = case.reference.sample
    return outcome_of(reference, reference), outcome_of(case.current.sample, reference)


def outcome_correlations(case: Case, pair: Pair) -> list[tuple[float, float]] | None:
    """Correlation of a numeric column's ranks with the labels in both windows, and its variance where there is none; None where a
    window has too few labels, or of one kind."""
    found = []
    for y, values in zip(outcomes_of(case), pair.numbers, strict=True):
        known = np.isfinite(values) & np.isfinite(y)
        if known.sum() < MIN_ROWS or np.ptp(y[known]) == 0:
            return None
        found.append((float(np.corrcoef(ranks(values[known]), y[known])[0, 1]), float(1 / known.sum())))
    return found


def outcome_of(sample: pl.DataFrame, reference: pl.DataFrame) -> Floats:
    """Labels as one number: themselves, or whether they are the reference's most frequent class (n,), NaN where unknown."""
    labels = sample[names.LABEL]
    if labels.dtype.is_numeric():
        return to_numbers(labels)
    top = reference[names.LABEL].drop_nulls().mode().sort()
    return to_numbers((labels == top[0]).cast(pl.Float64)) if len(top) else np.full(len(labels), np.nan)
