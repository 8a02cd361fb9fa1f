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
from datetime import timedelta
from itertools import combinations

import numpy as np

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.evidence import Ranking
from backslide.contracts.finding import Finding, Step
from backslide.engine.columns import names
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
from backslide.stats.two_sample import holm, proportion_z

MIN_ROWS = 200
LOOKED_AT = 40
"""Pairs, by how far they moved, that are judged day by day; the correction counts all of them."""
LISTED = 12


@dataclass(frozen=True)
class ClassPairsFloors:
    share: float = 0.005
    """Change of a pair's share of all predictions that a reader of the pair would notice."""


@dataclass(frozen=True)
class _ClassPair:
    name: str
    change: Change
    p_value: float
    material: bool


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
        if not pairs:
            return []
        findings = [self._finding(pair, tested, pair.name) for pair in pairs[1:] if pair.material][: LISTED - 1]
        return with_evidence([self._finding(pairs[0], tested, "pairs of classes"), *findings], _chart(pairs))

    def _pairs(self, case: Case) -> tuple[list[_ClassPair], int]:
        """Pairs, those that moved most surely first, and how many there are to correct for."""
        classes, sides = case.problem.classes, [_near(side) for side in case.sides]
        (_, ref), (_, cur) = sides
        if min(len(ref), len(cur)) < MIN_ROWS:
            return [], 0
        counts = [np.bincount(codes[codes >= 0], minlength=len(classes) ** 2) for codes in (ref, cur)]
        present = [
            (f"{classes[i]} or {classes[j]}", i * len(classes) + j)
            for i, j in combinations(range(len(classes)), 2)
            if counts[0][i * len(classes) + j] + counts[1][i * len(classes) + j] > 0
        ]
        z = {code: proportion_z(counts[0][code], len(ref), counts[1][code], len(cur)) for _, code in present}
        compared = sorted(present, key=lambda pair: -abs(z[pair[1]]))[:LOOKED_AT]
        rows = [at for at, _ in sides]
        changes = [
            change_over_rows(case.sides, rows, [(c == code).astype(float) for c in (ref, cur)]) for _, code in compared
        ]
        adjusted = holm([*map(two_sided_p, changes), *np.ones(len(present) - len(compared))])
        pairs = [
            _ClassPair(name, change, float(p), is_material(change, float(p), self.thresholds.share))
            for (name, _), change, p in zip(compared, changes, adjusted, strict=False)
        ]
        return sorted(pairs, key=lambda p: (not p.material, -abs(p.change.estimate))), len(present)

    def _finding(self, pair: _ClassPair, tested: int, subject: str) -> Finding:
        change = pair.change
        return change_finding(
            self,
            subject,
            f"{say.percent(change.current)} of predictions hesitate between {pair.name}, "
            f"{say.percent(change.reference)} before",
            change,
            floor=self.thresholds.share,
            worse=change.estimate > 0,
            p_value=pair.p_value,
            tested=tested,
            basis="sampled rows with scores",
            numbers={"pair": pair.name, "pairs": tested},
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Contracts and leases can hardly be told apart any more."""
        later = scenarios.START + timedelta(days=28)
        return Scenario(
            scenarios.mail(rng, scenarios.START),
            scenarios.mail(rng, later, blurred=0.8),
            scenarios.mail_roles(),
            None,
            "pairs of classes",
        )


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


def _chart(pairs: list[_ClassPair]) -> Ranking:
    first = pairs[0]
    return ranked_changes(
        "Crowding between pairs of classes",
        f"Change of the share of predictions that hesitate between two classes; most for {first.name}: "
        f"{say.percent(first.change.reference)} before, {say.percent(first.change.current)} now.",
        "points of all predictions, now against before",
        [
            (p.name, p.change, f"{say.percent(p.change.reference)} → {say.percent(p.change.current)}")
            for p in pairs[:LISTED]
        ],
    )
