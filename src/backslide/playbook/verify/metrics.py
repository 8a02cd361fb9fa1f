"""Did the metrics really change?

Every usual metric of the task in both windows, over all labelled rows, with a 95 % interval of the change. Where both windows
have enough days, the day is the unit (weekday-adjusted, inflated for autocorrelation), because rows of one day share its
luck; otherwise the row is, and the report says so.

**Why it matters.** A feeling is not a drop, and a drop within noise is not a reason to act.

**Stays quiet** when a change is within its noise or smaller than `min_effect`. A metric fails only on a one-sided 0.5 % test
together with an estimate beyond `min_effect`: on random halves of one period that is a false alarm in about 0.5 % of pairs.

**What to do.** Read the causes. Where only one metric moved, look at the classes and the errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Ranked, RankedRow, Series, SeriesPoint
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.scenarios import drop_in_accuracy
from backslide.stats.change import VERDICT_ALPHA, Change, Units
from backslide.stats.metrics import CLASSIFICATION, METRICS, REGRESSION, Metric


class MetricChanges(Check):
    code = "VER001"
    title = "Metrics in both windows"
    step = Step.VERIFY
    needs = (Need.LABELS, Need.PREDICTIONS)

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per metric; the headline first, with the metric over time."""
        findings = []
        for metric in _metrics(case):
            change = case.change(metric)
            if np.isfinite(change.estimate) and np.isfinite(change.se):
                findings.append(_finding(case, metric, change))
        if findings:
            series = _series(case)
            findings[0] = findings[0].model_copy(update={"evidence": (*series, _ranked(findings))})
        return findings

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Accuracy falls from 0.9 to 0.8."""
        return drop_in_accuracy(rng)


def _metrics(case: Case) -> list[Metric]:
    headline = case.metric
    names = CLASSIFICATION if case.problem.classification else REGRESSION
    rest = [METRICS[name] for name in names if name not in (headline.name, "micro_f1")]
    usable = [
        m for m in rest if m.rows in ("counts", "absolute", "squared", "signed", "variance") or case.problem.has_scores
    ]
    return [headline, *usable]


def _finding(case: Case, metric: Metric, change: Change) -> Finding:
    floor = case.problem.min_effect if metric.share or not case.problem.classification else 0.0
    harm = metric.harm(change.estimate)
    if metric.name == "bias":  # the mean error has no good direction
        worse, harm = change.low > 0 or change.high < 0, abs(change.estimate)
    else:
        worse = change.p_worse < VERDICT_ALPHA
    if worse and harm >= floor:
        severity = Severity.FAIL if metric.name == case.metric.name else Severity.WARN
    else:
        severity = Severity.OK
    direction = "fell" if change.estimate < 0 else "rose"
    size = say.change(change.estimate, share=metric.share)
    return Finding(
        code=MetricChanges.code,
        subject=metric.name,
        severity=severity,
        summary=f"{metric.name} {direction} by {size}: {say.number(change.reference)} → {say.number(change.current)}",
        estimate=Estimate(estimate=change.estimate, low=change.low, high=change.high),
        unit="points" if metric.share else "",
        p_value=change.p_worse,
        numbers={"reference": change.reference, "current": change.current, "unit_of_noise": change.unit},
    )


def _ranked(findings: list[Finding]) -> Ranked:
    share = [f for f in findings if f.estimate is not None and f.unit == findings[0].unit]
    rows = tuple(
        RankedRow(label=f.subject, value=f.estimate.estimate, low=f.estimate.low, high=f.estimate.high)
        for f in share
        if f.estimate is not None
    )
    worst = findings[0]
    return Ranked(
        title="Change of every metric",
        reading=f"{worst.summary}. Bars are changes from reference to current with 95 % intervals.",
        x="change",
        rows=rows,
        share=findings[0].unit == "points",
    )


def _series(case: Case) -> tuple[Series, ...]:
    """The headline metric by day, with the range that reference days have."""
    units = [side.units(case.metric) for side in case.sides]
    if any(u.ordinals is None for u in units):
        return ()
    points = [*_points(units[0], case.metric, "reference"), *_points(units[1], case.metric, "current")]
    usual = [p.value for p in points if p.window == "reference"]
    if len(usual) < 2:
        return ()
    low, high = (float(v) for v in np.quantile(usual, [0.05, 0.95]))
    current = [p.value for p in points if p.window == "current"]
    limit = low if case.metric.higher_is_better else high
    outside = sum(1 for value in current if case.metric.harm(value - limit) > 0)
    return (
        Series(
            title=f"{case.metric.name} by day",
            reading=f"{outside} of {len(current)} current days are worse than 95 % of the reference days.",
            y=case.metric.name,
            points=tuple(points),
            band=(low, high),
            share=case.metric.share,
        ),
    )


def _points(units: Units, metric: Metric, window: Literal["reference", "current"]) -> list[SeriesPoint]:
    assert units.ordinals is not None
    values = metric.value(units.sums)
    order = np.argsort(units.ordinals)
    return [
        SeriesPoint(
            at=str(np.datetime64(int(units.ordinals[i]) - 3, "D")),
            value=float(values[i]),
            window=window,
            rows=int(units.rows[i]),
        )
        for i in order
        if np.isfinite(values[i])
    ]  # fmt: skip
