"""Marks of rows: levels of a column, hours, days or one cut of a number, as conditions over the columns as logged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.engine.columns import names
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import MISSING, Pair, codes_in
from backslide.engine.columns.segments import between, holds, literal, quoted, readable
from backslide.engine.roles.logged_inputs import input_columns
from backslide.playbook.concept.screen import VERY_WIDE, left_by_screen
from backslide.stats.arrays import Ints, Mask
from backslide.stats.change import affected_period

Codes = Ints

MAX_LEVELS = 60
"""Levels up to which a column is read as a mark."""
DESCRIBES = 0.9
"""Share of rows and mark that must agree before the one is told by the other."""
AGREES = 0.995
"""Share of the current rows for which a written condition must say what the marker says."""


@dataclass(frozen=True)
class Marker:
    """Rows told by another column."""

    column: str
    expression: str
    """Over the columns as logged, such as ``host = 'a'``."""
    reference: Mask
    """Reference rows for which it holds (n_ref,); none where the value is new."""
    current: Mask
    moved: tuple[str, ...]
    """Feature columns that moved inside and not outside."""

    @property
    def share(self) -> float:
        """Share of the current rows."""
        return float(self.current.mean())


@dataclass(frozen=True)
class MarkerLevels:
    """A column read as a mark: level codes of both samples (-1 = none), and how a set of levels is written."""

    column: str
    reference: Codes
    current: Codes
    texts: tuple[str, ...]
    ordered: bool
    """Days: only runs of them count, most of which reach the end."""
    unit: str = ""
    """How values are written: ``plain`` numbers and booleans, ``hour`` of a time, ``text`` for dates in a text column."""
    known: dict[str, tuple[object, object]] = field(default_factory=dict, repr=False, compare=False)
    """Of features whose move was looked for in these levels: what was read, and the claim or None."""

    def expression(self, chosen: Collection[int]) -> str:
        """A SQL-like condition for the chosen levels."""
        values = [self.texts[i] for i in sorted(chosen)]
        name = quoted(self.column)
        if self.ordered:
            kind, stop = "" if self.unit == "text" else "DATE ", max(chosen) + 1
            until = f" AND {name} < {kind}'{self.texts[stop]}'" if stop < len(self.texts) else ""
            return f"{name} >= {kind}'{values[0]}'{until}"
        if self.unit == "hour":
            hours = [int(v) for v in values]
            side = f"EXTRACT(HOUR FROM {name})"
            return f"{side} = {hours[0]}" if len(hours) == 1 else f"{side} IN ({', '.join(map(str, hours))})"
        written = [v if self.unit == "plain" else literal(v) for v in values if v != MISSING]
        said = (
            [f"{name} = {written[0]}" if len(written) == 1 else f"{name} IN ({', '.join(written)})"] if written else []
        )
        said += [f"{name} IS NULL"] if MISSING in values else []
        return said[0] if len(said) == 1 else f"({' OR '.join(said)})"


def describe(case: Case, rows: Mask, leave_out: Iterable[str] = (), among: Mask | None = None) -> Marker | None:
    """What marks given current rows (n_cur,): levels of a column, or one cut of a numeric one; None where nothing does.

    Nine of ten of the rows must carry the mark, and nine of ten that carry it must be among the rows. ``among``: the others that
    could have been hit as well, where those are not all; then a run of days may mark the rows too, and a cut may not.
    """
    out = set(leave_out)
    candidates = [
        marker_of(levels, chosen, ())
        for levels in levels_of_columns(case)
        if levels.column not in out and (among is not None or not levels.ordered)
        if (chosen := _levels_of_rows(levels, rows, among))
    ]
    if among is None:
        cuts = (_cut(pair, rows) for pair in case.pairs.values() if pair.name not in out and pair.numeric)
        candidates += [cut for cut in cuts if cut is not None and cut.current.any()]
        among = np.ones(len(rows), bool)
    fit = [_fit(marker.current & among, rows & among, max(int(rows.sum()), 1)) for marker in candidates]
    best = max(range(len(fit)), key=fit.__getitem__, default=None)
    if best is None or fit[best] < DESCRIBES or not selects_its_rows(case, candidates[best]):
        return None
    return candidates[best]


def _fit(mark: Mask, rows: Mask, hit: int) -> float:
    both = float((mark & rows).sum())
    return min(both / hit, both / max(int(mark.sum()), 1))


def _levels_of_rows(levels: MarkerLevels, rows: Mask, among: Mask | None) -> tuple[int, ...]:
    """Levels of which most rows are among the given ones, or the run of days that tells them best; none where all would do."""
    k = len(levels.texts)
    known = levels.current >= 0 if among is None else (levels.current >= 0) & among
    total = np.bincount(levels.current[known], minlength=k)
    hit = np.bincount(levels.current[known], weights=rows[known], minlength=k).astype(float)
    chosen = np.flatnonzero(hit > 0.5 * np.maximum(total, 1))
    if levels.ordered:
        run = affected_period.period(hit, total.astype(float))
        chosen = np.arange(k) if run is None else np.arange(run.start, run.stop)
    return tuple(int(i) for i in chosen) if len(chosen) < k else ()


def _cut(pair: Pair, rows: Mask) -> Marker | None:
    """The side of the one cut of a numeric column that agrees best with the rows."""
    ref, cur = pair.numbers
    order = np.argsort(cur, kind="stable")
    order = order[np.isfinite(cur[order])]
    values, hit = cur[order], rows[order].astype(float)
    ends = np.flatnonzero(np.diff(values) > 0)
    if not len(ends):
        return None
    below = np.cumsum(hit)[ends]
    agree_high = (ends + 1 - below) + (hit.sum() - below)
    agree_low = below + (len(hit) - (ends + 1) - (hit.sum() - below))
    high = agree_high.max() >= agree_low.max()
    at = int(ends[int(np.argmax(agree_high if high else agree_low))])
    cut = readable((values[at] + values[at + 1]) / 2)
    whole = pair.current.dtype.is_integer()
    cut = cut if values[at] < cut <= values[at + 1] and not whole else float(values[at + 1])
    sides = [np.isfinite(x) & ((x >= cut) if high else (x < cut)) for x in (ref, cur)]
    expression = between(pair.name, cut, None) if high else between(pair.name, None, cut)
    return Marker(pair.name, expression, sides[0], sides[1], ())


def selects_its_rows(case: Case, marker: Marker) -> bool:
    """Whether the condition, read as SQL over the logged columns, selects the marked rows: times may be logged in any form."""
    try:
        held = holds(case.current.sample, marker.expression).to_numpy()
    except pl.exceptions.PolarsError:
        return False
    return bool((held == marker.current).mean() >= AGREES)


def marker_of(levels: MarkerLevels, chosen: tuple[int, ...], moved: tuple[str, ...]) -> Marker:
    return Marker(
        levels.column,
        levels.expression(chosen),
        np.isin(levels.reference, chosen),
        np.isin(levels.current, chosen),
        moved,
    )


def levels_of_columns(case: Case) -> Iterator[MarkerLevels]:
    """Columns of both samples read as markers: context first, then features, model versions, hours and days."""
    ref, cur = case.reference.sample, case.current.sample
    taken = set(case.problem.roles.columns().values()) - {case.problem.roles.version}
    taken |= set(input_columns(case.problem.roles, case.current.sample.columns).values()) | _left_by_screen(case)
    for column in cur.columns:
        if column.startswith(names.PREFIX) or column in taken or column not in case.current.window.kinds:
            continue
        levels = _levels_of(case, column)
        if levels is not None:
            yield levels
    timestamp = case.problem.roles.timestamp
    if timestamp is not None and names.TIME in cur.columns:
        temporal = cur[timestamp].dtype.is_temporal()
        # The times stay while features are repaired.
        yield from case.current.cache.get(
            _times, (timestamp,), lambda: tuple(_times(timestamp, ref[names.TIME], cur[names.TIME], temporal))
        )


def _left_by_screen(case: Case) -> set[str]:
    """Features of a very wide table that are not read as markers: each of them is held against every other one. It is noted."""
    if len(case.pairs) <= VERY_WIDE:
        return set()
    left = set(left_by_screen(case))
    note = (
        f"{len(case.pairs)} features: marks of faulty rows were looked for in columns that are no features, and in the "
        f"{len(case.pairs) - len(left)} features that moved most or go most with errors"
    )
    if note not in case.notes:
        case.notes.append(note)
    return left


def _levels_of(case: Case, column: str) -> MarkerLevels | None:
    """A column of the current sample as a marker, None where it marks nothing; features are read once, whatever is repaired."""
    owner = case.pairs.get(column) or case
    return owner.cache.get(_levels_of, (column,), lambda: _read_levels(case, column))


def _read_levels(case: Case, column: str) -> MarkerLevels | None:
    reference, cur, kind = case.reference.sample, case.current.sample[column], case.current.window.kinds[column]
    ref = (
        reference[column]
        if column in reference.columns
        else pl.Series(column, [None] * reference.height, dtype=cur.dtype)
    )
    if kind not in (ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN, ColumnKind.NUMERIC) or cur.n_unique() > MAX_LEVELS:
        return None
    if cur.dtype.is_float() and not bool((cur.drop_nulls().drop_nans() == cur.drop_nulls().drop_nans().round()).all()):
        return None  # pandas makes floats of whole codes with a missing one; other floats mark nothing
    pair = case.pairs.get(column) or Pair(column, kind, ref, cur)
    levels, (before, after) = pair.codes
    present = np.unique(after)
    if len(present) < 2:
        return None
    texts = tuple(levels[code] for code in present)
    place = np.full(len(levels), -1)
    place[present] = np.arange(len(present))
    codes = [place[before], place[after]]
    if ref.null_count() == len(ref):
        codes[0] = np.full_like(codes[0], -1)  # not logged then, which is not the same as missing on some rows
    unit = "" if kind == ColumnKind.CATEGORICAL else "plain"
    return MarkerLevels(column, codes[0], codes[1], texts, ordered=False, unit=unit)


def _times(timestamp: str, ref: pl.Series, cur: pl.Series, temporal: bool) -> Iterator[MarkerLevels]:
    """Days of the current window, and hours of the day where the logged column is a time and no text."""
    days = cur.dt.date()
    texts = tuple(str(day) for day in days.drop_nulls().unique().sort())
    nowhere = np.full(len(ref), -1, np.int64)
    if 2 <= len(texts) <= 400:
        codes = codes_in(days.cast(pl.String), {text: code for code, text in enumerate(texts)}, -1)
        yield MarkerLevels(timestamp, nowhere, codes, texts, ordered=True, unit="" if temporal else "text")
    if not temporal:
        return
    hours = [side.dt.hour().fill_null(-1).to_numpy().astype(np.int64) for side in (ref, cur)]
    if len(np.unique(hours[1][hours[1] >= 0])) >= 4:
        yield MarkerLevels(timestamp, hours[0], hours[1], tuple(str(h) for h in range(24)), ordered=False, unit="hour")
