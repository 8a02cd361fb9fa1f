"""Models of an MLflow registry, run or folder. They are pickles or worse, so they are read only when trusted."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from backslide.contracts.errors import ModelError
from backslide.contracts.extras import needs
from backslide.contracts.trust import require_trust
from backslide.models.failures import explain_failure
from backslide.models.user_code import contained

SCHEMES = ("models:/", "runs:/", "mlflow-artifacts:/", "mlflow:")


def is_mlflow(text: str, path: Path) -> bool:
    """Whether it names a model of MLflow: a URI of its own, or a folder that holds one."""
    return text.startswith(SCHEMES) or (path.is_dir() and (path / "MLmodel").is_file())


def read_mlflow(text: str, path: Path, *, trusted: bool) -> Any:
    """The scikit-learn object where there is one, so that scores can be had; else MLflow's own wrapper.

    Raises:
        UntrustedError: not trusted.
        MissingExtraError: MLflow is not installed.
        ModelError: MLflow cannot load it.
    """
    require_trust(text, "is an MLflow model", trusted=trusted)
    uri = text.removeprefix("mlflow:") if text.startswith(SCHEMES) else str(path)
    with explain_failure(f"{text}: MLflow cannot load it"), contained(text):
        warnings.simplefilter("ignore")  # MLflow's own, of its dependencies
        return _load(uri, text)


def _load(uri: str, text: str) -> Any:
    with needs("mlflow", f"reading {text}"):
        import mlflow.pyfunc
        import mlflow.sklearn
        from mlflow.models import Model, get_model_info
    logging.getLogger("mlflow").setLevel(logging.ERROR)

    flavors = get_model_info(uri).flavors if uri.startswith(SCHEMES) else Model.load(uri).flavors
    if "sklearn" in flavors:
        return mlflow.sklearn.load_model(uri)
    return mlflow.pyfunc.load_model(uri)


def registered_version(client: Any, address: str) -> Any:
    """The version of a registered model that ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS`` stands for.

    Raises:
        ModelError: the address names none.
    """
    name, _, alias = address.removeprefix("models:/").partition("@")
    if alias:
        return client.get_model_version_by_alias(name, alias)
    name, _, number = name.rpartition("/")
    if not name or not number.isdigit():
        raise ModelError(f"expected models:/NAME@ALIAS or models:/NAME/VERSION, got {address}")
    return client.get_model_version(name, number)


def alias_notes(text: str) -> tuple[str, ...]:
    """Which version an alias stands for now: it will stand for another one later."""
    if not text.startswith("models:/") or "@" not in text:
        return ()
    with needs("mlflow", f"reading {text}"):
        import mlflow
    try:
        with warnings.catch_warnings(action="ignore"):
            found = registered_version(mlflow.MlflowClient(), text)
    except Exception:  # the model was loaded; what it is called is beside the point
        return ()
    return (f"version {found.version} of {found.name}",)
