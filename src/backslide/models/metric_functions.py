"""Metrics of the user's own, as ``module:function``: found beside the configuration, tried once, and never trusted blindly.

A function takes labels and predictions, and scores if it has a third parameter: numpy arrays with labels as in the log (texts
for classes, floats for numbers), scores a dict from label to array. It returns one value per row, whose mean is the metric, or
one number. Attributes ``higher_is_better`` (default True) and ``share`` (default False) say how to read it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backslide.contracts.errors import ConfigError
from backslide.engine.roles.problem import Problem
from backslide.models.failures import explain_failure
from backslide.models.imports import import_function
from backslide.models.user_code import contained
from backslide.stats.arrays import Floats
from backslide.stats.metrics.metric import Arrays, Metric, mean

Call = Callable[[Arrays], Any]


def custom_metric(spec: str, problem: Problem, base: Path, trial: Arrays, *, trusted: bool) -> Metric:
    """The metric that ``module:function`` names, tried on some rows: additive where it returns a value per row.

    Raises:
        UntrustedError: nobody vouched for its code.
        ConfigError: it cannot be imported or called, or returns neither one number nor a number per row.
    """
    expected = "'module:function' or a metric of this task"
    function = import_function(spec, base=base, role="[model] metrics", trusted=trusted, expected=expected)
    call = _caller(spec, function, problem)
    returned = call(trial)
    better, share = (
        bool(getattr(function, name, usual)) for name, usual in (("higher_is_better", True), ("share", False))
    )
    metric = Metric(spec, better, "own", mean, share=share)
    if np.ndim(returned) == 0:
        return replace(metric, whole=lambda arrays: _number(spec, call(arrays)))
    return replace(metric, of=lambda arrays: _per_row(spec, call(arrays), len(arrays[0])))


def check_returns(metric: Metric, arrays: Arrays) -> None:
    """One call whose answer is looked at.

    Raises:
        ConfigError: the function fails or returns nonsense.
    """
    if metric.whole is not None:
        metric.whole(arrays)
    elif metric.of is not None and not np.isfinite(metric.of(arrays)).any():
        raise ConfigError(f"[model] metric {metric.name}: expected a number per row, got no finite one")


def _caller(spec: str, function: Callable[..., Any], problem: Problem) -> Call:
    wants_scores = _takes_scores(function)
    if wants_scores and not problem.has_scores:
        raise ConfigError(f"[model] metric {spec} takes scores, and none are logged: name them under [model] scores")

    def call(arrays: Arrays) -> Any:
        labels, predictions, scores = arrays
        arguments: list[Any] = [_as_logged(values, problem) for values in (labels, predictions)]
        if wants_scores:
            arguments.append(
                {label: scores[:, k] for k, label in enumerate(problem.classes)} if scores is not None else {}
            )
        with explain_failure(f"[model] metric {spec} failed", ConfigError), contained(f"[model] metric {spec}"):
            return function(*arguments)

    return call


def _takes_scores(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in parameters if p.kind in kinds]
    # A third parameter with a default is the user's own, unless it is called scores.
    return len(positional) >= 3 and (positional[2].default is inspect.Parameter.empty or positional[2].name == "scores")


def _as_logged(values: NDArray[np.generic], problem: Problem) -> NDArray[Any]:
    if not problem.classification:
        return values.astype(np.float64)
    names = np.array([*problem.classes, ""], dtype=str)  # a code of -1 is none of the classes
    return np.asarray(names[values.astype(np.int64)])


def _number(spec: str, returned: Any) -> float:
    try:
        number = float(returned)
    except (TypeError, ValueError):
        raise ConfigError(f"[model] metric {spec}: expected a number, got {type(returned).__name__}") from None
    if not np.isfinite(number):
        raise ConfigError(f"[model] metric {spec}: expected a number, got {number}")
    return number


def _per_row(spec: str, returned: Any, rows: int) -> Floats:
    try:
        values = np.asarray(returned).astype(np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"[model] metric {spec}: expected numbers, one per row") from None
    if values.shape != (rows,):
        raise ConfigError(f"[model] metric {spec}: expected {rows} values, one per row, got shape {values.shape}")
    return values
