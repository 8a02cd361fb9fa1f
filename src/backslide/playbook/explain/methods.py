"""Do the ways of telling what the model leans on agree, and does it still pay to lean on it?

Three methods rank the features in each window: SHAP values (what a feature does to the answers), LIME (a linear model around a
few rows, package `lime`, extra `explain`), and permutation importance (what the loss, without labels the answers, do when a
column is shuffled). Agreement is Spearman's rank correlation over the features that matter by either method (5 % of its
importance), with a bootstrap interval, and how many of the five leading features they have in common. Beside that, where there
are labels: a feature that the model leans on should pay. Shuffling it must cost a calibrated model as much squared loss as its
answers move; where it costs less than a quarter of that, the answers follow the feature and the labels do not.

**Why it matters.** One method can be fooled: by columns that stand for each other, by rows outside the data, by a linear model
where there is none. And a model that leans on a feature which no longer pays is wrong because of that feature, or the feature is.

**Stays quiet** about agreement always: it is a note where two methods' correlation is below 0.5 with its whole interval. About
a feature that does not pay: unless it carries a fifth of the attribution, paid in the reference, and is below the quarter beyond
the noise of days at the false-discovery rate of the report (1 %). Error rate: at most 1 % of quiet reports.

**What to do.** Where methods disagree, trust none alone: look at columns that stand for each other. For a feature that no longer
pays, see the concept step, and whether the column still means what it meant.

References: Ribeiro, Singh and Guestrin (2016); Lundberg and Lee (2017); Fisher, Rudin and Dominici (2019); Krishna and others
(2024).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.evidence import Evidence, RankedRow, Ranking, Scatter, ScatterPoint, Table
from backslide.contracts.extras import install
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.explain import surrogates
from backslide.playbook.explain.agreement import MethodAgreement, MethodImportance, agreement
from backslide.playbook.explain.attributions import Explanations, explanations, leading
from backslide.playbook.explain.permutation_importance import ShuffleEffects, shuffle_effects
from backslide.stats.change.units import MEAN
from backslide.stats.shift.model_difference import ModelDifference, compare_paired

SUBJECT = "agreement of the methods"
WITHOUT_LIME = f"LIME needs the package lime; {install('explain')}"
SHOWN = 15


@dataclass(frozen=True)
class MethodsFloors:
    share: float = 0.2
    """Of the attribution, from which a feature is asked whether it pays: the model could not do without it."""
    pays: float = 0.25
    """Of what shuffling would cost a calibrated model. Overconfident models stay above a half."""
    agreement: float = 0.5
    """Rank correlation under which two methods tell different stories."""


@dataclass(frozen=True)
class Pays:
    """What one feature earns: loss when shuffled over what a calibrated model would lose, in both windows."""

    before: float | None
    now: float
    short: ModelDifference
    """Mean of loss minus ``MethodsFloors.pays`` times the squared move in the current window: negative = does not pay."""

    @property
    def p_value(self) -> float:
        """One-sided, that it pays."""
        half = self.short.p_value / 2
        return half if self.short.estimate < 0 else 1 - half


class Methods(Check):
    code = "EXP002"
    effort = 9
    title = "Agreement of the explanations"
    step = Step.EXPLAIN
    needs = (Need.MODEL, Need.FEATURES)
    thresholds = MethodsFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding about agreement, one for each leading feature where there are labels."""
        attributions = explanations(case)
        if attributions is None:
            return
        whole = float(attributions.current.size.mean(axis=0).sum())
        attributions = leading(attributions)
        turned = [shuffle_effects(case, side, attributions.columns) for side in case.sides]
        if turned[0] is None or turned[1] is None:
            return
        yield self._agreement(case, attributions, (turned[0], turned[1]))
        if turned[1].loss is None or not turned[1].scored:
            return
        alpha = case.settings.engine.false_discovery_rate
        share = attributions.current.size.mean(axis=0)
        share = share / whole if whole > 0 else share
        for j in np.argsort(-share, kind="stable"):
            if share[j] >= self.thresholds.share and turned[1].moved[:, j].sum() > 0:
                pays = _pays(turned[0], turned[1], int(j), self.thresholds.pays)
                yield self._paying(attributions, int(j), float(share[j]), pays, len(turned[1].moved), alpha)

    def _agreement(
        self, case: Case, attributions: Explanations, turned: tuple[ShuffleEffects, ShuffleEffects]
    ) -> Finding:
        pairs: dict[str, MethodAgreement] = {}
        weighed: dict[str, MethodImportance] = {}
        for side, part, other in zip(case.sides, (attributions.reference, attributions.current), turned, strict=True):
            for method, one in _methods(case, side, attributions.columns, other).items():
                own = MethodImportance("SHAP", attributions.columns, part.size, part.days)
                known = agreement(case, own, one, side.window.name)
                weighed[f"{method}, {side.window.name}"] = one
                if known is not None:
                    pairs[f"{method}, {side.window.name}"] = known
        apart = [name for name, one in pairs.items() if one.high < self.thresholds.agreement]
        summary = _sentence(pairs, apart)
        if not surrogates.installed():
            summary += f"; {WITHOUT_LIME}"
        least = min(pairs.values(), key=lambda one: one.value, default=None)
        return Finding(
            code=self.code,
            subject=SUBJECT,
            severity=Severity.NOTE if apart else Severity.OK,
            summary=summary,
            estimate=None
            if least is None
            else Estimate(estimate=least.value, low=least.low, high=least.high, basis="sample", n=len(turned[1].moved)),
            unit="rank correlation",
            basis=f"{attributions.basis}; permutation importance on {len(turned[0].moved)} and {len(turned[1].moved)} rows",
            numbers={
                f"{key} {name}": value
                for name, one in pairs.items()
                for key, value in (("correlation", one.value), ("leading in common", one.common))
            },
            evidence=(_table(pairs, summary), _scatter(attributions, weighed)) if pairs else (),
        )

    def _paying(self, attributions: Explanations, j: int, share: float, pays: Pays, rows: int, alpha: float) -> Finding:
        column, floor = attributions.columns[j], self.thresholds.pays
        below = pays.now < floor
        paid = pays.before is not None and pays.before >= floor
        before = "" if pays.before is None else f", {say.percent(pays.before)} in the reference"
        word = "no longer pays" if paid else "does not pay"
        sentence = (
            f"the model leans on {column} ({say.percent(share)}), which {word if below else 'pays'}: shuffling it costs "
            f"{say.percent(pays.now)} of what it would cost a calibrated model{before}"
        )
        severity = Severity.OK if not below else Severity.WARN if paid else Severity.NOTE
        low, high = pays.short.interval()
        return Finding(
            code=self.code,
            subject=column,
            severity=severity,
            summary=sentence,
            estimate=Estimate(estimate=pays.short.estimate, low=low, high=high, basis="sample", n=rows),
            unit="loss",
            p_value=pays.p_value,
            detectable=pays.short.detectable(0.0, alpha) if pays.short.known else None,
            basis=f"{rows} labelled current rows",
            numbers={"share": share, "pays before": pays.before, "pays now": pays.now},
            evidence=_paid(column, pays, sentence) if below else (),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Labels turn against income, on which the model leans most."""
        current = scenarios.next_month(rng)
        mirrored = current.with_columns((16 - pl.col("income").log()).exp().alias("income"))
        chance = scenarios.rescored(mirrored)["p_yes"].to_numpy()
        label = np.where(rng.random(current.height) < chance, "yes", "no")
        lost = current.with_columns(pl.Series("label", label))
        return Scenario(scenarios.served(rng), lost, dict(scenarios.ROLES), scenarios.TrueModel(), "income")


def _methods(case: Case, side: Side, columns: tuple[str, ...], turned: ShuffleEffects) -> dict[str, MethodImportance]:
    """The methods beside SHAP that there are for this window."""
    methods = {
        "permutation importance": MethodImportance("permutation importance", columns, turned.importance, turned.days)
    }
    local = surrogates.weights(case, side, columns) if surrogates.installed() else None
    if local is not None:
        methods["LIME"] = MethodImportance("LIME", local[0], local[1], None)
    return methods


def _pays(before: ShuffleEffects, now: ShuffleEffects, j: int, floor: float) -> Pays:
    assert now.loss is not None
    short = now.loss[:, j] - floor * now.moved[:, j]
    ones = np.ones(len(short))
    difference = compare_paired(MEAN, np.column_stack([ones, 0 * ones]), np.column_stack([ones, short]), now.days)
    earned = None
    if before.loss is not None and before.moved[:, j].sum() > 0:
        earned = float(before.loss[:, j].sum() / before.moved[:, j].sum())
    return Pays(earned, float(now.loss[:, j].sum() / now.moved[:, j].sum()), difference)


def _sentence(pairs: dict[str, MethodAgreement], apart: list[str]) -> str:
    if not pairs:
        return "too few features matter to compare the methods"
    if apart:
        parts = [f"{name} (rank correlation {say.number(round(pairs[name].value, 2), 2)})" for name in apart]
        return f"SHAP values rank the features differently from {say.listed(parts)}"
    values = [one.value for one in pairs.values()]
    low, high = (say.number(round(v, 2), 2) for v in (min(values), max(values)))
    span = low if low == high else f"{low} to {high}"
    return f"the methods do not contradict each other: rank correlation with SHAP values {span}"


def _table(pairs: dict[str, MethodAgreement], reading: str) -> Table:
    rows = tuple(
        (
            name,
            round(one.value, 2),
            f"{say.fixed(one.low, 2)} to {say.fixed(one.high, 2)}",
            f"{one.common} of {one.leading}",
            one.features,
        )
        for name, one in pairs.items()
    )
    columns = (
        "SHAP values against",
        "rank correlation",
        "95% interval",
        "leading features in common",
        "features that matter",
    )
    return Table(title="Agreement of the methods", reading=say.sentence(reading), columns=columns, rows=rows)


def _scatter(attributions: Explanations, weighed: dict[str, MethodImportance]) -> Scatter:
    """The current window by SHAP and by permutation importance."""
    other = weighed["permutation importance, current"]
    share = [np.maximum(v.mean(axis=0), 0.0) for v in (attributions.current.size, other.values)]
    share = [s / s.sum() if s.sum() > 0 else s for s in share]
    order = np.argsort(-np.maximum(*share), kind="stable")[:SHOWN]
    points = tuple(
        ScatterPoint(label=attributions.columns[j], x=float(share[0][j]), y=float(share[1][j]), flagged=i < 5)
        for i, j in enumerate(order)
    )
    return Scatter(
        title="What the model leans on, by two methods",
        x="share of the absolute SHAP values, current window",
        y="share of the permutation importance",
        points=points,
        x_share=True,
        y_share=True,
        reading="Features far from the diagonal count more by one method than by the other.",
    )


def _paid(column: str, pays: Pays, reading: str) -> tuple[Evidence, ...]:
    rows = [RankedRow(label="current", value=pays.now)]
    if pays.before is not None:
        rows.append(RankedRow(label="reference", value=pays.before))
    return (
        Ranking(
            title=f"What {column} earns",
            reading=say.sentence(reading),
            x="share of what a calibrated model would lose",
            rows=tuple(rows),
            share=True,
        ),
    )
