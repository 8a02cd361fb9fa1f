"""What several drift checks ask of a column: how it moved, judged by rows and days, and since when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case, Side
from backslide.contracts.evidence import Series
from backslide.contracts.finding import Estimate
from backslide.engine.columns import names
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import to_numbers
from backslide.engine.profile.batch import level_names
from backslide.engine.profile.daily_sums import MAX_UNDATED
from backslide.engine.profile.plan import column_edges
from backslide.engine.profile.profile import Profile
from backslide.playbook.drift.stored_days import UNKNOWN_DAY, DayMeans, Quantity, stored_counts, stored_days
from backslide.playbook.evidence import by_day
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.change_point import change_point, without_weekdays
from backslide.stats.change.day_noise import DayCounts
from backslide.stats.drift.univariate import NumericMove, ShareMove, numeric_move, share_move
from backslide.stats.sorted_search import search_sorted
from backslide.stats.two_sample import Z95, newcombe

MIN_ROWS = 30
"""Rows in either window under which nothing is flagged."""
SHARE_LEVELS = 50
"""Levels that are told apart in a test; the others are one."""
MANY_LEVELS = 200
DRAWN_SERIES = 12
"""Flagged columns per check that get a chart by day."""
Days = Ints | None


@once
def days_of(side: Side) -> Days:
    """Day ordinals of the sampled rows, None where the rows have no times (or too many of them have none)."""
    if side.stored is not None:
        return None
    blocks = side.blocks
    if blocks is None or not len(blocks):
        return None
    undated = side.sample[names.DAY].is_null().to_numpy()
    if undated.mean() > MAX_UNDATED:
        return None
    known = blocks[~undated]
    return np.where(undated, np.bincount(known - known.min()).argmax() + known.min(), blocks)


def both_days(case: Case) -> tuple[Days, Days]:
    """Days of both windows' sampled rows; None for both when one has none."""
    if case.stored:
        return (None, days_of(case.current)) if has_days(case) else (None, None)
    days = days_of(case.reference), days_of(case.current)
    return days if days[0] is not None and days[1] is not None else (None, None)


def has_days(case: Case) -> bool:
    """Whether the rows of both windows have times."""
    return all(bool(stored_days(s)) if s.stored is not None else days_of(s) is not None for s in case.sides)


def noise(case: Case) -> str:
    """Which noise a change is judged against, as said in the basis of a finding."""
    return "noise of days" if has_days(case) else "noise of rows (no times)"


def basis(case: Case, rows: tuple[int, int], what: str) -> str:
    """What a finding about a sample of texts or vectors rests on."""
    return f"sample of {rows[0]} and {rows[1]} {what}; {noise(case)}"


def canonical(side: Side, columns: Iterable[str]) -> Ints:
    """The sampled rows in an order that their content decides (n,)."""
    chosen = side.sample.select(columns)
    chosen = chosen.with_columns(pl.col(pl.Boolean).cast(pl.Int8))
    days = days_of(side)
    keys = chosen.hash_rows(seed=0).to_numpy()
    return np.asarray(np.lexsort((keys,) if days is None else (keys, days)), np.int64)


UNLIKE_WEEKDAYS = 0.1
"""Distance of the windows' weekday shares from which the reference is thinned to the current window's weekdays."""


def weekday_weights(days: tuple[Days, Days]) -> Floats | None:
    """Chance of each reference row to stay (n,), so that the windows are alike in weekdays; None where all stay."""
    ref, cur = days
    if ref is None or cur is None or not len(ref) or not len(cur):
        return None
    share = [np.bincount(d % 7, minlength=7) / len(d) for d in (ref, cur)]
    if (share[0][share[1] > 0] == 0).any() or np.abs(share[1] - share[0]).sum() / 2 <= UNLIKE_WEEKDAYS:
        return None
    ratio = np.where(share[0] > 0, share[1] / np.where(share[0] > 0, share[0], 1.0), 0.0)
    return np.asarray((ratio / ratio.max())[ref % 7])


@once
def numeric(case: Case, column: str) -> NumericMove | None:
    """The move of a profiled column of numbers."""
    ref, cur = (side.profile.columns[column] for side in case.sides)
    if ref.counts is None or cur.counts is None or not ref.finite or not cur.finite:
        return None
    edges = np.asarray(ref.edges)
    counted = []
    for side, days in zip(case.sides, both_days(case), strict=True):
        known = stored_counts(side, lambda profile: np.asarray(profile.columns[column].counts, float))
        if known is None:
            values = to_numbers(side.sample[column])
            codes = np.where(np.isfinite(values), search_sorted(edges, values, "right"), -1)
            known = DayCounts.of(codes, len(edges) + 1, days)
        counted.append(known)
    return numeric_move(ref.counts, cur.counts, (counted[0], counted[1]))


