"""Whether the score of a class speaks for that class: told from logged predictions, or from labels where there are none.

A score column of the wrong class ranks rows the wrong way round. Logged predictions tell it without labels: where a class is
predicted its score must be high. Without predictions the labels tell it, by the ROC AUC with its interval or, for many classes,
by how much better another order of the columns would do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from backslide.contracts import say
from backslide.contracts.errors import LabelError
from backslide.engine.roles.outcomes import Outcomes
from backslide.engine.roles.problem import Problem
from backslide.stats.arrays import Floats, Ints
from backslide.stats.metrics.ranking import roc_auc_rows

Codes = Ints
LEAST = 10
"""Rows of each class from which a direction is told."""
MOST = 2000
"""Rows of each class from which a direction is told, about."""
LEAST_MANY = 100
"""Rows from which an order of several classes is told."""
AGAINST_PREDICTIONS = 0.25
"""ROC AUC of a score for its own predicted class up to which it speaks against them. Predictions need not follow the scores
alone, but rows that are predicted positive have, by any sound rule, the higher scores."""
AGAINST_LABELS = 0.4
"""ROC AUC of a score for its own label up to which it speaks against the labels, where chance is out of the question too."""
Z = 3.3
"""Standard errors (one-sided 0.05 %) by which the AUC must lie below a half."""
BETTER = 0.3
"""Share of rows by which another order of the columns must agree more."""


@dataclass(frozen=True)
class Direction:
    """How scores of one window point."""

    order: tuple[int, ...]
    """Class whose score each class's column holds; 0, 1, 2 ... where every column is of its own class."""
    by: str
    """``predictions`` or ``labels``."""
    fact: str
    """What was measured, for a sentence."""

    @property
    def wrong(self) -> bool:
        """Whether columns stand for other classes than their own."""
        return self.order != tuple(range(len(self.order)))

    @property
    def moved(self) -> tuple[int, ...]:
        """Classes whose column holds another one's score."""
        return tuple(i for i, j in enumerate(self.order) if i != j)


def direction(outcomes: Outcomes, problem: Problem, *, logged: bool) -> Direction | None:
    """Which way the scores point; None where the rows do not tell. ``logged``: predictions are no consequence of the scores."""
    if outcomes.scores is None or not problem.classification:
        return None
    scored = np.isfinite(outcomes.scores).all(axis=1)
    codes = (outcomes.predictions if logged else outcomes.labels).astype(np.int64)
    known = scored & (codes >= 0)
    by, scores, codes = "predictions" if logged else "labels", outcomes.scores[known], codes[known]
    if len(problem.classes) == 2:
        return _of_two(scores, codes, problem, by)
    return _of_many(scores, codes, by) if len(problem.classes) > 2 else None


def _of_two(scores: Floats, codes: Codes, problem: Problem, by: str) -> Direction | None:
    scored = [label for label in problem.roles.scores if label in problem.classes]
    label = problem.positive if problem.positive in scored or not scored else scored[0]
    positive = 1 if label is None else problem.classes.index(label)
    is_positive = codes == positive
    if min(is_positive.sum(), (~is_positive).sum()) < LEAST:
        return None
    subset = np.concatenate([_thinned(np.flatnonzero(is_positive == side)) for side in (False, True)])
    rows = roc_auc_rows(is_positive[subset], scores[subset, positive])
    auc, error = float(rows.mean()), float(rows.std() / np.sqrt(len(rows)))
    high = auc + Z * error
    wrong = auc <= AGAINST_PREDICTIONS if by == "predictions" else auc <= AGAINST_LABELS and high < 0.5
    fact = f"the ROC AUC of the score of {problem.classes[positive]!r} for its own {by} is {say.fixed(auc, 3)}"
    if by == "labels":
        fact += f" ({say.fixed(max(auc - Z * error, 0.0), 3)} to {say.fixed(min(high, 1.0), 3)})"
    return Direction((1, 0) if wrong else (0, 1), by, fact)


def _thinned(rows: Codes) -> Codes:
    """At most about ``MOST`` of these rows, evenly: more tell a direction no better."""
    return rows[:: max(len(rows) // MOST, 1)]


def _of_many(scores: Floats, codes: Codes, by: str) -> Direction | None:
    k = scores.shape[1]
    if len(codes) < LEAST_MANY:
        return None
    best = scores.argmax(axis=1)
    table = np.bincount(codes * k + best, minlength=k * k).reshape(k, k).astype(float)
    own = float(np.trace(table) / len(codes))
    rows, columns = linear_sum_assignment(-table)
    other = float(table[rows, columns].sum() / len(codes))
    order = tuple(range(k))
    if other >= own + BETTER and other >= (0.7 if by == "predictions" else 0.5):
        # ``columns[i]`` is the largest score where class i is said: that column holds the score of class i.
        order = tuple(int(np.flatnonzero(columns == j)[0]) for j in range(k))
    fact = f"the largest score is that of the class in the {by} on {say.percent(own)} of the rows, and on {say.percent(other)} "
    return Direction(order, by, fact + "with the columns in another order")


def put_right(scores: Floats, order: tuple[int, ...]) -> Floats:
    """Scores (n, K) with each class's own in its place."""
    result = np.empty_like(scores)
    for column, label in enumerate(order):
        result[:, label] = scores[:, column]
    return result


def check_direction(
    outcomes: Outcomes,
    problem: Problem,
    scores: dict[str, str],
    *,
    logged: bool,
    whose: str = "",
    setting: str = "[model]",
) -> None:
    """Refuse scores that contradict their own classes.

    Args:
        outcomes: rows of the reference, or of one model of a shadow comparison.
        scores: class -> column.
        logged: whether predictions were logged apart from the scores.
        whose: words for the model or window, for the sentence.
        setting: where the columns are named.

    Raises:
        LabelError: one line that names the columns and the probable fix.
    """
    verdict = direction(outcomes, problem, logged=logged)
    if verdict is None or not verdict.wrong:
        return
    columns = [repr(scores[problem.classes[i]]) for i in verdict.moved if problem.classes[i] in scores]
    named = say.listed(columns)
    if len(problem.classes) == 2 and len(scores) == 1:
        ((label, column),) = scores.items()
        other = next(c for c in problem.classes if c != label)
        fix = f'it is probably the score of {other!r}: set {setting} scores = {{ "{other}" = "{column}" }}'
        raise LabelError(
            f"score of {label!r}: column {column!r}{whose} contradicts its {verdict.by} ({verdict.fact}); {fix}"
        )
    raise LabelError(
        f"scores: columns {named}{whose} contradict their {verdict.by} ({verdict.fact}); they probably stand for each other's "
        f"classes: name each under its own class in {setting} scores"
    )
