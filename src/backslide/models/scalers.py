"""The scalers inside a saved scikit-learn pipeline: which columns they scale, and by how much.

Only what is public is read: ``steps``, ``transformers_`` and the fitted attributes of scikit-learn's own scalers and imputers.
"""

from __future__ import annotations

from collections import UserList
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ColumnScaling:
    """How one column is scaled: (value - centre) / spread."""

    scaler: str
    """Class of the scaler."""
    centre: float
    spread: float
    measure: tuple[str, str]
    """What centre and spread are called: mean and standard deviation, median and range, minimum and range."""
    filling: float | None = None
    """What an imputer in front puts for missing values; None where they stay missing."""
    direct: bool = True
    """Whether the values come as logged, and not through another function first."""


_MEASURES = {
    "StandardScaler": ("mean", "standard deviation"),
    "RobustScaler": ("median", "quantile range"),
    "MinMaxScaler": ("lower end", "range"),
    "MaxAbsScaler": ("zero", "largest size"),
}
SCALERS = tuple(_MEASURES)
_FILLS = ("SimpleImputer", "KNNImputer", "IterativeImputer")
_VALUE_BY_VALUE = ("FunctionTransformer", "PowerTransformer", "QuantileTransformer", "KBinsDiscretizer")


@dataclass(frozen=True)
class _Column:
    """A column on its way to the scaler."""

    name: str
    filling: float | None = None
    direct: bool = True
    by_name: bool = False
    """Whether it came through a step of the user's own, behind which only its name tells that it is still the same column."""


def scaled_columns(artefact: Any, columns: Sequence[str]) -> dict[str, ColumnScaling]:
    """Every column of ``columns`` (as the model takes them) that a scaler inside the pipeline scales."""
    return _walk(artefact, [_Column(name) for name in columns])


def _walk(part: Any, columns: list[_Column]) -> dict[str, ColumnScaling]:
    if isinstance(steps := getattr(part, "steps", None), list):
        for step in inside(steps):
            result = _walk(step, columns)
            if result:
                return result
            columns = _behind(step, columns)
        return {}
    if (branches := fitted_branches(part)) is not None:
        result = {}
        places = {column.name: k for k, column in enumerate(columns)}
        for branch, chosen in branches:
            own = [columns[places[name]] for name in named_columns(chosen, list(places)) if name in places]
            if not isinstance(chosen, slice) and all(
                isinstance(v, str) for v in np.atleast_1d(np.asarray(chosen, object))
            ):
                own = [replace(column, by_name=False) for column in own]
            result |= _walk(branch, own)
        return result
    return _scales(part, columns)


def inside(steps: list[tuple[str, Any]]) -> list[Any]:
    """The steps of a pipeline that do something."""
    return [step for _, step in steps if step is not None and step != "passthrough"]


def fitted_branches(part: Any) -> list[tuple[Any, Any]] | None:
    """Each branch of a fitted column transformer with the columns that it takes; None of any other step."""
    branches = getattr(part, "transformers_", None)
    if not isinstance(branches, list):
        return None
    # scikit-learn 1.5 and 1.6 keep the places of the remainder in a list that warns whoever reads an element of it.
    return [(branch, chosen.data if isinstance(chosen, UserList) else chosen) for _, branch, chosen in branches]


def _behind(step: Any, columns: list[_Column]) -> list[_Column]:
    """The columns as a step hands them on; none where what it hands on are other columns."""
    kind, k = type(step).__name__, len(columns)
    if kind in _FILLS and getattr(step, "n_features_in_", None) == k and not getattr(step, "add_indicator", False):
        filled = list(getattr(step, "statistics_", [])) if kind == "SimpleImputer" else []
        filled = filled if len(filled) == k else [None] * k
        return [
            replace(c, filling=float(v) if isinstance(v, (int, float, np.number)) and np.isfinite(v) else None)
            for c, v in zip(columns, filled, strict=True)
        ]
    if kind in _VALUE_BY_VALUE:
        return [replace(c, direct=False) for c in columns]
    if not type(step).__module__.startswith("sklearn.") and getattr(step, "n_features_in_", k) == k:
        return [replace(c, by_name=True) for c in columns]
    return []


def named_columns(chosen: Any, columns: list[str]) -> list[str]:
    """Names of a branch's columns, given as names, places, a slice or a mask."""
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice):
        start, stop = (columns.index(e) if isinstance(e, str) else e for e in (chosen.start, chosen.stop))
        return columns[slice(start, stop + 1 if isinstance(chosen.stop, str) else stop, chosen.step)]
    if isinstance(chosen, (int, np.integer)):
        return [columns[int(chosen)]]
    values = list(chosen) if chosen is not None else []
    if values and all(isinstance(v, (bool, np.bool_)) for v in values):
        return [c for c, use in zip(columns, values, strict=False) if use]
    return [v if isinstance(v, str) else columns[int(v)] for v in values]


def _scales(part: Any, columns: list[_Column]) -> dict[str, ColumnScaling]:
    name = type(part).__name__
    if (
        name not in _MEASURES
        or not columns
        or any(c.by_name for c in columns)
        or getattr(part, "n_features_in_", None) != len(columns)
    ):
        return {}
    n = len(columns)
    scale = getattr(part, "scale_", None)
    spread = np.ones(n) if scale is None else np.asarray(scale, float)
    if name == "MinMaxScaler":
        spread = 1 / spread
        centre = -np.asarray(part.min_, float) * spread
    else:
        middle = getattr(part, {"StandardScaler": "mean_", "RobustScaler": "center_"}.get(name, ""), None)
        if not getattr(part, "with_mean", True):
            middle = None  # fitted all the same, and not taken off
        centre = np.zeros(n) if middle is None else np.asarray(middle, float)
    return {
        column.name: ColumnScaling(
            name, float(centre[k]), float(spread[k]), _MEASURES[name], column.filling, column.direct
        )
        for k, column in enumerate(columns)
    }
