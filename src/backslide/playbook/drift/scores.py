"""Did the predictions and scores themselves move?

Shares of each predicted class and the distribution of each class's score in both windows; for regression the distribution of
the predictions. Needs no labels.

**Why it matters.** The model's own output is the one-number summary of all inputs at once: univariate tests on it are among
the most sensitive there are (Rabanser and others 2019).

**Stays quiet** when the KS distance is under 0.1, no class share moved by 3 points, or the test is not significant at a
false-discovery rate of 1 % over all drift tests of the report.

**What to do.** Moved scores with unmoved inputs point to the model, its preprocessing or its threshold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine import names
from backslide.playbook import evidence, scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.stats.two_sample import chi_squared, jensen_shannon, ks_binned

MAX_SCORES = 30


@dataclass(frozen=True)
class Floors:
    ks: float = 0.1
    share: float = 0.03
    """Change of the share of a predicted class."""


class Scores(Check):
    code = "DRF004"
    title = "Predictions and scores"
    step = Step.DRIFT
    needs = (Need.PREDICTIONS,)
    thresholds = Floors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding for the predictions, and one per score."""
        if case.problem.classification:
            yield from self._classes(case)
            columns = {names.score(label): f"score of {label}" for label in case.problem.classes[:MAX_SCORES]}
            if case.problem.task == "binary" and case.problem.positive is not None:
                columns = {names.score(case.problem.positive): f"score of {case.problem.positive}"}
        else:
            columns = {names.PREDICTION: "prediction"}
        for column, title in columns.items():
            if all(column in side.profile.columns for side in case.sides):
                yield from self._distribution(case, column, title)

    def _classes(self, case: Case) -> Iterable[Finding]:
        counts = [_predicted(side) for side in case.sides]
        if not all(sum(c.values()) for c in counts):
            return
        labels = sorted({*counts[0], *counts[1]})
        table = [np.array([c.get(label, 0) for label in labels], float) for c in counts]
        v, p_value, _ = chi_squared(*table)
        share = [t / t.sum() for t in table]
        moved = int(np.argmax(np.abs(share[1] - share[0])))
        size = float(share[1][moved] - share[0][moved])
        before, after = (say.percent(float(side[moved])) for side in share)
        summary = f"predicted {labels[moved]!r}: {before} → {after} of rows"
        severity = Severity.WARN if abs(size) >= self.thresholds.share else Severity.OK
        bars = evidence.bars(
            {k: float(x) for k, x in counts[0].items()}, {k: float(x) for k, x in counts[1].items()},
            title="Predicted classes", reading=f"{summary}.", x="predicted class",
        )  # fmt: skip
        yield Finding(
            code=self.code, subject="prediction", severity=severity, summary=summary, p_value=p_value,
            estimate=Estimate(estimate=size), unit="points",
            numbers={"cramers_v": v, "jensen_shannon": jensen_shannon(*table)}, evidence=(bars,),
        )  # fmt: skip

    def _distribution(self, case: Case, column: str, title: str) -> Iterable[Finding]:
        g, b = (side.profile.columns[column] for side in case.sides)
        if not (g.finite and b.finite) or g.counts is None or b.counts is None:
            return
        distance, p_value = ks_binned(g.counts, b.counts)
        summary = f"{title}: median {say.number(g.quantile(0.5), 3)} → {say.number(b.quantile(0.5), 3)}"
        marks = {"threshold": case.problem.threshold} if case.problem.task == "binary" else {}
        drawn = evidence.histograms(g, b, title=title, reading=f"{summary}.", x=title, marks=marks)
        yield Finding(
            code=self.code, subject=title, severity=Severity.WARN if distance >= self.thresholds.ks else Severity.OK,
            summary=summary, estimate=Estimate(estimate=b.mean - g.mean), p_value=p_value,
            numbers={"ks": distance, "jensen_shannon": jensen_shannon(g.counts, b.counts)},
            evidence=(drawn,) if drawn else (),
        )  # fmt: skip

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes double, so that more rows are predicted "yes"."""
        current = scenarios.next_month(rng)
        current = scenarios.rescored(current.with_columns(current["income"] * 2))
        return Scenario(scenarios.served(rng), current, dict(scenarios.ROLES), None, "prediction")


def _predicted(side: Side) -> dict[str, int]:
    counts: dict[str, int] = {}
    for key, count in side.profile.cells.items():
        if key[-1] is not None:
            counts[key[-1]] = counts.get(key[-1], 0) + count
    return counts
