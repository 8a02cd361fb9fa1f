"""What is inside a saved model: the estimator at its end, the steps before it, and whose column each of its inputs is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.models.frame import to_pandas
from backslide.stats.metrics.metric import Floats

PROBE_ANSWERS = 8_000
MOST_CELLS = 20_000_000
WIDE = 60
"""Columns above which they are shuffled in groups."""
TREES = ("sklearn.ensemble", "sklearn.tree", "lightgbm", "xgboost", "catboost")
LINEAR = ("sklearn.linear_model", "sklearn.svm")


@dataclass(frozen=True)
class Inside:
    """The last estimator and how rows reach it."""

    estimator: Any
    transform: Callable[[pl.DataFrame], Floats]
    """Rows of the model's columns -> inputs of the estimator (n, q), as dense numbers; raises whatever the steps raise."""

    @property
    def tree(self) -> bool:
        """Whether it may be made of decision trees; shap refuses the other ensembles."""
        return _from(self.estimator, TREES)

    @property
    def linear(self) -> bool:
        """Whether it has a coefficient for each of its inputs."""
        return _from(self.estimator, LINEAR) and getattr(self.estimator, "coef_", None) is not None


def _from(estimator: Any, modules: tuple[str, ...]) -> bool:
    return any(type(estimator).__module__.startswith(module) for module in modules)


def look_inside(artefact: Any) -> Inside:
    """The estimator at the end of a pipeline or search; the artefact itself where there is no such thing."""
    while (best := getattr(artefact, "best_estimator_", None)) is not None:
        artefact = best
    steps = getattr(artefact, "steps", None)
    if not isinstance(steps, list) or not steps:
        return Inside(artefact, lambda frame: _dense(to_pandas(frame)))
    before = [step for _, step in steps[:-1] if step is not None and step != "passthrough"]

    def transform(frame: pl.DataFrame) -> Floats:
        rows: Any = to_pandas(frame)
        with warnings.catch_warnings(action="ignore"):  # the user's steps: what they give is checked below
            for step in before:
                rows = step.transform(rows)
        return _dense(rows)

    return Inside(steps[-1][1], transform)


def _dense(rows: Any) -> Floats:
    """As float64 (n, q).

    Raises:
        ValueError: texts, or too wide to be held.
    """
    if rows.shape[0] * rows.shape[1] > MOST_CELLS:
        raise ValueError("too wide")
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float64)


def owners(inside: Inside, frame: pl.DataFrame, rng: np.random.Generator) -> NDArray[np.int64] | None:
    """Which column of ``frame`` each input of the estimator is made of (q,), -1 for none; None where one is made of several.

    Found by shuffling one column at a time in front of the steps, so that it holds for steps of any kind.
    """
    columns = frame.columns
    if len(columns) > WIDE:
        return _owners_by_groups(inside, frame, rng)
    rows = frame.head(max(PROBE_ANSWERS // max(len(columns), 1), 20))
    shuffled = [rows.with_columns(rows[c].gather(rng.permutation(rows.height)).alias(c)) for c in columns]
    answers = inside.transform(pl.concat([rows, *shuffled])).reshape(len(columns) + 1, rows.height, -1)
    owner = np.full(answers.shape[2], -1, np.int64)
    for j, answer in enumerate(answers[1:]):
        touched = (~np.isclose(answer, answers[0], rtol=1e-9, atol=0, equal_nan=True)).any(axis=0)
        if (owner[touched] >= 0).any():
            return None
        owner[touched] = j
    return owner


def _owners_by_groups(inside: Inside, frame: pl.DataFrame, rng: np.random.Generator) -> NDArray[np.int64] | None:
    """The same by twice as many trials as the number of columns has binary digits.

    Each trial shuffles all columns whose number has one digit in one place, or all others. An input that is made of one column
    moves in one of the two, which is a digit of its owner; one that is made of several moves in both where their numbers differ.
    """
    columns, places = np.arange(frame.width), range((frame.width - 1).bit_length())
    groups = [[((columns >> place) & 1) == digit for digit in (0, 1)] for place in places]
    trials = 2 * len(places) + 1
    rows = frame.head(max(min(PROBE_ANSWERS, MOST_CELLS // frame.width) // trials, 20))
    shuffled = []
    for group in (group for pair in groups for group in pair):
        order = rng.permutation(rows.height)
        shuffled.append(rows.with_columns(rows.select(np.array(frame.columns)[group].tolist())[order]))
    answers = inside.transform(pl.concat([rows, *shuffled])).reshape(trials, rows.height, -1)
    moved = [(~np.isclose(a, answers[0], rtol=1e-9, atol=0, equal_nan=True)).any(axis=0) for a in answers[1:]]
    digits = np.array(moved).reshape(len(places), 2, -1)
    if digits.all(axis=1).any():
        return None
    owner = (digits[:, 1] * (1 << np.arange(len(places)))[:, None]).sum(axis=0)
    # Rows that a shuffle left in place by chance leave a digit open: such an input moves too rarely to have an owner.
    return np.where(digits.any(axis=1).all(axis=0) & (owner < frame.width), owner, -1)
