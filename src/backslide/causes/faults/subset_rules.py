"""Which rows? Values of other columns that mark the rows in which a column moved, while it held still in the rest.

A fault often hits one host, source, client, version, hour or period. Over all rows such a fault looks like noise; within the
rows concerned it looks like what it is. A marker is a set of levels of one column, told apart by distances alone: large
inside, next to nothing outside. It needs neither labels nor a model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.columns.broken_associations import Ties, tie_products, untied
from backslide.engine.columns import names
from backslide.engine.columns.cache import once
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import MISSING, Pair, codes_in, to_texts
from backslide.engine.columns.segments import between, holds, literal, quoted, readable
from backslide.engine.roles.logged_inputs import input_columns
from backslide.stats.change import affected_period
from backslide.stats.metrics.metric import Floats
from backslide.stats.shift.doubly_robust import bins_of

Mask = NDArray[np.bool_]
Codes = NDArray[np.int64]

MAX_LEVELS = 60
"""Levels up to which a column is searched as a marker."""
MIN_ROWS = 100
"""Rows of a level, and of all marked rows together."""
MIN_SHARE = 0.01
MAX_SHARE = 0.9
MIN_DISTANCE = 0.12
"""Distance that a column must have moved inside the marked rows."""
QUIET = 0.25
"""Share of the distance inside that may show outside, beyond noise."""
FELT = 0.4
"""Share of what the marked rows moved that all rows together must have moved: where the others move against it, as they do when
values stand in other rows, it is not the marked rows that have a fault."""
NOISE = 4.0
"""Standard errors of a distance by which a level must have moved."""
BINS = 24
DESCRIBES = 0.9
"""Share of rows and mark that must agree before the one is told by the other."""
MOST = 4
"""Markers followed up per case."""


@dataclass(frozen=True)
class Marker:
    """Rows told by another column."""

    column: str
    expression: str
    """Over the columns as logged, such as ``host = 'a'``."""
    reference: Mask
    """Reference rows for which it holds (n_g,); none where the value is new."""
    current: Mask
    moved: tuple[str, ...]
    """Feature columns that moved inside and not outside."""

    @property
    def share(self) -> float:
        """Share of the current rows."""
        return float(self.current.mean())


@dataclass(frozen=True)
class _Levels:
    """A column read as a marker: level codes of both samples (-1 = none), and how a set of levels is written."""

    column: str
    reference: Codes
    current: Codes
    texts: tuple[str, ...]
    ordered: bool
    """Days: only runs of them count, most of which reach the end."""
    unit: str = ""
    """How values are written: ``plain`` numbers and booleans, ``hour`` of a time, ``text`` for dates in a text column."""

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


@dataclass(frozen=True)
class _Claim:
    """That some levels of a column mark the rows in which a feature moved."""

    score: float
    levels: _Levels
    chosen: tuple[int, ...]

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        return self.levels.column + self.levels.unit, self.chosen


def find_markers(case: Case) -> list[Marker]:
    """Markers of the case, the one that tells most first.

    A feature belongs to the marker that explains it best, and to the best of those that no model sees: hosts and sources mark
    faults more often than features do, which have ties of their own with what they seem to mark.
    """
    best: dict[tuple[str, bool], _Claim] = {}
    codes = {name: _coded(pair) for name, pair in case.pairs.items() if not pair.identifier}
    ties = tie_products(case)
    for levels in _candidates(case):
        unseen = levels.column not in case.pairs
        for name, claim in _claims(levels, codes, ties):
            for slot in {(name, False), (name, unseen)}:
                if claim.score > (best[slot].score if slot in best else 0.0):
                    best[slot] = claim
    grouped: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    claims: dict[tuple[str, tuple[int, ...]], _Claim] = {}
    for (name, _), claim in best.items():
        grouped.setdefault(claim.key, []).append(name)
        if claim.score >= (claims[claim.key].score if claim.key in claims else 0.0):
            claims[claim.key] = claim
    ranked = sorted(grouped, key=lambda key: -claims[key].score)[:MOST]
    markers = [_marker(claims[key].levels, key[1], tuple(dict.fromkeys(grouped[key]))) for key in ranked]
    return [marker for marker in markers if _pastes(case, marker)]


def _claims(levels: _Levels, codes: dict[str, _Coded], ties: Ties) -> Iterator[tuple[str, _Claim]]:
    """Features that moved, or that lost their ties while they themselves held still, in some levels alone."""
    inside = _Contrast(levels)
    for name, coded in codes.items():
        found = None if name == levels.column else inside.of(*coded)
        if found is not None:
            yield name, _Claim(found[0], levels, found[1])
    lost = untied(levels.reference, levels.current, len(levels.texts), levels.column, levels.ordered, ties)
    for name, (score, chosen) in lost.items():
        if name in codes and inside.still(*codes[name], chosen):
            yield name, _Claim(score, levels, chosen)


def describe(case: Case, rows: Mask, leave_out: Iterable[str]) -> Marker | None:
    """What marks given current rows (n_b,): levels of a column, or one cut of a numeric one; None where nothing does.

    Nine of ten of the rows must carry the mark, and nine of ten that carry it must be among the rows.
    """
    out = set(leave_out)
    best: tuple[float, Marker] | None = None
    for levels in _candidates(case):
        if levels.column in out or levels.ordered:
            continue
        k = len(levels.texts)
        known = levels.current >= 0
        total = np.bincount(levels.current[known], minlength=k)
        hit = np.bincount(levels.current[known], weights=rows[known], minlength=k)
        chosen = tuple(int(i) for i in np.flatnonzero(hit > 0.5 * np.maximum(total, 1)))
        if chosen and len(chosen) < k:
            best = _better(best, rows, _marker(levels, chosen, ()))
    for pair in case.pairs.values():
        if pair.name not in out and pair.numeric:
            best = _better(best, rows, _cut(pair, rows))
    return best[1] if best is not None and _pastes(case, best[1]) else None


def describe_among(case: Case, rows: Mask, among: Mask) -> Marker | None:
    """What marks given current rows (n_b,) among others that could have been hit as well: levels of a column, or days from one
    on; None where nothing does."""
    best: tuple[float, Marker] | None = None
    for levels in _candidates(case):
        k = len(levels.texts)
        known = (levels.current >= 0) & among
        total = np.bincount(levels.current[known], minlength=k)
        hit = np.bincount(levels.current[known], weights=rows[known], minlength=k).astype(float)
        chosen = np.flatnonzero(hit > 0.5 * np.maximum(total, 1))
        if levels.ordered:
            chosen = np.arange(*_period(hit, total.astype(float)))
        if not len(chosen) or len(chosen) == k:
            continue
        marker = _marker(levels, tuple(int(i) for i in chosen), ())
        both = float((marker.current & rows & among).sum())
        fit = min(both / max(rows.sum(), 1), both / max((marker.current & among).sum(), 1))
        if fit >= DESCRIBES and (best is None or fit > best[0]):
            best = (fit, marker)
    return best[1] if best is not None and _pastes(case, best[1]) else None


def _period(hit: Floats, total: Floats) -> tuple[int, int]:
    """First and one after the last day of the run whose rows are told best from the others."""
    found = affected_period.period(hit, total)
    return (0, len(hit)) if found is None else (found.start, found.stop)


def _better(best: tuple[float, Marker] | None, rows: Mask, marker: Marker | None) -> tuple[float, Marker] | None:
    if marker is None or not marker.current.any():
        return best
    both = float((marker.current & rows).sum())
    fit = min(both / max(rows.sum(), 1), both / marker.current.sum())
    return (fit, marker) if fit >= DESCRIBES and (best is None or fit > best[0]) else best


def _cut(pair: Pair, rows: Mask) -> Marker | None:
    """The side of the one cut of a numeric column that agrees best with the rows."""
    g, b = pair.numbers
    order = np.argsort(b, kind="stable")
    order = order[np.isfinite(b[order])]
    values, hit = b[order], rows[order].astype(float)
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
    sides = [np.isfinite(x) & ((x >= cut) if high else (x < cut)) for x in (g, b)]
    expression = between(pair.name, cut, None) if high else between(pair.name, None, cut)
    return Marker(pair.name, expression, sides[0], sides[1], ())


AGREES = 0.995
"""Share of the current rows for which a written condition must say what the marker says."""


def _pastes(case: Case, marker: Marker) -> bool:
    """Whether the condition, read as SQL over the logged columns, selects the marked rows: times may be logged in any form."""
    try:
        held = holds(case.current.sample, marker.expression).to_numpy()
    except pl.exceptions.PolarsError:
        return False
    return bool((held == marker.current).mean() >= AGREES)


def _marker(levels: _Levels, chosen: tuple[int, ...], moved: tuple[str, ...]) -> Marker:
    return Marker(
        levels.column,
        levels.expression(chosen),
        np.isin(levels.reference, chosen),
        np.isin(levels.current, chosen),
        moved,
    )


_Coded = tuple[Codes, Codes, int, bool]


@once
def _coded(pair: Pair) -> _Coded:
    """Bins or levels of a feature in both samples, missing among them; whether the cells have an order."""
    if pair.numeric:
        numbers = pair.numbers
        few = pair.discrete or len(np.unique(numbers[0][np.isfinite(numbers[0])])) <= BINS
        return (*bins_of(*numbers, few, BINS), True)
    kept = sorted(pair.levels[0], key=lambda k: -pair.levels[0][k])[:BINS]
    rest, new = len(kept) + 1, len(kept) + 2
    place = (
        dict.fromkeys(pair.levels[0], rest) | {level: code for code, level in enumerate(kept)} | {MISSING: len(kept)}
    )
    g, b = (codes_in(side, place, new) for side in pair.texts)
    return g, b, len(kept) + 3, False


class _Contrast:
    """Distances of a feature inside and outside the levels of one marker column."""

    def __init__(self, levels: _Levels) -> None:
        self.levels = levels
        self.k = len(levels.texts)
        self.rows = np.bincount(levels.current[levels.current >= 0], minlength=self.k)

    def of(self, g: Codes, b: Codes, cells: int, ordered: bool) -> tuple[float, tuple[int, ...]] | None:
        """Score and levels of the contrast; None where the feature moved everywhere, or nowhere."""
        table_g = _table(self.levels.reference, g, self.k, cells)
        table_b = _table(self.levels.current, b, self.k, cells)
        every = np.bincount(g, minlength=cells).astype(float)
        own = table_g.sum(1, keepdims=True) >= MIN_ROWS
        before = np.where(own, table_g, every)
        chosen = self._since(every, table_b, ordered) if self.levels.ordered else self._moved(before, table_b, ordered)
        marked = int(self.rows[chosen].sum())
        if not MIN_SHARE <= marked / max(len(self.levels.current), 1) <= MAX_SHARE or marked < MIN_ROWS:
            return None
        within = before[chosen & own[:, 0]].sum(0) if (chosen & own[:, 0]).any() else every
        rest = before[~chosen & own[:, 0]].sum(0)
        rest = rest if rest.sum() >= MIN_ROWS else every
        if table_b[~chosen].sum() < MIN_ROWS:
            return None
        apart, noise = _distances(
            np.stack([within, rest]), np.stack([table_b[chosen].sum(0), table_b[~chosen].sum(0)]), ordered
        )
        if apart[0] - noise[0] < MIN_DISTANCE or apart[1] > QUIET * apart[0] + 2 * noise[1]:
            return None
        overall = _distances(every[None, :], table_b.sum(0)[None, :], ordered)[0][0]
        if overall < FELT * marked / max(len(self.levels.current), 1) * apart[0]:
            return None
        # Few levels that move far and leave the rest at rest tell most.
        return float(apart[0] - apart[1]) - 0.002 * int(chosen.sum()), tuple(int(i) for i in np.flatnonzero(chosen))

    def still(self, g: Codes, b: Codes, cells: int, ordered: bool, chosen: tuple[int, ...]) -> bool:
        """Whether the feature is distributed inside the chosen levels as it was there."""
        inside = [np.isin(codes, chosen) for codes in (self.levels.reference, self.levels.current)]
        own = inside[0] if inside[0].sum() >= MIN_ROWS else np.ones(len(g), bool)
        tables = [
            np.bincount(v[rows], minlength=cells)[None, :].astype(float) for v, rows in ((g, own), (b, inside[1]))
        ]
        apart, noise = _distances(tables[0], tables[1], ordered)
        return bool(apart[0] <= 0.5 * MIN_DISTANCE + 2 * noise[0])

    def _moved(self, before: Floats, after: Floats, ordered: bool) -> Mask:
        """Levels that moved at least half as far as the one that moved the most."""
        enough = self.rows >= MIN_ROWS
        apart, noise = _distances(before, after, ordered)
        top = float(np.where(enough, apart, 0.0).max(initial=0.0))
        return np.asarray(enough & (apart >= 0.5 * top) & (apart > NOISE * noise))

    def _since(self, every: Floats, by_day: Floats, ordered: bool) -> Mask:
        """Days from the one on that parts the window best into like and unlike the reference; or up to another, clearly."""
        upto = np.cumsum(by_day, axis=0)
        whole = upto[-1]
        first, then = upto[:-1], whole - upto[:-1]
        usable = (first.sum(1) >= MIN_ROWS) & (then.sum(1) >= MIN_ROWS)
        if not usable.any():
            return np.zeros(self.k, bool)
        before = np.broadcast_to(every, first.shape)
        contrast = _distances(before, then, ordered)[0] - _distances(before, first, ordered)[0]
        start = int(np.argmax(np.where(usable, contrast, -1.0))) + 1
        ended = self._ended(every, by_day, ordered, float(np.where(usable, contrast, -1.0).max()))
        day = np.arange(self.k)
        return day >= start if ended is None else (day >= ended[0]) & (day < ended[1])

    def _ended(self, every: Floats, by_day: Floats, ordered: bool, lasting: float) -> tuple[int, int] | None:
        """The run of days before the last that is told clearly better than any that lasts to the end; None without one."""
        start, stop = affected_period.runs(self.k)
        upto = np.concatenate([np.zeros((1, by_day.shape[1])), np.cumsum(by_day, axis=0)])
        inside = upto[stop] - upto[start]
        outside = upto[-1] - inside
        usable = (stop < self.k) & (inside.sum(1) >= MIN_ROWS) & (outside.sum(1) >= MIN_ROWS)
        if not usable.any():
            return None
        start, stop, inside, outside = start[usable], stop[usable], inside[usable], outside[usable]
        before = np.broadcast_to(every, inside.shape)
        (within, noise), (without, _) = (_distances(before, side, ordered) for side in (inside, outside))
        # Of many runs one looks odd by luck: it must stand out by what that can bring.
        clear = within - without - NOISE * noise
        best = int(np.argmax(clear))
        return (int(start[best]), int(stop[best])) if clear[best] > max(lasting, MIN_DISTANCE) else None


def _table(levels: Codes, cells_of: Codes, k: int, cells: int) -> Floats:
    known = levels >= 0
    return np.bincount(levels[known] * cells + cells_of[known], minlength=k * cells).reshape(k, cells).astype(float)


def _distances(before: Floats, after: Floats, ordered: bool) -> tuple[Floats, Floats]:
    """Distance of each row of two tables of counts, and its standard error when nothing moved.

    Kolmogorov-Smirnov where the cells have an order, else total variation less what sampling alone brings.
    """
    n_g, n_b = np.maximum(before.sum(1), 1.0), np.maximum(after.sum(1), 1.0)
    gap = after / n_b[:, None] - before / n_g[:, None]
    noise = np.sqrt(1 / n_g + 1 / n_b)
    if ordered:
        return np.abs(np.cumsum(gap, axis=1)).max(1), 0.5 * noise
    p = (before + after) / (n_g + n_b)[:, None]
    expected = 0.5 * np.sqrt(2 / np.pi) * (np.sqrt(p * (1 - p)).sum(1)) * noise
    return np.maximum(0.5 * np.abs(gap).sum(1) - expected, 0.0), 0.5 * noise


def _candidates(case: Case) -> Iterator[_Levels]:
    """Columns of both samples read as markers: context first, then features, model versions, hours and days."""
    g, b = case.reference.sample, case.current.sample
    taken = set(case.problem.roles.columns().values()) - {case.problem.roles.version}
    taken |= set(input_columns(case.problem.roles, case.current.sample.columns).values())
    for column in b.columns:
        if column.startswith(names.PREFIX) or column in taken or column not in case.current.window.kinds:
            continue
        levels = _levels_of(case, column)
        if levels is not None:
            yield levels
    timestamp = case.problem.roles.timestamp
    if timestamp is not None and names.TIME in b.columns:
        yield from _times(timestamp, g[names.TIME], b[names.TIME], b[timestamp].dtype.is_temporal())


@once
def _levels_of(case: Case, column: str) -> _Levels | None:
    """A column of the current sample read as a marker; None where it marks nothing."""
    reference, b, kind = case.reference.sample, case.current.sample[column], case.current.window.kinds[column]
    g = (
        reference[column]
        if column in reference.columns
        else pl.Series(column, [None] * reference.height, dtype=b.dtype)
    )
    if kind not in (ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN, ColumnKind.NUMERIC) or b.n_unique() > MAX_LEVELS:
        return None
    if b.dtype.is_float() and not bool((b.drop_nulls().drop_nans() == b.drop_nulls().drop_nans().round()).all()):
        return None  # pandas makes floats of whole codes with a missing one; other floats mark nothing
    after = to_texts(b)
    texts = tuple(sorted(set(after)))
    if len(texts) < 2:
        return None
    place = {text: code for code, text in enumerate(texts)}
    codes = [codes_in(side, place, -1) for side in (to_texts(g), after)]
    if g.null_count() == len(g):
        codes[0][:] = -1  # not logged then, which is not the same as missing on some rows
    unit = "" if kind == ColumnKind.CATEGORICAL else "plain"
    return _Levels(column, codes[0], codes[1], texts, ordered=False, unit=unit)


def _times(timestamp: str, g: pl.Series, b: pl.Series, temporal: bool) -> Iterator[_Levels]:
    """Days of the current window, and hours of the day where the logged column is a time and no text."""
    days = b.dt.date()
    texts = tuple(str(day) for day in days.drop_nulls().unique().sort())
    nowhere = np.full(len(g), -1, np.int64)
    if 2 <= len(texts) <= 400:
        codes = codes_in(days.cast(pl.String), {text: code for code, text in enumerate(texts)}, -1)
        yield _Levels(timestamp, nowhere, codes, texts, ordered=True, unit="" if temporal else "text")
    if not temporal:
        return
    hours = [side.dt.hour().fill_null(-1).to_numpy().astype(np.int64) for side in (g, b)]
    if len(np.unique(hours[1][hours[1] >= 0])) >= 4:
        yield _Levels(timestamp, hours[0], hours[1], tuple(str(h) for h in range(24)), ordered=False, unit="hour")
