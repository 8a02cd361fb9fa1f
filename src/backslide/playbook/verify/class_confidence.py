"""For which classes did the model grow less (or more) sure?

For every class: the mean score of the rows that are predicted so, in both windows, each change with its interval, by day where
timestamps allow. Needs no labels, and three classes or more; with two, VER002 says it all.

**Why it matters.** A reviewer of one kind of document feels what the mean over all kinds hides: the model is as sure as ever of
the frequent classes and hesitates over the one that is read most carefully.

**Stays quiet** when a class's mean score moved by less than 3 points, or within noise (two-sided 0.5 % over all classes,
corrected by Holm's method): at most 0.5 % of quiet reports show any. Classes of fewer than 50 predictions in a window are
left out.

**What to do.** Look at which class the scores went to (VER009), and read examples. A new model that was taught fewer rows of the
class, or a class that is now written otherwise, shows here before its errors are labelled.

**References.** Holm (1979).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.finding import Finding, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.findings import change_over_rows
from backslide.playbook.verify.class_moves import ClassMove, class_moves, move_findings
from backslide.stats.arrays import Floats

MIN_ROWS = 50
"""Predictions of a class per window."""


@dataclass(frozen=True)
class ClassConfidenceFloors:
    score: float = 0.03
    """Change of a class's mean score: one row in thirty that was sure is not."""


class ClassConfidence(Check):
    code = "VER011"
    title = "Confidence by class"
    step = Step.VERIFY
    needs = (Need.CLASSIFICATION, Need.SCORES)
    thresholds = ClassConfidenceFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding over all classes, one more for each class whose confidence moved, most first."""
        shifts = self._shifts(case) if len(case.problem.classes) > 2 else []
        return move_findings(
            self,
            shifts,
            subject="classes",
            tested=len(shifts),
            floor=self.thresholds.score,
            worse=-1,
            summary=lambda one: (
                f"mean score of rows predicted {one.name!r} "
                f"{say.levels(one.change.reference, one.change.current, share=True)}"
            ),
            title="Confidence by class",
            reading="Change of the mean score of what is predicted so",
            x="points of the mean score, now against before",
        )

    def _shifts(self, case: Case) -> list[ClassMove]:
        """Classes with enough rows."""
        sides = [_scored(side) for side in case.sides]
        changes = []
        for code, label in enumerate(case.problem.classes):
            inside = [predicted == code for _, predicted, _ in sides]
            rows = [int(own.sum()) for own in inside]
            if min(rows) >= MIN_ROWS:
                at, values = ([side[i][m] for side, m in zip(sides, inside, strict=True)] for i in (0, 2))
                numbers = {"class": label, "rows_reference": rows[0], "rows_current": rows[1]}
                changes.append((label, change_over_rows(case.sides, at, values), numbers))
        for _, _, numbers in changes:
            numbers["classes"] = len(changes)
        return class_moves(changes, self.thresholds.score)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """The model hesitates over contracts and leases, and over nothing else."""
        return scenarios.blurred_mail(rng, 0.6, "classes")


def _scored(side: Side) -> tuple[np.ndarray, np.ndarray, Floats]:
    """The sampled rows with scores (n,), their predicted class and its score."""
    scores = side.outcomes.scores
    assert scores is not None
    predicted = side.outcomes.predictions.astype(np.int64)
    rows = np.flatnonzero(np.isfinite(scores).all(axis=1) & (predicted >= 0))
    return rows, predicted[rows], scores[rows, predicted[rows]]
