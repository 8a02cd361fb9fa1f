"""Load a user's model: an object, a function, a file, or ``module:function``. Nothing is executed unasked."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from backslide.contracts.errors import ModelError, ModelTimeoutError, did_you_mean
from backslide.contracts.extras import needs
from backslide.contracts.trust import require_trust
from backslide.models.boosters import SUFFIXES as _BOOSTERS
from backslide.models.boosters import read_booster
from backslide.models.failures import explain_failure, one_line
from backslide.models.hugging_face import is_hugging_face, read_hugging_face
from backslide.models.imports import import_object, is_spec, on_path
from backslide.models.keras_files import SUFFIX as _KERAS
from backslide.models.keras_files import read_keras
from backslide.models.mlflow import alias_notes, is_mlflow, read_mlflow
from backslide.models.model import Model
from backslide.models.onnx import read_onnx
from backslide.models.torch_files import SUFFIXES as _TORCH
from backslide.models.torch_files import read_torch, read_weights, weights_of
from backslide.models.user_code import contained
from backslide.models.wrap import wrap

_PICKLES = (".joblib", ".pkl", ".pickle")
_HARMLESS = ("sklearn.compose._column_transformer._RemainderColsList",)
"""Types that skops 0.10 does not consider safe and that are: the list of a remainder's columns in scikit-learn 1.5 and 1.6."""
EXPECTED = (
    ".skops, .joblib, .pkl, .pickle, .onnx, .json or .ubj (XGBoost), .txt (LightGBM), .cbm (CatBoost), .keras, "
    ".pt or .pth (PyTorch), a folder of Hugging Face"
)


def load_model(artefact: object, *, trusted: bool = False, base: Path | None = None, task: str | None = None) -> Model:
    """Make a :class:`Model` of whatever the user calls a model.

    Args:
        artefact: an object with ``predict`` or ``predict_proba``; a function of a pandas frame;
            ``"module:function"`` or ``"file.py:function"``; a path to a .skops, .joblib, .pkl, .pickle or .onnx file, or to
            one of XGBoost (.json, .ubj), LightGBM (.txt), CatBoost (.cbm), Keras (.keras) or PyTorch (.pt, .pth, or
            ``"module:class@weights.safetensors"``); an MLflow URI or folder; a folder of Hugging Face.
        trusted: whether files may execute code while they are loaded, and modules that are named here be imported.
        base: folder that relative paths and modules start from.
        task: ``binary``, ``multiclass`` or ``regression``, for models that do not say which they are.

    Raises:
        UntrustedError: loading it would execute code and ``trusted`` is false.
        MissingExtraError: the file needs an optional dependency.
        ModelError: no such file, not readable, or nothing that can be asked.
    """
    if isinstance(artefact, Model):
        return artefact
    if not isinstance(artefact, (str, Path)):
        name = getattr(artefact, "__name__", None)
        return wrap(artefact, name=name if isinstance(name, str) else type(artefact).__name__, task=task)
    text = str(artefact)
    path = (base or Path()) / text
    if isinstance(artefact, str) and is_spec(text, base):
        return wrap(import_object(text, base=base, trusted=trusted), name=text, task=task)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = _read(path, text, trusted=trusted, base=base)
    messages = [str(warning.message) for warning in caught]
    notes = dict.fromkeys(f"{m.split('. ', 1)[0].strip()}." for m in messages if "version" in m.lower())
    return wrap(loaded, name=text, task=task, notes=(*notes, *alias_notes(text)))


def _read(path: Path, shown: str, *, trusted: bool, base: Path | None) -> Any:
    if is_mlflow(shown, path):
        return read_mlflow(shown, path, trusted=trusted)
    if (weights := weights_of(shown)) is not None:
        return read_weights(*weights, shown, base=base, trusted=trusted)
    suffix = path.suffix.lower()
    if not path.exists():
        kind = "ONNX model" if suffix == ".onnx" else "model"
        beside = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else []
        raise ModelError(f"no {kind} at {shown}{did_you_mean(path.name, beside)}")
    if not (path.is_file() or path.is_dir()):
        raise ModelError(f"expected a file or folder at {shown}, got a pipe or device")
    if is_hugging_face(path):
        return read_hugging_face(path, shown)
    if path.is_dir():
        raise ModelError(f"{shown} is a folder without an MLmodel or a config.json; expected {EXPECTED}")
    if suffix == ".onnx":
        return read_onnx(path, shown)
    if suffix in _BOOSTERS:
        return read_booster(path, shown)
    if suffix == _KERAS:
        return read_keras(path, shown, trusted=trusted, base=base)
    if suffix in _TORCH:
        return read_torch(path, shown, trusted=trusted, base=base)
    if suffix == ".skops":
        return _read_skops(path, shown, trusted=trusted)
    if suffix in _PICKLES:
        return _read_pickle(path, shown, trusted=trusted, base=base)
    form = suffix or "no extension"
    raise ModelError(f"{shown}: expected {EXPECTED} or module:function, found {form!r}")


def _read_skops(path: Path, shown: str, *, trusted: bool) -> Any:
    with needs("skops", f"reading {shown}"):
        from skops import io
    with explain_failure(f"{shown} cannot be read as a skops file"):
        unknown = [name for name in io.get_untrusted_types(file=path) if name not in _HARMLESS]
    if unknown:
        listed = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        require_trust(shown, f"holds types that skops does not consider safe ({listed})", trusted=trusted)
    with explain_failure(f"{shown} cannot be loaded"), contained(shown):
        return io.load(path, trusted=[*unknown, *_HARMLESS])


def _read_pickle(path: Path, shown: str, *, trusted: bool, base: Path | None) -> Any:
    require_trust(shown, "is pickle-based", trusted=trusted, otherwise=", or save it as .skops")
    import joblib

    try:
        with contained(shown), on_path(base or path.parent):
            return joblib.load(path)
    except ModelTimeoutError:
        raise
    except ModuleNotFoundError as error:
        raise ModelError(f"{shown} needs the module {error.name!r}, which is not installed here") from None
    except Exception as error:
        raise ModelError(f"{shown} cannot be read as a saved model: {one_line(error)}") from None
