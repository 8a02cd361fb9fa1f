"""Find out about a loaded object what a :class:`Model` needs to know: columns, classes and how to ask."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from backslide.contracts.errors import ModelError
from backslide.models.answer import Reply, class_texts, from_estimator, from_function, in_order, label_texts
from backslide.models.boosters import NativeBooster, native_booster
from backslide.models.deep import DeepModel
from backslide.models.fitted_types import restorer
from backslide.models.model import Input, Model
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
