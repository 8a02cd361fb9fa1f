"""Did the metrics really change?

Every usual metric of the task in both windows, the metrics of `[model] metrics`, and the expected cost where `[model.costs]` says
what errors cost; each with a 95 % interval of its change, the headline first. Where rows have times, the day is the unit, because
rows of one day share its luck: weekday effects are taken out, and day effects with their memory are allowed for. Otherwise the
row is the unit, and the report says so. Areas under curves and error quantiles rest on the sample where the window is larger;
everything else rests on every labelled row. A function that returns one number for the whole window gets its interval from the
jackknife, over days and over random groups of rows.

**Why it matters.** A feeling is not a drop, and a drop within noise is not a reason to act. An F1 that still looks decent can
hide errors that hurt more: that is what costs are for.

**Stays quiet** when a change is within its noise or smaller than `min_effect` (for numbers of another unit: 2 % of their
reference value; for costs: as much as `min_effect` more errors). A metric fails only on a one-sided 0.5 % test together with an
estimate beyond that: at most about 1 % of pairs in which nothing happened, with day effects of 0.8 points that remember the day
before, weekday effects, and windows of 1 to 60 days. Each metric has that rate for itself. A metric that held says which change
it would have shown in four of five cases.

**What to do.** Read the causes. Where only one metric moved, look at the classes and the errors. Metrics of your own are
functions of labels and predictions, and of scores if they take a third argument; they return one value per row, or one number.

References: DeLong, DeLong and Clarke-Pearson (1988) for areas; Harville (1974) and Smyth (2004) for the day effects; Tukey (1958)
for the jackknife.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.errors import ConfigError, NoRowsError
from backslide.contracts.evidence import Ranking, Series, SeriesPoint
from backslide.contracts.finding import Finding, Severity, Step
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.findings import change_finding, ranked_changes, with_evidence
from backslide.playbook.scenarios import drop_in_accuracy
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change, Units
from backslide.stats.metrics.metric import CLASSIFICATION, COST, OF_SCORES, REGRESSION, SAME, Metric

MOST_RANKED = 200
"""Classes beyond which areas under curves, one class against the rest, are left out: each takes two sorts of the sample."""


class MetricChanges(Check):
    code = "VER001"
    title = "Metrics in both windows"
    step = Step.VERIFY
    quick = True
    family = False
    needs = (Need.LABELS, Need.PREDICTIONS)

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per metric; the headline first, with the metric over time."""
        findings, broken = [], []
        for name in _names(case):
            metric = case.metric
            try:
                metric = case.metric if name == case.metric.name else case.named_metric(name)
                change = case.change(metric)
            except (ConfigError, NoRowsError) as error:
                # Of a metric of the user's own; as the headline it would have ended the run before.
                if isinstance(error, NoRowsError) and metric.name == case.metric.name:
                    raise
                broken.append(_broken(name, str(error)))
                continue
            if np.isfinite(change.estimate) and np.isfinite(change.se):
                findings.append(_finding(case, metric, change))
            elif ":" in name:
                broken.append(_broken(name, f"{say.metric(name)} cannot be estimated in both windows"))
        if findings:
            series = _series(case) if findings[0].subject == case.metric.name else ()
            findings = with_evidence(findings, *series, _ranked(findings))
        return [*findings, *broken]

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Accuracy falls from 0.9 to 0.8."""
        return drop_in_accuracy(rng)


def cost_change(case: Case) -> Change | None:
    """The change of the expected cost of a row; None without ``[model.costs]``, or where it cannot be estimated."""
    if case.problem.costs is None:
        return None
    change = case.change(case.named_metric(COST))
    return change if np.isfinite(change.estimate) and np.isfinite(change.se) else None


def cost_floor(case: Case) -> float:
    """Material change of the expected cost: ``min_effect`` more errors at what an error costs in the reference."""
    return case.floor(case.named_metric(COST))


def _names(case: Case) -> list[str]:
    """The headline, the usual metrics that these columns allow, the expected cost, and the user's own."""
    usual = CLASSIFICATION if case.problem.classification else REGRESSION
    ranked = case.problem.has_scores and len(case.problem.classes) <= MOST_RANKED
    left_out = () if ranked else ("roc_auc", "pr_auc") if case.problem.has_scores else OF_SCORES
    costs = (COST,) if case.problem.costs is not None else ()
    metrics = (case.metric.name, *costs, *(n for n in usual if n not in left_out), *case.settings.model.metrics)
    return list(dict.fromkeys(metrics))


def _broken(name: str, reason: str) -> Finding:
    return Finding(
        code=MetricChanges.code, subject=name, severity=Severity.NOTE, summary=f"not computed: {reason}".splitlines()[0]
    )


def _finding(case: Case, metric: Metric, change: Change) -> Finding:
    floor = case.floor(metric)
    severity = _severity(case, metric, change, floor)
    direction = "fell" if change.estimate < 0 else "rose"
    size = say.change(change.estimate, share=metric.share)
    basis = case.basis(metric)
    without = _left_out(case, metric)
    return change_finding(
        MetricChanges,
        metric.name,
        f"{say.metric(metric.name)} {direction} by {size}: "
        f"{say.levels(change.reference, change.current, share=metric.share)}"
        + (f"; {without} rows with label 0 are left out" if without else ""),
        change,
        floor=floor,
        severity=severity,
        p_value=change.p_worse,
        sample_rows=len(case.labelled_rows(case.current)) if basis else None,
        unit="points" if metric.share else "",
        detectable=change.detectable(floor) if severity == Severity.OK else None,
        basis=basis,
        numbers={
            "unit_of_noise": change.unit,
            "day_effect_assumed": change.assumed,
            "material": floor,
        },
    )


def _severity(case: Case, metric: Metric, change: Change, floor: float) -> Severity:
    harm = metric.harm(change.estimate)
    if metric.name == "bias":  # the mean error has no good direction
        worse, harm = min(change.p_worse, 1 - change.p_worse) < VERDICT_ALPHA / 2, abs(change.estimate)
    else:
        worse = change.p_worse < VERDICT_ALPHA
    if not (worse and harm >= floor):
        return Severity.OK
    return Severity.FAIL if metric.name == case.metric.name else Severity.WARN


def _left_out(case: Case, metric: Metric) -> int:
    """Rows of both windows that a percentage of the label does not exist for."""
    if metric.rows != "percentage":
        return 0
    every, some = (sum(side.units(m).n for side in case.sides) for m in (case.named_metric("mae"), metric))
    return int(every - some)


def _ranked(findings: list[Finding]) -> Ranking:
    alike = [f for f in findings if f.unit == findings[0].unit and f.subject not in SAME and f.estimate is not None]
    return ranked_changes(
        "Change of every metric",
        f"{findings[0].summary}. Bars are changes from reference to current with 95% intervals.",
        "change",
        [(say.metric(f.subject), f.estimate, "") for f in alike],
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
            title=f"{say.metric(case.metric.name)} by day",
            reading=f"{outside} of {len(current)} current days are worse than 95% of the reference days.",
            y=say.metric(case.metric.name),
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
    ]
