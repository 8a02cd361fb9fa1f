"""Is the model less sure than it was?

Mean, percentiles and distribution of the confidence (the score of the predicted class), the entropy of the scores, the margin
(distance to the decision boundary), percentiles of the scores, and the share of predictions **near the decision boundary**:
margin under 0.1, measured at the threshold that the logs show to be in use, not at 0.5 by habit. Needs no labels.

**Why it matters.** Reviewers feel this first. Predictions crowd at the boundary before the errors come.

**Stays quiet** when the mean moved by less than 0.02, or the crowded share by less than 0.03, or either within noise (two-sided
0.5 % each, by day where timestamps allow): at most about 2 % of quiet reports show one of the four, by noise alone.

**What to do.** A shift of confidence alone is no verdict; it stands among the warnings. Look at the inputs that moved, and at
the classes that lost confidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Evidence, Table
from backslide.contracts.finding import Finding, Scalar, Step
from backslide.engine.columns import names
from backslide.playbook import evidence, scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.findings import change_finding, with_evidence
from backslide.stats.change.metric_change import Change


@dataclass(frozen=True)
class ScoreConfidenceFloors:
    mean: float = 0.02
    """Change of mean confidence, entropy or margin that a reviewer would notice."""
    crowding: float = 0.03
    """Change of the share of predictions near the boundary."""


@dataclass(frozen=True)
class _Quantity:
    column: str
    subject: str
    worse: int
    """+1 when a rise is the worse direction."""


_QUANTITIES = (
    _Quantity(names.CONFIDENCE, "confidence", -1),
    _Quantity(names.NEAR, "near the boundary", +1),
    _Quantity(names.ENTROPY, "entropy", +1),
    _Quantity(names.MARGIN, "margin", -1),
)
PERCENTILES = (5, 25, 50, 75, 95)
MOST_SCORES = 6
"""Classes whose score's percentiles are listed."""


class ScoreConfidence(Check):
    code = "VER002"
    title = "Confidence and crowding at the decision boundary"
    step = Step.VERIFY
    needs = (Need.CLASSIFICATION, Need.SCORES, Need.PREDICTIONS)
    thresholds = ScoreConfidenceFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding each for confidence, crowding, entropy and margin; percentiles of them and of the scores."""
        changes = [(quantity, case.mean_change(quantity.column)) for quantity in _QUANTITIES]
        findings = [self._finding(case, q, c) for q, c in changes if np.isfinite(c.estimate) and c.se >= 0]
        return with_evidence(findings, *findings[0].evidence, _table(case)) if findings else []

    def _finding(self, case: Case, quantity: _Quantity, change: Change) -> Finding:
        return change_finding(
            self,
            quantity.subject,
            _sentence(quantity, change),
            change,
            floor=self.thresholds.crowding if quantity.column == names.NEAR else self.thresholds.mean,
            worse=change.estimate * quantity.worse > 0,
            basis="all rows; percentiles to 1/128 of the rows",
            numbers=_percentiles(case, quantity),
            evidence=_charts(case, quantity, change),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """The same decisions with scores drawn towards one half."""
        current = scenarios.next_month(rng, sharpness=0.4)
        return scenarios.against(rng, current, "confidence")


_WORDS = {names.CONFIDENCE: "confidence", names.ENTROPY: "entropy of the scores", names.MARGIN: "margin"}


def _sentence(quantity: _Quantity, change: Change) -> str:
    direction = "fell" if change.estimate < 0 else "rose"
    if quantity.column == names.NEAR:
        return (
            f"{say.percent(change.current)} of predictions lie within {names.NEAR_BOUNDARY:g} of the decision boundary, "
            f"{say.percent(change.reference)} before"
        )
    what = _WORDS[quantity.column]
    before, now = (say.level(value, share=True) for value in (change.reference, change.current))
    return f"mean {what} {direction} from {before} to {now}"


def _percentiles(case: Case, quantity: _Quantity) -> dict[str, Scalar]:
    if quantity.column == names.NEAR:
        return {}
    percentiles: dict[str, float] = {}
    for side, name in zip(case.sides, ("reference", "current"), strict=True):
        column = side.profile.columns[quantity.column]
        percentiles |= {f"{name}_p{q}": column.quantile(q / 100) for q in PERCENTILES}
    return {key: value for key, value in percentiles.items() if np.isfinite(value)}


def _table(case: Case) -> Table:
    """Percentiles of every quantity and of the scores, in both windows."""
    columns = {_WORDS[c]: c for c in (names.CONFIDENCE, names.ENTROPY, names.MARGIN)}
    classes = [case.problem.positive] if case.problem.positive is not None else list(case.problem.classes[:MOST_SCORES])
    columns |= {f"score of {label}": names.score(label) for label in classes}
    rows: list[tuple[str | float | None, ...]] = []
    for word, column in columns.items():
        for side, window in zip(case.sides, ("reference", "current"), strict=True):
            profile = side.profile.columns.get(column)
            values = [profile.quantile(q / 100) if profile is not None else float("nan") for q in PERCENTILES]
            rows.append((f"{word}, {window}", *(float(v) if np.isfinite(v) else None for v in values)))
    return Table(
        title="Percentiles of confidence, entropy, margin and scores",
        reading="Each row holds the values that 5% to 95% of the window's predictions do not exceed.",
        columns=("quantity", *(f"{q}%" for q in PERCENTILES)),
        rows=tuple(rows),
    )


def _charts(case: Case, quantity: _Quantity, change: Change) -> tuple[Evidence, ...]:
    if quantity.column == names.MARGIN:
        return ()  # drawn with the crowding at the boundary
    column = names.MARGIN if quantity.column == names.NEAR else quantity.column
    marks = {"near the boundary": names.NEAR_BOUNDARY} if quantity.column == names.NEAR else {}
    title = {
        names.MARGIN: "Distance to the decision boundary",
        names.CONFIDENCE: "Confidence",
        names.ENTROPY: "Entropy",
    }
    chart = evidence.histograms(
        *(side.profile.columns[column] for side in case.sides),
        title=title[column],
        reading=_sentence(quantity, change) + ".",
        x=title[column].lower(),
        marks=marks,
    )
    return (chart,) if chart else ()
