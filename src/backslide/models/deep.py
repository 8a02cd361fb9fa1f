"""What models of deep-learning libraries have in common: numbers in, layers that can be told one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from backslide.stats.arrays import Floats

if TYPE_CHECKING:
    import pandas as pd

BATCH = 4096
"""Rows of numbers of one pass: a few megabytes for some hundred columns."""

Layer = tuple[str, str, dict[str, Any]]
"""Path, kind and numbers of a layer."""


class DeepModel:
    """A loaded network; a function of a frame unless it has ``predict_proba``."""

    library: str
    """Whose layers these are, as the kinds of steps begin."""
    features: tuple[str, ...] | None = None
    """Columns in their order, where the model says so."""
    classes: Any = None
    """Class labels in the order of the scores, where the model says so."""
    reads_texts = False
    """Whether it takes one column of texts instead of a frame."""

    def graph_steps(self) -> Iterator[Layer]:
        """Layers with what training left in them, in order."""
        raise NotImplementedError

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said of what it was asked so far."""
        return ()

    def __deepcopy__(self, memo: dict[int, Any]) -> DeepModel:
        return self  # nothing in it is fitted again, and the weights are large


def number_matrix(rows: pd.DataFrame, name: str) -> Floats:
    """(n, k) float32 of the columns in their order.

    Raises:
        TypeError: a column holds no numbers.
    """
    columns = []
    for column in rows.columns:
        values = rows[column].to_numpy()
        if values.dtype.kind not in "biuf":
            raise TypeError(f"column {column!r} holds no numbers; {name} takes numbers alone")
        columns.append(values.astype(np.float32))
    return np.column_stack(columns) if columns else np.zeros((len(rows), 0), np.float32)


def one_answer(outputs: Any) -> Any:
    """(n,) where there is one number a row, else as it came."""
    return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs
