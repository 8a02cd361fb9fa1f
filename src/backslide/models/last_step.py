"""A saved pipeline in two: the preprocessing, whose output is a table of numbers, and the step at the end that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from backslide.stats.arrays import Floats


@dataclass(frozen=True)
class LastStep:
    """What stands before the last step, and the last step."""

    before: Any
    last: Any
    columns: tuple[str, ...]
    """Raw columns, as the pipeline takes them."""
    names: tuple[str, ...]
    """Of the last step's inputs, as scikit-learn names them."""
    classes: Any = None

    def inputs(self, rows: pd.DataFrame) -> Floats:
        """What the last step is given for raw rows (n, inputs)."""
        frame = self.before.transform(rows)
        frame = frame.toarray() if hasattr(frame, "toarray") else frame
        return np.asarray(frame, dtype=np.float64).copy()

    def source(self, k: int) -> str:
        """The raw column behind an input: ``num__income`` is income, ``cat__channel_web`` is channel."""
        bare = self.names[k].rsplit("__", 1)[-1]
        if bare in self.columns:
            return bare
        begins = [c for c in self.columns if bare.startswith(f"{c}_")]
        return max(begins, key=len) if begins else bare

    def behind(self) -> _LastStepAlone:
        """The last step alone, asked with a frame of its inputs."""
        return _LastStepAlone(self)

    def altered(self, changed: Mapping[int, Callable[[Floats], Floats]]) -> _AlteredPipeline:
        """The whole pipeline with some inputs of the last step made otherwise."""
        return _AlteredPipeline(self, changed)


def split_last(artefact: Any, columns: Sequence[str]) -> LastStep | None:
    """The two parts of a pipeline; None where it is none, or its preprocessing names no outputs."""
    steps = getattr(artefact, "steps", None)
    if not isinstance(steps, list) or len(steps) < 2 or not hasattr(steps[-1][1], "predict"):
        return None
    before = artefact[:-1]
    try:
        names = tuple(str(name) for name in before.get_feature_names_out(list(columns)))
    except Exception:  # steps of the user's own need not know names
        width = getattr(steps[-1][1], "n_features_in_", 0)
        if width != len(columns):
            return None
        names = tuple(columns)
    return LastStep(before, steps[-1][1], tuple(columns), names, getattr(artefact, "classes_", None))


class _LastStepModel:
    """A model of a frame that asks the last step."""

    def __init__(self, parts: LastStep) -> None:
        self._parts = parts
        if parts.classes is not None:
            self.classes_ = parts.classes
        if hasattr(parts.last, "predict_proba"):
            self.predict_proba = lambda rows: parts.last.predict_proba(self._inputs(rows))

    def predict(self, rows: pd.DataFrame) -> Any:
        """As the last step does."""
        return self._parts.last.predict(self._inputs(rows))

    def _inputs(self, rows: pd.DataFrame) -> Any:
        raise NotImplementedError

    def _named(self, values: Floats) -> Any:
        names = getattr(self._parts.last, "feature_names_in_", None)
        return values if names is None else pd.DataFrame(values, columns=names)


class _LastStepAlone(_LastStepModel):
    def __init__(self, parts: LastStep) -> None:
        super().__init__(parts)
        self.feature_names_in_ = np.array([f"input {k}: {name}" for k, name in enumerate(parts.names)], object)

    def _inputs(self, rows: pd.DataFrame) -> Any:
        return self._named(rows[self.feature_names_in_.tolist()].to_numpy(np.float64))


class _AlteredPipeline(_LastStepModel):
    def __init__(self, parts: LastStep, changed: Mapping[int, Callable[[Floats], Floats]]) -> None:
        super().__init__(parts)
        self.feature_names_in_ = np.array(parts.columns, object)
        self._changed = changed

    def _inputs(self, rows: pd.DataFrame) -> Any:
        ours = self._parts.inputs(rows)
        frame = ours.copy()
        for place, change in self._changed.items():
            frame[:, place] = change(ours)
        return self._named(frame)
