"""XGBoost, LightGBM and CatBoost: their own file formats, and their own objects without scikit-learn's face.

A file of one of them is data and runs no code. What a plain ``Booster`` returns depends on its objective, and it holds no labels:
its classes are numbered as they were when it was fitted, ``"0"``, ``"1"`` and so on, and are named later (``models.understand``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backslide.contracts.errors import ModelError
from backslide.contracts.extras import needs
from backslide.models.failures import explain_failure

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".json", ".ubj", ".txt", ".cbm")


@dataclass(frozen=True)
class NativeBooster:
    """A booster and how to ask it."""

    artefact: Any
    ask: Callable[[pd.DataFrame], Any]
    """Rows -> numbers (n,), or scores (n,) of class 1 or (n, K) of all."""
    features: tuple[str, ...] | None
    classes: tuple[str, ...] | None
    """Numbered classes; None for a regression, or where the objective is the user's own."""
    codes: bool = False
    """Whether it returns classes and not their scores."""


def read_booster(path: Path, shown: str) -> Any:
    """The model in a file of XGBoost (.json, .ubj), LightGBM (.txt) or CatBoost (.cbm).

    Raises:
        MissingExtraError: the library is not installed.
        ModelError: the file is none of its models.
    """
    suffix = path.suffix.lower()
    if suffix == ".txt":
        return _read_lightgbm(path, shown)
    return _read_catboost(path, shown) if suffix == ".cbm" else _read_xgboost(path, shown)


def native_booster(artefact: Any) -> NativeBooster | None:
    """How to ask an object of one of these libraries that has no scikit-learn face; None for any other object."""
    library, kind = type(artefact).__module__.split(".")[0], type(artefact).__name__
    if library == "lightgbm" and kind == "Booster":
        return _lightgbm(artefact)
    if library == "xgboost" and kind == "Booster":
        return _xgboost(artefact)
    return _catboost(artefact) if library == "catboost" and kind == "CatBoost" else None


def _read_lightgbm(path: Path, shown: str) -> Any:
    with needs("lightgbm", f"reading {shown}"):
        import lightgbm
    with path.open("rb") as file:
        begins = file.read(64).lstrip()
    if not begins.startswith(b"tree"):
        raise ModelError(
            f"{shown} is not a LightGBM model; expected the text that Booster.save_model writes, which begins with 'tree'"
        )
    with explain_failure(f"{shown} cannot be read as a LightGBM model"):
        return lightgbm.Booster(model_file=str(path), params={"verbosity": -1})


def _read_xgboost(path: Path, shown: str) -> Any:
    with needs("xgboost", f"reading {shown}"):
        import xgboost
    with path.open("rb") as file:
        begins = file.read(256)
    if b"learner" not in begins:
        raise ModelError(
            f"{shown} is not an XGBoost model; expected what save_model writes as .json or .ubj, with the key 'learner'"
        )
    with explain_failure(f"{shown} cannot be read as an XGBoost model"):
        booster = xgboost.Booster(model_file=str(path))
        kind = booster.attr("scikit_learn") or ""
        faces = {"classifier": xgboost.XGBClassifier, "regressor": xgboost.XGBRegressor}
        face = next((interface for name, interface in faces.items() if name in kind), None)
        if face is None:
            return booster
        whole = face()  # knows at how many trees training stopped
        whole.load_model(str(path))
        return whole


def _read_catboost(path: Path, shown: str) -> Any:
    with needs("catboost", f"reading {shown}"):
        import catboost
    with explain_failure(f"{shown} cannot be read as a CatBoost model"):
        plain = catboost.CatBoost().load_model(str(path))
        if len(plain.classes_):
            return catboost.CatBoostClassifier().load_model(str(path))
        return catboost.CatBoostRegressor().load_model(str(path))


def _number_labels(k: int) -> tuple[str, ...]:
    return tuple(str(i) for i in range(k))


def lightgbm_header(booster: Any, key: str) -> list[str]:
    """Words of one line of the text that LightGBM writes before the trees; none where there is no such line."""
    lines = booster.model_to_string(num_iteration=1).splitlines()
    return next((line.split("=", 1)[1].split(" ") for line in lines if line.startswith(f"{key}=")), [])


def _lightgbm(booster: Any) -> NativeBooster:
    objective, k = lightgbm_header(booster, "objective")[:1], booster.num_model_per_iteration()
    of_classes = {"binary": 2, "cross_entropy": 2, "multiclass": k, "multiclassova": k}
    classes = _number_labels(of_classes[objective[0]]) if objective and objective[0] in of_classes else None
    return NativeBooster(booster, booster.predict, tuple(booster.feature_name()), classes)


def _xgboost(booster: Any) -> NativeBooster:
    import json

    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    k = max(int(learner["learner_model_param"]["num_class"]), 2)
    names = booster.feature_names

    def ask(batch: pd.DataFrame) -> Any:
        with needs("xgboost", "asking a model of XGBoost"):
            import xgboost
        rows: Any = batch if names is not None else batch.to_numpy(dtype=np.float64)
        return booster.predict(xgboost.DMatrix(rows, enable_categorical=names is not None))

    classes = (
        _number_labels(k)
        if objective in ("binary:logistic", "multi:softprob", "binary:hinge", "multi:softmax")
        else None
    )
    codes = objective in ("binary:hinge", "multi:softmax")
    return NativeBooster(booster, ask, None if names is None else tuple(names), classes, codes)


def _catboost(model: Any) -> NativeBooster:
    labels = list(model.classes_)
    kind = "Probability" if len(labels) else "RawFormulaVal"
    classes = tuple(str(label) for label in labels) or None
    return NativeBooster(
        model, lambda batch: model.predict(batch, prediction_type=kind), tuple(model.feature_names_), classes
    )
