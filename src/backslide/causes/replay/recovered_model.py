"""A model that nobody saved, recovered from what it answered: exact, where its answers are a formula of the logged columns.

Log odds of a linear classifier and numbers of a linear regressor are weighted sums, which the reference gives back to the last
digit that was logged. Such a formula takes the place of the saved model in every replay. It is held against reference rows that
took no part in finding it. Rows with what the reference never held count as not answered: another category, a missing value, two
columns apart that always agreed, or an answer beyond all of its answers, where the model may have a limit. What never varied in
it the formula cannot know, so nothing that it tells is more than supported.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import polars as pl

from backslide.case import Case
from backslide.causes.pricing.surrogate import Surrogate, fit_exact_form
from backslide.engine.columns.cache import Cache, once
from backslide.models.model import ModelAnswer
from backslide.playbook.shadow.replay import replay_rows


class RecoveredModel(Surrogate):
    """A linear form that answers only rows of the kind that it was learned from."""

    def __init__(self, stand_in: Surrogate, case: Case) -> None:
        super().__init__(stand_in.design, stand_in.fitted, case.problem)
        self.name = "the formula of the reference's answers"
        self.form, self.reference = stand_in.fitted[0], stand_in.design.matrix(case.reference.sample)
        answers = self.form.predict(self.reference).reshape(len(self.reference), -1)
        self.lowest, self.highest = answers.min(axis=0), answers.max(axis=0)

    def answer(self, frame: pl.DataFrame, *, batch_rows: int = 50_000, decisions: bool = True) -> ModelAnswer:
        """Scores, or predicted numbers; rows with what the reference never held are marked as failed."""
        given = super().answer(frame, batch_rows=batch_rows, decisions=decisions)
        x = self.design.matrix(frame)
        answers = self.form.predict(x).reshape(len(x), -1)
        beyond = ((answers < self.lowest) | (answers > self.highest)).any(axis=1)
        unknown = self.form.unknown(x, self.reference) | beyond
        return replace(given, failed=unknown, error="it holds what the reference never held" if unknown.any() else None)


@once
def recover_model(case: Case) -> RecoveredModel | None:
    """The formula behind the reference's answers; None where they are none, or not to the digits that were logged."""
    stand_in = fit_exact_form(case)
    if stand_in is None:
        return None
    model = RecoveredModel(stand_in, case)
    done = replay_rows(case, model, case.reference)
    return model if done.agrees and done.on(stand_in.held_out).agrees else None


def imitate(case: Case, model: RecoveredModel) -> Case:
    """The case with ``model`` in the place of the saved one that is not at hand."""
    imitated = copy(case)
    imitated.cache = Cache()
    imitated.reference_model, imitated.model_name = model, model.name
    return imitated
