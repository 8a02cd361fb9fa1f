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
        for name, form in b.items():
            if name in a and a[name].digest == form.digest:
                continue
            value = value_of(form)
            if value is _UNKNOWN:
                return False
            setattr(step, name, value)
    return True


def value_of(form: FittedValue) -> Any:
    """The value behind a canonical form, where it was kept whole."""
    if form.kind == "scalar":
        if form.dtype in ("int", "float") and form.numbers:
            return int(form.text) if form.dtype == "int" else float(form.numbers[0])
        if form.text in _PLAIN:
            return _PLAIN[form.text]
        return form.text if form.dtype == "str" and not form.text.endswith(("…", "]")) else _UNKNOWN
    size = int(np.prod(form.shape)) if form.shape else 1
    if form.kind == "numbers" and len(form.numbers) == size:
        return np.array([float(v) for v in form.numbers]).reshape(form.shape).astype(form.dtype)
    if form.kind == "texts" and len(form.texts) == size and form.dtype in ("O", "U"):
        return np.array(form.texts, dtype=object if form.dtype == "O" else str).reshape(form.shape)
    if form.kind == "list" and len(form.items) == size and form.text == "list":
        values = [value_of(item) for item in form.items.values()]
        return _UNKNOWN if any(v is _UNKNOWN for v in values) else values
    return _UNKNOWN
