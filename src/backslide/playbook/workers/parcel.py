"""What a check reads of a case, as bytes for another process of ours.

Rows travel as the samples, and the profiles and the plan as they are. A saved model travels as the object behind it where that
is of a library that pickles its models; a function, a module of the user's or a session of another runtime is never loaded a
second time, and then the case does not travel at all.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, fields, replace
from typing import Any

import polars as pl

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.snapshot import Snapshot
from backslide.engine.profile.plan import Plan
from backslide.engine.profile.profile import Profile
from backslide.engine.roles.problem import Problem
from backslide.engine.side import Side
from backslide.engine.window import Window, WindowPair
from backslide.models.model import Model
from backslide.models.wrap import wrap
from backslide.playbook.shadow.replay import replay

LIBRARIES = frozenset(("sklearn", "lightgbm", "xgboost", "catboost"))
"""Whose models are plain objects: what is inside a pipeline may be the user's, and is then imported there as pickle does."""


@dataclass(frozen=True)
class ModelParcel:
    """A model's object, and what was found out about how to ask it."""

    artefact: Any
    name: str
    task: str | None
    features: tuple[str, ...] | None
    notes: tuple[str, ...]
    way: int | None

    def open(self) -> Model:
        """The model again."""
        model = wrap(self.artefact, name=self.name, task=self.task, notes=self.notes)
        return replace(model, features=self.features, way=self.way)


@dataclass(frozen=True)
class WindowParcel:
    """A window with its sample and profile."""

    facts: dict[str, Any]
    sample: pl.DataFrame
    profile: Profile

    def open(self) -> SampledWindow:
        """The window again."""
        rows = self.sample.lazy()
        return SampledWindow(**self.facts, frame=rows, raw=rows, prepare=_as_it_is)


@dataclass(frozen=True)
class Parcel:
    """A case on its way."""

    settings: Settings
    problem: Problem
    plan: Plan
    windows: tuple[WindowParcel, WindowParcel]
    days_compared: str
    altered: tuple[Any, ...]
    models: tuple[ModelParcel | None, ModelParcel | None]
    snapshots: tuple[Snapshot, Snapshot] | None


@dataclass(frozen=True)
class SampledWindow(Window):
    """A window whose rows stayed elsewhere: its frame is its sample."""

    def sample(self, rows: int, *, seed: int) -> pl.DataFrame:
        """What was drawn."""
        return self.frame.collect()


def pack(case: Case) -> bytes | None:
    """The case as bytes; None where something of it cannot travel."""
    if not _travels(case):
        return None
    models = (case.reference_model, case.current_model)
    if case.reference_model is not None and any(_may_learn(model) for model in models if model is not None):
        replay(case)  # it may find that the columns stood in another order, which all checks are to know
    parcel = Parcel(
        case.settings,
        case.problem,
        case.plan,
        (_window(case.reference), _window(case.current)),
        case.days_compared,
        case.altered,
        (_model(models[0], case), _model(models[1], case)),
        case.snapshots,
    )
    try:
        return pickle.dumps(parcel, protocol=5)
    except Exception:  # a lambda, a lock or a session somewhere in a pipeline: the checks are done here
        return None


def unpack(parcel: bytes) -> Case:
    """The case again, with nothing computed of it."""
    contents: Parcel = pickle.loads(parcel)
    old, new = (None if model is None else model.open() for model in contents.models)
    reference, current = (one.open() for one in contents.windows)
    pair = WindowPair(contents.problem, reference, current, (), (), contents.altered, contents.days_compared)
    case = Case(pair, contents.settings, old, new, contents.snapshots)
    case.__dict__["plan"] = contents.plan
    for side, one in zip(case.sides, contents.windows, strict=True):
        side.__dict__["profile"] = one.profile
    return case


def _travels(case: Case) -> bool:
    settings = case.settings
    named = [settings.model.metric or "", *settings.model.metrics, *settings.model.embed.values()]
    models = [model for model in (case.reference_model, case.current_model) if model is not None]
    return (
        not case.stored
        and not any(":" in name for name in named)
        and all(type(model.artefact).__module__.partition(".")[0] in LIBRARIES for model in models)
    )


def _may_learn(model: Model) -> bool:
    """Whether answers to all rows may still show how to ask it: in which order of columns, or with which of several types."""
    return model.features is None or (model.types is not None and len(model.types.ways()) > 1)


def _window(side: Side) -> WindowParcel:
    elsewhere = ("frame", "raw", "prepare")
    facts = {field.name: getattr(side.window, field.name) for field in fields(Window) if field.name not in elsewhere}
    return WindowParcel(facts, side.sample, side.profile)


def _model(model: Model | None, case: Case) -> ModelParcel | None:
    if model is None:
        return None
    return ModelParcel(model.artefact, model.name, case.settings.model.task, model.features, model.notes, model.way)


def _as_it_is(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame
