"""Quick look along time: a column's mean or a metric by day, week or month, over the range of the good period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import polars as pl

from backslide.contracts import say
from backslide.contracts.errors import ColumnError, InputError, TimestampError, did_you_mean
from backslide.contracts.evidence import Series, SeriesPoint
from backslide.contracts.roles import Roles
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.sources.errors import reading
from backslide.engine.times.timestamps import TimeReading, read_times
from backslide.plot.blocks import Blocks, Every, fitting
from backslide.plot.draw import draw
from backslide.plot.metrics import DRAWN, is_metric, metric_by_day, needs_scores
from backslide.plot.tables import PeriodTable, Tables, not_recognised, open_both, recognised, require
from backslide.stats.arrays import Floats

if TYPE_CHECKING:
    from altair.typing import ChartType

FEWEST_FOR_BAND = 5
"""Blocks of the good period from which a range of what is usual can be read."""
BAND = (0.05, 0.95)
Z = 1.96


def over_time(
    good: object,
    bad: object,
    value: str,
    timestamp: str | None = None,
    *,
    label: str | None = None,
    prediction: str | None = None,
    scores: Mapping[object, str] | None = None,
    every: Every | None = None,
) -> ChartType:
    """A column's mean, or a metric, over time in both periods, with the range that nine in ten good blocks lie in.

    All rows are counted. Intervals are those of the rows in a block (95 %): they know nothing of effects of days.

    Args:
        good: the period when things were fine: a table, path or glob.
        bad: the period to compare with it.
        value: a column of numbers or booleans, or a metric: ``accuracy``, ``macro_f1``, ``recall[spam]``, ``mae``, ...
        timestamp: column of times; found by name and content when left out.
        label, prediction, scores: for a metric; found by name and content when left out. Scores are columns by class label.
        every: ``day``, ``week`` or ``month``; chosen by the length of the periods when left out.

    Raises:
        SourceError: when a period cannot be opened or holds no rows.
        ColumnError: when a column is absent, holds something else, or is not recognised.
        LabelError: when the metric does not fit the labels.
        TimestampError: when times cannot be read.
    """
    if every is not None and every not in get_args(Every):
        raise InputError(f"every = {every!r}: expected 'day', 'week' or 'month'")
    tables = open_both(good, bad)
    as_column = _is_column(tables, value)
    named = Roles(label=label, prediction=prediction, scores=dict(scores or {}), timestamp=timestamp)
    roles = _roles(tables, named, metric=None if as_column else value)
    if as_column:
        figure = _column_series(tables, value, str(roles.timestamp), every)
    else:
        figure = _metric_series(tables, value, roles, every)
    return draw(figure)


def _is_column(tables: Tables, value: str) -> bool:
    """Whether ``value`` names a column; a column goes before a metric of the same name."""
    known = set(tables[0].schema) | set(tables[1].schema)
    if isinstance(value, str) and value not in known:
        if is_metric(value):
            return False
        raise ColumnError(f"{value!r} is neither a column nor a metric{did_you_mean(value, [*sorted(known), *DRAWN])}")
    require(tables, value)
    return True


def _roles(tables: Tables, named: Roles, *, metric: str | None) -> Roles:
    """The roles that are needed, as named, else as recognised."""
    wanted = ["timestamp"] if metric is None else ["timestamp", "label", "prediction"]
    scored = metric is not None and needs_scores(metric)
    complete = all(getattr(named, role) is not None for role in wanted) and not (scored and not named.scores)
    result = named if complete else recognised(tables)
    single = {role: getattr(named, role) or getattr(result, role) for role in wanted}
    # Scores that nobody asked for could only stand in the way of a metric of decisions.
    undecided = metric is not None and single["prediction"] is None
    scores = named.scores or (result.scores if scored or undecided else {})
    for role in wanted:
        if single[role] is None and not (role == "prediction" and scores):
            raise not_recognised(role, f"plot.over_time(good, bad, ..., {role}='...')", tables)
    if scored and not scores:
        raise not_recognised("score", "plot.over_time(good, bad, ..., scores={'yes': 'p_yes'})", tables)
    require(tables, *(column for column in single.values() if column is not None), *scores.values())
    # Which class a lone score speaks of is the inference's to say, as long as it is the inference's score.
    positive = result.positive if scores == result.scores else None
    return Roles(**single, scores=scores, positive=positive)


def _column_series(tables: Tables, column: str, timestamp: str, every: Every | None) -> Series:
    times = read_times({table.name: table.frame for table in tables}, timestamp)
    good, bad = (_sums(table, column, times) for table in tables)
    for table, blocks in zip(tables, (good, bad), strict=True):
        if not len(blocks.rows):
            raise ColumnError(f"no row of {table.name} has a time in {timestamp!r} and a finite number in {column!r}")
    share = tables[0].kind(column) is ColumnKind.BOOLEAN
    y = f"share of {column}" if share else f"mean of {column}"
    every = every or fitting(np.concatenate([good.starts, bad.starts]))
    points = [*_mean_points(good.by(every), "reference"), *_mean_points(bad.by(every), "current")]
    means = [float(blocks.sums[:, 1].sum() / blocks.rows.sum()) for blocks in (good, bad)]
    return _series(points, y, every, means, share=share, worse=0)


def _sums(table: PeriodTable, column: str, times: TimeReading) -> Blocks:
    """By day: n, sum, and sum of squares around the period's own middle, which keeps their digits."""
    kind, dtype = table.kind(column), table.schema[column]
    if kind not in (ColumnKind.NUMERIC, ColumnKind.BOOLEAN) and dtype != pl.Null:
        raise ColumnError(
            f"expected numbers in {column!r}, found {dtype} in {table.name}; use plot.categorical(good, bad, {column!r})"
        )
    with reading(f"the rows of {table.name}"):
        day = times.of(table.schema[times.column]).dt.date().alias("day")
        number = pl.col(column).cast(pl.Float64)
        value = pl.when(number.is_finite()).then(number).alias("value")
        read = table.frame.select(day, value).drop_nulls()
        by_day = read.group_by("day").agg(
            n=pl.len(), mean=pl.col("value").mean(), spread=pl.col("value").var().fill_null(0.0)
        )
        days = by_day.sort("day").collect(engine="streaming")
    n, mean = days["n"].to_numpy().astype(float), days["mean"].to_numpy()
    squares = days["spread"].to_numpy() * (n - 1)
    return Blocks(days["day"].to_numpy().astype("datetime64[D]"), n, _moments(n, mean, squares))


def _moments(n: Floats, mean: Floats, squares: Floats) -> Floats:
    """Additive sums per block (B, 4): n, sum, sum of squares about the period's mean, that mean times n."""
    centre = float(n @ mean / n.sum()) if len(n) else 0.0
    return np.column_stack([n, n * mean, n * (mean - centre) ** 2 + squares, n * centre])


def _mean_points(blocks: Blocks, window: Literal["reference", "current"]) -> list[SeriesPoint]:
    n, total, about, centres = blocks.sums.T
    mean = total / n
    squares = np.maximum(about - n * (mean - centres / n) ** 2, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = Z * np.sqrt(squares / (n - 1) / n)
    return _points(blocks, mean, half, window)


def _points(
    blocks: Blocks, values: Floats, half: Floats, window: Literal["reference", "current"], *, share: bool = False
) -> list[SeriesPoint]:
    ends = [values - half, values + half]
    if share:
        ends = [np.clip(end, 0.0, 1.0) for end in ends]
    return [
        SeriesPoint(
            at=str(start),
            value=float(value),
            window=window,
            rows=int(rows),
            low=float(low) if np.isfinite(low) else None,
            high=float(high) if np.isfinite(high) else None,
        )
        for start, value, low, high, rows in zip(blocks.starts, values, *ends, blocks.rows, strict=True)
        if np.isfinite(value)
    ]


def _metric_series(tables: Tables, name: str, roles: Roles, every: Every | None) -> Series:
    result = metric_by_day(tables, name, roles)
    every = every or fitting(np.concatenate([result.good.starts, result.bad.starts]))
    points: list[SeriesPoint] = []
    for blocks, window in ((result.good.by(every), "reference"), (result.bad.by(every), "current")):
        floor = 0.5 / blocks.rows**2 if result.metric.rows == "counts" else 0.0  # no errors is not no noise
        half = Z * np.sqrt(np.maximum(blocks.row_variance / blocks.rows, floor))
        bounded = result.metric.share and result.metric.name != "matthews"
        values = result.metric.value(blocks.sums)
        points += _points(blocks, values, half, window, share=bounded)  # type: ignore[arg-type]  # points of one window
    means = [float(result.metric.value(blocks.sums.sum(0))) for blocks in (result.good, result.bad)]
    worse = 0 if name == "bias" else -result.metric.sign
    return _series(points, name, every, means, share=result.metric.share, worse=worse)


def _series(points: list[SeriesPoint], y: str, every: Every, means: list[float], *, share: bool, worse: int) -> Series:
    """Points with their band and sentence; ``worse`` is +1 where a rise is, -1 where a fall is, 0 where neither."""
    usual = [point.value for point in points if point.window == "reference"]
    current = [point.value for point in points if point.window == "current"]
    if not usual or not current:
        raise TimestampError(f"{y} has no value in {'the good' if not usual else 'the bad'} period; nothing to draw")
    write = say.percent if share else lambda value: say.number(value, 3)
    text = f"{y[:1].upper()}{y[1:]} is {write(means[1])}, {write(means[0])} before"
    band = None
    if len(usual) >= FEWEST_FOR_BAND:
        low, high = (float(v) for v in np.quantile(usual, BAND))
        band = low, high
        beyond = sum(1 for v in current if (v > high and worse >= 0) or (v < low and worse <= 0))
        where = "outside the range of nine in ten" if not worse else "worse than 95% of the"
        text += f"; {beyond} of {len(current)} current {every}s {'are' if worse else 'lie'} {where} reference {every}s"
    else:
        text += f"; {len(usual)} reference {every}s are too few for a range of what is usual"
    return Series(title=f"{y} by {every}", reading=text + ".", y=y, points=tuple(points), band=band, share=share)
