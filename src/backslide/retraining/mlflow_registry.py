"""A promoted candidate in the MLflow registry, where one is configured; MLflow's own tracking URI says where that is."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from backslide.contracts.extras import needs
from backslide.contracts.trust import require_trust
from backslide.models.failures import explain_failure


def ready(*, trusted: bool) -> None:
    """Asked before the work, so that an answer of minutes is not lost at its last step.

    Raises:
        UntrustedError: MLflow writes pickles, and files are not trusted.
        MissingExtraError: MLflow is not installed.
    """
    require_trust("[retrain] mlflow", "writes pickles", trusted=trusted, otherwise=", or leave it out")
    with needs("mlflow", "[retrain] mlflow"):
        import mlflow.sklearn  # noqa: F401 - loads the part that mlflow leaves out


def register(artefact: Any, name: str, lineage: dict[str, Any], *, trusted: bool) -> str:
    """Log the model in a run of its own, with its lineage as parameters, and register it; returns ``models:/NAME/VERSION``.

    Raises:
        UntrustedError: MLflow writes pickles, and files are not trusted.
        MissingExtraError: MLflow is not installed.
        ModelError: MLflow cannot take it.
    """
    ready(trusted=trusted)
    with needs("mlflow", "[retrain] mlflow"):
        import mlflow
        import mlflow.sklearn
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    tags = {key: str(value)[:250] for key, value in lineage.items() if isinstance(value, (str, int, float))}
    with (
        explain_failure(f"[retrain] mlflow: the model cannot be registered as {name!r}"),
        warnings.catch_warnings(action="ignore"),
    ):
        # the warnings are MLflow's own, of its dependencies
        with mlflow.start_run(run_name=f"backslide retrain {name}"):
            mlflow.log_params(tags)
            logged = mlflow.sklearn.log_model(artefact, name="model", serialization_format="cloudpickle")
        version = mlflow.register_model(logged.model_uri, name).version
    return f"models:/{name}/{version}"
