"""The answers of two models, ready to be compared: on the same rows, or each on its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import CANONICAL, Case, Side
from backslide.contracts.config import Settings, ShadowColumns
from backslide.contracts.errors import ColumnError, LabelError, did_you_mean
from backslide.engine.columns import names
from backslide.engine.roles.derive import decision, label_expression, score_expressions
from backslide.engine.roles.outcomes import Outcomes, outcomes
from backslide.engine.roles.problem import Problem
from backslide.engine.roles.score_scale import arm_scores
from backslide.stats.arrays import Ints, Mask
from backslide.stats.change.units import Days


@dataclass(frozen=True)
class Arm:
    """One model's answers (n,), the rows they are about and their days."""

    outcomes: Outcomes
    frame: pl.DataFrame
    days: Days

    @property
    def rows(self) -> int:
        """Rows, answered or not."""
        return len(self.outcomes.labels)

    def answered(self) -> Mask:
        """Rows with a usable answer, labelled or not."""
        predictions = self.outcomes.predictions
        if predictions.dtype.kind == "f":
            return np.asarray(np.isfinite(predictions.astype(float)))
        scored = True if self.outcomes.scores is None else np.isfinite(self.outcomes.scores).all(axis=1)
        return np.asarray((predictions.astype(np.int64) >= 0) & scored)

    def take(self, rows: Mask) -> Arm:
        """Some of the rows."""
        return self.take_rows(np.flatnonzero(rows))

    def take_rows(self, rows: Ints) -> Arm:
        """Some of the rows by their positions, in that order."""
        days = None if self.days is None else self.days[rows]
        return Arm(self.outcomes.take(rows), self.frame[rows], days)

    def labelled(self, labels: NDArray[np.generic]) -> Arm:
        """The same rows with other labels (n,)."""
        return replace(self, outcomes=replace(self.outcomes, labels=labels))


@dataclass(frozen=True)
class Arms:
    """Both models. Where ``paired``, row i of both is the same row."""

    old: Arm
    new: Arm
    paired: bool

    def answered(self) -> Arms:
        """Only rows that can be compared: answered by both where paired, else by their own model."""
        masks = [arm.answered() for arm in (self.old, self.new)]
        if self.paired:
            masks = [masks[0] & masks[1]] * 2
        return Arms(self.old.take(masks[0]), self.new.take(masks[1]), self.paired)

    def known(self) -> tuple[Mask, Mask]:
        """Rows with label and answer, for each arm; the same for both where paired."""
        old, new = self.old.outcomes.known(), self.new.outcomes.known()
        return (old & new, old & new) if self.paired else (old, new)


def arm_of(side: Side, answers: Outcomes) -> Arm:
    """Answers to the sampled rows of a window."""
    return Arm(answers, side.sample, side.blocks)


def served_by(case: Case, side: Side, columns: ShadowColumns | None) -> Outcomes:
    """What a window's log says that a model answered: in columns of its own, or in those of ``[model]``.

    Raises:
        ColumnError, LabelError: the columns are not there, or hold no answers to this problem.
    """
    if columns is None:
        return side.outcomes
    return logged_in(side.sample, case.problem, columns, case.settings, case.notes)


def logged_in(
    frame: pl.DataFrame, problem: Problem, columns: ShadowColumns, settings: Settings, notes: list[str]
) -> Outcomes:
    """Another model's answers in a prepared frame."""
    wanted = [*([columns.prediction] if columns.prediction else []), *columns.scores.values()]
    for column in wanted:
        if column not in frame.columns:
            raise ColumnError(
                f"no column {column!r} (role: answers of the other model)"
                f"{did_you_mean(column, [c for c in frame.columns if c not in CANONICAL])}"
            )
    if problem.has_scores and not columns.scores:
        raise LabelError("one model has scores and the other does not; name both, or leave [model] scores out")
    if problem.classification and problem.has_scores:
        stray = next((label for label in columns.scores if label not in problem.classes), None)
        if stray is not None:
            raise LabelError(
                f"the other model has a score of {stray!r}, which is none of the classes{did_you_mean(stray, problem.classes)}"
            )
    roles = problem.roles.model_copy(update={"prediction": columns.prediction, "scores": dict(columns.scores)})
    other = Problem(**{**vars(problem), "roles": roles, "has_scores": bool(columns.scores) and problem.has_scores})
    if problem.has_scores:
        frame = arm_scores(frame, columns, settings, notes)
    schema = dict(frame.schema)
    inputs = frame.select([c for c in frame.columns if c != names.PREDICTION and not c.startswith(names.score(""))])
    if not problem.classification:
        assert columns.prediction is not None
        number = pl.col(columns.prediction).cast(pl.Float64, strict=False)
        return outcomes(inputs.with_columns(number.alias(names.PREDICTION)), other)
    if columns.scores:
        inputs = inputs.with_columns(score_expressions(other, schema))
    if columns.prediction is not None:
        answers = label_expression(columns.prediction, schema[columns.prediction]).replace(problem.spellings)
    else:
        answers = decision(other)
    return outcomes(inputs.with_columns(answers.alias(names.PREDICTION)), other)
