"""What every job does first, in this order: settings, models, windows.

Arguments win over the configuration. Models are loaded before any row is read, so that one that cannot be loaded is refused at
once.
"""

from __future__ import annotations

from typing import Any

from backslide.case import Progress as Progress
from backslide.contracts.config import Settings
from backslide.contracts.roles import Roles
from backslide.models.imports import is_spec
from backslide.models.load import load_model
from backslide.models.model import Model
from backslide.models.torch_files import weights_of
from backslide.models.user_code import limit_calls

Models = tuple[Model | None, Model | None]
DEFAULT_NAME = "model"


def silent(_: str) -> None:
    """The progress of a job that nobody follows."""


def merge_settings(
    settings: Settings | None,
    *,
    roles: Roles | None = None,
    name: str = DEFAULT_NAME,
    trusted: bool = False,
    task: str | None = None,
    metric: str | None = None,
    min_effect: float | None = None,
    **sections: dict[str, Any],
) -> Settings:
    """The configuration with the arguments of a job in it; None stands for an argument that was not given.

    ``sections`` hold keys of tables beside [model].

    Raises:
        ConfigError: an argument that the configuration would not take either.
    """
    base = settings or Settings()
    chosen = base.model.model_dump() | ({"name": name} if settings is None or name != DEFAULT_NAME else {})
    if roles is not None:
        chosen |= roles.model_dump()
    tables = {"model": chosen | _without_none({"task": task, "metric": metric, "min_effect": min_effect})}
    tables |= {key: getattr(base, key).model_dump() | _without_none(values) for key, values in sections.items()}
    checked = Settings.from_dict({key: _without_none(values) for key, values in tables.items()}, where="arguments")
    artifacts = base.artifacts.model_copy(update={"trusted": trusted or base.artifacts.trusted})
    return base.model_copy(update={key: getattr(checked, key) for key in tables} | {"artifacts": artifacts})


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def load_models(settings: Settings, reference_model: Any = None, current_model: Any = None) -> Models:
    """The artefacts that were given, or those that the configuration names.

    Raises:
        ModelError: one that cannot be loaded.
    """
    successor = current_model if current_model is not None else settings.artifacts.current_model
    return load_reference_model(settings, reference_model), _load(settings, successor)


def load_reference_model(settings: Settings, reference_model: Any = None) -> Model | None:
    """The first of both alone, for jobs about one model."""
    return _load(settings, reference_model if reference_model is not None else settings.artifacts.reference_model)


def _load(settings: Settings, model: Any) -> Model | None:
    limit_calls(settings.engine.model_timeout)
    if model is None:
        return None
    artifacts, base = settings.artifacts, settings.base
    # A program that hands over the name of a function could as well have imported it; a configuration could not.
    handed_over = model not in (artifacts.reference_model, artifacts.current_model) if isinstance(model, str) else False
    named = model.partition("@")[0] if isinstance(model, str) and weights_of(model) else model
    trusted = artifacts.trusted or (handed_over and is_spec(named, base))
    return load_model(model, trusted=trusted, base=base, task=settings.model.task)


def window_sources(settings: Settings, reference: Any = None, current: Any = None) -> tuple[Any, Any]:
    """Tables, paths or time ranges of both windows: those that were given, or those that the configuration names."""
    return (
        reference if reference is not None else settings.windows.reference,
        current if current is not None else settings.windows.current,
    )
