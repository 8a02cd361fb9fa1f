"""A column is stuck at one value.

**Recognised** when the current window holds a single value, the reference held several, and the chance of that value on every
row by luck is below one in a billion; luck counts how often a value was followed by itself in the reference, in order of time,
so that a season or a version is left. A column where a rare level merely vanished (the value made up more than 95 % before) is
not frozen.

Or it is stuck **by day**: it varied within the days of the reference, and now holds one value a day on nearly every day, at
least from one day on; or
**for a while**: in a long run of rows, in order of time, it does not move at all, where the reference hardly ever repeated a
value. A column that is one value a day by nature, or that stood still for long in the reference too, is not frozen.

**Not to be confused with** a cap: values that move slowly stay at a limit for long. A run at the smallest or largest value of
all is left where a limit explains it, or where the value is frequent outside the run too.

**Repair** draws the values from the other columns; the price comes from the **injection**: the reference with the same value
on every row, with one value a day, or with one value for as long a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case, Side
from backslide.causes.faults.base import Hypothesis, scenario_with
from backslide.causes.faults.column_signature import LostValues
from backslide.causes.faults.signatures.clipped_range import limit_of
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns import names
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import MISSING, Pair
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Ints, Mask

MAX_LUCK = 1e-9
MAX_SHARE_BEFORE = 0.95
MIN_DAYS = 5
ROWS_PER_DAY = 4
MOSTLY = 0.9
"""Share of the days on which the column must have varied before, and must hold one value now."""
MIN_RUN = 50
MIN_RUN_SHARE = 0.1
"""Share of the rows that a run must hold; ten times the longest run before, besides."""
MOST_COUNTS = 200_000
"""Counts of days by values up to which a table of them is made."""
ELSEWHERE = 0.02
"""Share of the other rows, beyond what it was before, from which an outermost value is a limit and not one the feed stuck at."""


class FrozenFeature(LostValues):
    kind = CauseKind.FROZEN_FEATURE
    title = "Frozen feature"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """Columns that became constant, which share a mechanism; then those that are stuck by day or for a while."""
        yield from super().recognise(case)
        for pair in case.pairs.values():
            if pair.identifier or _constant_value(pair, case.reference) is not None:
                continue
            found = _find_constant_days(case, pair) or _find_constant_run(case, pair)
            if found is None or _at_a_limit(pair, found[0]):
                continue
            rows, how, params = found
            yield self.hypothesis(
                pair,
                f"{pair.name} {how}",
                f"fill {pair.name} from the other columns where it is stuck",
                rows,
                mechanism=f"stale {params['stale']}",
                **params,
                rate=float(rows.mean()),
            )

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis: one value on every row."""
        value = _constant_value(pair, case.reference)
        if value is not None:
            # What is no text is a number here:
            shown = repr(value) if isinstance(value, str) else say.number(float(value))  # type: ignore[arg-type]
            yield self.hypothesis(
                pair,
                f"{pair.name} is {shown} on every row, it varied before",
                f"fill {pair.name} from the other columns",
                mechanism="frozen",
                value=value,
            )

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """One value everywhere, one value a day, or one value for a run as long."""
        (column,) = hypothesis.features
        if hypothesis.params.get("stale") == "by day":
            first = pl.col(column).drop_nulls().first().over(names.DAY)
            rest = pl.col(column).is_null() | (pl.col(names.DAY) < _day_from_which(frame, hypothesis.params["rate"]))
            return frame.with_columns(pl.when(rest).then(pl.col(column)).otherwise(first).alias(column))
        if hypothesis.params.get("stale") == "for a while":
            order = _in_time(frame)
            length = round(hypothesis.params["rate"] * frame.height)
            start = (frame.height - length) // 2
            held = np.zeros(frame.height, bool)
            held[order[start : start + length]] = True
            values = frame[column].gather(order[start : start + length]).drop_nulls()
            return (
                self.lose(frame, column, held, replace(hypothesis, params={"value": values[0]}))
                if len(values)
                else frame
            )
        return super().inject(case, hypothesis, frame)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Income stays at 3 000."""
        return scenario_with(lambda frame: frame.with_columns(income=pl.lit(3000.0)), rng)


@once
def _constant_value(pair: Pair, reference: Side) -> object | None:
    known = pair.current.filter(pl.Series(~pair.missing[1]))  # nothing but infinity is lost, not frozen
    if len(known) < max(30, 0.5 * len(pair.current)) or known.n_unique() != 1:
        return None
    text = pair.texts[1][~pair.missing[1]][0]
    levels = pair.levels[0]
    total = sum(levels.values())
    before = levels.get(str(text), 0) / max(total, 1)
    if total < 30 or len(levels) < 2 or before > MAX_SHARE_BEFORE:
        return None
    # One pseudo-row keeps a value never seen before from being impossible.
    stays = max(before, 1 / total, _stay(_in_order(pair, reference)))
    if np.log(max(before, 1 / total)) + (len(known) - 1) * np.log(stays) > np.log(MAX_LUCK):
        return None
    value: object = known[0]
    return value


def _in_order(pair: Pair, reference: Side) -> NDArray[np.object_]:
    """The reference's known values in order of time, or as the rows stand where none is logged."""
    sample, known = reference.sample, ~pair.missing[0]
    if names.TIME not in sample.columns:
        return np.asarray(pair.texts[0][known])
    order = sample[names.TIME].arg_sort(nulls_last=True).to_numpy()
    return np.asarray(pair.texts[0][order][known[order]])


