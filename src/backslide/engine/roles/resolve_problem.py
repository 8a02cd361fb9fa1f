"""From what two windows hold to one resolved problem: task, classes, positive class, metric and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Task
from backslide.contracts.errors import LabelError, SourceError
from backslide.contracts.roles import Roles
from backslide.engine.roles import label_spelling, problem
from backslide.engine.roles.derive import label_expression
from backslide.engine.roles.problem import Problem

HEAD = 20_000
"""Labels and predictions by which the task is told."""
FEW_LEVELS = 20
MOST_LEVELS = 1000
"""Distinct fractional numbers in the head from which a column is no class label."""


MOST_SIZE = 1e60
"""Of a usual label, and its inverse the least: the variance of squared errors takes their fourth power."""


@dataclass(frozen=True)
class OutcomeHead:
    """What must be known of a window before the problem is resolved."""

    rows: int
    labels: pl.Series | None
    """First labels that are not null."""
    predictions: pl.Series | None
    """First predictions that are not null."""


def outcome_head(name: str, frame: pl.LazyFrame, roles: Roles) -> OutcomeHead:
    """Count the rows of a window and read its first labels and predictions.

    Raises:
        SourceError: the window holds no rows.
    """
    rows = int(frame.select(pl.len()).collect(engine="streaming").item())
    if rows == 0:
        raise SourceError(f"the {name} window is empty: no rows after the source, time range and version are applied")

    def head(column: str | None) -> pl.Series | None:
        if column is None:
            return None
        return frame.select(pl.col(column)).filter(pl.col(column).is_not_null()).head(HEAD).collect().to_series()

    return OutcomeHead(rows, head(roles.label), head(roles.prediction))


def resolve(
    settings: Settings,
    features: tuple[str, ...],
    heads: Mapping[str, OutcomeHead],
    frames: Mapping[str, pl.LazyFrame],
    notes: list[str],
    warnings: list[str],
) -> Problem:
    """The problem of both windows; what must be said about it is added to ``notes`` and ``warnings``.

    Raises:
        LabelError: labels, predictions and scores do not fit each other or the configured task.
    """
    known = [s for head in heads.values() for s in (head.labels, head.predictions) if s is not None and len(s)]
    task = _task(settings, settings.model, known)
    if task == "regression":
        return _regression(settings, features, known, heads["reference"].labels)
    return _classification(settings, task, features, heads, frames, notes, warnings)


def _regression(
    settings: Settings, features: tuple[str, ...], known: list[pl.Series], labels: pl.Series | None
) -> Problem:
    wanted = settings.model
    for series in known:
        if not series.dtype.is_numeric():
            raise LabelError(
                f'task "regression" expects numbers in {series.name!r}, found {series.dtype} such as {series[0]!r}; '
                'set [model] task = "binary" or "multiclass", or name the right column'
            )
    _check_range(known)
    numbers = pl.Series(dtype=pl.Float64) if labels is None else labels.cast(pl.Float64)
    mean = numbers.filter(numbers.is_finite()).mean()
    return Problem(
        "regression",
        (),
        wanted,
        features,
        None,
        0.5,
        problem.choose_metric("regression", wanted.metric, {}, 0, costs=wanted.costs is not None),
        problem.known_effect("regression", wanted.metric, wanted.min_effect),
        wanted.label is not None,
        False,
        problem.choose_costs("regression", wanted.costs, ()),
        float(mean) if isinstance(mean, float) else 0.0,
    )


def _check_range(known: list[pl.Series]) -> None:
    """Refuse numbers whose errors have no variance in floats: an interval would have no width, or no end.

    A few such among others, or small predictions beside usual labels, are the affair of checks.
    """
    middles = [(_usual_size(series), series.name) for series in known]
    largest, name = max(middles, default=(1.0, ""))
    if largest and not 1 / MOST_SIZE <= largest <= MOST_SIZE:
        raise LabelError(
            f"{name!r} holds numbers such as {say.number(largest, 2)}, which cannot be squared twice in floats; expected a "
            f"unit in which they lie between {say.number(1 / MOST_SIZE, 1)} and {say.number(MOST_SIZE, 1)}: multiply labels "
            "and predictions by a constant"
        )


def _usual_size(series: pl.Series) -> float:
    """The median without signs of what is neither zero nor infinite; 0 where nothing is."""
    sizes = series.cast(pl.Float64).abs()
    middle = sizes.filter(sizes.is_finite() & (sizes > 0)).median()
    return middle if isinstance(middle, float) else 0.0


def _classification(
    settings: Settings,
    task: Task | None,
    features: tuple[str, ...],
    heads: Mapping[str, OutcomeHead],
    frames: Mapping[str, pl.LazyFrame],
    notes: list[str],
    warnings: list[str],
) -> Problem:
    wanted = settings.model
    written = {
        name: (_class_counts(frames[name], head.labels), _class_counts(frames[name], head.predictions))
        for name, head in heads.items()
    }
    same = label_spelling.spellings(written, wanted)
    roles, costs = label_spelling.respelled(wanted, same), label_spelling.repriced(wanted.costs, same)
    counts = {
        name: (label_spelling.merged(labels, same), label_spelling.merged(predictions, same))
        for name, (labels, predictions) in written.items()
    }
    notes += label_spelling.notes(written, same)
    warnings += label_spelling.strangers(counts)
    every, task = _classes(roles, task, counts, warnings)
    labels = counts["reference"][0]
    return Problem(
        task,
        every,
        roles,
        features,
        problem.choose_positive(roles, every, labels) if task == "binary" and every else None,
        roles.threshold if roles.threshold is not None else 0.5,
        problem.choose_metric(
            task, wanted.metric, labels, len(every), scores=bool(roles.scores), costs=costs is not None
        ),
        problem.known_effect(task, wanted.metric, wanted.min_effect),
        roles.label is not None,
        bool(roles.scores),
        problem.choose_costs(task, costs, every),
        spellings=same,
    )


def _classes(
    roles: Roles, task: Task | None, counts: dict[str, tuple[dict[str, int], dict[str, int]]], warnings: list[str]
) -> tuple[tuple[str, ...], Task]:
    """All classes in order, and whether there are two or more of them."""
    classes = {label for window in counts.values() for column in window for label in column}
    predicted = {label for _, predictions in counts.values() for label in predictions}
    unheard = problem.check_scores(roles, "binary" if task == "binary" else "multiclass", classes, predicted, counts)
    if unheard:
        warnings.append(problem.describe_unknown_labels(unheard, counts))
    named = {roles.positive} if roles.positive is not None and len(classes | set(roles.scores)) < 2 else set()
    every = problem.order_classes(classes | set(roles.scores) | named)
    if task == "binary" and len(every) > 2:
        shown = ", ".join(repr(label) for label in every[:5])
        raise LabelError(
            f'task "binary" expects two labels, found {len(every)}: {shown}; set [model] task = "multiclass"'
        )
    return every, task or ("binary" if len(every) <= 2 else "multiclass")


def _task(settings: Settings, roles: Roles, known: list[pl.Series]) -> Task | None:
    if settings.model.task is not None:
        return settings.model.task
    if roles.scores:
        return "binary" if len(roles.scores) <= 2 else "multiclass"
    if not known:
        raise LabelError("the task cannot be inferred: no label, prediction or score holds a value; set [model] task")
    return "regression" if all(_looks_like_regression(series) for series in known) else None


def _looks_like_regression(series: pl.Series) -> bool:
    if not series.dtype.is_numeric():
        return False
    values = series.cast(pl.Float64).drop_nans()
    fractional = len(values) > 0 and not bool((values == values.round()).all())
    return fractional or values.n_unique() > FEW_LEVELS


def _class_counts(frame: pl.LazyFrame, head: pl.Series | None) -> dict[str, int]:
    """Rows of every class of a column, over all rows: a rare class may come late in the file."""
    if head is None or not len(head):
        return {}
    if head.dtype.is_float() and head.n_unique() > MOST_LEVELS:
        raise LabelError(
            f"{head.name!r} looks like a number to predict ({head.n_unique()} distinct values in the first rows), not a "
            'class label; set [model] task = "regression"'
        )
    text = frame.select(label_expression(head.name, head.dtype).alias("label")).drop_nulls()
    table = text.group_by("label").len().collect(engine="streaming")
    return {str(label): int(rows) for label, rows in table.sort("label").iter_rows()}
