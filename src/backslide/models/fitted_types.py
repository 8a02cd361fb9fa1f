"""Which types a model was fitted on: read off encoders, and off the booster that an artefact is, holds or reaches."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from backslide.models.boosters import lightgbm_header
from backslide.models.categories import (
    CatBoostTypes,
    EncoderTypes,
    LayeredTypes,
    LightGbmTypes,
    Restorer,
    SeenTypes,
    XgboostTypes,
)
from backslide.models.refit import categories as encoded


def restorer(artefact: Any, features: Sequence[str] | None) -> Restorer | None:
    """What puts types back for an artefact; None where nothing in it was fitted on a type of its own."""
    function = inspect.isroutine(artefact) or not hasattr(artefact, "predict")
    try:
        encoders = {} if function else encoded(artefact, list(features or ())) | _of_trees(artefact)
    except Exception:  # objects of others may do anything when looked at
        encoders = {}
    base = EncoderTypes({name: list(levels) for name, levels in encoders.items()}) if encoders else None
    booster, outermost = _booster(artefact)
    try:
        inner = None if booster is None else _BOOSTER_TYPES[type(booster).__module__.split(".")[0]](booster)
    except Exception:
        inner = None
    if inner is None and not hasattr(artefact, "get_params"):
        inner = SeenTypes()
    return None if base is None and inner is None else LayeredTypes(base, inner, outermost)


def _of_trees(artefact: Any) -> dict[str, list[Any]]:
    """Categories of scikit-learn's gradient-boosted trees that were fitted on pandas categories."""
    marked, names = getattr(artefact, "is_categorical_", None), getattr(artefact, "feature_names_in_", None)
    before = getattr(artefact, "_preprocessor", None)
    encoder = getattr(before, "named_transformers_", {}).get("encoder") if before is not None else None
    if marked is None or names is None or encoder is None:
        return {}
    return dict(zip([str(n) for n in names[marked]], map(list, encoder.categories_), strict=True))


_INSIDE = ("best_estimator_", "estimator_", "calibrated_classifiers_", "estimators_", "estimator")
_DEEPEST = 6
_MOST_REACHED = 200


def _booster(artefact: Any) -> tuple[Any, bool]:
    """The booster that an artefact is, holds or reaches, and whether it is the outermost part."""
    nearest = [artefact]
    ids: set[int] = set()
    for depth in range(_DEEPEST):
        for part in nearest:
            if type(part).__module__.split(".")[0] in _BOOSTER_TYPES and callable(getattr(part, "predict", None)):
                return part, depth == 0
        nearest = [inner for part in nearest for inner in _inside(part) if id(inner) not in ids][:_MOST_REACHED]
        ids |= {id(part) for part in nearest}
    return None, False


def _inside(part: Any) -> list[Any]:
    """What an artefact asks in turn: its last step, what it wraps, or what a function or an object of no library holds."""
    try:
        steps = getattr(part, "steps", None)
        if isinstance(steps, list) and steps:
            return [steps[-1][1]]
        inner = next((value for name in _INSIDE if (value := getattr(part, name, None)) is not None), None)
        if isinstance(inner, (list, tuple, np.ndarray)):
            inner = inner[0] if len(inner) else None
        if inner is not None and not isinstance(inner, str):
            return [inner[1] if isinstance(inner, tuple) else inner]
        return [value for value in _reachable(part) if hasattr(value, "predict") or inspect.isroutine(value)]
    except Exception:
        return []


def _reachable(part: Any) -> list[Any]:
    """Objects in the closure and the globals of a function, or in the attributes of an object of no library."""
    if isinstance(part, functools.partial):
        return [part.func, *part.args, *part.keywords.values()]
    if inspect.isroutine(part):
        bound = getattr(part, "__self__", None)
        outside = inspect.getclosurevars(inspect.unwrap(getattr(part, "__func__", part)))
        return [
            *([] if bound is None or inspect.ismodule(bound) else [bound]),
            *outside.nonlocals.values(),
            *outside.globals.values(),
        ]
    if hasattr(part, "get_params"):
        return []
    return list(getattr(part, "__dict__", {}).values())


def _lightgbm(artefact: Any) -> Restorer | None:
    booster = getattr(artefact, "booster_", artefact)
    levels = [pd.Index(values) for values in booster.pandas_categorical or ()]
    names = list(booster.feature_name())
    infos = lightgbm_header(booster, "feature_infos")
    split = {name for name, info in zip(names, infos, strict=False) if info != "none" and not info.startswith("[")}
    own = getattr(artefact, "feature_names_in_", None)
    if own is not None and len(own) == len(names):
        split = {str(one) for one, name in zip(own, names, strict=True) if name in split}
        names = [str(one) for one in own]
    return LightGbmTypes(levels, names, frozenset(split))


def _xgboost(artefact: Any) -> Restorer | None:
    booster = artefact.get_booster() if hasattr(artefact, "get_booster") else artefact
    names, types = booster.feature_names or [], booster.feature_types or []
    marked = [name for name, kind in zip(names, types, strict=False) if kind == "c"]
    dtypes: dict[str, str] = {}
    stored = False
    if marked and hasattr(booster, "get_categories"):
        try:
            table = booster.get_categories(export_to_arrow=True).to_arrow()
        except ImportError:
            stored = True  # without pyarrow the types are found by trying
        else:
            found = {name: str(array.type) for name, array in table if array is not None}
            stored = bool(found)
            dtypes = {name: "str" if "string" in kind else kind for name, kind in found.items()}
    return XgboostTypes(marked, stored, dtypes)


def _catboost(artefact: Any) -> Restorer | None:
    names = list(artefact.feature_names_ or ())
    return CatBoostTypes([names[place] for place in artefact.get_cat_feature_indices() if place < len(names)])


_BOOSTER_TYPES: dict[str, Callable[[Any], Restorer | None]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "catboost": _catboost,
}
"""By the library that a booster's class is of."""