@dataclass(frozen=True)
class LevelCounts:
    """Counts of the same categories in both windows over all rows, the last one everything not named."""

    names: tuple[str, ...]
    reference: Floats
    current: Floats


def levels_of(reference: dict[str, int], current: dict[str, int], rest: tuple[int, int]) -> LevelCounts:
    """All levels, or the most frequent of many; what is not named or not kept is the rest."""
    every = list(dict.fromkeys([*reference, *current]))
    if len(every) > MANY_LEVELS:
        ranked = sorted(every, key=lambda k: (-reference.get(k, 0), -current.get(k, 0), k))
        # New levels come last in the reference's order, and may be all that matters.
        fresh = sorted((k for k in current if k not in reference), key=lambda k: (-current[k], k))
        every = list(dict.fromkeys([*ranked[:SHARE_LEVELS], *fresh[: SHARE_LEVELS // 5]]))
    counts = [np.array([float(side.get(k, 0)) for k in every]) for side in (reference, current)]
    totals = sum(reference.values()) + rest[0], sum(current.values()) + rest[1]
    counts = [np.append(c, max(total - c.sum(), 0.0)) for c, total in zip(counts, totals, strict=True)]
    return LevelCounts(tuple(every), counts[0], counts[1])


def shares(
    case: Case, column: str, levels: LevelCounts, counts: Callable[[Profile], tuple[dict[str, int], int]] | None = None
) -> ShareMove | None:
    """The move of the shares of ``levels`` of a column of texts, booleans or codes; the noise from the sampled rows.

    ``counts`` gives the levels and the rest of a day's profile, where the window is stored; default: those of ``column``.
    """

    def cells(profile: Profile) -> Floats:
        own, rest = _levels_in(profile, column) if counts is None else counts(profile)
        named = [float(own.get(name, 0)) for name in levels.names]
        return np.array([*named, float(sum(own.values()) + rest) - sum(named)])

    counted = [
        stored_counts(side, cells)
        or DayCounts.of(codes_of(side.sample[column], levels.names), len(levels.names) + 1, days)
        for side, days in zip(case.sides, both_days(case), strict=True)
    ]
    return share_move(levels.reference, levels.current, (counted[0], counted[1]))


def _levels_in(profile: Profile, column: str) -> tuple[dict[str, int], int]:
    return profile.columns[column].levels, profile.columns[column].rest_rows


def feature_levels(case: Case, column: str) -> LevelCounts:
    """Levels of a profiled feature of categories."""
    ref, cur = (side.profile.columns[column] for side in case.sides)
    return levels_of(ref.levels, cur.levels, (ref.rest_rows, cur.rest_rows))


@once
def feature_shares(case: Case, column: str) -> ShareMove | None:
    """The move of a profiled feature of categories, computed once."""
    return shares(case, column, feature_levels(case, column))


def indicator(
    case: Case, reference: tuple[int, int], current: tuple[int, int], which: tuple[Quantity, Quantity]
) -> ShareMove:
    """The move of one share: hits and rows of both windows, and 0/1 of the sampled rows, which tell the noise."""
    counts = [np.array([rows - hits, hits], float) for hits, rows in (reference, current)]
    counted = [_indicated(w, days) for w, days in zip(which, both_days(case), strict=True)]
    move = share_move(counts[0], counts[1], (counted[0], counted[1]))
    assert move is not None
    return move


def _indicated(which: Quantity, days: Days) -> DayCounts:
    if isinstance(which, DayMeans):
        hits = which.means * which.rows
        return DayCounts(
            np.column_stack([which.rows - hits, hits]), which.days if UNKNOWN_DAY not in which.days else None
        )
    return DayCounts.of(np.where(np.isfinite(which), which, -1).astype(np.int64), 2, days)


def coded(case: Case, codes: tuple[Ints, Ints], cells: int) -> ShareMove | None:
    """The move of the shares of codes of the sampled rows (-1 = not counted), which are all there is to go by."""
    counted = [DayCounts.of(c, cells, days) for c, days in zip(codes, both_days(case), strict=True)]
    totals = [side.counts.sum(axis=0) for side in counted]
    return share_move(totals[0], totals[1], (counted[0], counted[1]))


@dataclass(frozen=True)
class SampleMove:
    """The move of a quantity known for the sampled rows only, and its standard deviation in the reference."""

    move: NumericMove
    spread: float


def sampled(case: Case, values: tuple[Floats, Floats]) -> SampleMove | None:
    """The move of a quantity of the sampled rows (NaN = not counted)."""
    known = [v[np.isfinite(v)] for v in values]
    if not all(map(len, known)):
        return None
    edges = np.asarray(column_edges(pl.Series(known[0])))
    codes = [np.where(np.isfinite(v), search_sorted(edges, v, "right"), -1) for v in values]
    counted = [DayCounts.of(c, len(edges) + 1, days) for c, days in zip(codes, both_days(case), strict=True)]
    counts = [np.bincount(c[c >= 0], minlength=len(edges) + 1) for c in codes]
    move = numeric_move(counts[0], counts[1], (counted[0], counted[1]))
    return None if move is None else SampleMove(move, float(known[0].std()))


def scattered(case: Case, rows: Sequence[Ints], values: Sequence[Floats]) -> tuple[Floats, Floats]:
    """A quantity of some sampled rows as one of all of them, NaN for the others."""
    whole = [np.full(side.sample.height, np.nan) for side in case.sides]
    for full, at, own in zip(whole, rows, values, strict=True):
        full[at] = own
    return whole[0], whole[1]


def share_of(case: Case, marks: Sequence[Floats]) -> ShareMove:
    """The move of one share of the sampled rows, told by 0 and 1 (NaN = not counted)."""
    hits = [(int(np.nansum(m)), max(int(np.isfinite(m).sum()), 1)) for m in marks]
    return indicator(case, hits[0], hits[1], (marks[0], marks[1]))


def newcombe_by_days(move: ShareMove) -> tuple[float, float]:
    """95 % interval of the change of the last share, from as many rows as the windows are worth after their days."""
    n_ref, n_cur = move.effective
    return newcombe(float(move.before[-1]) * n_ref, n_ref, float(move.after[-1]) * n_cur, n_cur)


def share_change(move: ShareMove, which: int) -> Estimate:
    """The change of one share with its 95 % interval, which no share can leave."""
    change, half = float(move.after[which] - move.before[which]), Z95 * float(move.se[which])
    return Estimate(estimate=change, low=max(change - half, -1.0), high=min(change + half, 1.0))


def codes_of(values: pl.Series, levels: tuple[str, ...]) -> Ints:
    """Code of each value by its name in a profile, ``len(levels)`` for others, -1 for missing ones."""
    if values.dtype.is_float():
        values = values.fill_nan(None)
    distinct = values.unique().drop_nulls()
    place = {name: code for code, name in enumerate(levels)}
    codes = [place.get(name, len(levels)) for name in level_names(distinct)]
    table = pl.DataFrame({"value": distinct, "code": pl.Series(codes, dtype=pl.Int64)})
    joined = values.to_frame("value").join(table, on="value", how="left", maintain_order="left")
    return joined["code"].fill_null(-1).to_numpy().astype(np.int64)


@dataclass(frozen=True)
class DailyValues:
    """A quantity by day over both windows, in order of time."""

    days: Ints
    values: Floats
    rows: Floats
    current: Mask


def daily(case: Case, values: tuple[Quantity, Quantity]) -> DailyValues | None:
    """Daily means of a quantity of the sampled rows (NaN = not counted); None without days in both windows."""
    if not has_days(case):
        return None
    parts = [_means(v, days_of(side)) for v, side in zip(values, case.sides, strict=True)]
    if not all(len(part[0]) for part in parts):
        return None
    at = np.concatenate([p[0] for p in parts])
    current = np.concatenate([np.zeros(len(parts[0][0]), bool), np.ones(len(parts[1][0]), bool)])
    means, rows = (np.concatenate([parts[0][i], parts[1][i]]) for i in (1, 2))
    order = np.lexsort((current, at))
    return DailyValues(at[order], means[order], rows[order], current[order])


def _means(values: Quantity, days: Days) -> tuple[Ints, Floats, Floats]:
    if isinstance(values, DayMeans):
        return values.days, values.means, values.rows
    assert days is not None
    use = np.isfinite(values)
    at, index = np.unique(days[use], return_inverse=True)
    rows = np.bincount(index, minlength=len(at)).astype(float)
    return at.astype(np.int64), np.bincount(index, values[use], len(at)) / np.maximum(rows, 1.0), rows


def since(case: Case, values: tuple[Quantity, Quantity]) -> str | None:
    """First day (ISO) from which the quantity stays elsewhere; None without days, or when windows overlap in time."""
    found = daily(case, values)
    if found is None:
        return None
    if found.days[found.current].min() <= found.days[~found.current].max():
        return None
    level = without_weekdays(found.values, found.rows, found.days, ~found.current)
    return iso(int(found.days[change_point(level, found.rows, found.current)]))


def iso(ordinal: int) -> str:
    """Date of a day ordinal (1970-01-01 is 3)."""
    return str(np.datetime64(ordinal - 3, "D"))


def series(
    case: Case, values: tuple[Quantity, Quantity], *, title: str, y: str, share: bool = False
) -> tuple[Series, ...]:
    """A chart of the quantity by day with the reference's band; empty without days."""
    found = daily(case, values)
    if found is None or len(found.days) < 3:
        return ()
    start = since(case, values)
    return by_day(
        [iso(int(d)) for d in found.days],
        found.values,
        found.rows,
        found.current,
        title=title,
        y=y,
        share=share,
        since=start,
    )
