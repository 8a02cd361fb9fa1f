"""A diagnosis beside the run of the model it is about, in MLflow: artifacts, tags and metrics."""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.extras import needs
from backslide.contracts.finding import Estimate
from backslide.models.failures import explain_failure

FOLDER = "backslide"
"""Folder of the artifacts, and what tags and metrics begin with."""
MOST = 250
"""Characters of a tag; MLflow's stores take that many everywhere."""


def log_to_mlflow(diagnosis: Diagnosis, run: Any = None) -> str:
    """Log to a run: ``run`` by its id or as MLflow's object, else the active one, else one of its own; returns its id.

    Artifacts are ``backslide/diagnosis.html`` and ``.json``; tags the verdict, the first cause, its confidence and what to do;
    metrics the headline in both windows, its change, and what each cause costs, each with the ends of its interval.

    Raises:
        MissingExtraError: MLflow is not installed.
        ModelError: the run is unknown, or the store refuses it.
    """
    with needs("mlflow", "logging to MLflow"):
        import mlflow
    with explain_failure("the diagnosis cannot be logged to MLflow"), warnings.catch_warnings(action="ignore"):
        # the warnings are MLflow's own, of its dependencies
        chosen = run if run is not None else mlflow.active_run()
        if chosen is None:
            with mlflow.start_run(run_name=f"backslide diagnose {diagnosis.model}") as chosen:
                return _write(mlflow.MlflowClient(), chosen.info.run_id, diagnosis)
        run_id = chosen if isinstance(chosen, str) else chosen.info.run_id
        return _write(mlflow.MlflowClient(), run_id, diagnosis)


def _write(client: Any, run_id: str, diagnosis: Diagnosis) -> str:
    for name, text in _tags(diagnosis).items():
        client.set_tag(run_id, f"{FOLDER}.{name}", text[:MOST])
    for name, number in metrics_of(diagnosis).items():
        client.log_metric(run_id, name, number)
    with TemporaryDirectory() as folder:
        diagnosis.to_html(Path(folder) / "diagnosis.html")
        (Path(folder) / "diagnosis.json").write_text(diagnosis.to_json(), encoding="utf-8")
        client.log_artifacts(run_id, folder, FOLDER)
    return run_id


def _tags(diagnosis: Diagnosis) -> dict[str, str]:
    tags = {
        "verdict": diagnosis.verdict.value,
        "decision": diagnosis.decision.action.value,
        "summary": diagnosis.summary,
    }
    if diagnosis.causes:
        first = diagnosis.causes[0]
        tags |= {"cause": " ".join((first.kind.value, *first.features)), "confidence": first.confidence.value}
    return tags


def metrics_of(diagnosis: Diagnosis) -> dict[str, float]:
    """Numbers of a diagnosis by the names that they have in a run."""
    metric = diagnosis.metric
    numbers = {f"{metric.name}.reference": metric.reference, f"{metric.name}.current": metric.current}
    numbers |= _with_interval(f"{metric.name}.change", metric.change)
    for cause in diagnosis.causes:
        numbers |= _with_interval(f"cause_{cause.rank}.points", cause.points)
    return {f"{FOLDER}.{name}": number for name, number in numbers.items() if number is not None}


def _with_interval(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return {}
    return {name: estimate.estimate, f"{name}.low": estimate.low, f"{name}.high": estimate.high}
