"""When a cause began, with an interval: the days of a fault's rows, or the change point of what the world moved."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from backslide.case import Case, Side
from backslide.causes.reporting.onset import EPOCH, change_of_days
from backslide.causes.shift.base import WorldChange
from backslide.contracts.cause import Began, CauseKind
from backslide.engine.columns import names
from backslide.engine.columns.pair import to_words
from backslide.engine.columns.segments import holds
from backslide.stats.arrays import Floats, Mask
from backslide.stats.change.affected_period import period
from backslide.stats.shift.doubly_robust import bins_of


def fault_onset(case: Case, rows: Mask) -> tuple[Began, str | None] | None:
    """When the current rows (n_cur,) of a fault began, and their last day where the window went on without; None without days.

    Days up to which the reference reaches were sound, so a fault of the first current day may have begun at any since.
    """
    sample = case.current.sample
    if names.DAY not in sample.columns or not rows.any():
        return None
    counted = (
        sample.select(pl.col(names.DAY).alias("day"), pl.Series("hit", rows))
        .drop_nulls("day")
        .group_by("day")
        .agg(pl.col("hit").sum(), pl.len().alias("rows"))
        .sort("day")
    )
    days: list[date] = counted["day"].to_list()
    found = period(counted["hit"].to_numpy().astype(float), counted["rows"].to_numpy().astype(float))
    if found is None:
        return None
    low = days[found.low - 1] + timedelta(days=1) if found.low else _sound_until(case, days[0])
    began = Began(at=days[found.start].isoformat(), low=low.isoformat(), high=days[found.high].isoformat())
    return began, None if found.stop == len(days) else days[found.stop - 1].isoformat()


def _sound_until(case: Case, first: date) -> date:
    """The day after the last of the reference, where that lies before the current window."""
    reference = case.reference.sample
    last = reference[names.DAY].max() if names.DAY in reference.columns else None
    return last + timedelta(days=1) if isinstance(last, date) and last < first else first


def shift_onset(case: Case, cause: WorldChange) -> Began | None:
    """Change point of the inputs, class shares or errors that a cause in the world is about; None where the days do not tell."""
    if any(names.DAY not in side.sample.columns for side in case.sides):
        return None
    signals = _signals(case, cause)
    if signals is None:
        return None
    values, rows, days, current = [], [], [], []
    for index, (side, signal) in enumerate(zip(case.sides, signals, strict=True)):
        ordinals = (side.sample[names.DAY] - EPOCH).dt.total_days().to_numpy().astype(float)
        known = np.isfinite(signal) & np.isfinite(ordinals)
        at, place = np.unique(ordinals[known].astype(np.int64), return_inverse=True)
        count = np.bincount(place, minlength=len(at)).astype(float)
        values.append(np.bincount(place, signal[known], len(at)) / np.maximum(count, 1))
        rows.append(count)
        days.append(at)
        current.append(np.full(len(at), index == 1))
    found = change_of_days(*(np.concatenate(parts) for parts in (values, rows, days, current)))
    if found is None:
        return None
    first, when, last = (day.isoformat() for day in found)
    return Began(at=when, low=first, high=last)


def _signals(case: Case, cause: WorldChange) -> tuple[Floats, Floats] | None:
    """A number per sampled row of both windows whose mean changes where the cause begins; NaN where there is none."""
    if cause.kind == CauseKind.COVARIATE_SHIFT:
        return _gained(case, cause.features[0]) if cause.features else None
    ref, cur = (_of_labelled(side, case.problem.classes, cause) for side in case.sides)
    return None if ref is None or cur is None else (ref, cur)


def _gained(case: Case, column: str) -> tuple[Floats, Floats]:
    """Whether the row's value is of those that come more often than they did: bins of numbers, or levels."""
    pair = case.pairs[column]
    if pair.numeric:
        coded = bins_of(*pair.numbers, pair.discrete)
        cells = [codes.astype(str) for codes in coded[:2]]
    else:
        cells = [to_words(texts) for texts in pair.texts]
    more = [
        level for level in np.unique(np.concatenate(cells)) if (cells[1] == level).mean() > (cells[0] == level).mean()
    ]
    return np.isin(cells[0], more).astype(float), np.isin(cells[1], more).astype(float)


def _of_labelled(side: Side, classes: tuple[str, ...], cause: WorldChange) -> Floats | None:
    """Labelled rows: whether they are of the class that shifted, or how wrong they were."""
    outcomes = side.outcomes
    known = outcomes.known()
    signal = np.full(len(known), np.nan)
    labels, predictions = outcomes.labels[known].astype(float), outcomes.predictions[known].astype(float)
    if cause.kind == CauseKind.LABEL_SHIFT:
        if not cause.classes:
            return None
        signal[known] = labels == classes.index(cause.classes[0])
    elif classes:
        signal[known] = labels != predictions
    else:
        signal[known] = np.abs(labels - predictions)
    if cause.segment is not None:
        signal[~holds(side.sample, cause.segment).to_numpy()] = np.nan
    return signal