def _stay(texts: NDArray[np.object_]) -> float:
    """How often a value is followed by itself: a season keeps for thousands of rows.

    One pseudo-row that leaves keeps a reference of one long run from making every constant certain to be luck.
    """
    return float((texts[1:] == texts[:-1]).sum() / len(texts))


Stale = tuple[Mask, str, dict[str, Any]]


def _find_constant_days(case: Case, pair: Pair) -> Stale | None:
    """Rows of the days on which the column holds one value, where it varied within the days of the reference."""
    if any(side.blocks is None for side in case.sides) or not _constant_on_a_day(case).get(pair.name, True):
        return None
    if not pair.numeric and not _may_be_stuck(case, pair):
        return None
    counts = [_per_day(side.sample[names.DAY], texts) for side, texts in zip(case.sides, pair.texts, strict=True)]
    if min(len(table) for table in counts) < MIN_DAYS:
        return None
    # The scalar is a number, though Polars allows for texts and dates:
    varied, later = float((counts[0]["distinct"] > 1).mean()), _stuck_days(counts[1])  # type: ignore[arg-type]
    stuck = later.filter(pl.col("distinct") == 1)
    if varied < MOSTLY or len(stuck) < MIN_DAYS:
        return None
    # By luck a day would show its most frequent value only; what the reference's days show bounds the chance.
    if _luck(pair, int(stuck["rows"].sum()) - len(stuck)) > MAX_LUCK:
        return None
    days = case.current.sample[names.DAY].is_in(stuck["day"].to_list()).fill_null(False).to_numpy()
    since = "" if len(later) == len(counts[1]) else f" since {later['day'][0]}"
    how = f"holds one value a day on {len(stuck)} of {len(later)} days{since}, it varied within the day before"
    return np.asarray(days & ~pair.missing[1]), how, {"stale": "by day"}


def _stuck_days(days: pl.DataFrame) -> pl.DataFrame:
    """All days where nearly every one holds one value; else the last ones, where each does and another than other days."""
    stuck = (days["distinct"] == 1).to_numpy()
    if stuck.sum() >= MOSTLY * len(stuck):
        return days
    later = days.slice(int(np.flatnonzero(~stuck)[-1]) + 1)
    return later if later["value"].n_unique() >= MIN_DAYS else later.clear()


def _day_from_which(frame: pl.DataFrame, rate: float) -> Any:
    """The day from which on a share of the rows is stuck; the first one where it is nearly all of them."""
    days = frame[names.DAY].drop_nulls().sort()
    return days[0] if rate >= MOSTLY else days[int((1 - rate) * (len(days) - 1))]


@once
def _constant_on_a_day(case: Case) -> dict[str, bool]:
    """Whether a current day holds one value, by numeric column; in one pass, so that hundreds of columns cost little."""
    sample = case.current.sample
    distinct = [
        (pl.col(c).fill_nan(None) if sample[c].dtype.is_float() else pl.col(c)).drop_nulls().n_unique()
        for c, pair in case.pairs.items()
        if pair.numeric
    ]
    found = sample.filter(pl.col(names.DAY).is_not_null()).group_by(names.DAY).agg(distinct).drop(names.DAY)
    return dict(zip(found.columns, found.select((pl.all() <= 1).any()).row(0), strict=True)) if distinct else {}


