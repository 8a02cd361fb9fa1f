"""Can the two windows be told apart by how their answers come about?

A regularised classifier gets the SHAP values of rows of both windows, from the same saved model, and must say which window a row
is of: cross-fitted over stretches of days, with the area under its ROC curve, the interval of it, and the features it used. A
column may drift as it likes where the model ignores it: then its SHAP values stay, and the AUC stays at 0.5.

**Why it matters.** It weighs every drift by what the model makes of it, interactions included, and needs no labels.

**Stays quiet** when the AUC stays under 0.55 or its interval holds 0.5, with the day as unit where rows have times and at least
five days on either side. The interval has room for the chance that the folds of the cross-fit share: it holds 0.5 in at least
95 % of quiet cases, and a report warns in at most 1 % (false-discovery rate of the report). With fewer days the AUC is shown and
not judged.

**What to do.** Start with the features it used: the model answers otherwise because of them. Where none of them costs points,
the world moved and the model coped.

References: Lopez-Paz and Oquab (2017); Mougan and others (2025); DeLong, DeLong and Clarke-Pearson (1988); Obuchowski (1997).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Evidence, RankedRow, Ranking
from backslide.contracts.finding import Finding, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.evidence import numeric_histograms
from backslide.playbook.explain.attributions import AttributionRows, Explanations, explanations, leading
from backslide.playbook.findings import enough_days, separation_finding, separation_severity
from backslide.stats.arrays import Floats
from backslide.stats.drift.domain_classifier import Separation, separation

MIN_ROWS = 100
SHOWN = 10
USED = 0.002
SUBJECT = "explanations"


@dataclass(frozen=True)
class ExplainedWindowsFloors:
    auc: float = 0.55
    """Telling windows apart in eleven of twenty pairs of rows, as for the features themselves."""


class ExplainedWindows(Check):
    code = "EXP003"
    effort = 9
    title = "Explanations of the two windows"
    step = Step.EXPLAIN
    needs = (Need.MODEL, Need.FEATURES)
    thresholds = ExplainedWindowsFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding: the same model's explanations of the two windows."""
        attributions = explanations(case)
        if attributions is None or min(len(attributions.reference.rows), len(attributions.current.rows)) < MIN_ROWS:
            return
        attributions = leading(attributions)
        x = [_matrix(attributions.reference), _matrix(attributions.current)]
        days = (attributions.reference.days, attributions.current.days)
        codes = np.zeros(x[0].shape[1], bool)
        apart = separation(x[0], x[1], codes, days, case.rng("explained domain"), looked_from=self.thresholds.auc)
        if apart.low <= 0 and apart.high >= 1:
            return  # no fold could be fitted, or too few to say anything: one day in a window
        yield self._finding(attributions, apart, judged=enough_days(days))

    def _finding(self, attributions: Explanations, result: Separation, *, judged: bool) -> Finding:
        # Whatever sets explanations apart has its own finding: here a warning is the most there is.
        severity = separation_severity(result, self.thresholds.auc, np.inf, judged=judged)
        importance = result.importance.reshape(len(attributions.columns), -1).sum(axis=1)
        order = [int(j) for j in np.argsort(-importance, kind="stable") if importance[j] > USED]
        by = f", by {say.listed([attributions.columns[j] for j in order])}" if order else ""
        summary = f"a classifier tells the windows' explanations apart with AUC {say.number(result.auc, 3)} (0.5 is not at all)"
        summary += by
        return separation_finding(
            self,
            SUBJECT,
            summary,
            result,
            severity=severity,
            floor=self.thresholds.auc,
            judged=judged,
            rows=len(attributions.current.rows),
            basis=attributions.basis,
            numbers={
                "columns": len(attributions.columns),
                "used": ", ".join(attributions.columns[j] for j in order[:5]),
            },
            evidence=_evidence(attributions, importance, order, summary) if severity != Severity.OK else (),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Customers are thirty years older, which the model counts for something."""
        current = scenarios.next_month(rng)
        current = current.with_columns(current["age"] + 30)
        model = scenarios.TrueModel()
        return Scenario(scenarios.served(rng), scenarios.rescored(current), dict(scenarios.ROLES), model, SUBJECT)


def _matrix(part: AttributionRows) -> Floats:
    """Values as columns (n, p * K)."""
    return part.values.reshape(len(part.values), -1)


def _evidence(attributions: Explanations, importance: Floats, order: list[int], reading: str) -> tuple[Evidence, ...]:
    if not order:
        return ()
    rows = tuple(RankedRow(label=attributions.columns[j], value=float(importance[j])) for j in order[:SHOWN])
    first = attributions.columns[order[0]]
    values = (attributions.reference.values[:, order[0], 0], attributions.current.values[:, order[0], 0])
    return (
        Ranking(
            title="What tells the explanations apart",
            reading=say.sentence(reading),
            x="loss of AUC when its values are shuffled",
            rows=rows,
        ),
        *numeric_histograms(
            values,
            title=f"What {first} does to the answers",
            x=f"SHAP value of {first}, {attributions.unit}",
            reading=f"Of all features, {first} tells the windows apart best.",
        ),
    )
