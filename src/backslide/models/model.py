"""A user's model behind one question: what do you answer for these rows?"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from backslide.contracts.errors import ModelError, ModelTimeoutError, did_you_mean
from backslide.engine.roles.problem import Problem
from backslide.models.answer import Reply, ReplyError
from backslide.models.deep import DeepModel
from backslide.models.failures import Effort, answer_what_can_be
from backslide.models.frame import to_pandas
from backslide.models.user_code import contained
from backslide.stats.arrays import Floats

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from backslide.models.categories import Restorer

Input = Literal["frame", "text"]

MOST_RECALLED = 8
"""Questions whose answers are kept: both samples, and the last versions of them."""
MOST_RECALLED_ROWS = 100_000
"""Rows of a question up to which its answers are kept."""
EXTRA_CALLS = 128
"""Calls spent on finding out which rows a model cannot answer, for one question."""


@dataclass(frozen=True)
class ModelAnswer:
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
    types: Restorer | None = field(default=None, repr=False)
    """What puts back the types of columns that it was fitted on; None where it was fitted on plain ones."""
    way: int | None = field(default=None, repr=False)
    """Which of the restorer's ways the model answered; None until it did."""
    reading: Callable[[Reply], Reply] | None = field(default=None, repr=False)
    """What its returns mean, where they do not say so themselves; see ``models.understand``."""
    read_as: str | None = field(default=None, repr=False)
    """What was concluded about its returns, in words."""
    otherwise: tuple[tuple[Callable[[Reply], Reply], str], ...] = field(default=(), repr=False)
    """Other readings with their words, where none gave what was logged and the order of columns may be to blame."""
    understood: bool = field(default=False, repr=False)
    """Whether that was looked into."""
    answers: dict[tuple[object, ...], tuple[ModelAnswer, object]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """The last answers by question, with what was asked; see ``recall``."""

    def recall(self, frame: pl.DataFrame, *, decisions: bool = True) -> ModelAnswer:
        """As ``answer``, without a second call for rows of the same content."""
        key = None if frame.height > MOST_RECALLED_ROWS else self._question(frame, decisions)
        known = self.answers.pop(key, None) if key is not None else None
        if known is not None:
            answer = known[0]
        else:
            answer = self.answer(frame, decisions=decisions)
            for values in (answer.predictions, answer.scores, answer.failed):
                if values is not None:
                    values.flags.writeable = False  # they are everybody's
        if key is not None:
            # The last used stands last. What was asked stays alive with its answer, so that its id is nobody else's.
            self.answers[key] = answer, (self.ask, self.reading)
            if len(self.answers) > MOST_RECALLED:
                del self.answers[next(iter(self.answers))]
        return answer

    def _question(self, frame: pl.DataFrame, decisions: bool) -> tuple[object, ...] | None:
        """What an answer depends on; None for rows that have no hash."""
        chosen = frame.select(self._columns(frame))
        if any(dtype.is_nested() or dtype.is_(pl.Object) for dtype in chosen.dtypes):
            return None
        rows = chosen.hash_rows().to_numpy()
        return (
            decisions,
            id(self.ask),
            id(self.reading),
            tuple(chosen.schema.items()),
            blake2b(rows.tobytes()).digest(),
        )

    def answer(self, frame: pl.DataFrame, *, batch_rows: int = 50_000, decisions: bool = True) -> ModelAnswer:
        """Ask the model about every row of ``frame``.

        Without ``decisions`` a model that gives scores is not asked for its own predictions as well, which saves half the time;
        ``predictions`` are then the classes with the largest score.

        Rows that make the model raise are found and reported, never fatal.

        Raises:
            ModelError: a column that the model was fitted on is not in ``frame``.
        """
        replies, failed, error = self._replies(frame, batch_rows, partial(self._call, decisions=decisions))
        return self._assemble(frame.height, replies, failed, error)

    def returned(self, frame: pl.DataFrame) -> list[tuple[np.ndarray, Reply]]:
        """What comes back for the rows that can be answered, with their places, before it is read as labels or scores."""

        def call(batch: pd.DataFrame) -> Reply:
            with warnings.catch_warnings(action="ignore"):  # a model's own, once for every batch
                return self._ask(batch, decisions=True).checked(len(batch), None)

        return self._replies(frame, max(frame.height, 1), call)[0]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said about it: from loading it, and from asking it so far."""
        more = None if self.types is None or self.way is None else self.types.note(self.way)
        asked = self.artefact.remarks if isinstance(self.artefact, DeepModel) else ()
        sentences = (*self.notes, *(note for note in (self.read_as, more) if note), *asked)
        return tuple(f"{self.name}: {note}" for note in sentences)

    def _replies(
        self, frame: pl.DataFrame, batch_rows: int, call: Callable[[pd.DataFrame], Reply]
    ) -> tuple[list[tuple[np.ndarray, Reply]], np.ndarray, str | None]:
        chosen = frame.select(self._columns(frame))
        if self.types is not None:
            self.types.look(chosen)
        replies: list[tuple[np.ndarray, Reply]] = []
        failed = np.zeros(frame.height, dtype=bool)
        first_error: str | None = None
        effort = Effort(EXTRA_CALLS)
        for start in range(0, frame.height, batch_rows):
            batch = to_pandas(chosen.slice(start, batch_rows))
            answered, error = answer_what_can_be(call, batch, effort)
            covered = np.zeros(len(batch), dtype=bool)
            for rows, reply in answered:
                covered[rows] = True
                replies.append((rows + start, reply))
            failed[start : start + len(batch)] = ~covered
            first_error = first_error or error
        return replies, failed, first_error

    def _columns(self, frame: pl.DataFrame) -> list[str]:
        wanted = list(self.features) if self.features is not None else frame.columns
        there = dict.fromkeys(frame.columns)  # Polars makes its list of names anew for each who asks
        if not set(wanted) <= there.keys():  # LightGBM writes the blanks of a name as underscores
            blanks = {re.sub(r"\s", "_", column): column for column in there}
            wanted = [name if name in there else blanks.get(name, name) for name in wanted]
        for name in wanted:
            if name not in there:
                hint = did_you_mean(name, there)
                raise ModelError(f"model {self.name} was fitted on column {name!r}, which is not in the rows{hint}")
        if self.takes == "text" and len(wanted) != 1:
            raise ModelError(
                f"model {self.name} takes one column of texts, found {len(wanted)} columns; "
                "name the one under [model] features"
            )
        return wanted

    def _call(self, batch: pd.DataFrame, decisions: bool) -> Reply:
        with warnings.catch_warnings(action="ignore"):  # a model's own, once for every batch
            reply = self._ask(batch, decisions).checked(len(batch), None)
            if self.reading is not None:
                reply = self.reading(reply)
            elif reply.unread is not None:
                raise ReplyError(reply.unread)
            reply = reply.checked(len(batch), self.classes)
        self.classes = self.classes or reply.classes
        return reply

    def _ask(self, batch: pd.DataFrame, decisions: bool) -> Reply:
        """Ask with the types put back, in the first of the ways that the model answers."""
        if self.types is None:
            return self._ask_again_with_floats(batch, decisions)
        ways = self.types.ways()
        if self.way is not None:
            return self._ask_again_with_floats(ways[self.way](batch), decisions)
        failure: Exception | None = None
        for number, way in enumerate(ways):
            try:
                reply = self._ask_again_with_floats(way(batch), decisions)
            except ModelTimeoutError:
                raise
            except Exception as error:
                failure = failure or error
                continue
            if len(batch):
                self.way = number
            return reply
        assert failure is not None
        raise failure

    def _ask_again_with_floats(self, batch: pd.DataFrame, decisions: bool) -> Reply:
        """A column that is missing throughout has no type of its own: encoders want objects, boosters want floats."""
        try:
            return self._contained(batch, decisions)
        except ModelTimeoutError:
            raise
        except Exception:
            empty = [name for name in batch.columns if batch[name].dtype == object and batch[name].isna().all()]
            if not empty:
                raise
            return self._contained(batch.astype(dict.fromkeys(empty, "float64")), decisions)

    def _contained(self, batch: pd.DataFrame, decisions: bool) -> Reply:
        with contained(f"model {self.name}"):
            return self.ask(batch, decisions)

    def _assemble(
        self, n: int, replies: list[tuple[np.ndarray, Reply]], failed: np.ndarray, error: str | None
    ) -> ModelAnswer:
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
        return ModelAnswer(predictions, scores, failed, error, self.classes)


def ordered_scores(answer: ModelAnswer, model: Model, problem: Problem) -> Floats | None:
    """The model's scores in the order of the problem's classes; a class the model does not know scores 0."""
    classes = answer.classes or model.classes
    if answer.scores is None or classes is None:
        return None
    place = {problem.spellings.get(label, label): i for i, label in enumerate(classes)}
    zeros = np.zeros(len(answer.scores))
    return np.column_stack([answer.scores[:, place[c]] if c in place else zeros for c in problem.classes])
