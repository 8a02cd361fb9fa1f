"""The base of all settings, and what pydantic finds wrong with them in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from backslide.contracts.errors import did_you_mean
from backslide.contracts.labels import label_text


class SettingsSection(BaseModel):
    """Frozen settings, in which an unknown key is an error, and so are infinity and NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def one_line(model: type[BaseModel], error: ValidationError) -> str:
    """The first thing wrong with the values of ``model``, unknown keys before wrong values."""
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    if not first["loc"]:
        return str(first["msg"]).lower()
    *path, key = (str(part) for part in first["loc"])
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    section = f"[{'.'.join(path)}] " if path else ""
    if first["type"] == "extra_forbidden":
        return f"unknown key {section}{key!r}{did_you_mean(key, keys(model))}"
    if first["type"] == "value_error":  # a validator of ours, which says itself what it found
        return f"{section}{key}: {first['ctx']['error']}"
    value = f"found {first['input']!r}"
    if path[:1] in (["alerts"], ["store"]):  # what opens something is not repeated, whatever it was written as
        value = f"found {type(first['input']).__name__}"
    return f"{section}{key}: {first['msg'].lower()}, {value}"


def keys(model: type[BaseModel]) -> list[str]:
    """The keys that a user may set."""
    return [name for name in model.model_fields if name != "base"]


def _by_label_text(scores: Any) -> Any:
    return {label_text(label): column for label, column in scores.items()} if isinstance(scores, Mapping) else scores


ScoreColumns = Annotated[dict[str, str], BeforeValidator(_by_label_text)]
"""Class label, as ``label_text`` writes it -> column of its score."""
