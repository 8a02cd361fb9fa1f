"""Did the dates among the features go wrong: in the future, stale, missing, on other weekdays or hours, cut to midnight?

For every date, time and duration feature other than the timestamp: its lag behind the row's own timestamp (dates move on by
themselves, lags do not), the share of future dates, of missing ones, of times at exactly midnight, and the distribution over
weekdays and hours. Durations and times of day are compared as numbers. On the sample.

**Why it matters.** A date that stands still is a stale join; one in the future, a time zone or a day and month exchanged; all
midnights, a lost time of day.

**Stays quiet** under a shift of the lag of 0.1 standard deviations (and a KS distance of 0.05), 2 points of future, missing or
midnight values, 5 points of weekdays or hours in sum; and within noise at the false-discovery rate of the report (1 %), noise
being that of days and weekdays where rows have times. Error rate: at most 1 % of columns in which nothing happened.

**What to do.** Ask the source for its time zone, its format and when it was last loaded.

References: van der Waerden (1952); Rao and Scott (1981).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine.columns import names
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.times.both_windows import WEEKDAYS
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.evidence import bars, numeric_histograms
from backslide.playbook.findings import graded, share_finding, two_bars
from backslide.stats.arrays import Floats

DAY = 86_400.0
HOURS = tuple(f"{hour:02d} h" for hour in range(24))
Both = tuple[Floats, Floats]


@dataclass(frozen=True)
class DatesFloors:
    shift: float = 0.1
    """Of the lag, in standard deviations."""
    ks: float = 0.05
    share: float = 0.02
    """Change of the share of future, missing or midnight values."""
    total_variation: float = 0.05
    """Share of rows that would have to change weekday or hour."""


class Dates(Check):
    code = "DRF005"
    title = "Dates and times"
    step = Step.DRIFT
    needs = (Need.TEMPORAL,)
    thresholds = DatesFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """A finding per date feature and question that can be asked of it."""
        columns = case.features_of(ColumnKind.TEMPORAL)
        alpha = case.settings.engine.false_discovery_rate / max(4 * len(columns), 1)
        for column in columns:
            if not any(side.sample[column].dtype == pl.Null for side in case.sides):
                yield from self._questions(case, column, alpha)

    def _questions(self, case: Case, column: str, alpha: float) -> Iterator[Finding]:
        series = [side.sample[column] for side in case.sides]
        if any(s.dtype != series[0].dtype and s.dtype.base_type() != series[0].dtype.base_type() for s in series):
            return
        times = [side.sample[names.TIME] if names.TIME in side.sample.columns else None for side in case.sides]
        missing = _pair([s.is_null() for s in series])
        if any(m.any() for m in missing):
            yield self._share(case, column, "missing", missing, alpha)
        if any(s.null_count() == len(s) for s in series):
            return
        kind = series[0].dtype
        if kind in (pl.Duration, pl.Time):
            seconds = [_seconds(s) for s in series]
            yield from self._lag(case, column, (seconds[0], seconds[1]), "value", alpha)
            return
        moments = [s.cast(pl.Datetime("us")) if s.dtype == pl.Date else _naive(s) for s in series]
        if times[0] is not None and times[1] is not None:
            apart = [_seconds(t - m) / DAY for t, m in zip(times, moments, strict=True) if t is not None]
            yield from self._lag(case, column, (apart[0], apart[1]), "age", alpha)
            # A whole date has no time zone: tomorrow's date is not yet the future.
            tolerance = 1.0 if kind == pl.Date else 1 / 24
            future = tuple(np.where(np.isfinite(a), (a < -tolerance).astype(float), np.nan) for a in apart)
            if any(np.nansum(f) for f in future):
                yield self._share(case, column, "in the future", (future[0], future[1]), alpha)
        if kind != pl.Date:
            midnight = _pair([m.dt.truncate("1d") == m for m in moments])
            if any(np.nansum(m) for m in midnight):
                yield self._share(case, column, "at midnight", midnight, alpha)
            yield from self._spread(case, column, "hour", [m.dt.hour() for m in moments], HOURS)
        yield from self._spread(case, column, "weekday", [m.dt.weekday() - 1 for m in moments], WEEKDAYS)

    def _lag(self, case: Case, column: str, values: Both, what: str, alpha: float) -> Iterator[Finding]:
        sampled = change_of_column.sampled(case, values)
        if sampled is None:
            return
        unit = "days" if what == "age" else "seconds"
        middle = [float(np.nanmedian(v)) for v in values]
        word = "age behind the row's own time" if what == "age" else "value"
        summary = f"{column}: median {word} {say.number(middle[0])} → {say.number(middle[1])} {unit}"
        move, floors = sampled.move, self.thresholds
        p_value, passed = move.judge(floors.ks, floors.shift, 0.05)
        size = max(abs(move.shift_adjusted) / floors.shift, move.ks_adjusted / floors.ks) if passed else 0.0
        severity = _graded(case, size, 1.0)
        loud = severity != Severity.OK
        yield Finding(
            code=self.code,
            subject=column,
            severity=severity,
            summary=summary,
            estimate=Estimate(
                estimate=float(np.nanmean(values[1]) - np.nanmean(values[0])), basis="sample", n=len(values[1])
            ),
            unit=unit,
            p_value=p_value,
            detectable=move.detectable(alpha, floors.shift) * sampled.spread,
            basis=_basis(case),
            since=change_of_column.since(case, values) if loud else None,
            evidence=(
                *numeric_histograms(values, title=column, reading=f"{summary}.", x=f"{word}, {unit}"),
                *change_of_column.series(case, values, title=f"{word} of {column}", y=unit),
            )
            if loud
            else (),
        )

    def _share(self, case: Case, column: str, what: str, marks: Both, alpha: float) -> Finding:
        move = change_of_column.share_of(case, marks)
        ref, cur = float(move.before[1]), float(move.after[1])
        summary, floor = f"{column}: {say.percent(cur)} {what}, {say.percent(ref)} before", self.thresholds.share
        return share_finding(
            self,
            case,
            f"{column} ({what})",
            summary,
            move,
            severity=_graded(case, abs(float(move.adjusted[1])), floor),
            floor=floor,
            alpha=alpha,
            marks=marks,
            basis=_basis(case),
            evidence=lambda: (two_bars(f"{column}: {what}", f"{summary}.", what, ref, cur),),
        )

    def _spread(
        self, case: Case, column: str, what: str, codes: list[pl.Series], words: tuple[str, ...]
    ) -> Iterator[Finding]:
        numbers = [c.fill_null(-1).to_numpy().astype(np.int64) for c in codes]
        move = change_of_column.coded(case, (numbers[0], numbers[1]), len(words))
        if move is None:
            return
        most, floor = int(np.argmax(np.abs(move.adjusted))), self.thresholds.total_variation
        before, after = float(move.before[most]), float(move.after[most])
        summary = f"{column}: {words[most]} {say.percent(before)} → {say.percent(after)} of values"
        shares = [dict(zip(words, own.tolist(), strict=True)) for own in (move.before, move.after)]
        marks = tuple(np.where(n < 0, np.nan, (n == most).astype(float)) for n in numbers)
        yield share_finding(
            self,
            case,
            f"{column} ({what})",
            summary,
            move,
            severity=_graded(case, move.total_variation_adjusted, floor),
            floor=floor,
            marks=(marks[0], marks[1]),
            place=most,
            detectable=None,
            basis=_basis(case),
            evidence=lambda: (bars(*shares, title=f"{column} by {what}", reading=f"{summary}.", x=what),),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """An account's opening date loses its time of day, and every tenth comes from next year."""
        frames = []
        for make, late in ((scenarios.served, False), (scenarios.next_month, True)):
            frame = make(rng)
            ages = [timedelta(seconds=float(s)) for s in rng.exponential(200 * DAY, frame.height)]
            opened = [t - a for t, a in zip(frame["served_at"].to_list(), ages, strict=True)]
            if late:
                wrong = rng.random(frame.height) < 0.1
                opened = [o + timedelta(days=3000) if w else o for o, w in zip(opened, wrong, strict=True)]
            frames.append(frame.with_columns(opened=pl.Series(opened)))
        return Scenario(frames[0], frames[1], dict(scenarios.ROLES), None, "opened (in the future)")


def _graded(case: Case, size: float, floor: float) -> Severity:
    rows = min(side.sample.height for side in case.sides)
    return graded(size, floor, 5 * floor, rows, change_of_column.MIN_ROWS)


def _basis(case: Case) -> str:
    rows = min(side.sample.height for side in case.sides)
    return "all rows" if all(side.complete for side in case.sides) else f"sample of {rows} rows a window"


def _naive(values: pl.Series) -> pl.Series:
    zone = getattr(values.dtype, "time_zone", None)
    if zone:
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return values.cast(pl.Datetime("us"))


def _seconds(values: pl.Series) -> Floats:
    """Seconds of a duration or a time of day, NaN where null."""
    scale = 1e9
    if values.dtype == pl.Duration:
        values, scale = values.dt.total_microseconds(), 1e6
    return np.asarray(values.cast(pl.Int64).cast(pl.Float64).fill_null(np.nan).to_numpy(), float) / scale


def _pair(found: list[pl.Series]) -> Both:
    one, two = (np.asarray(s.cast(pl.Float64).fill_null(np.nan).to_numpy(), float) for s in found)
    return one, two
