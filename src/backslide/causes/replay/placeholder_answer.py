"""One and the same answer in place of those that the model gives: a default after a time-out, or of a client that never asked."""

from __future__ import annotations

import numpy as np

from backslide.case import Case
from backslide.causes.replay.answer_change import MIN_ANSWERS, MIN_MOVED, AnswerChange, Answers
from backslide.contracts import say
from backslide.playbook.shadow.replay import AGREE, ReplayResult
from backslide.stats.arrays import Mask

DECIMALS = 9
"""To which answers are the same."""


def find_placeholder(case: Case, done: ReplayResult, concerned: Mask) -> AnswerChange | None:
    """The one answer of all rows that differ, where the model gives them several; None where there is none."""
    answers = Answers(case, done, concerned)
    served, given = answers.served[answers.altered], answers.model[answers.altered]
    every = answers.altered.sum() >= AGREE * max(int(answers.comparable.sum()), 1)
    if len(served) < MIN_MOVED or every or not (answers.numbers or answers.scored):
        return None  # one answer to all rows is a model that is stuck
    values, counts = np.unique(np.round(served, DECIMALS), axis=0, return_counts=True)
    one = values[counts.argmax()]
    if counts.max() < AGREE * len(served) or len(np.unique(given[:, 0])) < MIN_ANSWERS:
        return None
    shown = say.number(float(one[0]))
    share = say.percent(float(answers.altered.mean()))
    return answers.change(
        f"{answers.what} of {share} of the rows are one and the same ({shown}), where {answers.model_name} gives many",
        "find out which requests are answered by a default, and let the model answer them",
        lambda before: np.broadcast_to(one, before.shape).astype(float),
    )
