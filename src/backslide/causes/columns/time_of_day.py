"""Columns that tell the time: read against the clock of the rows, and on a circle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case, Side
from backslide.causes.columns.expectation import expectation
from backslide.contracts import say
from backslide.engine.columns.cache import once
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair, to_numbers
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats, Mask

AGREE = 0.9
"""Share of the rows that must stand at one offset from the clock, in each window."""
MIN_ROWS = 200
CYCLE_MOVED = 0.1
"""Total variation by which a column on a circle must have moved."""
CYCLE_LEFT = 0.15
"""Share of it that may remain once it is turned back."""
PART_ROWS = 40
"""Rows of a part that was shifted, at least."""
PART_TIMES = 3.0
"""Times as many rows must be off the clock as in the reference."""
PART_AGREES = 0.8
"""Share of the rows off the clock that must be off by one and the same."""
SPAN = 10.0
"""Lengths of the tolerance that the rows of a window must span."""
NEIGHBOURS = 1
"""Turns up to this many steps may be natural (daylight saving, earlier evenings): named only when undoing them pays."""
_UNITS = (1.0, 1e-3, 60.0, 3600.0, 86400.0)
"""Seconds in the units that a time is counted in."""
_HALF_HOUR = 1800.0


@dataclass(frozen=True)
class ClockShift:
    """A shift of a column that tells the time."""

    by: float
    """Added to the values, in their own unit."""
    words: str
    first: int = 0
    period: int = 0
    """On a circle of so many whole values, from ``first``; 0 for a line."""
    exact: bool = True

    def apply(self, values: Floats) -> Floats:
        """Reference to current."""
        return self._moved(values, self.by)

    def undo(self, values: Floats) -> Floats:
        """Current to reference."""
        return self._moved(values, -self.by)

    def _moved(self, values: Floats, by: float) -> Floats:
        moved = values + by
        return np.asarray((moved - self.first) % self.period + self.first) if self.period else moved


def turn_of(case: Case, pair: Pair) -> ClockShift | None:
    """The shift of a numeric column that tells the time; None where it tells none or was not shifted."""
    if not pair.numeric:
        return None
    turn = _against_clock(case, pair)
    # What the clock does not show of a column that tells the time is that time went on.
    if turn is not None or pair.name in time_columns(case):
        return turn
    turn = _around_circle(pair)
    return None if turn is None or _goes_with_the_others(case, pair, turn) else turn


def _goes_with_the_others(case: Case, pair: Pair, turn: ClockShift) -> bool:
    """Whether the other columns foretell the values as they came no worse than turned back: then the windows lie in other
    hours or months, and the column says so rightly. A month of which the others say nothing may always be a later one."""
    others = expectation(case, pair.name, frozenset())
    if others is None or not isinstance(others.foretold, np.ndarray) or not pair.numeric:
        return turn.period == 12
    foretold = np.asarray(others.foretold, float)
    known = np.isfinite(pair.numbers[1])

    def apart(values: Floats) -> float:
        """Mean distance on the circle."""
        steps = (values - foretold[known]) % turn.period
        return float(np.minimum(steps, turn.period - steps).mean())

    return apart(turn.undo(pair.numbers[1][known])) >= apart(pair.numbers[1][known])


@once
def _circle(pair: Pair) -> tuple[int, int] | None:
    """(first value, period) of hours, weekdays or months; None for other columns."""
    if min(map(len, pair.finite)) < MIN_ROWS or any(
        (v[:MIN_ROWS] != np.round(v[:MIN_ROWS])).any() for v in pair.finite
    ):
        return None
    values = np.concatenate(pair.finite)
    if (values != np.round(values)).any():
        return None
    low, high = int(values.min()), int(values.max())
    levels = len(np.unique(pair.finite[0]))
    for first, period in ((0, 24), (0, 7), (1, 7), (1, 12)):
        if first <= low and high < first + period and high - low >= period - 2 and levels >= period - 2:
            return first, period
    return None


def _against_clock(case: Case, pair: Pair) -> ClockShift | None:
    clocks = [side.seconds for side in case.sides]
    if any(clock is None for clock in clocks):
        return None
    circle = _circle(pair)
    if circle is not None and circle[1] in (24, 7):
        return _circle_against_clock(pair, [c for c in clocks if c is not None], *circle)
    known = [clock for clock in clocks if clock is not None]
    if all(_is_day(values, side) for values, side in zip(pair.numbers, case.sides, strict=True)):
        return None
    for size in _UNITS:
        if not all(_keeps_pace(values, side, size) for values, side in zip(pair.finite, case.sides, strict=True)):
            continue
        lags = [values * size - clock for values, clock in zip(pair.numbers, known, strict=True)]
        turn = _line(lags, known, size)
        if turn is not None:
            return turn
    return None


def _is_day(values: Floats, side: Side) -> bool:
    """Whether the values are the days of the month or of the year of their rows: they keep pace with the clock, and begin again
    with every month, or year, as they should."""
    known = np.isfinite(values) & np.isfinite(_days(side)[0])
    return known.sum() >= MIN_ROWS and any(float((values == days)[known].mean()) >= AGREE for days in _days(side))


@once
def _days(side: Side) -> tuple[Floats, Floats]:
    """The day of the month and of the year of each row of a window with times (n,), NaN without a time."""
    assert side.seconds is not None
    known = np.isfinite(side.seconds)
    days = np.where(known, side.seconds, 0.0).astype("datetime64[s]").astype("datetime64[D]")
    of_month, of_year = ((days - days.astype(unit)).astype(float) + 1 for unit in ("datetime64[M]", "datetime64[Y]"))
    return np.where(known, of_month, np.nan), np.where(known, of_year, np.nan)


@once
def _ticks(side: Side) -> Floats | None:
    """The times of the rows in order; None where some have none."""
    seconds = side.seconds
    return None if seconds is None or not np.isfinite(seconds).all() else np.sort(seconds)


def _keeps_pace(values: Floats, side: Side, size: float) -> bool:
    """Whether the sorted values may be times: most of them must lie within as long a stretch as the clock, and no shorter."""
    ticks, near = _ticks(side), max(_HALF_HOUR / 2, size)
    if ticks is None:
        return True
    if len(values) < MIN_ROWS:
        return False
    reach, slack = int(np.ceil(AGREE * len(values) - 1e-6)) - 1, 2 * near * (1 + 1e-9)
    span, shortest = ticks[-1] - ticks[0], float((ticks[reach:] - ticks[: len(ticks) - reach]).min())
    if (values[-1] - values[0]) * size + slack < shortest * (1 - 1e-9):
        return False
    return bool(((values[reach:] - values[: len(values) - reach]) * size).min() <= span * (1 + 1e-9) + slack)


def _circle_against_clock(pair: Pair, clocks: list[Floats], first: int, period: int) -> ClockShift | None:
    modes = []
    for values, clock in zip(pair.numbers, clocks, strict=True):
        mode = _mode(_gaps(values, clock, first, period), period)
        if mode is None:
            return None
        modes.append(mode)
    return _turn(modes[1] - modes[0], first, period)


def _gaps(values: Floats, clock: Floats, first: int, period: int) -> Floats:
    """Steps on the circle by which each value is ahead of the clock of its row (n,), NaN where unknown."""
    clock = np.floor(clock / 3600) % 24 if period == 24 else (np.floor(clock / 86400) + 3) % 7
    return np.asarray((values - first - clock) % period)


def _mode(gaps: Floats, period: int) -> int | None:
    """The gap of nearly all rows; None where there is none."""
    known = gaps[np.isfinite(gaps)].astype(int)
    counts = np.bincount(known, minlength=period)
    return int(counts.argmax()) if len(known) >= MIN_ROWS and counts.max() >= AGREE * len(known) else None


def _turn(steps: int, first: int, period: int) -> ClockShift | None:
    by = _short_way(steps, period)
    exact = period == 7 or abs(by) > NEIGHBOURS
    return None if by == 0 else ClockShift(float(by), _cycle_words(by, period), first, period, exact)


def turn_of_part(case: Case, pair: Pair) -> tuple[ClockShift, Mask] | None:
    """The shift of an hour or weekday on a part of the current rows, read row by row against their clock, with these rows
    (n_cur,); None where no part was shifted, or all rows were."""
    clocks, circle = [side.seconds for side in case.sides], _circle(pair) if pair.numeric else None
    if circle is None or circle[1] not in (24, 7):
        return None
    first, period = circle
    gaps = [_gaps(v, c, first, period) for v, c in zip(pair.numbers, clocks, strict=True) if c is not None]
    usual = _mode(gaps[0], period) if len(gaps) == 2 else None
    if usual is None:
        return None
    stray = np.isfinite(gaps[1]) & (gaps[1] != usual)
    before = float((gaps[0][np.isfinite(gaps[0])] != usual).mean())
    if stray.sum() < PART_ROWS or stray.mean() < PART_TIMES * before:
        return None
    counts = np.bincount(gaps[1][stray].astype(int), minlength=period)
    other = int(counts.argmax())
    rows = stray & (gaps[1] == other)
    if rows.sum() < PART_AGREES * stray.sum() or rows.mean() >= AGREE:
        return None
    turn = _turn(other - usual, first, period)
    return None if turn is None else (turn, rows)


def _line(lags: list[Floats], clocks: list[Floats], size: float) -> ClockShift | None:
    """A lag against the clock that is nearly the same on all rows of a window, and another one in the other window."""
    middles = []
    near = max(_HALF_HOUR / 2, size)
    for lag, clock in zip(lags, clocks, strict=True):
        known = lag[np.isfinite(lag)]
        # In a window as short as the tolerance everything keeps pace with the clock.
        if len(known) < MIN_ROWS or float(np.subtract(*np.nanquantile(clock, [0.9, 0.1]))) < SPAN * near:
            return None
        middle = float(np.median(known))
        if float((np.abs(known - middle) <= near).mean()) < AGREE:
            return None
        middles.append(middle)
    shift = middles[1] - middles[0]
    steps = round(shift / _HALF_HOUR)
    if steps == 0 or abs(shift - steps * _HALF_HOUR) > 120 or (size > _HALF_HOUR and abs(shift) < size):
        return None
    exact = steps * _HALF_HOUR
    words = f"{_signed(exact / 3600)} hours off the clock of the rows (another time zone, or a lag)"
    return ClockShift(exact / size, words, exact=abs(exact) > 3600 * NEIGHBOURS)


@once
def _around_circle(pair: Pair) -> ClockShift | None:
    """Whole steps by which the shares of hours, weekdays or months moved around, all of them."""
    circle = _circle(pair)
    if circle is None:
        return None
    first, period = circle
    ref, cur = (np.bincount((v - first).astype(int), minlength=period) / len(v) for v in pair.finite)
    moved = 0.5 * float(np.abs(ref - cur).sum())
    noise = 0.5 * float(np.sqrt(period)) * float(np.sqrt(sum(1 / len(v) for v in pair.finite)))
    if moved < CYCLE_MOVED + noise:
        return None
    left = {by: 0.5 * float(np.abs(np.roll(ref, by) - cur).sum()) for by in range(1, period)}
    best = min(left, key=lambda by: left[by])
    others = sorted(v for by, v in left.items() if by != best)
    if left[best] > max(noise, CYCLE_LEFT * moved) or others[0] < 2 * left[best]:
        return None
    by = _short_way(best, period)
    return ClockShift(float(by), _cycle_words(by, period), first, period, exact=abs(by) > NEIGHBOURS)


def _short_way(by: int, period: int) -> int:
    return (by + period // 2) % period - period // 2


def _cycle_words(by: int, period: int) -> str:
    unit = {24: "hour", 7: "weekday", 12: "month"}[period]
    what = (
        "another time zone"
        if period == 24
        else "another first day of the week"
        if period == 7
        else "counted from elsewhere"
    )
    return f"{_signed(by)} {unit}{'' if abs(by) == 1 else 's'}, modulo {period} ({what})"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '-'}{say.number(abs(value))}"


def moments(case: Case) -> list[tuple[str, ClockShift]]:
    """Features that are dates with times, and moved against the clock of the rows; in seconds."""
    clocks = [side.seconds for side in case.sides]
    found: list[tuple[str, ClockShift]] = []
    for column in case.features_of(ColumnKind.TEMPORAL):
        if column == case.problem.roles.timestamp or any(clock is None for clock in clocks):
            continue
        if any(not isinstance(side.sample[column].dtype, pl.Datetime) for side in case.sides):
            continue
        lags = [
            _as_seconds(side.sample[column]) - c for side, c in zip(case.sides, clocks, strict=True) if c is not None
        ]
        turn = _line(lags, [c for c in clocks if c is not None], 1.0)
        if turn is not None:
            found.append((column, turn))
    return found


def move(series: pl.Series, seconds: float) -> pl.Series:
    """A column of dates with times, moved."""
    return series.to_frame().select(pl.col(series.name) + pl.duration(microseconds=round(seconds * 1e6))).to_series()


def _as_seconds(series: pl.Series) -> Floats:
    if getattr(series.dtype, "time_zone", None) is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return to_numbers(series.cast(pl.Datetime("us")).cast(pl.Int64)) / 1e6
