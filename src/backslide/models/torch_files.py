"""Models of PyTorch: weights for a class that is named, TorchScript, and modules that were pickled as a whole.

Weights (``.safetensors``, or a ``state_dict`` in ``.pt``) are data: reading them executes nothing, but their class is code.
TorchScript is a program, and a pickled module is a pickle: all three need trust.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backslide.contracts.errors import ModelError
from backslide.contracts.extras import needs
from backslide.contracts.trust import require_trust
from backslide.models.deep import BATCH, DeepModel, Layer, number_matrix, one_answer
from backslide.models.failures import explain_failure, one_line
from backslide.models.imports import SPEC, import_object, on_path
from backslide.models.user_code import contained

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".pt", ".pth", ".safetensors")
_WEIGHTS_OF = re.compile(rf"(?P<spec>{SPEC.pattern})@(?P<file>.+\.(?:safetensors|pt|pth|bin))")
"""``nets:Net@v1.safetensors``: the class, or a function that makes the module, and the file of its weights."""


def weights_of(text: str) -> tuple[str, str] | None:
    """``module:class`` and the file of its weights; None for any other name."""
    found = _WEIGHTS_OF.fullmatch(text)
    return None if found is None else (found["spec"], found["file"])


def read_weights(spec: str, file: str, shown: str, *, base: Path | None, trusted: bool) -> Any:
    """The module that a class makes, with its weights put in.

    Raises:
        UntrustedError: nobody vouched for the class.
        MissingExtraError: PyTorch is not installed.
        ModelError: no such file, or weights of another module.
    """
    require_trust(shown, "names a class", trusted=trusted)
    with needs("torch", f"reading {shown}"):
        import torch
    path = (base or Path()) / file
    make = import_object(spec, base=base, trusted=trusted)
    if not path.is_file():
        raise ModelError(f"{shown}: no weights at {file}")
    with explain_failure(f"{shown}: {spec} cannot be made without arguments"), contained(shown):
        module = make()
    if not isinstance(module, torch.nn.Module):
        raise ModelError(f"{shown}: expected {spec} to make a module of PyTorch, got {type(module).__name__}")
    weights = _state_dict(path, shown)
    with explain_failure(f"{shown}: these are weights of another module"):
        module.load_state_dict(weights)
    return _ready(module)


def read_torch(path: Path, shown: str, *, trusted: bool, base: Path | None) -> Any:
    """A module from a file of its own: TorchScript, or pickled as a whole.

    Raises:
        UntrustedError: it is a program or a pickle, and not trusted.
        MissingExtraError: PyTorch is not installed.
        ModelError: it holds weights alone, or cannot be read.
    """
    if path.suffix.lower() == ".safetensors":
        raise _only_weights(shown)
    script = _is_torchscript(path)
    what = "is a program in TorchScript" if script else "is pickle-based unless it holds weights alone"
    require_trust(shown, what, trusted=trusted, otherwise="; weights alone are read as module:class@FILE")
    with needs("torch", f"reading {shown}"):
        import torch
    with (
        explain_failure(f"{shown} cannot be read as a model of PyTorch"),
        contained(shown),
        on_path(base or path.parent),
    ):
        module = (
            torch.jit.load(str(path), map_location="cpu")
            if script
            else torch.load(path, map_location="cpu", weights_only=False)
        )
    if not isinstance(module, torch.nn.Module):
        raise _only_weights(shown)
    return _ready(module)


def _only_weights(shown: str) -> ModelError:
    return ModelError(f"{shown} holds weights alone; name the class that they are for, as in module:Class@{shown}")


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.rpartition("/")[2] == "constants.pkl" for name in archive.namelist())


def _state_dict(path: Path, shown: str) -> dict[str, Any]:
    try:
        if path.suffix.lower() == ".safetensors":
            with needs("torch", f"reading {shown}"):
                from safetensors.torch import load_file
            weights: Any = load_file(path)
        else:
            with needs("torch", f"reading {shown}"):
                import torch
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, EOFError) as error:
        raise ModelError(f"{shown}: the weights cannot be read: {one_line(error)}") from None
    except Exception as error:  # an unpickler that was asked for code, or a damaged file
        raise ModelError(f"{shown}: expected weights alone, and nothing that runs code: {one_line(error)}") from None
    inner = weights.get("state_dict") if isinstance(weights, dict) else None
    return inner if isinstance(inner, dict) else weights


def _ready(module: Any) -> Any:
    """The module itself where it answers frames by ``predict``, else as a function of numbers."""
    module.eval()
    if callable(getattr(module, "predict", None)) or callable(getattr(module, "predict_proba", None)):
        return module
    return TorchModule(module)


class TorchModule(DeepModel):
    """A module asked for float32 (n, k); the attributes ``features`` and ``classes`` of its class say what these are."""

    library = "torch"

    def __init__(self, module: Any) -> None:
        self.module = module
        features: Any = getattr(module, "features", None)
        named = isinstance(features, (list, tuple)) and all(isinstance(name, str) for name in features)
        self.features = tuple(features) if named else None  # often the name of a layer
        classes = getattr(module, "classes", None)
        self.classes = list(classes) if isinstance(classes, (list, tuple)) else None

    def __call__(self, rows: pd.DataFrame) -> Any:
        """Numbers (n,) or (n, K), as the module returns them."""
        with needs("torch", "asking a module of PyTorch"):
            import torch
        numbers = torch.from_numpy(number_matrix(rows, "a module of PyTorch"))
        parts = []
        with torch.inference_mode():
            for batch in numbers.split(BATCH):
                returned = self.module(batch)
                returned = returned[0] if isinstance(returned, (tuple, list)) else returned
                values = returned.float().numpy().astype(np.float64)
                parts.append(
                    values.reshape(len(batch), -1)
                )  # a module that squeezes makes a batch of one row something else
        return one_answer(np.concatenate(parts))

    def graph_steps(self) -> Iterator[Layer]:
        """Every submodule with weights or buffers of its own."""
        yield from module_layers(self.module)


def module_layers(module: Any) -> Iterator[Layer]:
    """Submodules of a module with their own weights and buffers."""
    for path, part in module.named_modules():
        own = [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]
        if own:
            values = {name: tensor.detach().float().cpu().numpy() for name, tensor in own}
            kind = getattr(part, "original_name", type(part).__name__)
            yield path or "module", str(kind), values
