"""A metric by day in both periods, from the same sums as the verdict's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.errors import LabelError, TimestampError, did_you_mean
from backslide.contracts.roles import Roles
from backslide.engine.roles.problem import Problem
from backslide.engine.window import WindowPair, open_windows
from backslide.plot.blocks import Blocks
from backslide.plot.tables import Tables
from backslide.stats.change.metric_change import Units, row_variance
from backslide.stats.metrics.metric import (
    CLASSIFICATION,
    METRICS,
    REGRESSION,
    Metric,
    class_metric,
    macro_f1_over,
)

_OF_CLASS = re.compile(r"^(recall|precision|f1)\[(.+)\]$")
_BY_DAY = ("counts", "log_loss", "brier", "absolute", "squared", "signed")
"""Kinds of row statistics that are kept by day."""
DRAWN = tuple(name for name, metric in METRICS.items() if metric.rows in _BY_DAY)
"""Metrics that have a value by day, beside recall, precision and F1 of a class."""


def is_metric(name: str) -> bool:
    """Whether a name is a metric that has a value by day."""
    return name in DRAWN or _OF_CLASS.match(name) is not None


def needs_scores(name: str) -> bool:
    """Whether the metric is one of the scores."""
    return name in METRICS and METRICS[name].rows in ("log_loss", "brier")


@dataclass(frozen=True)
class ByDay:
    """A metric with its daily sums in both periods."""

    metric: Metric
    good: Blocks
    bad: Blocks


def metric_by_day(tables: Tables, name: str, roles: Roles) -> ByDay:
    """The metric's sums of every day, over all labelled rows.

    Raises:
        LabelError: when the metric does not fit the labels, or a period has none.
        TimestampError: when times cannot be read.
    """
    model = roles.model_copy(update={"features": (), "segments": (), "id": None, "version": None})
    settings = Settings.from_dict({"model": model.model_dump(exclude_none=True)})
    opened = open_windows(tables[0].frame, tables[1].frame, settings)
    for table, window in zip(tables, (opened.reference, opened.current), strict=True):
        if not window.labelled:
            raise LabelError(f"no row of {table.name} has a label in {roles.label!r}; {name} needs labelled rows")
    metric = _metric(name, opened)
    case = Case(opened, settings)
    good, bad = (
        _blocks(side.units(metric), metric, table.name, roles) for side, table in zip(case.sides, tables, strict=True)
    )
    return ByDay(metric, good, bad)


def _metric(name: str, opened: WindowPair) -> Metric:
    problem: Problem = opened.problem
    known = [m for m in (CLASSIFICATION if problem.classification else REGRESSION) if m in DRAWN]
    of_class = _OF_CLASS.match(name)
    if of_class is not None and problem.classification:
        which, label = of_class[1], of_class[2]
        if label not in problem.classes:
            raise LabelError(f"{name!r}: no label is {label!r}{did_you_mean(label, problem.classes)}")
        kinds: dict[str, Literal["recall", "precision", "f1"]] = {
            "recall": "recall",
            "precision": "precision",
            "f1": "f1",
        }
        return class_metric(kinds[which], problem.classes.index(label), label)
    if name not in known:
        raise LabelError(f"{name!r} does not fit the labels of a {problem.task} task{did_you_mean(name, known)}")
    if name != "macro_f1":
        return METRICS[name]
    counts = opened.reference.label_counts, opened.current.label_counts
    return macro_f1_over(np.array([all(c.get(label, 0) for c in counts) for label in problem.classes], bool))


def _blocks(units: Units, metric: Metric, period: str, roles: Roles) -> Blocks:
    if units.ordinals is None:
        raise TimestampError(
            f"more than 5 % of the rows of {period} have no readable time in {roles.timestamp!r}; name another timestamp"
        )
    days = (units.ordinals - 3).astype("datetime64[D]")
    return Blocks(days, units.rows, units.sums, row_variance(units, metric))
