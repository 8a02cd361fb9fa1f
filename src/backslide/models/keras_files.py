"""Models of Keras in a ``.keras`` file: layers of Keras are data; lambdas and layers of one's own are code and need trust."""

from __future__ import annotations

import importlib.util
import os
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backslide.contracts.errors import ModelError
from backslide.contracts.extras import needs
from backslide.contracts.files import parse_json
from backslide.contracts.trust import require_trust
from backslide.models.deep import BATCH, DeepModel, Layer, number_matrix, one_answer
from backslide.models.failures import explain_failure, one_line
from backslide.models.imports import on_path
from backslide.models.user_code import contained

if TYPE_CHECKING:
    import pandas as pd

SUFFIX = ".keras"
_CODE = {
    "Lambda": "a lambda",
    "__lambda__": "a lambda",
    "TorchModuleWrapper": "a pickled module of PyTorch",
    "TFSMLayer": "a graph of TensorFlow",
}
"""Classes of Keras itself that hold code."""
BACKENDS = ("tensorflow", "torch", "jax")
"""What Keras computes with, the first that is installed; the variable KERAS_BACKEND wins."""


def read_keras(path: Path, shown: str, *, trusted: bool, base: Path | None) -> Any:
    """The model in a file.

    Raises:
        UntrustedError: it holds a lambda or names a module that is not of Keras.
        MissingExtraError: Keras, or what it computes with, is not installed.
        ModelError: it cannot be read.
    """
    try:
        code = sorted(_code(_config(path, shown)))
    except RecursionError:
        raise ModelError(f"{shown} cannot be read as a model of Keras: it is nested too deeply") from None
    if code:
        require_trust(shown, f"holds code ({', '.join(code[:3])})", trusted=trusted)
    with needs("keras", f"reading {shown}"):
        _choose_backend()
        import keras
    with (
        explain_failure(f"{shown} cannot be read as a model of Keras"),
        contained(shown),
        on_path(base or path.parent) if code else nullcontext(),
    ):
        # Without code of the user's own nothing may be found beside the file: Keras imports optional modules by their names.
        model = keras.saving.load_model(path, compile=False, safe_mode=not code)
    return KerasModel(model)


def _choose_backend() -> None:
    if "KERAS_BACKEND" not in os.environ:
        found = next((name for name in BACKENDS if importlib.util.find_spec(name) is not None), None)
        if found is None:
            raise ModuleNotFoundError("Keras computes with one of them", name=BACKENDS[1])
        os.environ["KERAS_BACKEND"] = found


def _config(path: Path, shown: str) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            return parse_json(archive.read("config.json").decode("utf-8"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f"{shown} cannot be read as a model of Keras: {one_line(error)}") from None


def _code(config: Any) -> Iterator[str]:
    """What of a configuration would run code: lambdas, and classes of modules that are not Keras's own."""
    if isinstance(config, list):
        for one in config:
            yield from _code(one)
    elif isinstance(config, dict):
        module, name = config.get("module"), config.get("class_name")
        if name in _CODE:
            yield _CODE[name]
        elif isinstance(module, str) and module.partition(".")[0] not in ("keras", "builtins"):
            yield f"{module}.{name}"
        elif config.get("registered_name") and module is None and ">" in str(config["registered_name"]):
            yield str(config["registered_name"])
        for one in config.values():
            yield from _code(one)


class KerasModel(DeepModel):
    """A model asked for float32: one input of all columns in their order, or one of each column, by its name."""

    library = "keras"

    def __init__(self, model: Any) -> None:
        self.model = model
        self.inputs = [str(one.name) for one in model.inputs]
        self.features = tuple(self.inputs) if len(self.inputs) > 1 else None

    def __call__(self, rows: pd.DataFrame) -> Any:
        """Numbers (n,) or (n, K), as the model returns them."""
        numbers = number_matrix(rows, "a model of Keras")
        asked: Any = numbers
        if self.features is not None:
            asked = {name: numbers[:, [k]] for k, name in enumerate(rows.columns)}
        returned = self.model.predict(asked, batch_size=BATCH, verbose=0)
        if isinstance(returned, (list, tuple, dict)):
            raise TypeError("it returned several outputs; expected a model of one")
        return one_answer(np.asarray(returned, dtype=np.float64))

    def graph_steps(self) -> Iterator[Layer]:
        """Every layer with weights."""
        for layer in self.model.layers:
            values = {str(one.path).removeprefix(f"{layer.name}/"): np.asarray(one) for one in layer.weights}
            if values:
                yield str(layer.name), type(layer).__name__, values
