"""Find out about a loaded object what a :class:`Model` needs to know: columns, classes and how to ask."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from backslide.contracts.errors import ModelError
from backslide.models.answer import Reply, class_texts, from_estimator, from_function, in_order, label_texts
from backslide.models.boosters import NativeBooster, lightgbm_header, native_booster
from backslide.models.categories import (
    CatBoostTypes,
    EncoderTypes,
    LayeredTypes,
    LightGbmTypes,
    Restorer,
    SeenTypes,
    XgboostTypes,
)
from backslide.models.deep import DeepModel
from backslide.models.model import Input, Model
from backslide.models.refit import categories as encoded
from backslide.stats.threads import one_openmp_thread

if TYPE_CHECKING:
    import pandas as pd

_POSITIONAL = re.compile(r"(Column_|f|x)?\d+")


def wrap(artefact: Any, *, name: str, task: str | None = None, notes: tuple[str, ...] = ()) -> Model:
    """A :class:`Model` around an object with ``predict`` / ``predict_proba``, or around a function.

    Raises:
        ModelError: neither of the two.
    """
    if isinstance(artefact, type):
        raise ModelError(f"{name} is a class; expected a fitted model or a function of a frame")
    if (booster := native_booster(artefact)) is not None:
        return _native(booster, name, task, notes)
    if callable(getattr(artefact, "predict", None)) or callable(getattr(artefact, "predict_proba", None)):
        return _estimator(artefact, name, task, notes)
    if callable(artefact):
        return _function(artefact, name, task, notes)
    kind = type(artefact).__name__
    if isinstance(artefact, dict):
        kind += " with " + ", ".join(repr(key) for key in list(artefact)[:5])
    raise ModelError(f"{name} has no predict method; expected a fitted model or a function, found {kind}")


def _estimator(artefact: Any, name: str, task: str | None, notes: tuple[str, ...]) -> Model:
    classes = None if task == "regression" else _classes(artefact, name)
    takes: Input = "text" if _reads_texts(artefact) else "frame"
    of_sklearn = type(artefact).__module__.partition(".")[0] == "sklearn"

    def ask(batch: pd.DataFrame, decisions: bool) -> Reply:
        rows: Any = batch.iloc[:, 0] if takes == "text" else batch
        predict: Any = getattr(artefact, "predict", None)
        probabilities: Any = getattr(artefact, "predict_proba", None)
        if classes is None:
            with one_openmp_thread() if of_sklearn else nullcontext():
                return from_function((predict or probabilities)(rows), None, task)  # one of the two is there
        wanted = decisions or probabilities is None
        with one_openmp_thread() if of_sklearn else nullcontext():
            decided = predict(rows) if wanted and predict is not None else None
            scored = probabilities(rows) if probabilities else None
        return from_estimator(decided, scored, classes)

    features = _features(artefact)
    types = None if takes == "text" else restorer(artefact, features)
    return Model(name, ask, features, classes, takes, notes, artefact, types)


def _native(booster: NativeBooster, name: str, task: str | None, notes: tuple[str, ...]) -> Model:
    classes = None if task == "regression" else booster.classes

    def ask(batch: pd.DataFrame, decisions: bool) -> Reply:
        returned = booster.ask(batch)
        if booster.codes and classes is not None:
            return Reply(labels=label_texts(returned))
        return from_function(returned, classes, task)

    features = _by_name(booster.features)
    return Model(name, ask, features, classes, "frame", notes, booster.artefact, restorer(booster.artefact, features))


def _function(function: Any, name: str, task: str | None, notes: tuple[str, ...]) -> Model:
    stated = getattr(function, "classes", None)
    classes = None if stated is None or callable(stated) else class_texts(stated)
    features = getattr(function, "features", None)
    order = None if features is None or callable(features) else tuple(str(column) for column in features)

    def ask(batch: pd.DataFrame, decisions: bool) -> Reply:
        return from_function(in_order(function(batch), batch), classes, task)

    return Model(name, ask, order, classes, "frame", notes, function, restorer(function, order))


def _classes(artefact: Any, name: str) -> tuple[str, ...] | None:
    classes = attribute(artefact, "classes_")
    if classes is None:
        return None
    if isinstance(classes, list) and classes and hasattr(classes[0], "__len__") and not isinstance(classes[0], str):
        raise ModelError(f"{name} predicts several targets at once; expected a model of one target")
    return class_texts(classes)


def _features(artefact: Any) -> tuple[str, ...] | None:
    """Column names in fitted order, from the outermost part that knows them; mere numbering does not count."""
    for name in ("feature_names_in_", "feature_names_", "feature_name_"):
        names = attribute(artefact, name)
        if names is not None and len(names):
            return _by_name(names)
    first = _first_step(artefact)
    return None if first is None else _features(first)


def _by_name(names: Iterable[Any] | None) -> tuple[str, ...] | None:
    """Column names; None where they only count."""
    texts = tuple(str(name) for name in (() if names is None else names))
    return None if all(_POSITIONAL.fullmatch(text) for text in texts) else texts


def _reads_texts(artefact: Any) -> bool:
    """Whether it starts with a text vectoriser, or is a model of texts: these read a column of texts instead of a frame."""
    if isinstance(artefact, DeepModel):
        return artefact.reads_texts
    first = _first_step(artefact)
    return _reads_texts(first) if first is not None else callable(getattr(artefact, "build_analyzer", None))


def _first_step(artefact: Any) -> Any:
    """The part of a pipeline, search or other wrapper that sees the rows first; None when nothing is inside."""
    steps = attribute(artefact, "steps")
    if isinstance(steps, list):
        inside = [step for _, step in steps if step is not None and step != "passthrough"]
        return inside[0] if inside else None
    for name in ("best_estimator_", "estimator_"):
        if (inside_one := attribute(artefact, name)) is not None:
            return inside_one
    return None


def attribute(artefact: Any, name: str) -> Any:
    """An attribute, or None; properties of unfitted or third-party objects may raise anything."""
    try:
        return getattr(artefact, name, None)
    except Exception:
        return None


# Which types a model was fitted on: read off encoders, and off the booster that an artefact is, holds or reaches.


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
