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
from backslide.contracts.evidence import Ranked, RankedRow
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change
from backslide.stats.change.units import detectable, mean_change, two_sided
from backslide.stats.metrics.metric import Floats
from backslide.stats.two_sample import holm

MIN_ROWS = 50
"""Predictions of a class per window."""
LISTED = 12


@dataclass(frozen=True)
class Floors:
    score: float = 0.03
    """Change of a class's mean score: one row in thirty that was sure is not."""


@dataclass(frozen=True)
class _Moved:
    label: str
    change: Change
    rows: tuple[int, int]
    p_value: float
    flagged: bool


class ClassConfidence(Check):
    code = "VER011"
    title = "Confidence by class"
    step = Step.VERIFY
    needs = (Need.CLASSIFICATION, Need.SCORES)
    thresholds = Floors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding over all classes, one more for each class whose confidence moved, most first."""
        if len(case.problem.classes) < 3:
            return []
        moved = self._judged(case)
        if not moved:
            return []
        whole = self._finding(moved[0], len(moved), subject="classes", drawn=(_drawn(moved),))
        others = [one for one in moved[1:] if one.flagged]
        return [whole, *(self._finding(one, len(moved), subject=one.label) for one in others[: LISTED - 1])]

    def _judged(self, case: Case) -> list[_Moved]:
        """Classes with rows enough: those that moved surely first, by how far; then the others."""
        sides = [_scored(side) for side in case.sides]
        made: list[tuple[str, Change, tuple[int, int]]] = []
        for code, label in enumerate(case.problem.classes):
            mine = [said == code for said, _, _ in sides]
            rows = (int(mine[0].sum()), int(mine[1].sum()))
            if min(rows) < MIN_ROWS:
                continue
            (_, g, days), (_, b, days_now) = sides
            at = [None if d is None else d[m] for d, m in zip((days, days_now), mine, strict=True)]
            made.append((label, mean_change(g[mine[0]], b[mine[1]], at[0], at[1]), rows))
        adjusted = holm([two_sided(change) if change.se > 0 else 1.0 for _, change, _ in made])
        found = [
            _Moved(
                label, change, rows, float(p), bool(p < VERDICT_ALPHA and abs(change.estimate) >= self.thresholds.score)
            )
            for (label, change, rows), p in zip(made, adjusted, strict=True)
        ]
        return sorted(found, key=lambda one: (not one.flagged, -abs(one.change.estimate)))

    def _finding(self, one: _Moved, tested: int, *, subject: str, drawn: tuple[Ranked, ...] = ()) -> Finding:
        change = one.change
        severity = Severity.OK if not one.flagged else Severity.WARN if change.estimate < 0 else Severity.NOTE
        return Finding(
            code=self.code,
            subject=subject,
            severity=severity,
            summary=f"mean score of rows predicted {one.label!r} "
            f"{say.levels(change.reference, change.current, share=True)}",
            estimate=Estimate(estimate=change.estimate, low=change.low, high=change.high),
            unit="points",
            p_value=one.p_value,
            detectable=detectable(change, self.thresholds.score, VERDICT_ALPHA / tested, sided=2),
            basis="sampled rows with scores",
            numbers={
                "class": one.label,
                "reference": change.reference,
                "current": change.current,
                "classes": tested,
                "rows_reference": one.rows[0],
                "rows_current": one.rows[1],
            },
            evidence=drawn,
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


def _scored(side: Side) -> tuple[np.ndarray, Floats, np.ndarray | None]:
    """Of the sampled rows with scores: the predicted class (n,), its score (n,), and the days."""
    scores = side.outcomes.scores
    assert scores is not None
    said = side.outcomes.predictions.astype(np.int64)
    rows = np.flatnonzero(np.isfinite(scores).all(axis=1) & (said >= 0))
    own = scores[rows, said[rows]]
    return said[rows], own, None if side.blocks is None else side.blocks[rows]


def _drawn(moved: list[_Moved]) -> Ranked:
    shown = moved[:LISTED]
    first = shown[0].change
    more = f" {len(moved) - LISTED} more classes moved less, or within noise." if len(moved) > LISTED else ""
    return Ranked(
        title="Confidence by class",
        reading=f"Change of the mean score of what is predicted so; most for {shown[0].label}: "
        f"{say.percent(first.reference)} before, {say.percent(first.current)} now.{more}",
        x="points of the mean score, now against before",
        rows=tuple(
            RankedRow(
                label=one.label,
                value=one.change.estimate,
                low=one.change.low,
                high=one.change.high,
                note=f"{say.percent(one.change.reference)} → {say.percent(one.change.current)}",
            )
            for one in shown
        ),
        share=True,
    )
