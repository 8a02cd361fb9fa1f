"""A model with steps as a snapshot holds them: to answer logged rows as the other stack did."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from backslide.contracts.snapshot import FittedStep, FittedValue, Snapshot
from backslide.models.model import Model
from backslide.models.wrap import wrap
from backslide.stack.fitted_steps import steps_of

_UNKNOWN = object()
_PLAIN = {"True": True, "False": False, "None": None}


def with_state(model: Model, before: Snapshot, after: Snapshot) -> Model | None:
    """A copy of ``model`` (the one of ``before``) with every step that differs as ``after`` holds it.

    None where a step came or went, or where a value is kept by its digest only.
    """
    old, new = {p.path: p for p in before.fitted}, {p.path: p for p in after.fitted}
    if old.keys() != new.keys() or any(old[path].kind != new[path].kind for path in old):
        return None
    try:
        artefact = deepcopy(model.artefact)
    except Exception:
        return None
    objects = steps_of(artefact, model.features)
    for path, part in new.items():
        if part.digest != old[path].digest and not (path in objects and _write(objects[path], old[path], part)):
            return None
    return wrap(artefact, name=model.name)


def _write(step: Any, old: FittedStep, new: FittedStep) -> bool:
    if old.columns != new.columns:
        return False
    for a, b in ((old.params, new.params), (old.state, new.state)):
        for name, held in b.items():
            if name in a and a[name].digest == held.digest:
                continue
            value = value_of(held)
            if value is _UNKNOWN:
                return False
            setattr(step, name, value)
    return True


def value_of(held: FittedValue) -> Any:
    """The value behind a canonical form, where it was kept whole."""
    if held.kind == "scalar":
        if held.dtype in ("int", "float") and held.numbers:
            return int(held.text) if held.dtype == "int" else float(held.numbers[0])
        if held.text in _PLAIN:
            return _PLAIN[held.text]
        return held.text if held.dtype == "str" and not held.text.endswith(("…", "]")) else _UNKNOWN
    size = int(np.prod(held.shape)) if held.shape else 1
    if held.kind == "numbers" and len(held.numbers) == size:
        return np.array([float(v) for v in held.numbers]).reshape(held.shape).astype(held.dtype)
    if held.kind == "texts" and len(held.texts) == size and held.dtype in ("O", "U"):
        return np.array(held.texts, dtype=object if held.dtype == "O" else str).reshape(held.shape)
    if held.kind == "list" and len(held.items) == size and held.text == "list":
        values = [value_of(item) for item in held.items.values()]
        return _UNKNOWN if any(v is _UNKNOWN for v in values) else values
    return _UNKNOWN
