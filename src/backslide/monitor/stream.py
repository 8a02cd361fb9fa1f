"""One stream, what it is about, and how a mean or a share of rows becomes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backslide.contracts.watch import StreamKind
from backslide.engine.columns import names
from backslide.engine.roles.problem import Problem
from backslide.monitor.feature_values import NO_VALUES, FeatureValues
from backslide.monitor.sums import Moments, Sums
from backslide.stats.change.sequential import Periods
from backslide.stats.metrics.metric import METRICS, Metric, expected_cost

ESTIMATE = "__estimate"
"""Moments of the headline's expected influence of each row; see ``monitor.expectation``."""


@dataclass(frozen=True)
class MonitoredStream:
    """One stream, before and after the reference ended."""

    name: str
    kind: StreamKind
    words: str
    reference: Periods
    later: Periods
    row_variance: float
    share: bool
    signs: tuple[int, ...]
    """Directions that are worse: +1 up, -1 down; both where any change is worth a look."""
    material: float
    """The change that matters, in the stream's unit."""
    budget: float = 0.0
    """Share of the false alarms that it may raise."""


PeriodSums = tuple[dict[int, Sums], dict[int, Sums]]
"""By period: of the reference, and after it."""


@dataclass(frozen=True)
class Ledger:
    """Sums by period of the reference and after it: of inputs, and of labels at two ages."""

    inputs: PeriodSums
    labels: PeriodSums
    mature: PeriodSums | None
    """None where labels have all come at the first age already."""


@dataclass(frozen=True)
class Subject:
    """What the streams are about."""

    problem: Problem
    segments: tuple[str, ...]
    features: tuple[str, ...]
    vocabularies: tuple[str, ...]
    cycle: int
    holidays: frozenset[int]
    leave_out: tuple[str, ...]
    corrections: bool
    faults: bool = False
    """Whether new rows are read for data faults, which then have their share of the budget."""
    canary: bool = False
    """Whether the model is asked about canary rows, likewise."""
    values: FeatureValues = NO_VALUES
    """Features whose values are followed themselves."""

    @property
    def headline(self) -> Metric:
        """The metric that is followed: the configured one where it is a sum of rows, else its nearest relative."""
        return summed_metric(self.problem)


def summed_metric(problem: Problem) -> Metric:
    """The headline, or where no sum gives it: log loss for metrics of ranks, root mean squared error for R²."""
    name = problem.metric
    if name == "expected_cost" and problem.costs is not None:
        return expected_cost(problem.costs)
    own = METRICS.get(name)
    if not problem.classification:
        return own if own is not None and own.rows != "variance" else METRICS["rmse" if name == "r2" else "mae"]
    if own is not None and (own.rows == "counts" or name in ("log_loss", "brier")):
        return own
    return METRICS["log_loss" if problem.has_scores else "accuracy"]


QUANTITY = {
    "log_loss": names.LOG_LOSS,
    "brier": names.BRIER,
    "absolute": names.ABSOLUTE,
    "squared": names.SQUARED,
    "signed": names.ERROR,
    "percentage": names.PERCENTAGE,
    "cost": names.COST,
}


def quantities(problem: Problem) -> tuple[str, ...]:
    """Row quantities that have to be summed."""
    metric = summed_metric(problem)
    own = QUANTITY.get(metric.rows)
    shown = (names.CONFIDENCE,) if problem.classification else (names.PREDICTION,)
    return tuple(dict.fromkeys((*([own] if own else []), *shown)))


def periods_of(side: dict[int, Sums], value: Callable[[Sums], tuple[float, float]], subject: Subject) -> Periods:
    """A figure by period, without holidays and periods that have none; ``value`` gives it, and the rows that it rests on."""
    numbers = [n for n in sorted(side) if n not in subject.holidays]
    read = [(n, *value(side[n])) for n in numbers]
    periods = [row for row in read if row[2] > 0 and np.isfinite(row[1])]
    table = np.array(periods, float).reshape(-1, 3)
    return Periods(table[:, 1], table[:, 2], table[:, 0].astype(np.int64), subject.cycle)


def mean_stream(
    subject: Subject,
    name: str,
    kind: StreamKind,
    words: str,
    pair: PeriodSums,
    column: str,
    *,
    signs: tuple[int, ...],
    share: bool,
    material: float,
) -> MonitoredStream:
    def value(sums: Sums) -> tuple[float, float]:
        n, total, _ = sums.moments.get(column, (0.0, 0.0, 0.0))
        return (total / n if n else np.nan), n

    before, after = (periods_of(side, value, subject) for side in pair)
    variance = max(spread_of(total_of(pair[0]).moments[column]) ** 2, 1e-12)
    return MonitoredStream(name, kind, words, before, after, variance, share, signs, material)


def spread_of(moments: Moments) -> float:
    """Standard deviation of rows; 0 without any."""
    n, total, square = moments
    return float(np.sqrt(max(square / n - (total / n) ** 2, 0.0))) if n else 0.0


def share_stream(
    subject: Subject,
    name: str,
    kind: StreamKind,
    words: str,
    pair: PeriodSums,
    counts: Callable[[Sums], tuple[int, int]],
) -> MonitoredStream:
    """A share of rows; ``counts`` gives the rows that count, and among how many."""

    def value(sums: Sums) -> tuple[float, float]:
        count, among = counts(sums)
        return (count / among if among else np.nan), float(among)

    before, after = (periods_of(side, value, subject) for side in pair)
    rate = (float(before.values @ before.rows) + 0.5) / (float(before.rows.sum()) + 1)
    return MonitoredStream(name, kind, words, before, after, rate * (1 - rate), True, (1,), 0.02)


def total_of(sums: dict[int, Sums]) -> Sums:
    """All periods together."""
    total = Sums()
    for one in sums.values():
        total = total + one
    return total
