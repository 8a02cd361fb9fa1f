"""A user's model behind one question: what do you answer for these rows?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from backslide.contracts.errors import ModelError, did_you_mean
from backslide.engine.problem import Problem
from backslide.models.failures import Effort, answer_what_can_be
from backslide.models.frame import to_pandas
from backslide.models.reply import Reply
from backslide.stats.metrics import Floats

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    import polars as pl

Input = Literal["frame", "text"]

EXTRA_CALLS = 128
"""Calls spent on finding out which rows a model cannot answer, for one question."""


@dataclass(frozen=True)
class Answer:
    """What a model says about n rows."""

    predictions: np.ndarray | None
    """(n,) label texts (object; None where failed) or float64 for a regression (NaN where failed)."""
    scores: np.ndarray | None
    """(n, K) float64 in the order of ``classes``, NaN rows where failed; None without class probabilities."""
    failed: np.ndarray
    """(n,) bool: the model raised, or answered with something that is not finite."""
    error: str | None
    """The first failure in one line."""
    classes: tuple[str, ...] | None = None
    """Whose score stands in which column of ``scores``."""


@dataclass
class Model:
    """A loaded model: its name, its columns in fitted order, its classes, and how to ask it."""

    name: str
    ask: Callable[[pd.DataFrame, bool], Reply]
    """One call of the user's code on one batch; the flag says whether decisions are wanted beside scores."""
    features: tuple[str, ...] | None = None
    """Fitted column order; None when unknown (then every column of a frame is passed on, in its order)."""
    classes: tuple[str, ...] | None = None
    """Label texts in the order of the scores; of a function that returns named columns, known once it answered."""
    takes: Input = "frame"
    """``text`` for a pipeline that starts with a text vectoriser and so takes one column of texts."""
    notes: tuple[str, ...] = field(default=())
    """What loading it had to say, such as another library version."""
    artefact: Any = field(default=None, repr=False)
    """The object behind it, for whoever looks at what is fitted inside; None for plain functions."""

    def answer(self, frame: pl.DataFrame, *, batch_rows: int = 50_000, decisions: bool = True) -> Answer:
        """Ask the model about every row of ``frame``.

        Without ``decisions`` a model that gives scores is not asked for its own predictions as well, which saves half the time;
        ``predictions`` are then the classes with the largest score.

        Rows that make the model raise are found and reported, never fatal.

        Raises:
            ModelError: a column that the model was fitted on is not in ``frame``.
        """
        chosen = frame.select(self._columns(frame))
        replies: list[tuple[np.ndarray, Reply]] = []
        failed = np.zeros(frame.height, dtype=bool)
        first_error: str | None = None
        effort = Effort(EXTRA_CALLS)
        for start in range(0, frame.height, batch_rows):
            batch = to_pandas(chosen.slice(start, batch_rows))
            answered, error = answer_what_can_be(partial(self._call, decisions=decisions), batch, effort)
            covered = np.zeros(len(batch), dtype=bool)
            for rows, reply in answered:
                covered[rows] = True
                replies.append((rows + start, reply))
            failed[start : start + len(batch)] = ~covered
            first_error = first_error or error
        return self._assemble(frame.height, replies, failed, first_error)

    def _columns(self, frame: pl.DataFrame) -> list[str]:
        wanted = list(self.features) if self.features is not None else frame.columns
        for name in wanted:
            if name not in frame.columns:
                hint = did_you_mean(name, frame.columns)
                raise ModelError(f"model {self.name} was fitted on column {name!r}, which is not in the rows{hint}")
        if self.takes == "text" and len(wanted) != 1:
            raise ModelError(
                f"model {self.name} takes one column of texts, found {len(wanted)} columns; "
                "name the one under [model] features"
            )
        return wanted

    def _call(self, batch: pd.DataFrame, decisions: bool) -> Reply:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reply = self._ask_again_with_floats(batch, decisions).checked(len(batch), self.classes)
        self.classes = self.classes or reply.classes
        return reply

    def _ask_again_with_floats(self, batch: pd.DataFrame, decisions: bool) -> Reply:
        """A column that is missing throughout has no type of its own: encoders want objects, boosters want floats."""
        try:
            return self.ask(batch, decisions)
        except Exception:
            empty = [name for name in batch.columns if batch[name].dtype == object and batch[name].isna().all()]
            if not empty:
                raise
            return self.ask(batch.astype(dict.fromkeys(empty, "float64")), decisions)

    def _assemble(
        self, n: int, replies: list[tuple[np.ndarray, Reply]], failed: np.ndarray, error: str | None
    ) -> Answer:
        predictions = scores = None
        if any(reply.labels is not None for _, reply in replies):
            predictions = np.full(n, None, dtype=object)
        elif any(reply.numbers is not None for _, reply in replies):
            predictions = np.full(n, np.nan)
        if self.classes and any(reply.scores is not None for _, reply in replies):
            scores = np.full((n, len(self.classes)), np.nan)
        for rows, reply in replies:
            unusable = reply.unusable()
            failed[rows] |= unusable
            if unusable.any():
                error = error or "it answered with missing or infinite values"
            if predictions is not None:
                predictions[rows] = reply.labels if reply.labels is not None else reply.numbers
            if scores is not None and reply.scores is not None:
                scores[rows] = reply.scores
        if predictions is not None:
            predictions[failed] = None if predictions.dtype == object else np.nan
        if scores is not None:
            scores[failed] = np.nan
        return Answer(predictions, scores, failed, error, self.classes)


def ordered_scores(answer: Answer, model: Model, problem: Problem) -> Floats | None:
    """The model's scores in the order of the problem's classes; a class the model does not know scores 0."""
    classes = answer.classes or model.classes
    if answer.scores is None or classes is None:
        return None
    place = {problem.spellings.get(label, label): i for i, label in enumerate(classes)}
    zeros = np.zeros(len(answer.scores))
    return np.column_stack([answer.scores[:, place[c]] if c in place else zeros for c in problem.classes])
