"""Faults of some rows: every signature read again within marked rows, undone and done there alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis, Remedy
from backslide.causes.faults.contrasts import find_contrasts
from backslide.causes.faults.markers import Marker
from backslide.causes.faults.registry import all_signatures
from backslide.causes.faults.signatures.default_value import DefaultValue
from backslide.causes.faults.signatures.unit_change import UnitChange
from backslide.causes.faults.subset_rules import MIN_ROWS, find_markers
from backslide.contracts.cause import CauseKind
from backslide.contracts.containment import let_through
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Mask
from backslide.stats.two_sample import ks, ks_limit

TAINTS = 0.3
"""Share of the rows that a default must hit for its column to be no witness of what is natural in others."""
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

    def _reference_rows(self, case: Case) -> Mask:
        own, share = self.marker.reference, self.marker.share
        low, high = SIMILAR
        if own.sum() >= MIN_ROWS and low <= own.mean() / share <= high:
            return own
        rng = case.rng("rows of " + self.marker.expression)
        return np.asarray(rng.random(case.reference.sample.height) < share)


def _write_rows(frame: pl.DataFrame, changed: pl.DataFrame, features: tuple[str, ...], rows: Mask) -> pl.DataFrame:
    for feature in features:
        frame = _read_as_numbers(frame, changed, feature, rows)
        values = np.full(frame.height, None, object)
        values[rows] = np.array([*changed[feature].to_list(), None], object)[:-1]
        frame = edit.write(frame, feature, values, rows)
    return frame


def _read_as_numbers(frame: pl.DataFrame, changed: pl.DataFrame, feature: str, rows: Mask) -> pl.DataFrame:
    """A text column whose marked rows became numbers becomes a column of numbers, if its other rows read as such."""
    old, new = frame[feature], changed[feature]
    if old.dtype != pl.String or not new.dtype.is_numeric():
        return frame
    read = old.cast(new.dtype, strict=False)
    rest = pl.Series(~rows)
    lost = read.filter(rest).null_count() > old.filter(rest).null_count()
    return frame if lost else frame.with_columns(read)


def recognise_within(case: Case) -> list[Hypothesis]:
    """What the signatures recognise within marked rows: about the columns that moved there and nowhere else, and about those that
    lie apart there from the other rows of the same weeks."""
    found = [h for marker in find_markers(case) for h in within(case, marker, marker.moved)]
    taken = {feature for h in found if h.exact for feature in h.features}
    for sides in find_contrasts(case):
        read = next((hypotheses for marker in sides if (hypotheses := beside(case, marker))), [])
        found += [h for h in read if not taken & set(h.features)]
    return found


def beside(case: Case, marker: Marker) -> list[Hypothesis]:
    """What the signatures recognise in marked rows where the other current rows stand for the reference: what is certain, and
    another scale, which has yet to prove itself by its price."""
    part = case.beside(marker.current)
    if min(side.sample.height for side in part.sides) < edit.MIN_ROWS:
        return []
    found, part = read_signatures(part)
    wanted = set(marker.moved)
    read = {feature for h in found for feature in h.features}
    numbers = [part.pairs[c] for c in marker.moved if part.pairs[c].numeric and c not in read]
    found += [h for pair in numbers if (h := UnitChange().on_a_scale(pair)) is not None]
    own = [h for h in found if (h.exact or h.kind == CauseKind.UNIT_CHANGE) and set(h.features) <= wanted]
    return [
        _widen(h, part, marker)
        for h in own
        if not _off_its_neighbours(h, part, case, marker) and _returns(h, part, case, marker)
    ]


def _returns(hypothesis: Hypothesis, part: Case, case: Case, marker: Marker) -> bool:
    """Whether undoing it brings numbers nearer to the same rows of the reference, and codes moved there at least as far as in the
    other rows: of two parts that lie apart, either could be the one that was changed, and the world did not change it back."""
    pairs = [case.pairs[column] for column in hypothesis.features]
    if any(pair.categorical and not _moved_themselves(pair, marker) for pair in pairs):
        return False
    if not hypothesis.reversible or len(hypothesis.features) != 1 or not case.pairs[hypothesis.features[0]].numeric:
        return True
    (column,) = hypothesis.features
    now = part.current.sample
    frames = (
        case.reference.sample.filter(pl.Series(marker.reference)),
        now,
        hypothesis.signature.repair(part, hypothesis, now),
    )
    before, came, undone = (v[np.isfinite(v)] for v in (edit.numbers_of(frame, column) for frame in frames))
    return not len(before) or ks(before, undone) < ks(before, came)


def _moved_themselves(pair: Pair, marker: Marker) -> bool:
    """Whether the shares of the values differ from the reference in marked rows as much as in the others; True where the
    reference has only one of the two."""
    levels, (reference, current) = pair.codes
    apart = []
    for before, now in ((marker.reference, marker.current), (~marker.reference, ~marker.current)):
        if not before.any() or not now.any():
            return True
        shares = [np.bincount(part, minlength=len(levels)) / len(part) for part in (reference[before], current[now])]
        apart.append(float(np.abs(shares[0] - shares[1]).sum()))
    return apart[0] >= apart[1]


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
    return [
        _widen(h, part, marker)
        for h in found
        if wanted & set(h.features) and not _off_its_neighbours(h, part, case, marker)
    ]


def _off_its_neighbours(hypothesis: Hypothesis, part: Case, case: Case, marker: Marker) -> bool:
    """Whether a number, once undone on the marked rows, lies farther from the rows beside them than it does now.

    The other rows of the same weeks are the control: what the season did to all of them is no unit of some.
    """
    beside = case.current.sample.filter(pl.Series(~marker.current))
    if hypothesis.kind != CauseKind.UNIT_CHANGE or len(hypothesis.features) != 1 or beside.height < edit.MIN_ROWS:
        return False
    (column,) = hypothesis.features
    now = part.current.sample
    undone = hypothesis.signature.repair(part, hypothesis, now)
    known, before, after = (v[np.isfinite(v)] for v in (edit.numbers_of(f, column) for f in (beside, now, undone)))
    return ks(known, after) > ks(known, before) + ks_limit(max(len(known), 1), max(len(after), 1))


def read_signatures(case: Case) -> tuple[list[Hypothesis], Case]:
    """What every signature recognises, the most specific first, and the case that suspects the columns of what is exact.

    A signature that fails on a column is noted in the case, never fatal.
    """
    asked, found = case, list[Hypothesis]()
    for signature in all_signatures():
        try:
            recognised = list(signature.recognise(case))
        except Exception as error:  # one odd column must not end the run
            if let_through(error):
                raise
            case.notes.append(f"signature {signature.kind} could not be read: {type(error).__name__}: {error}"[:200])
            continue
        found += recognised
        case = case.suspecting(f for h in recognised if _taints(h) for f in h.features)
    return [h for h in found if not _is_a_trace(asked, h, found)], case


def _taints(hypothesis: Hypothesis) -> bool:
    """Whether a column is no witness any more: a default on few rows leaves what the others say."""
    few = hypothesis.kind == CauseKind.DEFAULT_VALUE and hypothesis.rows.mean() < TAINTS
    return hypothesis.exact and not few


def _is_a_trace(case: Case, hypothesis: Hypothesis, found: list[Hypothesis]) -> bool:
    """Whether a value is a default by the witness of broken columns alone: they speak against it where it is in its place."""
    if hypothesis.kind != CauseKind.DEFAULT_VALUE:
        return False
    own = set(hypothesis.features)
    broken = {f for h in found if _taints(h) for f in h.features if not own & set(h.features)}
    if not broken:
        return False
    case = case.suspecting(broken)
    return not any(any(DefaultValue().recognise_column(case, case.pairs[f])) for f in hypothesis.features)


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
