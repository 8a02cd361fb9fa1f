"""Between which two classes do predictions crowd?

For every pair of classes: the share of all predictions whose two largest scores are these two and lie within 0.1 of each other,
in both windows. Needs no labels, and three classes or more; with two classes there is one boundary, which VER002 looks at.

**Why it matters.** A model that begins to confuse two classes first hesitates between them. The overall confidence hardly moves
when one pair in forty does, and the pair says whom to ask.

**Stays quiet** when a pair's share moved by less than half a point, or within noise (two-sided 0.5 % over all pairs, corrected by
Holm's method, by day where timestamps allow): at most 0.5 % of quiet reports show any.

**What to do.** Read examples of the pair. If reviewers moved the line between the two, the feedback will show it as concept
drift; if an input moved that told them apart, the drift step names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.finding import Finding, Step
from backslide.engine.columns import names
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.findings import change_over_rows
from backslide.playbook.verify.class_moves import ClassMove, class_moves, move_findings
from backslide.stats.two_sample import proportion_z

MIN_ROWS = 200
LOOKED_AT = 40
"""Pairs, by how far they moved, that are judged day by day; the correction counts all of them."""


@dataclass(frozen=True)
class ClassPairsFloors:
    share: float = 0.005
    """Change of a pair's share of all predictions that a reader of the pair would notice."""


class ClassPairs(Check):
    code = "VER009"
    title = "Crowding between pairs of classes"
    step = Step.VERIFY
    needs = (Need.CLASSIFICATION, Need.SCORES)
    thresholds = ClassPairsFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding over all pairs, one more for each pair that moved."""
        if len(case.problem.classes) < 3:
            return []
        pairs, tested = self._pairs(case)
        return move_findings(
            self,
            pairs,
            subject="pairs of classes",
            tested=tested,
            floor=self.thresholds.share,
            worse=+1,
            summary=lambda pair: (
                f"{say.percent(pair.change.current)} of predictions hesitate between {pair.name}, "
                f"{say.percent(pair.change.reference)} before"
            ),
            title="Crowding between pairs of classes",
            reading="Change of the share of predictions that hesitate between two classes",
            x="points of all predictions, now against before",
        )

    def _pairs(self, case: Case) -> tuple[list[ClassMove], int]:
        """Pairs, and how many there are to correct for."""
        classes, sides = case.problem.classes, [_near(side) for side in case.sides]
        (_, ref), (_, cur) = sides
        if min(len(ref), len(cur)) < MIN_ROWS:
            return [], 0
        counts = [np.bincount(codes[codes >= 0], minlength=len(classes) ** 2) for codes in (ref, cur)]
        pairs = [(i * len(classes) + j, i, j) for i, j in combinations(range(len(classes)), 2)]
        present = {code: f"{classes[i]} or {classes[j]}" for code, i, j in pairs if counts[0][code] + counts[1][code]}
        z = {code: proportion_z(counts[0][code], len(ref), counts[1][code], len(cur)) for code in present}
        changes = []
        for code in sorted(present, key=lambda code: -abs(z[code]))[:LOOKED_AT]:
            hits = [(own == code).astype(float) for own in (ref, cur)]
            change = change_over_rows(case.sides, [at for at, _ in sides], hits)
            changes.append((present[code], change, {"pair": present[code], "pairs": len(present)}))
        floor = self.thresholds.share
        return class_moves(changes, floor, untested=len(present) - len(changes)), len(present)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Contracts and leases can hardly be told apart any more."""
        return scenarios.blurred_mail(rng, 0.8, "pairs of classes")


def _near(side: Side) -> tuple[np.ndarray, np.ndarray]:
    """The rows with scores (n,), and of each the pair that it hesitates between: smaller code * K + larger, else -1."""
    scores = side.outcomes.scores
    assert scores is not None
    rows = np.flatnonzero(np.isfinite(scores).all(axis=1))
    known = scores[rows]
    top = np.argsort(-known, axis=1, kind="stable")[:, :2]
    at = np.arange(len(known))
    near = known[at, top[:, 0]] - known[at, top[:, 1]] < names.NEAR_BOUNDARY
    return rows, np.where(near, top.min(axis=1) * known.shape[1] + top.max(axis=1), -1)
