"""What shuffling a column in front of the saved model does to its loss and to its answers, row by row.

References: Breiman (2001); Fisher, Rudin and Dominici (2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.case import Case, Outcomes, Side
from backslide.playbook.drift.tabular.feature_reliance import row_losses, shuffled_answers
from backslide.playbook.explain import rows as chosen
from backslide.stats.arrays import Floats
from backslide.stats.change.units import Days

ANSWERS = 10_000
"""Rows times columns per window that the model is asked about."""
ROWS = (150, 2000)


@dataclass(frozen=True)
class ShuffleEffects:
    """Effects of shuffling each of p columns on n rows of one window."""

    loss: Floats | None
    """Increase of each row's loss (n, p): Brier, 0/1 without scores, squared error for a regression; None without labels."""
    moved: Floats
    """Squared move of each row's answer (n, p) in the loss's unit: what a right model would lose on average."""
    scored: bool
    """Whether a right model loses as much as its answers move: for squared losses, not for 0/1."""
    days: Days

    @property
    def importance(self) -> Floats:
        """Permutation importance of each row (n, p): loss where there are labels, else how far answers move."""
        return self.moved if self.loss is None else self.loss


def shuffle_effects(case: Case, side: Side, columns: tuple[str, ...]) -> ShuffleEffects | None:
    """The reference model on rows of a window, labelled ones where there are enough; None where it fails."""
    model = case.reference_model
    assert model is not None
    places = chosen.draw_rows(case).of(case, side, side.sample.height)
    known = side.outcomes.known()[places] if case.has_labels else np.zeros(len(places), bool)
    labelled = int(known.sum()) >= ROWS[0]
    # Of a model of many columns each row is dear, however few of them are shuffled.
    width = len(chosen.asked_columns(case, model) or columns)
    most = int(np.clip(chosen.budget(case, ANSWERS) // max(width, 1), *ROWS))
    places = (places[known] if labelled else places)[:most]
    frame = side.sample[places]
    base = case.answered(model, frame)
    if frame.height < 2 or base.failed.mean() > 0.2:
        return None
    rng = case.rng(f"shuffled {side.window.name}")
    loss, moves = np.zeros((2, frame.height, len(columns)))
    for j, other in enumerate(shuffled_answers(case, model, frame, columns, rng)):
        loss[:, j] = _losses(other) - _losses(base.outcomes)
        moves[:, j] = _squared_move(base.outcomes, other)
    fine = np.isfinite(moves).all(axis=1) & (np.isfinite(loss).all(axis=1) if labelled else True)
    if fine.sum() < 2:
        return None
    scored = base.outcomes.scores is not None or not case.problem.classification
    days = chosen.days_at(case, side, places[fine])
    return ShuffleEffects(loss[fine] if labelled else None, moves[fine], scored, days)


def _losses(outcomes: Outcomes) -> Floats:
    """Loss of each row (n,), the squared error of numbers; NaN where label or answer is unknown."""
    if outcomes.labels.dtype.kind == "f":
        return np.asarray((outcomes.predictions.astype(float) - outcomes.labels.astype(float)) ** 2)
    return row_losses(outcomes)


def _squared_move(base: Outcomes, other: Outcomes) -> Floats:
    if base.labels.dtype.kind == "f":
        return np.asarray((other.predictions.astype(float) - base.predictions.astype(float)) ** 2)
    if base.scores is not None and other.scores is not None:
        return np.asarray(((other.scores - base.scores) ** 2).sum(axis=1))
    answered = (base.predictions.astype(np.int64) >= 0) & (other.predictions.astype(np.int64) >= 0)
    return np.where(answered, (other.predictions != base.predictions).astype(float), np.nan)
