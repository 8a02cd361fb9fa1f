"""The scalers inside a saved scikit-learn pipeline: which columns they scale, by how much, and the pipeline with them refitted.

Only what is public is read: ``steps``, ``transformers_`` and the fitted attributes of scikit-learn's own scalers.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Scaled:
    """How one column is scaled: (value - centre) / spread."""

    scaler: str
    """Class of the scaler."""
    centre: float
    spread: float
    measure: tuple[str, str]
    """What centre and spread are called: mean and standard deviation, median and range, minimum and range."""


_MEASURES = {
    "StandardScaler": ("mean", "standard deviation"),
    "RobustScaler": ("median", "quantile range"),
    "MinMaxScaler": ("lower end", "range"),
    "MaxAbsScaler": ("zero", "largest size"),
}


def scaled_columns(artefact: Any, columns: Sequence[str]) -> dict[str, Scaled]:
    """Every column of ``columns`` (as the model takes them) that a scaler inside the pipeline scales."""
    return _walk(artefact, list(columns))


def _walk(part: Any, columns: list[str]) -> dict[str, Scaled]:
    if isinstance(steps := getattr(part, "steps", None), list):
        found: dict[str, Scaled] = {}
        for _, step in steps:
            found |= _walk(step, [c for c in columns if c not in found])
            if found:
                return found
        return found
    if isinstance(branches := getattr(part, "transformers_", None), list):
        found = {}
        for _, branch, chosen in branches:
            found |= _walk(branch, _named(chosen, columns))
        return found
    return _scales(part, columns)


def _named(chosen: Any, columns: list[str]) -> list[str]:
    """Names of a branch's columns, given as names, places, a slice or a mask."""
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice):
        start, stop = (columns.index(e) if isinstance(e, str) else e for e in (chosen.start, chosen.stop))
        return columns[slice(start, stop + 1 if isinstance(chosen.stop, str) else stop)]
    values = list(chosen) if chosen is not None else []
    if values and all(isinstance(v, (bool, np.bool_)) for v in values):
        return [c for c, use in zip(columns, values, strict=False) if use]
    return [v if isinstance(v, str) else columns[int(v)] for v in values]


def _scales(part: Any, columns: list[str]) -> dict[str, Scaled]:
    name = type(part).__name__
    if name not in _MEASURES or getattr(part, "n_features_in_", None) != len(columns):
        return {}
    n = len(columns)
    scale = getattr(part, "scale_", None)
    spread = np.ones(n) if scale is None else np.asarray(scale, float)
    if name == "MinMaxScaler":
        spread = 1 / spread
        centre = -np.asarray(part.min_, float) * spread
    else:
        given = getattr(part, {"StandardScaler": "mean_", "RobustScaler": "center_"}.get(name, ""), None)
        centre = np.zeros(n) if given is None else np.asarray(given, float)
    return {
        column: Scaled(name, float(centre[k]), float(spread[k]), _MEASURES[name]) for k, column in enumerate(columns)
    }


def refitted(artefact: Any, rows: pd.DataFrame) -> Any:
    """A copy of the pipeline whose scalers are fitted again on ``rows``, as the parts before them hand these on."""
    copy = deepcopy(artefact)
    _refit(copy, rows)
    return copy


def _refit(part: Any, rows: Any) -> None:
    if isinstance(steps := getattr(part, "steps", None), list):
        inside = [step for _, step in steps if step is not None and step != "passthrough"]
        for step in inside:
            _refit(step, rows)
            if step is not inside[-1]:
                rows = step.transform(rows)
    elif isinstance(branches := getattr(part, "transformers_", None), list):
        for _, branch, chosen in branches:
            if not isinstance(branch, str) and len(named := _named(chosen, list(rows.columns))):
                _refit(branch, rows[chosen if isinstance(chosen, str) else named])
    elif type(part).__name__ in _MEASURES:
        part.fit(rows)
