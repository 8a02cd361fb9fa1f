"""What one call of a model returned, brought into one shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from backslide.contracts.labels import label_text


class ReplyError(Exception):
    """The model returned something that is no answer to the rows asked; contained like any failing call."""


@dataclass(frozen=True)
class Reply:
    """Answers to n rows: label texts or numbers, and scores of classes where there are any."""

    labels: np.ndarray | None = None
    numbers: np.ndarray | None = None
    scores: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    raw: np.ndarray | None = None
    """(n,) or (n, k) as it came, where no class labels came with it: the roles say what it means (``models.understand``)."""
    columns: dict[str, np.ndarray] | None = None
    """As it came, where it came in named columns (n,) each."""
    unread: str | None = None
    """Why nothing can be made of it without the roles."""

    def checked(self, n: int, classes: tuple[str, ...] | None) -> Reply:
        """This reply with one answer per row, and scores in the order of ``classes`` where those are known.

        Raises:
            ReplyError: another number of rows, or other classes than before.
        """
        for values in (self.labels, self.numbers, self.scores, self.raw, *(self.columns or {}).values()):
            if values is not None and len(values) != n:
                raise ReplyError(f"it answered {len(values)} rows when asked {n}")
        if self.scores is None or self.classes is None or classes is None or self.classes == classes:
            return self
        if set(self.classes) != set(classes):
            raise ReplyError(f"it gave scores of {list(self.classes)} when {list(classes)} were expected")
        order = [self.classes.index(label) for label in classes]
        return replace(self, scores=self.scores[:, order], classes=classes)

    def unusable(self) -> np.ndarray:
        """(n,) bool: rows whose answer holds a missing or infinite number, or no label."""
        parts = []
        if self.numbers is not None:
            parts.append(~np.isfinite(self.numbers))
        if self.scores is not None:
            parts.append(~np.isfinite(self.scores).all(axis=1))
        if self.labels is not None:
            parts.append(np.equal(self.labels, np.array([None], object)).astype(bool))
        return np.asarray(np.logical_or.reduce(parts), dtype=bool)


def label_texts(values: Any) -> np.ndarray:
    """(n,) object array of canonical label texts; None where a label is missing."""
    flat = _one_per_row(values, object)
    known: dict[Any, str | None] = {}
    texts = np.empty(len(flat), dtype=object)
    for i, value in enumerate(flat):
        key = (type(value), value)
        if key not in known:
            known[key] = None if pd.isna(value) else label_text(value)
        texts[i] = known[key]
    return texts


def number_array(values: Any) -> np.ndarray:
    """(n,) float64."""
    return _one_per_row(values, np.float64)


def _one_per_row(values: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(values, dtype=dtype)
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.ndim != 1:
        raise ReplyError(f"expected one prediction per row, found an array of shape {array.shape}")
    return array


def class_texts(classes: Any) -> tuple[str, ...]:
    """Label texts of a ``classes_`` attribute or of column names."""
    return tuple(label_text(label) for label in classes)


def reply_of_scores(scores: Any, classes: tuple[str, ...]) -> Reply:
    """A reply from an (n, K) array of scores: the label is the class with the highest score."""
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim == 1 and len(classes) == 2:
        array = np.column_stack([1 - array, array])  # the score of the second class, as scikit-learn counts
    if array.ndim != 2 or array.shape[1] != len(classes):
        raise ReplyError(f"expected {len(classes)} scores per row, found an array of shape {array.shape}")
    labels = np.full(len(array), None, dtype=object)
    finite = np.isfinite(array).all(axis=1)
    labels[finite] = np.array(classes, dtype=object)[array[finite].argmax(axis=1)]
    return Reply(labels=labels, scores=array, classes=classes)


def in_order(returned: Any, asked: pd.DataFrame) -> Any:
    """A frame or series in the order of the rows asked: one that was sorted or put together in groups still has their index."""
    if not isinstance(returned, (pd.Series, pd.DataFrame)) or len(returned) != len(asked):
        return returned
    index = asked.index
    if index.equals(returned.index) or not (index.is_unique and index.is_monotonic_increasing):
        return returned
    return returned.reindex(index) if returned.index.sort_values().equals(index) else returned


def from_estimator(predictions: Any, scores: Any, classes: tuple[str, ...] | None) -> Reply:
    """A reply from what ``predict`` and ``predict_proba`` returned (None for what was not asked)."""
    if classes is None:
        return Reply(numbers=number_array(predictions))
    reply = Reply() if scores is None else reply_of_scores(scores, classes)
    return reply if predictions is None else replace(reply, labels=label_texts(predictions), classes=classes)


def from_function(returned: Any, classes: tuple[str, ...] | None, task: str | None) -> Reply:
    """A reply from a plain function's return value.

    A frame, a mapping or a list of mappings holds scores by class label; a two-dimensional array holds scores in the order of
    ``classes``; one dimension holds predictions: labels, or numbers for a regression, or with two ``classes`` the score of the
    second. What has no meaning of its own is handed on as it came, with the reason.
    """
    if isinstance(returned, (list, tuple)) and len(returned) and all(isinstance(row, Mapping) for row in returned):
        returned = pd.DataFrame(list(returned))
    if hasattr(returned, "columns") and hasattr(returned, "to_numpy"):
        if len(returned.columns) == 1 and str(returned.columns[0]) in _WRAPPERS:
            return _reply_of_predictions(np.asarray(returned[returned.columns[0]]), classes, task)
        return _in_columns({str(label_text(name)): np.asarray(returned[name]) for name in returned.columns})
    if isinstance(returned, Mapping):
        if len(returned) == 1 and str(next(iter(returned))) in _WRAPPERS:  # as servers answer: {"predictions": [...]}
            return from_function(next(iter(returned.values())), classes, task)
        return _in_columns({label_text(name): np.asarray(values) for name, values in returned.items()})
    if not isinstance(returned, (np.ndarray, pd.Series, Sequence)) and not hasattr(returned, "__array__"):
        raise ReplyError(f"expected predictions or scores, found {type(returned).__name__}")
    array = np.asarray(returned)
    if array.ndim == 2 and array.shape[1] > 1:
        if classes is None:
            return Reply(raw=array, unread=UNNAMED)
        return reply_of_scores(array, classes)
    return _reply_of_predictions(array, classes, task)


_WRAPPERS = frozenset(("prediction", "predictions", "output", "outputs", "result", "results"))
"""Names that say of the one thing returned that it is the answer, and not what it means."""
UNNAMED = "it returned an array of scores without class labels; give the function `classes`"
FRACTIONS = "it returned fractions where labels were expected; return a frame with a column per class"


def _in_columns(columns: dict[str, np.ndarray]) -> Reply:
    """Scores by class where every column holds numbers; else only the columns."""
    if any(values.dtype.kind not in "biuf" for values in columns.values()):
        return Reply(
            columns=columns, unread=f"it returned the columns {list(columns)}, which are not all scores of classes"
        )
    return replace(reply_of_scores(np.column_stack(list(columns.values())), class_texts(columns)), columns=columns)


def _reply_of_predictions(array: np.ndarray, classes: tuple[str, ...] | None, task: str | None) -> Reply:
    raw = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if task == "regression" or (task is None and classes is None and array.dtype.kind in "iuf"):
        return Reply(numbers=number_array(array), raw=raw)
    if array.dtype.kind == "f" and np.any(np.isfinite(array) & (array != np.floor(array))):
        if classes is not None and len(classes) == 2:
            return reply_of_scores(raw, classes)
        return Reply(raw=raw, unread=FRACTIONS)
    return Reply(labels=label_texts(array), raw=raw)
