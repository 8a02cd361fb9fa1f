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
from backslide.contracts.evidence import Ranked, RankedRow
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine.columns import names
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change
from backslide.stats.change.units import detectable, mean_change, two_sided
from backslide.stats.metrics.metric import Floats
from backslide.stats.two_sample import holm, proportion_z

MIN_ROWS = 200
LOOKED_AT = 40
"""Pairs, by how far they moved, that are judged day by day; the correction counts all of them."""
LISTED = 12


@dataclass(frozen=True)
class Floors:
    share: float = 0.005
    """Change of a pair's share of all predictions that a reader of the pair would notice."""


@dataclass(frozen=True)
class _Pair:
    name: str
    change: Change
    p_value: float
    flagged: bool


class ClassPairs(Check):
    code = "VER009"
    title = "Crowding between pairs of classes"
    step = Step.VERIFY
    needs = (Need.CLASSIFICATION, Need.SCORES)
    thresholds = Floors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding over all pairs, one more for each pair that moved."""
        classes = case.problem.classes
        if len(classes) < 3:
            return []
        sides = [_near(side) for side in case.sides]
        if min(len(codes) for codes, _ in sides) < MIN_ROWS:
            return []
        pairs, tested = self._judged(classes, sides)
        if not pairs:
            return []
        moved = [pair for pair in pairs if pair.flagged]
        whole = self._finding(pairs[0], tested, subject="pairs of classes", drawn=(_drawn(pairs),))
        return [whole, *(self._finding(pair, tested, subject=pair.name) for pair in moved[1:LISTED])]

    def _judged(
        self, classes: tuple[str, ...], sides: list[tuple[Floats, np.ndarray | None]]
    ) -> tuple[list[_Pair], int]:
        """Pairs, those that moved most surely first, and how many there are to correct for."""
        (before, days), (after, days_now) = sides
        of = [(i, j, i * len(classes) + j) for i, j in combinations(range(len(classes)), 2)]
        counts = [
            np.bincount(codes[codes >= 0].astype(np.int64), minlength=len(classes) ** 2) for codes in (before, after)
        ]
        seen = [(i, j, code) for i, j, code in of if counts[0][code] + counts[1][code] > 0]
        z = {code: proportion_z(counts[0][code], len(before), counts[1][code], len(after)) for *_, code in seen}
        looked = sorted(seen, key=lambda pair: -abs(z[pair[2]]))[:LOOKED_AT]
        changes = [
            mean_change((before == code).astype(float), (after == code).astype(float), days, days_now)
            for *_, code in looked
        ]
        raw = [two_sided(c) if c.se > 0 else 1.0 for c in changes]
        adjusted = holm([*raw, *np.ones(len(seen) - len(looked))])[: len(looked)]
        pairs = [
            _Pair(
                f"{classes[i]} or {classes[j]}",
                change,
                float(p),
                bool(p < VERDICT_ALPHA and abs(change.estimate) >= self.thresholds.share),
            )
            for (i, j, _), change, p in zip(looked, changes, adjusted, strict=True)
        ]
        return sorted(pairs, key=lambda p: (not p.flagged, -abs(p.change.estimate))), len(seen)

    def _finding(self, pair: _Pair, tested: int, *, subject: str, drawn: tuple[Ranked, ...] = ()) -> Finding:
        change = pair.change
        severity = Severity.OK if not pair.flagged else Severity.WARN if change.estimate > 0 else Severity.NOTE
        return Finding(
            code=self.code,
            subject=subject,
            severity=severity,
            summary=f"{say.percent(change.current)} of predictions hesitate between {pair.name}, "
            f"{say.percent(change.reference)} before",
            estimate=Estimate(estimate=change.estimate, low=change.low, high=change.high),
            unit="points",
            p_value=pair.p_value,
            detectable=detectable(change, self.thresholds.share, VERDICT_ALPHA / tested, sided=2),
            basis="sampled rows with scores",
            numbers={"pair": pair.name, "reference": change.reference, "current": change.current, "pairs": tested},
            evidence=drawn,
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


def _near(side: Side) -> tuple[Floats, np.ndarray | None]:
    """Of each row with scores the pair that it hesitates between, as smaller code * K + larger, else -1 (n,); and the days."""
    scores = side.outcomes.scores
    assert scores is not None
    rows = np.flatnonzero(np.isfinite(scores).all(axis=1))
    known = scores[rows]
    top = np.argsort(-known, axis=1, kind="stable")[:, :2]
    at = np.arange(len(known))
    near = known[at, top[:, 0]] - known[at, top[:, 1]] < names.NEAR_BOUNDARY
    codes = np.where(near, top.min(axis=1) * known.shape[1] + top.max(axis=1), -1)
    return codes.astype(float), None if side.blocks is None else side.blocks[rows]


def _drawn(pairs: list[_Pair]) -> Ranked:
    shown = pairs[:LISTED]
    first = shown[0]
    return Ranked(
        title="Crowding between pairs of classes",
        reading=f"Change of the share of predictions that hesitate between two classes; most for {first.name}: "
        f"{say.percent(first.change.reference)} before, {say.percent(first.change.current)} now.",
        x="points of all predictions, now against before",
        rows=tuple(
            RankedRow(
                label=p.name,
                value=p.change.estimate,
                low=p.change.low,
                high=p.change.high,
                note=f"{say.percent(p.change.reference)} → {say.percent(p.change.current)}",
            )
            for p in shown
        ),
        share=True,
    )
