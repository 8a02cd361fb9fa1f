"""Snapshots kept beside the models that they are of, in MLflow: written and read by the address of the model.

A snapshot is JSON, so that reading one executes nothing. It is an artifact of the run that made the model; a tag of the model
version (or of the run) says where, so that several versions of one run do not get into each other's way.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backslide.contracts.errors import InputError, ModelError
from backslide.contracts.extras import needs
from backslide.contracts.snapshot import Snapshot
from backslide.models.failures import explain_failure
from backslide.models.mlflow import registered_version

ADDRESSES = ("models:/", "runs:/")
TAG = "backslide.snapshot"
FILE = "snapshot.json"


def is_address(source: object) -> bool:
    """Whether it names a model of MLflow, and not a file."""
    return isinstance(source, (str, Path)) and str(source).startswith(ADDRESSES)


def find_snapshot(source: Snapshot | str | Path, folder: Path) -> Snapshot:
    """A snapshot: itself, from a file that is relative to ``folder``, or the one that was logged with a model of MLflow.

    Raises:
        InputError: there is none, or it cannot be read.
        MissingExtraError: MLflow is not installed.
    """
    if isinstance(source, Snapshot):
        return source
    if not is_address(source):
        return Snapshot.load(folder / str(source))
    with needs("mlflow", f"reading the snapshot of {source}"):
        import mlflow
    with (
        explain_failure(f"the snapshot of {source} cannot be read from MLflow", InputError),
        warnings.catch_warnings(action="ignore"),
    ):
        # the warnings are MLflow's own, of its dependencies
        address = _tags(mlflow.MlflowClient(), str(source)).get(TAG)
        if address is not None:
            with TemporaryDirectory() as copy:
                return Snapshot.load(mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=copy))
    raise InputError(
        f"no snapshot was logged with {source}; take one with `backslide snapshot --model {source} --out {source}`"
    )


def log_snapshot(snapshot: Snapshot, target: Any) -> str:
    """Log a snapshot with ``models:/NAME/VERSION``, ``models:/NAME@ALIAS``, ``runs:/ID``, or a run by id or object.

    Returns:
        The address of the artifact.

    Raises:
        MissingExtraError: MLflow is not installed.
        ModelError: no such model or run, a version that no run made, or a store that refuses it.
    """
    with needs("mlflow", "logging a snapshot to MLflow"):
        import mlflow
    with explain_failure("the snapshot cannot be logged to MLflow"), warnings.catch_warnings(action="ignore"):
        return _log(mlflow.MlflowClient(), snapshot, target)


def _log(client: Any, snapshot: Snapshot, target: Any) -> str:
    version = registered_version(client, target) if str(target).startswith("models:/") else None
    run_id = version.run_id if version is not None else _run_id(target)
    if not run_id:
        raise ModelError(f"{target} was registered without a run, which would hold its snapshot; log to a run instead")
    place = "backslide" if version is None else f"backslide/{version.name}-{version.version}"
    with TemporaryDirectory() as folder:
        snapshot.to_json(Path(folder) / FILE)
        client.log_artifact(run_id, str(Path(folder) / FILE), place)
    address = f"runs:/{run_id}/{place}/{FILE}"
    if version is None:
        client.set_tag(run_id, TAG, address)
    else:
        client.set_model_version_tag(version.name, version.version, TAG, address)
    return address


def _tags(client: Any, address: str) -> dict[str, str]:
    if address.startswith("models:/"):
        return dict(registered_version(client, address).tags)
    return dict(client.get_run(_run_id(address)).data.tags)


def _run_id(target: Any) -> str:
    if not isinstance(target, str):
        return str(target.info.run_id)
    return target.removeprefix("runs:/").split("/")[0]
