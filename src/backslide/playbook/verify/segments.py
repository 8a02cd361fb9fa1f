"""Did a segment get worse that you care about?

The headline metric in every segment under `[model] segments`: a condition such as `age >= 30 and age < 45`, or a column, whose
20 most frequent levels (or quartile ranges of the reference) are judged one by one. Changes rest on all labelled rows, with days
as unit where timestamps allow, corrected over all segments (Holm). A segment that fell while the headline held is **masked**.
For every segment variable the change of the mean metric is taken apart: how much because rows moved between its groups (mix), how
much inside them (Kitagawa). Where the two have opposite signs, the overall number hides what happens inside (Simpson).

**Why it matters.** A model can hold on average and fail a branch, a country or an age group.

**Stays quiet** when a segment's change is within noise at one-sided 0.5 % over all segments together, or under `min_effect`, or
the segment has fewer than 20 labelled rows in a window. A split is a warning only where the inside of the groups got worse beyond
`min_effect` at one-sided 0.5 % over all variables while the overall number did not. So at most about 1 % of quiet reports show
any of the two.

**What to do.** Look at the segment alone: which inputs moved there, which host or client serves it. If the mix explains the
change, the model is as good as before on each kind of row, and there are more of the hard ones.

**References.** Holm (1979); Kitagawa (1955), components of a difference between two rates; Simpson (1951).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import SegmentRow, Segments
from backslide.contracts.finding import Finding, Severity, Step
from backslide.engine.columns.cache import once
from backslide.engine.profile.segment_counts import REST
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.findings import change_finding, with_evidence
from backslide.playbook.verify.mix import mix_findings
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change, Units, compare
from backslide.stats.change.units import projected, stacked
from backslide.stats.drift.mix_effect import MixSplit, split
from backslide.stats.metrics.metric import METRICS, Metric, macro_f1_over
from backslide.stats.two_sample import holm

MIN_ROWS = 20
"""Labelled rows of a segment per window below which its change is not judged."""
MIN_CLASS_ROWS = 5
"""Labelled rows of a class within a segment, per window, for the class to count in the segment's macro F1."""
MEANS = ("accuracy", "micro_f1", "log_loss", "brier", "mae")
"""Metrics that are means over rows, which a change of mix can be split from."""


@dataclass(frozen=True)
class SegmentChange:
    """The change of the headline metric in one segment."""

    variable: str
    """As configured."""
    expression: str
    change: Change
    p_value: float
    """One-sided, that the segment did not get worse; Holm-adjusted over all segments."""
    reference_rows: int
    """Labelled rows."""
    current_rows: int
    contribution: float
    """Share of the current labelled rows times the change: what of the overall change happens here."""

    def worse(self, case: Case, alpha: float) -> bool:
        """Whether it fell materially."""
        return self.p_value < alpha and case.metric.harm(self.change.estimate) >= case.problem.min_effect


class UserSegments(Check):
    code = "VER006"
    title = "Performance by segment"
    step = Step.VERIFY
    quick = True
    family = False
    needs = (Need.LABELS, Need.PREDICTIONS, Need.SEGMENTS)

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per segment with enough rows, and one per segment variable about its mix."""
        changes = segment_changes(case)
        findings = [_finding(case, change, len(changes)) for change in changes]
        findings = sorted([*findings, *_splits(case)], key=lambda finding: -finding.severity.rank)
        return with_evidence(findings, _table(case, changes)) if changes else findings

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Among older people the model misses every third "yes"; it gets a little better elsewhere."""
        current = scenarios.next_month(rng)
        old = (current["age"] >= 65).to_numpy()
        missed = old & (current["label"] == "yes").to_numpy() & (rng.random(current.height) < 0.5)
        mended = ~old & (rng.random(current.height) < 0.3)
        prediction = np.where(mended, current["label"].to_numpy(), current["prediction"].to_numpy())
        current = current.with_columns(prediction=np.asarray(np.where(missed, "no", prediction), object))
        roles = dict(scenarios.ROLES) | {"segments": ["age >= 65", "channel"]}
        return Scenario(scenarios.served(rng), current, roles, None, "age >= 65")


