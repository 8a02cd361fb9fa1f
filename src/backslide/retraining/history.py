"""All rows of both windows in one line of time, with the moment at which each label became known.

Nothing here looks ahead: ``known_at(moment)`` holds rows that were served and whose labels had arrived by then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.errors import ColumnError, InputError, did_you_mean
from backslide.engine.columns import names
from backslide.engine.roles.outcomes import Outcomes, outcomes
from backslide.engine.times.time_format import other_time_format
from backslide.engine.times.timestamps import time_expression
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.units import Days

Rows = Ints
DAY = 86_400.0
BLOCKS = 80
"""Of neighbouring rows, where there are no times."""


@dataclass(frozen=True)
class History:
    """Prepared rows (n) in time order."""

    case: Case
    frame: pl.DataFrame
    served: Outcomes
    """Labels, and what answered in production."""
    fresh: Mask
    """Of the current window."""
    when: Floats
    """When each row was served: seconds, or its place where there are no times."""
    arrived: Floats
    """When its label was known; infinite where there is none."""
    timed: bool
    notes: tuple[str, ...] = ()
    onset: float | None = None
    """When the metric changed, on the scale of ``when``; None where that is not dated."""

    @property
    def labelled(self) -> Mask:
        """Rows whose label is known in the end."""
        return np.isfinite(self.arrived)

    @property
    def days(self) -> Days:
        """Day ordinals as ``case.Side.blocks``; without times, ordinals of neighbouring rows taken together.

        Rows in the order of time are alike near each other whether their times were logged or not.
        """
        if not self.timed:
            return np.asarray(self.when // max(len(self.when) // BLOCKS, 1), np.int64)
        return np.asarray(self.when // DAY, np.int64) + 3

    def known_at(self, moment: float) -> Rows:
        """Rows served before ``moment`` whose label had arrived by then."""
        return np.flatnonzero((self.when < moment) & (self.arrived < moment))

    def served_before(self, moment: float) -> Rows:
        """Rows served before ``moment``, labelled or not."""
        return np.flatnonzero(self.when < moment)

    def since(self, onset: str | None) -> History:
        """The same with the day (ISO) on which the metric changed, where the rows have times and some are older."""
        if onset is None or not self.timed:
            return self
        moment = datetime.fromisoformat(onset).replace(tzinfo=UTC).timestamp()
        return replace(self, onset=moment) if self.when[0] < moment <= self.when[-1] else self

    def with_rows(self, frame: pl.DataFrame, served: Outcomes) -> History:
        """The same rows with other values and answers: repaired."""
        return replace(self, frame=frame, served=served)


def _typed_like(later: pl.DataFrame, earlier: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """The columns of one window in the types of the other; a value that has none there is missing."""
    columns = []
    for name in later.columns:
        kind = earlier.schema[name]
        try:
            values = later[name].cast(kind, strict=False)
        except pl.exceptions.InvalidOperationError:
            values = None
        if values is not None and values.dtype == kind:  # a struct as a number is a struct of numbers
            columns.append(values)
        else:
            notes.append(
                f"{name!r} is {later[name].dtype} in the current window and {kind} before, so it counts as missing"
            )
            columns.append(pl.Series(name, [None], kind).new_from_index(0, later.height))
    return pl.DataFrame(columns)


def history(case: Case, current: pl.DataFrame | None = None) -> History:
    """Both windows of a case in time order; ``current`` stands in for the current sample, row by row.

    Raises:
        ColumnError: ``[retrain] label_time`` is no column.
        InputError: there are no labelled rows.
    """
    notes: list[str] = []
    sides = [case.reference.sample, case.current.sample if current is None else current]
    shared = [c for c in sides[0].columns if c in sides[1].columns]
    parts = [side.select(shared) for side in sides]
    parts[1] = _typed_like(parts[1], parts[0], notes)
    frame = pl.concat([part.with_columns(pl.lit(k == 1).alias(_FRESH)) for k, part in enumerate(parts)])
    timed = names.TIME in frame.columns
    if timed:
        lost = frame[names.TIME].null_count()
        if lost:
            notes.append(f"{lost} rows without a time cannot be put in order and are left out")
        frame = frame.drop_nulls(names.TIME).sort(names.TIME, maintain_order=True)
    frame = _without_repeats(frame, case, timed, notes)
    fresh = frame[_FRESH].to_numpy()
    frame = frame.drop(_FRESH)
    when = np.arange(frame.height, dtype=float)
    if timed:
        when = np.asarray(frame[names.TIME].cast(pl.Datetime("us")).cast(pl.Int64).to_numpy(), float) / 1e6
    served = outcomes(frame, case.problem)
    labels = served.labels
    has = np.isfinite(labels.astype(float)) if labels.dtype.kind == "f" else labels.astype(np.int64) >= 0
    arrived = np.where(has, _arrival(frame, when, case, timed, notes), np.inf)
    if not has.any():
        raise InputError("no labelled rows: retraining needs labels; name their column under [model] label")
    return History(case, frame, served, fresh, when, arrived, timed, tuple(notes))


_FRESH = "__fresh"


def _without_repeats(frame: pl.DataFrame, case: Case, timed: bool, notes: list[str]) -> pl.DataFrame:
    """One row for each id within a window, and rows that are the same in every column, time included, count once.

    Ids of two windows may have been counted from the start each, so they are not compared across.
    """
    column = case.problem.roles.id
    before = frame.height
    if column is not None and column in frame.columns:
        missing = frame.filter(pl.col(column).is_null())
        known = frame.drop_nulls(column).unique([column, _FRESH], keep="last", maintain_order=True)
        frame = pl.concat([known, missing]) if missing.height else known
        frame = frame.sort(names.TIME, maintain_order=True) if timed else frame
    if timed:
        own = [c for c, dtype in frame.schema.items() if c != _FRESH and not dtype.is_nested()]
        frame = frame.unique(own, keep="first", maintain_order=True)
    if frame.height < before:
        notes.append(f"{before - frame.height} repeated rows count once")
    return frame


def _arrival(frame: pl.DataFrame, when: Floats, case: Case, timed: bool, notes: list[str]) -> Floats:
    """When labels were known, never before the row was served; a row without such a time: never, as far as one can tell."""
    policy = case.settings.retrain
    column = policy.label_time
    if column is None:
        if policy.label_delay_days and not timed:
            notes.append("[retrain] label_delay_days needs [model] timestamp; labels count as known immediately")
        return when + (policy.label_delay_days * DAY if timed else 0.0)
    if column not in frame.columns:
        raise ColumnError(f"[retrain] label_time: no column {column!r}{did_you_mean(column, frame.columns)}")
    if not timed:
        notes.append("[retrain] label_time needs [model] timestamp; labels count as known immediately")
        return when
    times = frame.select(
        time_expression(frame.lazy(), column, frame.schema[column], other_time_format(case.problem.roles)).alias("t")
    )["t"]
    seconds = np.asarray(times.cast(pl.Int64).cast(pl.Float64).fill_null(np.inf).to_numpy(), float) / 1e6
    return np.maximum(seconds, when)


def moment(h: History, when: float) -> str:
    """A point of its time as ISO text, or the row it stands for."""
    if not h.timed:
        return f"row {int(when)}"
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def quality(h: History) -> tuple[str, ...]:
    """What stands out about the labels: conflicts, too few of a class, and class shares that moved."""
    if not h.case.problem.classification:
        return ()
    labels = h.served.labels.astype(np.int64)
    sentences = _conflicts(h, labels)
    classes = h.case.problem.classes
    known, fresh = h.labelled, h.labelled & h.fresh
    counts = [np.bincount(labels[mask], minlength=len(classes)) for mask in (known & ~h.fresh, fresh)]
    few = [f"{c} ({n})" for c, n in zip(classes, counts[1], strict=True) if n < FEW]
    if few and fresh.any():
        sentences.append(f"fewer than {FEW} fresh labels of {', '.join(few)}")
    if min(c.sum() for c in counts) >= FEW:
        shares = [c / c.sum() for c in counts]
        most = int(np.argmax(np.abs(shares[1] - shares[0])))
        spread = np.sqrt(sum(s[most] * (1 - s[most]) / c.sum() for s, c in zip(shares, counts, strict=True)))
        if abs(shares[1][most] - shares[0][most]) > max(3 * spread, MOVED):
            sentences.append(
                f"{classes[most]!r} went from {say.percent(shares[0][most], 1)} of the labels to "
                f"{say.percent(shares[1][most], 1)}"
            )
    return tuple(sentences)


FEW = 20
MOVED = 0.02


def _conflicts(h: History, labels: Ints) -> list[str]:
    features = [c for c in h.case.problem.features if c in h.frame.columns and not h.frame.schema[c].is_nested()]
    if not features:
        return []
    table = h.frame.select(features).with_columns(pl.Series(_FRESH, labels)).filter(pl.Series(h.labelled))
    groups = table.group_by(features).agg(pl.len().alias("n"), pl.col(_FRESH).n_unique().alias("kinds"))
    rows = int(groups.filter(pl.col("kinds") > 1)["n"].sum())
    if rows < CONFLICTS * table.height:
        return []
    return [f"{rows} of {table.height} labelled rows have the same features as a row with another label"]


CONFLICTS = 0.01
