"""Classes of the answers in each other's place, told by the labels where no model can be asked.

Scores that were mapped to wrong classes carry their decisions with them, so nothing in the answers contradicts itself. But rows
of some classes are now answered as others, each as one other, as well as they were answered rightly before. Labels that were
renamed look the same from there; what tells the two apart is which of them comes in exchanged proportions now, the answers or
the labels. Where neither says so it is a suspicion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from backslide.case import Case, Outcomes
from backslide.causes.replay.answer_change import AnswerChange
from backslide.contracts import say
from backslide.contracts.cause import Confidence
from backslide.stats.arrays import Floats, Ints

LEAST_CLASSES = 3
"""With two, answers that are mostly wrong are the other one for many a reason."""
MOST_CLASSES = 100
LEAST_ROWS = 30
"""Labelled rows of each class that moved."""
KEPT, LOST = 0.7, 0.5
"""Of the former agreement of those classes: the least that there must be with them exchanged back, the most that is left."""
LEAST_Z = 8.0
NEARER = 0.6
"""Distance from the former proportions, exchanged back over as they came, from which on they came exchanged."""


OR_LABELS = "or their labels are; only the model could tell"
"""Said where nothing tells answers in each other's place from labels that are."""


@dataclass(frozen=True)
class ExchangedClasses:
    """The answers with the classes exchanged back, and how sure it is that it was the answers."""

    change: AnswerChange
    confidence: Confidence


def find_exchanged_by_labels(case: Case) -> ExchangedClasses | None:
    """Classes that answers exchange with each other on all rows; None where labels do not say so, or say that they moved."""
    k = len(case.problem.classes)
    if not (case.problem.classification and case.has_labels and LEAST_CLASSES <= k <= MOST_CLASSES):
        return None
    before, now = (side.outcomes.take(side.outcomes.known()) for side in case.sides)
    to = _places(now, k)
    moved = np.flatnonzero(to != np.arange(k))
    if not len(moved) or not _agrees(before, now, to, moved):
        return None
    answers, labels = (
        _came_exchanged(*shares, to) for shares in (_answered(before, now, k), _labelled(before, now, k))
    )
    if labels and not answers:
        return None
    own = answers and not labels
    return ExchangedClasses(_change(case, to, moved, sure=own), Confidence.SUPPORTED if own else Confidence.SUSPECTED)


def _places(now: Outcomes, k: int) -> Ints:
    """The class that each answered class stands for, so that most answers agree with their labels (k,)."""
    table = np.bincount(now.predictions.astype(int) * k + now.labels.astype(int), minlength=k * k).reshape(k, k)
    answered, meant = linear_sum_assignment(-table)
    to = np.arange(k)
    to[answered] = meant
    # A class that hardly ever comes is best assigned anywhere.
    rare = (table.sum(1) < LEAST_ROWS) | (table.sum(0)[to] < LEAST_ROWS)
    whole = ~rare & ~np.isin(to, np.flatnonzero(rare))
    back = np.where(whole, to, np.arange(k))
    return back if len(set(back.tolist())) == k else np.arange(k)


def _agrees(before: Outcomes, now: Outcomes, to: Ints, moved: Ints) -> bool:
    """Whether rows of the classes that moved are answered by the other class as well as rightly before, and no longer rightly."""
    was, rows = (np.isin(o.labels, moved) for o in (before, now))
    if was.sum() < LEAST_ROWS:
        return False
    usual = float((before.predictions == before.labels)[was].mean())
    left = (now.predictions == now.labels)[rows].astype(float)
    back = (to[now.predictions.astype(int)] == now.labels)[rows].astype(float)
    gain = back - left
    z = float(gain.mean()) / max(float(gain.std()) / np.sqrt(max(len(gain), 1)), 1e-12)
    return bool(back.mean() >= KEPT * usual and left.mean() <= LOST * usual and z >= LEAST_Z)


def _answered(before: Outcomes, now: Outcomes, k: int) -> tuple[Floats, Floats]:
    """Mean scores of both windows, or shares of the answers where no scores are logged (k,)."""
    if before.scores is not None and now.scores is not None:
        return before.scores.mean(axis=0), now.scores.mean(axis=0)
    return _shares(before.predictions, k), _shares(now.predictions, k)


def _labelled(before: Outcomes, now: Outcomes, k: int) -> tuple[Floats, Floats]:
    return _shares(before.labels, k), _shares(now.labels, k)


def _shares(codes: NDArray[np.generic], k: int) -> Floats:
    return np.bincount(codes.astype(int), minlength=k) / max(len(codes), 1)


def _came_exchanged(before: Floats, now: Floats, to: Ints) -> bool:
    """Whether proportions are nearer to the former ones once they are exchanged back, of answers or, the other way, of labels."""
    back = np.empty_like(now)
    back[to] = now
    return float(np.abs(back - before).sum()) <= NEARER * float(np.abs(now - before).sum())


def _change(case: Case, to: Ints, moved: Ints, *, sure: bool) -> AnswerChange:
    served, names = case.current.outcomes, tuple(case.problem.classes[i] for i in moved)
    codes = served.predictions.astype(int)
    predictions = np.where(codes >= 0, to[np.maximum(codes, 0)], codes)
    scores = served.scores
    if scores is not None:
        scores = np.empty_like(scores)
        scores[:, to] = served.scores
    columns = tuple(case.problem.roles.scores[c] for c in names if c in case.problem.roles.scores)
    own = (case.problem.roles.prediction,) if case.problem.roles.prediction else ()
    doubt = "" if sure else f" ({OR_LABELS})"
    return AnswerChange(
        Outcomes(served.labels, predictions, scores),
        f"the answers {say.listed([repr(c) for c in names])} stand in each other's place in the current window{doubt}: rows of "
        "each are answered as another one, as well as they were answered rightly before",
        "give each answer to its own class",
        columns or own,
        names,
    )
