"""Functions of the user's own that turn texts into vectors (``[model] embed``): called in batches, and never trusted blindly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backslide.contracts.errors import ConfigError
from backslide.engine.columns.vectors import LEAST, Matrix
from backslide.models.failures import explain_failure
from backslide.models.imports import import_function
from backslide.models.user_code import contained

BATCH = 256
"""Texts of one call."""
Embedder = Callable[[list[str]], Any]


def embedder(column: str, spec: str, base: Path, *, trusted: bool) -> Embedder:
    """The function that ``module:function`` names.

    Raises:
        UntrustedError: nobody vouched for its code.
        ConfigError: it cannot be imported or called.
    """
    function: Embedder = import_function(spec, base=base, role=f"[model] embed of {column!r}", trusted=trusted)
    return function


def embed_texts(function: Embedder, column: str, texts: list[str]) -> Matrix:
    """Vectors (n, d) of some texts.

    Raises:
        ConfigError: the function fails, or does not return as many vectors of one dimension as it was given texts.
    """
    parts: list[Matrix] = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        with (
            explain_failure(f"[model] embed of {column!r} failed", ConfigError),
            contained(f"[model] embed of {column!r}"),
        ):
            part = np.asarray(function(batch), np.float32)
        wide = part.shape[1] if part.ndim == 2 else 0
        if part.ndim != 2 or len(part) != len(batch) or wide < LEAST or (parts and wide != parts[0].shape[1]):
            raise ConfigError(
                f"[model] embed of {column!r}: expected {len(batch)} vectors of one dimension, got shape {part.shape}"
            )
        parts.append(part)
    return np.concatenate(parts) if parts else np.zeros((0, LEAST), np.float32)
