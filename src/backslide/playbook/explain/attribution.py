"""Does the model lean on other features than before?

Rows of both windows are explained one by one: SHAP values say how far each feature moves an answer away from the usual one.
The mean absolute value is how much the model leans on the feature. Its change is told apart into two parts. *Inputs moved*: the
same model, given the rows of the two windows. *The model responds differently*: both models, given the same current rows,
where `[artifacts] current_model` names another one. Trees and linear models are explained exactly, by the package shap (extra
`explain`); any other model, and all of them without shap, by sampled Shapley values, which only need its answers.

**Why it matters.** A model that leans on another feature than the one it was tested with is another model, whatever its code
says; and a feature that starts to decide alone is a single point of failure.

**Stays quiet** when no feature's mean absolute value changes by 5 % of what all features have together in the reference, or
when the change is within the noise of days (rows where there are no times) at the false-discovery rate of the report (1 %).
With two models the smaller p-value of the two parts counts, doubled. Error rate: at most 1 % of quiet reports.

**What to do.** Where inputs moved, see what the drift step says about the feature. Where the model responds differently, compare
the two artefacts: `backslide shadow` for what it costs, `backslide integrity` for what changed.

References: Lundberg and Lee (2017); Lundberg and others (2020); Strumbelj and Kononenko (2014); Benjamini and Hochberg (1995).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Evidence, RankedRow, Ranking
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.evidence import numeric_histograms
from backslide.playbook.explain.attributions import AttributionRows, Explanations, explanations
from backslide.playbook.explain.charts import ranks_table, share_bars
from backslide.stats.arrays import Floats
from backslide.stats.change.metric_change import Change
from backslide.stats.change.units import MEAN, detectable, mean_change, two_sided
from backslide.stats.shift.model_difference import ModelDifference, compare_paired

MOST = 20
DRAWN = 4
"""Features with a chart of their own."""
TOGETHER = "all features"


@dataclass(frozen=True)
class AttributionFloors:
    change: float = 0.05
    """Of what all features have together in the reference: less does not change which features decide."""


@dataclass(frozen=True)
class FeatureReliance:
    """One feature: what it has in both windows and the two parts of the change."""

    column: str
    inputs: Change
    """The reference model on the rows of the two windows."""
    response: ModelDifference | None
    """The current model against the reference model on the current rows."""

    @property
    def parts(self) -> tuple[float, float]:
        """(inputs moved, model responds differently)."""
        own = self.response.estimate if self.response is not None and self.response.known else 0.0
        return self.inputs.adjusted, own

    @property
    def p_value(self) -> float:
        """Bonferroni over the parts."""
        result = two_sided(self.inputs)
        if self.response is None or not self.response.known:
            return result
        return min(1.0, 2 * min(result, self.response.p_value))


class Attribution(Check):
    code = "EXP001"
    effort = 9
    title = "What the model leans on"
    step = Step.EXPLAIN
    needs = (Need.MODEL, Need.FEATURES)
    thresholds = AttributionFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding over all features, one for each that matters in either window."""
        attributions = explanations(case)
        if attributions is None:
            return
        whole = float(attributions.reference.size.mean(axis=0).sum())
        if not whole > 0:
            return
        yield self._together(case, attributions)
        after = attributions.current if attributions.other is None else attributions.other
        means = [part.size.mean(axis=0) / whole for part in (attributions.reference, attributions.current, after)]
        weight = np.max(means, axis=0)
        asked = [int(j) for j in np.argsort(-weight, kind="stable") if weight[j] >= self.thresholds.change][:MOST]
        leaned = [(j, _reliance(attributions, j)) for j in asked]
        leaned.sort(key=lambda item: -max(map(abs, item[1].parts)))
        alpha = case.settings.engine.false_discovery_rate / max(len(asked), 1)
        for place, (j, one) in enumerate(leaned):
            yield self._finding(attributions, j, one, whole, alpha, drawn=place < DRAWN)

    def _together(self, case: Case, attributions: Explanations) -> Finding:
        after = attributions.current if attributions.other is None else attributions.other
        shares = [part.size.mean(axis=0) for part in (attributions.reference, after)]
        shares = [s / s.sum() if s.sum() > 0 else s for s in shares]
        first = [int(j) for j in np.argsort(-shares[1], kind="stable")[:3] if shares[1][j] > 0]
        leads = say.listed([f"{attributions.columns[j]} ({say.percent(float(shares[1][j]))})" for j in first])
        summary = f"now the model leans on {leads}" if leads else "now the model leans on nothing"
        if attributions.note:
            summary += f"; {attributions.note}"
        return Finding(
            code=self.code,
            subject=TOGETHER,
            severity=Severity.OK,
            summary=summary,
            basis=attributions.basis,
            numbers={"method": attributions.method, "features": len(attributions.columns)},
            evidence=(share_bars(attributions, shares[0], shares[1]), ranks_table(case, attributions, after)),
        )

    def _finding(
        self, attributions: Explanations, j: int, one: FeatureReliance, whole: float, alpha: float, *, drawn: bool
    ) -> Finding:
        parts = np.array(one.parts) / whole
        over = bool(np.abs(parts).max() >= self.thresholds.change)
        after = attributions.current if attributions.other is None else attributions.other
        total = mean_change(
            attributions.reference.size[:, j], after.size[:, j], attributions.reference.days, after.days
        )
        places = [int(stats.rankdata(-part.size.mean(axis=0))[j]) for part in (attributions.reference, after)]
        noisy = one.p_value > alpha
        summary = _sentence(one, total, places, whole, quiet=not over or noisy)
        return Finding(
            code=self.code,
            subject=one.column,
            severity=Severity.WARN if over else Severity.OK,
            summary=summary,
            estimate=Estimate(
                estimate=total.estimate,
                low=_finite_or_none(total.low),
                high=_finite_or_none(total.high),
                basis="sample",
                n=len(after.rows),
            ),
            unit=attributions.unit,
            p_value=one.p_value,
            detectable=detectable(one.inputs, self.thresholds.change * whole, alpha, sided=2),
            basis=attributions.basis,
            numbers={
                "reference": total.reference,
                "current": total.current,
                "rank before": places[0],
                "rank now": places[1],
                "inputs moved": one.parts[0],
                "model responds differently": one.parts[1] if attributions.other is not None else None,
            },
            evidence=_evidence(attributions, after, j, one, summary) if over and drawn else (),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes spread out, so that income decides more answers by itself."""
        current = scenarios.next_month(rng)
        current = current.with_columns((8 + (pl.col("income").log() - 8) * 2.5).exp().alias("income"))
        model = scenarios.TrueModel()
        return Scenario(scenarios.served(rng), scenarios.rescored(current), dict(scenarios.ROLES), model, "income")


def _finite_or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _rows(size: Floats) -> Floats:
    return np.column_stack([np.ones(len(size)), size])


def _reliance(attributions: Explanations, j: int) -> FeatureReliance:
    before, now = attributions.reference, attributions.current
    inputs = mean_change(before.size[:, j], now.size[:, j], before.days, now.days)
    response = None
    if attributions.other is not None:
        response = compare_paired(MEAN, _rows(now.size[:, j]), _rows(attributions.other.size[:, j]), now.days)
    return FeatureReliance(attributions.columns[j], inputs, response)


def _sentence(one: FeatureReliance, total: Change, places: list[int], whole: float, *, quiet: bool) -> str:
    size = f"{say.number(total.reference, 3)} → {say.number(total.current, 3)}"
    rank = f"rank {places[0]} → {places[1]}" if places[0] != places[1] else f"rank {places[0]} in both"
    sentence = f"mean absolute SHAP value of {one.column} {size} ({rank})"
    if one.response is None:
        return sentence if quiet else f"{sentence}, as the inputs moved"
    if quiet:
        return sentence
    inputs, response = (say.signed(_rounded(part, whole)) for part in one.parts)
    return f"{sentence}: {inputs} as the inputs moved, {response} as the model responds differently"


def _rounded(part: float, whole: float) -> float:
    """To a thousandth of what all features have together, or finer."""
    return round(part, max(0, 3 - int(np.floor(np.log10(whole)))))


def _evidence(
    attributions: Explanations, after: AttributionRows, j: int, one: FeatureReliance, reading: str
) -> tuple[Evidence, ...]:
    values = (attributions.reference.values[:, j, 0], after.values[:, j, 0])
    chart = numeric_histograms(
        values,
        title=f"What {one.column} does to the answers",
        x=f"SHAP value of {one.column}, {attributions.unit}",
        reading=f"{say.sentence(reading)}",
    )
    if one.response is None:
        return chart
    low, high = one.response.interval()
    rows = (
        RankedRow(
            label="model differs", value=one.response.estimate, low=_finite_or_none(low), high=_finite_or_none(high)
        ),
        RankedRow(
            label="inputs moved",
            value=one.inputs.estimate,
            low=_finite_or_none(one.inputs.low),
            high=_finite_or_none(one.inputs.high),
        ),
    )
    split = Ranking(
        title=f"Why {one.column} counts differently",
        reading=say.sentence(reading),
        x=f"change of the mean absolute value, {attributions.unit}",
        rows=tuple(sorted(rows, key=lambda r: -abs(r.value))),
    )
    return (*chart, split)
