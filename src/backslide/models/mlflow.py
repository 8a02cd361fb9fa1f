"""Models of an MLflow registry, run or folder. They are pickles or worse, so they are read only when trusted."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from backslide.contracts.errors import MissingExtraError, ModelError, ModelTimeoutError
from backslide.contracts.extras import needs
from backslide.contracts.trust import require_trust
from backslide.models.failures import one_line
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
    try:
        with contained(text):
            warnings.simplefilter("ignore")  # MLflow's own, of its dependencies
            return _load(uri, text)
    except (MissingExtraError, ModelTimeoutError):
        raise
    except Exception as error:
        raise ModelError(f"{text}: MLflow cannot load it: {one_line(error)}") from None


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
