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
from datetime import timedelta

import numpy as np

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.evidence import Ranking
from backslide.contracts.finding import Finding, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.findings import (
    change_finding,
    change_over_rows,
    is_material,
    ranked_changes,
    two_sided_p,
    with_evidence,
)
from backslide.stats.change.metric_change import Change
from backslide.stats.metrics.metric import Floats
from backslide.stats.two_sample import holm

MIN_ROWS = 50
"""Predictions of a class per window."""
LISTED = 12


@dataclass(frozen=True)
class ClassConfidenceFloors:
    score: float = 0.03
    """Change of a class's mean score: one row in thirty that was sure is not."""


@dataclass(frozen=True)
class _ClassShift:
    label: str
    change: Change
    rows: tuple[int, int]
    p_value: float
    material: bool


class ClassConfidence(Check):
    code = "VER011"
    title = "Confidence by class"
    step = Step.VERIFY
    needs = (Need.CLASSIFICATION, Need.SCORES)
    thresholds = ClassConfidenceFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding over all classes, one more for each class whose confidence moved, most first."""
        shifts = self._shifts(case) if len(case.problem.classes) > 2 else []
        if not shifts:
            return []
        others = [one for one in shifts[1:] if one.material]
        findings = [self._finding(one, len(shifts), one.label) for one in others[: LISTED - 1]]
        return with_evidence([self._finding(shifts[0], len(shifts), "classes"), *findings], _chart(shifts))

    def _shifts(self, case: Case) -> list[_ClassShift]:
        """Classes with enough rows: those that moved surely first, by how far; then the others."""
        sides = [_scored(side) for side in case.sides]
        changes: list[tuple[str, Change, tuple[int, int]]] = []
        for code, label in enumerate(case.problem.classes):
            inside = [predicted == code for _, predicted, _ in sides]
            rows = (int(inside[0].sum()), int(inside[1].sum()))
            if min(rows) < MIN_ROWS:
                continue
            at, values = ([side[i][m] for side, m in zip(sides, inside, strict=True)] for i in (0, 2))
            changes.append((label, change_over_rows(case.sides, at, values), rows))
        adjusted = holm([two_sided_p(change) for _, change, _ in changes])
        shifts = [
            _ClassShift(label, change, rows, float(p), is_material(change, float(p), self.thresholds.score))
            for (label, change, rows), p in zip(changes, adjusted, strict=True)
        ]
        return sorted(shifts, key=lambda one: (not one.material, -abs(one.change.estimate)))

    def _finding(self, one: _ClassShift, tested: int, subject: str) -> Finding:
        change = one.change
        return change_finding(
            self,
            subject,
            f"mean score of rows predicted {one.label!r} {say.levels(change.reference, change.current, share=True)}",
            change,
            floor=self.thresholds.score,
            worse=change.estimate < 0,
            p_value=one.p_value,
            tested=tested,
            basis="sampled rows with scores",
            numbers={
                "class": one.label,
                "classes": tested,
                "rows_reference": one.rows[0],
                "rows_current": one.rows[1],
            },
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """The model hesitates over contracts and leases, and over nothing else."""
        later = scenarios.START + timedelta(days=28)
        return Scenario(
            scenarios.mail(rng, scenarios.START),
            scenarios.mail(rng, later, blurred=0.6),
            scenarios.mail_roles(),
            None,
            "classes",
        )


def _scored(side: Side) -> tuple[np.ndarray, np.ndarray, Floats]:
    """The sampled rows with scores (n,), their predicted class and its score."""
    scores = side.outcomes.scores
    assert scores is not None
    predicted = side.outcomes.predictions.astype(np.int64)
    rows = np.flatnonzero(np.isfinite(scores).all(axis=1) & (predicted >= 0))
    return rows, predicted[rows], scores[rows, predicted[rows]]


def _chart(shifts: list[_ClassShift]) -> Ranking:
    first = shifts[0].change
    more = f" {len(shifts) - LISTED} more classes moved less, or within noise." if len(shifts) > LISTED else ""
    return ranked_changes(
        "Confidence by class",
        f"Change of the mean score of what is predicted so; most for {shifts[0].label}: "
        f"{say.percent(first.reference)} before, {say.percent(first.current)} now.{more}",
        "points of the mean score, now against before",
        [
            (one.label, one.change, f"{say.percent(one.change.reference)} → {say.percent(one.change.current)}")
            for one in shifts[:LISTED]
        ],
    )
