"""When it began: the change point of the metric over both windows, and what else happened then.

Days are weekday-adjusted and weigh by their rows. A change point that is not clear of noise is not told. Beside it stand the
first day of every cause and the first rows of every model version: what coincides is the best lead at 3 a.m., and what does
not coincide is a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.cause import Cause
from backslide.contracts.diagnosis import Onset
from backslide.engine.columns import names
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.change_point import ChangePoint, locate, without_weekdays
from backslide.stats.change.metric_change import Units
from backslide.stats.metrics.metric import Metric, gradient

Days = Ints

MIN_DROP = 16.0
"""Squared standard errors by which the change must show in days before it is dated."""
EPOCH = date(1970, 1, 1)
MONDAY = 3
"""Ordinals are shifted by this much so that ``% 7`` is the weekday."""
CLOSE = timedelta(days=2)
"""How far an event may lie from the onset's interval to be told beside it."""


def incident_onset(case: Case, target: Metric, causes: Sequence[Cause]) -> Onset | None:
    """When the target metric changed; None without days, with overlapping windows, or when the days do not tell."""
    found = metric_change_point(case, target)
    if found is None:
        return None
    point, days = found
    low, at, high = _dates(point, days)
    return Onset(
        at=at.isoformat(),
        low=low.isoformat(),
        high=high.isoformat(),
        events=(*_versions(case, at, low, high), *_suspects(causes, at, low, high)),
    )


def change_of_days(values: Floats, rows: Floats, days: Days, current: Mask) -> tuple[date, date, date] | None:
    """First day that it could be, the day, and the last one that it could be of a change of daily means (D,); None where the days
    do not tell. ``days`` count from 1970-01-01."""
    order = np.argsort(days, kind="stable")
    found = _locate(values[order], rows[order], days[order] + MONDAY, current[order])
    return None if found is None else _dates(*found)


def mark_coinciding(causes: Sequence[Cause], onset: Onset | None) -> tuple[Cause, ...]:
    """The causes with whether they began when the metric changed."""
    if onset is None or onset.low is None or onset.high is None:
        return tuple(causes)
    low, high = onset.low, onset.high
    return tuple(
        cause
        if cause.began is None
        else cause.model_copy(
            update={
                "began": cause.began.model_copy(
                    update={"coincides": cause.began.low[:10] <= high[:10] and cause.began.high[:10] >= low[:10]}
                )
            }
        )
        for cause in causes
    )


def _dates(point: ChangePoint, days: Days) -> tuple[date, date, date]:
    at, high = _day(int(days[point.index])), _day(int(days[point.high]))
    low = _day(int(days[point.low - 1]) + 1) if point.low else _day(int(days[0]))
    return min(low, at), at, high


def metric_change_point(case: Case, target: Metric) -> tuple[ChangePoint, Days] | None:
    """Change point of the metric's daily values and the day ordinals that its indices refer to."""
    return change_point_of([side.units(target) for side in case.sides], target)


def change_point_of(units: list[Units], target: Metric) -> tuple[ChangePoint, Days] | None:
    """The same from the daily sums of both windows."""
    if any(u.ordinals is None for u in units):
        return None
    return _locate(*_daily(units, target))


def _locate(values: Floats, rows: Floats, days: Days, current: Mask) -> tuple[ChangePoint, Days] | None:
    if len(np.unique(days)) < len(days):
        return None  # both windows hold rows of the same days
    adjusted = without_weekdays(values, rows, days, ~current)
    inflation = _inflation(adjusted, current)
    point = locate(adjusted, rows, inflation=inflation)
    if point is None or point.drop < MIN_DROP * inflation:
        return None
    return point, days


def _daily(units: list[Units], target: Metric) -> tuple[Floats, Floats, Days, Mask]:
    """Linearised daily values of both windows in order of time, their rows, ordinals and which are current."""
    total = units[0].total + units[1].total
    n = units[0].n + units[1].n
    slope = gradient(target, total)
    sums = np.concatenate([u.sums for u in units])
    rows = np.concatenate([u.rows for u in units])
    days = np.concatenate([u.ordinals for u in units if u.ordinals is not None])
    current = np.repeat([False, True], [len(u.rows) for u in units])
    values = (sums / np.maximum(rows, 1e-12)[:, None] - total / n) @ slope * n
    order = np.argsort(days, kind="stable")
    return values[order], rows[order], days[order], current[order]


def _inflation(values: Floats, current: Mask) -> float:
    """(1+a)/(1-a) with a the lag-1 autocorrelation of days around the mean of their window, 0 to 0.8."""
    residual = values - np.where(current, values[current].mean(), values[~current].mean())
    power = float((residual**2).sum())
    a = float(np.clip((residual[1:] * residual[:-1]).sum() / power, 0.0, 0.8)) if power > 0 else 0.0
    return (1 + a) / (1 - a)


def _day(ordinal: int) -> date:
    return EPOCH + timedelta(days=ordinal - MONDAY)


def _versions(case: Case, at: date, low: date, high: date) -> list[str]:
    """Model versions whose first rows fall close to the onset; the version that was there from the start is no event."""
    if case.problem.roles.version is None:
        return []
    first: dict[str, datetime] = {}
    for side in case.sides:
        firsts = side.window.frame.group_by(names.VERSION).agg(pl.col(names.TIME).min()).collect(engine="streaming")
        for version, moment in firsts.sort(names.VERSION, nulls_last=True).iter_rows():
            if version is not None and isinstance(moment, datetime):
                first[version] = min(moment, first.get(version, moment))
    start = min(first.values(), default=None)
    return [
        f"model version {version} served first at {moment:%Y-%m-%d %H:%M} UTC, {_apart(moment.date(), at)}"
        for version, moment in sorted(first.items(), key=lambda item: item[1])
        if moment != start and low - CLOSE <= moment.date() <= high + CLOSE
    ]


def _suspects(causes: Sequence[Cause], at: date, low: date, high: date) -> list[str]:
    """Whether the causes that have a first day of their own began with the metric."""
    said = []
    for cause in causes:
        if cause.since is None:
            continue
        since = date.fromisoformat(cause.since[:10])
        first, last = (
            (since, since)
            if cause.began is None
            else (date.fromisoformat(cause.began.low[:10]), date.fromisoformat(cause.began.high[:10]))
        )
        name = cause.kind.words + (f" of {say.listed(cause.features, 3)}" if cause.features else "")
        if since == at:
            said.append(f"same day as the {name}")
        elif first <= high and last >= low:
            said.append(f"{name} since {since}, which coincides")
        else:
            said.append(f"{name} since {since}, {_apart(since, low if since < low else high)}")
    return said


def _apart(when: date, other: date) -> str:
    days = (when - other).days
    if days == 0:
        return "the same day"
    return f"{abs(days)} day{'' if abs(days) == 1 else 's'} {'before' if days < 0 else 'after'}"