def _may_be_stuck(case: Case, pair: Pair) -> bool:
    """Whether enough current days hold one known text each, told by a table of counts where that is small."""
    levels, (_, codes) = pair.codes
    days = _day_of_row(case.current)
    width = len(levels)
    if (days.max(initial=-1) + 1) * width > MOST_COUNTS:
        return True
    known = (days >= 0) & (codes != (levels.index(MISSING) if MISSING in levels else -1))
    table = np.bincount(days[known] * width + codes[known], minlength=(days.max(initial=-1) + 1) * width)
    return bool(((table.reshape(-1, width) > 0).sum(axis=1) == 1).sum() >= MIN_DAYS)


@once
def _day_of_row(side: Side) -> Ints:
    """The number of each row's day (n,), -1 without one."""
    days = side.sample[names.DAY]
    return (days.rank("dense") - 1).cast(pl.Int64).fill_null(-1).to_numpy()


def _per_day(days: pl.Series, texts: np.ndarray[tuple[int], np.dtype[np.object_]]) -> pl.DataFrame:
    """Rows and distinct values of each day with enough rows."""
    frame = pl.DataFrame({"day": days, "value": pl.Series(texts, dtype=pl.String)})
    known = frame.filter(pl.col("day").is_not_null() & (pl.col("value") != MISSING))
    distinct = pl.col("value").n_unique().alias("distinct")
    table = known.group_by("day").agg(pl.len().alias("rows"), distinct, pl.col("value").first())
    return table.filter(pl.col("rows") >= ROWS_PER_DAY).sort("day")


def _find_constant_run(case: Case, pair: Pair) -> Stale | None:
    """The longest run of one value in order of time, where the reference hardly ever repeated one."""
    if not pair.numeric or any(side.seconds is None for side in case.sides):
        return None
    in_time = _rows_in_time(case.current)
    if _longest_run(pair.numbers[1][in_time])[1] < MIN_RUN:
        return None  # told by numbers, without the text of every value
    ref, cur = (texts[_rows_in_time(side)] for side, texts in zip(case.sides, pair.texts, strict=True))
    before, (start, length) = _longest_run(ref)[1] / len(ref), _longest_run(cur)
    if length < max(MIN_RUN, MIN_RUN_SHARE * len(cur)) or length > MOSTLY * len(cur) or before * len(cur) > length / 10:
        return None
    value = str(cur[start])
    own = pair.levels[0].get(value, 0) / max(sum(pair.levels[0].values()), 1)
    if value == MISSING or own > 0.05 or len(pair.levels[0]) < 20 or _luck(pair, length - 1) > MAX_LUCK:
        return None
    rows = np.zeros(len(cur), bool)
    rows[in_time[start : start + length]] = True
    return rows, f"is stuck at {value} for {length} rows in a row", {"stale": "for a while", "value": value}


def _at_a_limit(pair: Pair, rows: Mask) -> bool:
    """Whether the stuck rows (n,) hold the smallest or largest value, and a limit explains that, or other rows hold it too."""
    values = pair.numbers[1]
    held = np.unique(values[rows]) if pair.numeric else np.array([])
    if len(held) != 1 or not np.isfinite(held[0]):
        return False
    value, (ref, cur) = float(held[0]), pair.finite
    sides = [side for side, end in ((1, cur[-1]), (-1, cur[0])) if end == value]
    elsewhere = float((values[~rows] == value).mean()) if not rows.all() else 0.0
    before = float((ref == value).mean()) if len(ref) else 0.0
    return bool(sides) and (elsewhere > before + ELSEWHERE or any(limit_of(pair, side) == value for side in sides))


def _luck(pair: Pair, repeats: int) -> float:
    """Chance that so many rows repeat the value before them, had rows come in any order."""
    counts = np.array(list(pair.levels[0].values()), float)
    same = float(((counts / max(counts.sum(), 1.0)) ** 2).sum())
    return float(max(same, 1 / max(counts.sum(), 1.0)) ** max(repeats, 0))


def _in_time(sample: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Positions of the rows in order of time (n,); as they stand where there are no times."""
    if names.TIME not in sample.columns:
        return np.arange(sample.height)
    return np.argsort(sample[names.TIME].cast(pl.Int64).fill_null(0).to_numpy(), kind="stable")


@once
def _rows_in_time(side: Side) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return _in_time(side.sample)


def _longest_run(values: NDArray[Any]) -> tuple[int, int]:
    """(start, length) of the longest run of one value."""
    if not len(values):
        return 0, 0
    starts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    lengths = np.diff(np.concatenate([starts, [len(values)]]))
    at = int(np.argmax(lengths))
    return int(starts[at]), int(lengths[at])
