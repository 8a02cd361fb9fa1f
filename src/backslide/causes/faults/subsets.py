"""Faults of some rows: every signature read again within marked rows, undone and done there alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis, Remedy
from backslide.causes.faults.markers import Marker
from backslide.causes.faults.registry import all_signatures
from backslide.causes.faults.subset_rules import MIN_ROWS, find_markers
from backslide.contracts.cause import CauseKind
from backslide.contracts.containment import let_through

SIMILAR = (0.5, 2.0)
"""Ratio of a marker's shares in both windows within which its own reference rows stand for the rows concerned."""


@dataclass(frozen=True)
class _PartialRemedy(Remedy):
    """A fault of marked rows; the others stay as they are."""

    inner: Hypothesis
    part: Case
    marker: Marker
    kind: CauseKind

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Undo it on the marked current rows."""
        rows = self.marker.current
        fixed = self.inner.signature.repair(self.part, self.inner, frame.filter(pl.Series(rows)))
        return _write_rows(frame, fixed, self.inner.features, rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Do it to the reference rows with the marker's value, or to the same share of any rows where there are none."""
        rows = self._reference_rows(case)
        part = case.part(rows, self.marker.current)
        broken = self.inner.signature.inject(part, self.inner, frame.filter(pl.Series(rows)))
        return _write_rows(frame, broken, self.inner.features, rows)

    def _reference_rows(self, case: Case) -> edit.Mask:
        own, share = self.marker.reference, self.marker.share
        low, high = SIMILAR
        if own.sum() >= MIN_ROWS and low <= own.mean() / share <= high:
            return own
        rng = case.rng("rows of " + self.marker.expression)
        return np.asarray(rng.random(case.reference.sample.height) < share)


def _write_rows(frame: pl.DataFrame, changed: pl.DataFrame, features: tuple[str, ...], rows: edit.Mask) -> pl.DataFrame:
    for feature in features:
        frame = _read_as_numbers(frame, changed, feature, rows)
        values = np.full(frame.height, None, object)
        values[rows] = np.array([*changed[feature].to_list(), None], object)[:-1]
        frame = edit.write(frame, feature, values, rows)
    return frame


def _read_as_numbers(frame: pl.DataFrame, changed: pl.DataFrame, feature: str, rows: edit.Mask) -> pl.DataFrame:
    """A text column whose marked rows became numbers becomes a column of numbers, if its other rows read as such."""
    old, new = frame[feature], changed[feature]
    if old.dtype != pl.String or not new.dtype.is_numeric():
        return frame
    read = old.cast(new.dtype, strict=False)
    rest = pl.Series(~rows)
    lost = read.filter(rest).null_count() > old.filter(rest).null_count()
    return frame if lost else frame.with_columns(read)


def recognise_within(case: Case) -> list[Hypothesis]:
    """What the signatures recognise within marked rows, about the columns that moved there and nowhere else."""
    return [h for marker in find_markers(case) for h in within(case, marker, marker.moved)]


def within(case: Case, marker: Marker, moved: Iterable[str]) -> list[Hypothesis]:
    """What the signatures recognise within the rows of one marker about the columns ``moved``."""
    known = int(marker.reference.sum())
    if 0 < known < edit.MIN_ROWS:
        return []  # the whole reference is no measure for rows of a kind that it holds too few of
    if not known and marker.column in case.pairs:
        return []  # nor for rows that the model's own inputs say are of a new kind: a month that has not been
    every = np.ones(case.reference.sample.height, bool)
    part = case.part(marker.reference if known else every, marker.current)
    if part.current.sample.height < edit.MIN_ROWS:
        return []
    wanted = set(moved)
    found, part = read_signatures(part)
    return [_widen(h, part, marker) for h in found if wanted & set(h.features)]


def read_signatures(case: Case) -> tuple[list[Hypothesis], Case]:
    """What every signature recognises, the most specific first, and the case that suspects the columns of what is exact.

    A signature that fails on a column is noted in the case, never fatal.
    """
    found: list[Hypothesis] = []
    for signature in all_signatures():
        try:
            recognised = list(signature.recognise(case))
        except Exception as error:  # one odd column must not end the run
            if let_through(error):
                raise
            case.notes.append(f"signature {signature.kind} could not be read: {type(error).__name__}: {error}"[:200])
            continue
        found += recognised
        case = case.suspecting(f for h in recognised if h.exact for f in h.features)
    return found, case


def _widen(hypothesis: Hypothesis, part: Case, marker: Marker) -> Hypothesis:
    """The hypothesis about the marked rows as one about the whole window."""
    rows = np.zeros(len(marker.current), bool)
    rows[marker.current] = hypothesis.rows
    where = f" where {marker.expression}"
    return replace(
        hypothesis,
        signature=_PartialRemedy(hypothesis, part, marker, hypothesis.kind),
        rows=rows,
        seen=hypothesis.seen + where,
        undo=hypothesis.undo + where,
        mechanism=f"{hypothesis.mechanism or '+'.join(hypothesis.features)}|{marker.expression}",
        segment=marker.expression,
        where=marker.current,
    )
