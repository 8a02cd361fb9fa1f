"""The evaluator ``backslide`` of ``mlflow.models.evaluate``: the evaluated data against a reference that the caller names.

MLflow finds it by the entry point ``mlflow.model_evaluator``. It takes part only where ``evaluator_config`` holds a
``reference``.
Source: MLflow, evaluator plug-ins (``ModelEvaluator``).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from backslide.contracts.errors import ColumnError, ConfigError, did_you_mean
from backslide.contracts.extras import needs
from backslide.contracts.roles import Roles
from backslide.jobs.diagnose import diagnose
from backslide.retraining.mlflow_run import log_to_mlflow, metrics_of

TASKS = {"classifier": None, "regressor": "regression"}
"""Model types of MLflow -> task; of a classifier binary and multiclass are told by the labels."""
OPTIONS = ("metric", "min_effect", "quick")
PREDICTION = "prediction"


class BackslideEvaluator:
    """Diagnoses the evaluated data against a reference, and logs the answer to the run.

    ``evaluator_config`` holds ``reference`` (a table with the same features and the target; with a column ``prediction``, else
    the model is asked), and may hold the roles ``timestamp``, ``id``, ``version``, ``positive``, ``scores``, ``segments``, and
    ``metric``, ``min_effect`` and ``quick``.
    """

    @classmethod
    def can_evaluate(cls, *, model_type: str, evaluator_config: dict[str, Any], **_: Any) -> bool:
        """Whether a reference was named, and the model is one of tables."""
        return model_type in TASKS and "reference" in (evaluator_config or {})

    def evaluate(
        self,
        *,
        model_type: str,
        dataset: Any,
        run_id: str,
        evaluator_config: dict[str, Any],
        model: Any = None,
        **_: Any,
    ) -> Any:
        """MLflow's result: the metrics that were logged.

        Raises:
            ConfigError: an unknown setting, a target that is missing, or answers that nobody gave.
            BackslideError: as ``diagnose``.
        """
        with needs("mlflow", "evaluating with MLflow"):
            from mlflow.models.evaluation import EvaluationResult
        if not dataset.has_targets:
            raise ConfigError(
                "backslide needs the true outcomes; name their column with mlflow.models.evaluate(targets=...)"
            )
        config = dict(evaluator_config)
        label = dataset.targets_name or "target"
        current = dataset.features_data.assign(**{label: dataset.labels_data})
        reference = _table(config.pop("reference"))
        if label not in reference:
            raise ColumnError(
                f"the reference has no column {label!r} (the target){did_you_mean(label, map(str, reference))}"
            )
        options = {name: config.pop(name) for name in OPTIONS if name in config}
        roles = _roles(config, label)
        asked = [name for name in dataset.features_data.columns if name not in roles.columns().values()]
        answers = dataset.predictions_data if dataset.has_predictions else None
        diagnosis = diagnose(
            _answered(reference, model, asked, None),
            _answered(current, model, asked, answers),
            roles=roles,
            reference_model=None if model is None else _ModelOnColumns(model, asked),
            task=TASKS[model_type],
            **options,
        )
        log_to_mlflow(diagnosis, run_id)
        result: Any = EvaluationResult
        return result(metrics=metrics_of(diagnosis), artifacts={}, run_id=run_id)


class _ModelOnColumns:
    """The evaluated model on the columns that it knows."""

    def __init__(self, model: Any, features: list[str]) -> None:
        self._model = model
        self.feature_names_in_ = features

    def predict(self, rows: pd.DataFrame) -> Any:
        return self._model.predict(rows[self.feature_names_in_])


def _table(reference: Any) -> pd.DataFrame:
    if isinstance(reference, pd.DataFrame):
        return reference
    from backslide.engine.sources.open import open_source

    return pd.DataFrame(open_source(reference).collect().to_dict(as_series=False))


def _roles(config: dict[str, Any], label: str) -> Roles:
    unknown = sorted(set(config) - {"timestamp", "id", "version", "positive", "scores", "segments"})
    if unknown:
        raise ConfigError(f"evaluator_config of backslide: unknown setting {unknown[0]!r}")
    return Roles(label=label, prediction=PREDICTION, **config)


def _answered(rows: pd.DataFrame, model: Any, features: list[str], answers: Any) -> pd.DataFrame:
    """The table with predictions: its own, those that MLflow has, or the model's."""
    if PREDICTION in rows:
        return rows
    if answers is None:
        if model is None:
            raise ConfigError(
                "backslide needs predictions in both tables where no model is evaluated; add a column 'prediction'"
            )
        answers = model.predict(rows[features])
    return rows.assign(**{PREDICTION: answers})