@once
def segment_changes(case: Case) -> list[SegmentChange]:
    """Changes of every user segment with enough labelled rows in both windows, most harmed first."""
    changes = []
    total = max(case.current.window.labelled, 1)
    for variable, expressions in case.segments.items():
        for expression in expressions:
            before, after = (side.segment_units(case.metric, variable, expression) for side in case.sides)
            if min(before.n, after.n) < MIN_ROWS:
                continue
            change = compare(before, after, _metric_within(case, before, after))
            if np.isfinite((change.estimate, change.se)).all():
                share = after.n / total
                changes.append(
                    SegmentChange(
                        variable,
                        expression,
                        change,
                        change.p_worse,
                        round(before.n),
                        round(after.n),
                        share * change.estimate,
                    )
                )
    adjusted = holm([one.p_value for one in changes])
    changes = [replace(one, p_value=float(p)) for one, p in zip(changes, adjusted, strict=True)]
    return sorted(changes, key=lambda one: (-case.metric.harm(one.change.estimate), one.variable, one.expression))


def _metric_within(case: Case, before: Units, after: Units) -> Metric:
    """The headline; macro F1 over the classes that the segment has enough rows of in both windows."""
    if case.metric.name != "macro_f1":
        return case.metric
    k = len(case.problem.classes)
    rows = np.minimum(before.total[:k], after.total[:k])
    return macro_f1_over(rows >= min(MIN_CLASS_ROWS, rows.max(initial=0.0)))


def _finding(case: Case, one: SegmentChange, tested: int) -> Finding:
    change, share = one.change, case.metric.share
    worse = one.worse(case, VERDICT_ALPHA)
    headline = case.change(case.metric)
    masked = worse and not (
        case.metric.harm(headline.estimate) >= case.problem.min_effect and headline.p_worse < VERDICT_ALPHA
    )
    direction = "fell" if change.estimate < 0 else "rose"
    summary = (
        f"{one.expression}: {say.metric(case.metric.name)} {direction} by {say.change(change.estimate, share=share)} "
        f"({say.levels(change.reference, change.current, share=share)}, {one.current_rows} labelled rows)"
    )
    return change_finding(
        UserSegments,
        one.expression,
        summary + (f"; masked: {say.metric(case.metric.name)} held overall" if masked else ""),
        change,
        floor=case.problem.min_effect,
        severity=Severity.FAIL if worse else Severity.OK,
        p_value=one.p_value,
        tested=tested,
        sided=1,
        unit="points" if share else "",
        basis="all labelled rows",
        numbers={
            "variable": one.variable,
            "metric": case.metric.name,
            "masked": masked,
            "rows_reference": one.reference_rows,
            "rows_current": one.current_rows,
            "contribution": one.contribution,
            "unit_of_noise": change.unit,
        },
    )


def _table(case: Case, changes: list[SegmentChange]) -> Segments:
    worst = changes[0]
    return Segments(
        title=f"{say.metric(case.metric.name)} by segment",
        reading=f"The most harmed segment is {worst.expression}: {say.metric(case.metric.name)} "
        f"{say.levels(worst.change.reference, worst.change.current, share=case.metric.share)}.",
        metric=case.metric.name,
        share=case.metric.share,
        rows=tuple(
            SegmentRow(
                segment=one.expression,
                reference_rows=one.reference_rows,
                current_rows=one.current_rows,
                reference=one.change.reference,
                current=one.change.current,
                change=one.change.estimate,
                low=one.change.low,
                high=one.change.high,
                contribution=one.contribution,
                flagged=one.worse(case, VERDICT_ALPHA),
            )
            for one in changes[:60]
        ),
    )


def _splits(case: Case) -> list[Finding]:
    metric = case.metric if case.metric.name in MEANS else METRICS["accuracy" if case.problem.classification else "mae"]
    splits = {variable: one for variable in case.segments if (one := _split(case, metric, variable)) is not None}
    return mix_findings(case, UserSegments.code, metric, splits, "its groups")


def _split(case: Case, metric: Metric, variable: str) -> MixSplit | None:
    k = len(case.problem.classes)
    means = np.eye(2)
    if metric.rows == "counts":
        means = np.repeat([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], k, axis=0)
    sides = [
        stacked([projected(side.segment_units(metric, variable, e), means) for e in (*case.segments[variable], REST)])
        for side in case.sides
    ]
    return split(sides[0], sides[1]) if min(side.n for side in sides) >= MIN_ROWS else None
