"""Which kinds of errors grew?

Classification: confusion flows, "rows labelled A and predicted B", as shares of the rows labelled A, so that a changed class
mix is not mistaken for changed errors. What a flow adds to all rows is split into its rate and the mix (more rows labelled A);
one that grew by mix alone is a note. Regression: the mean error (bias) within quantiles of the prediction, so that a model that
is right on average and wrong at both ends shows, and percentiles of the error beside it.

**Why it matters.** The same error rate can be made of errors that hurt more.

**Stays quiet** when a flow's rate is within noise, by day where timestamps allow (one-sided 0.5 % over all flows, Holm), or grew
by less than `min_effect`; for regression, when the bias of a quantile moved within noise (0.5 % over all quantiles, Holm), by
less than what is material, or towards zero. So at most about 0.5 % of quiet reports show one. Flows rest on all labelled rows,
biases on the sample.

**What to do.** The grown flow names the two classes to look at; a bias by quantile says where the relation bends. Errors that
grew by mix are a matter of what comes in, not of the model.

**References.** Holm (1979); Kitagawa (1955) for the split.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.evidence import Matrix, RankedRow, Ranking
from backslide.contracts.finding import Finding, Severity, Step
from backslide.engine.columns import names
from backslide.engine.profile.daily_sums import dated_units
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.findings import change_finding, with_evidence
from backslide.playbook.verify.bias import biases
from backslide.stats.arrays import Floats
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change, compare
from backslide.stats.change.units import MEAN
from backslide.stats.metrics.metric import METRICS, Metric
from backslide.stats.two_sample import holm, proportion_z

MIN_ROWS = 20
"""Labelled rows of a label per window."""
SHOWN = 12
LOOKED_AT = 40
"""Flows whose day noise is worked out, by how far they grew without it."""


class Errors(Check):
    code = "VER004"
    title = "Kinds of errors"
    step = Step.VERIFY
    needs = (Need.LABELS, Need.PREDICTIONS)

    def run(self, case: Case) -> Iterable[Finding]:
        """Flows that changed (classification) or bias by quantile of the prediction (regression)."""
        return _flows(case) if case.problem.classification else biases(case, Errors)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Rows of "yes" are predicted "no" more often."""
        return scenarios.missed_positives(rng, "yes → no")


@dataclass(frozen=True)
class _Counts:
    """Labelled rows of a window by day, label and prediction; what belongs to one flow is made a table only when asked for."""

    days: list[str | None]
    """None: unknown; empty: no days at all."""
    total: Floats
    """(K, K), label by prediction."""
    labels: Floats
    """(D, K)."""
    flows: dict[tuple[int, int], dict[int, int]]
    """Rows by place of the day, for each label and prediction that occur."""

    @staticmethod
    def of(side: Side) -> _Counts:
        classes = {label: code for code, label in enumerate(side.problem.classes)}
        cells = side.profile.cells
        dated = side.profile.plan.cells[:1] == (names.DAY,)
        days = sorted({key[0] if dated else None for key in cells}, key=lambda day: day or "")
        place = {day: at for at, day in enumerate(days)}
        total = np.zeros((len(classes), len(classes)))
        labels = np.zeros((max(len(days), 1), len(classes)))
        flows: dict[tuple[int, int], dict[int, int]] = {}
        for key, count in cells.items():
            label, prediction = key[-2:]
            if label in classes and prediction in classes:
                i, j, day = classes[label], classes[prediction], place[key[0] if dated else None]
                total[i, j] += count
                labels[day, i] += count
                of_flow = flows.setdefault((i, j), {})
                of_flow[day] = of_flow.get(day, 0) + count
        return _Counts(days if dated else [], total, labels, flows)

    def by_day(self, i: int, j: int) -> Floats:
        """Rows labelled ``i`` and predicted ``j`` (D,)."""
        rows = np.zeros(len(self.labels))
        for day, count in self.flows.get((i, j), {}).items():
            rows[day] = count
        return rows


_SHARE = Metric("share", False, "counts", MEAN.value, event=1.0)


def _change(sides: Sequence[tuple[list[str | None], Floats, Floats]]) -> Change:
    """Change of a share: per window its days, and by day all rows (D,) and those that count (D,)."""
    parts = []
    for days, rows, hits in sides:
        second = np.array([[rows.sum(), hits.sum()], [hits.sum(), hits.sum()]])
        parts.append(dated_units(np.column_stack([rows, hits]), rows, second, days))
    return compare(parts[0], parts[1], _SHARE)


@dataclass(frozen=True)
class _ErrorFlow:
    """Rows labelled ``i`` and predicted ``j``: change of their rate among the label's rows, and of their share of all rows."""

    i: int
    j: int
    rate: Change
    p_value: float
    mix: float
    """Growth of the share of all rows because more rows are labelled ``i``."""
    within: float
    """Growth of it because the rate rose; the two add up."""
    total: Change | None
    """Change of the share of all rows, where the mix alone would be material."""
    rows: tuple[int, int]


def _flows(case: Case) -> list[Finding]:
    windows = [_Counts.of(side) for side in case.sides]
    ref, cur = (counts.total for counts in windows)
    n_ref, n_cur = ref.sum(1), cur.sum(1)
    flows = [
        (i, j)
        for i, j in sorted(set(windows[0].flows) | set(windows[1].flows))
        if i != j and min(n_ref[i], n_cur[i]) >= MIN_ROWS
    ]
    # Holm counts every flow; those that did not even grow without day noise need no closer look.
    z = {(i, j): proportion_z(ref[i, j], n_ref[i], cur[i, j], n_cur[i]) for i, j in flows}
    looked = sorted(flows, key=lambda flow: -z[flow])[:LOOKED_AT]
    results = [_flow(case, windows, *flow) for flow in looked]
    adjusted = holm([one.p_value for one in results] + [1.0] * (len(flows) - len(results)))
    findings = [_flow_finding(case, one, float(p), len(flows)) for one, p in zip(results, adjusted, strict=False)]
    findings.sort(key=lambda f: (-f.severity.rank, -float(f.numbers["by_rate"] or 0.0), f.subject))
    loud = [f for f in findings if f.severity != Severity.OK] or findings[:3]
    if not loud:
        return []
    charts = [_ranked(loud, len(flows))] if loud[0].severity != Severity.OK else []
    table = [_matrix(case, ref, cur, loud[0])] if len(ref) <= SHOWN else []
    return with_evidence(loud[:SHOWN], *charts, *table)


def _ranked(grown: list[Finding], tested: int) -> Ranking:
    """The flows that grew, by what their rate adds to all rows."""
    shown = grown[:LOOKED_AT]
    more = f"; {len(grown) - SHOWN} more grew and are not listed" if len(grown) > SHOWN else ""
    return Ranking(
        title="Errors that grew",
        reading=f"What the rate of each error adds to all rows, label → prediction; {say.count(tested)} were compared{more}.",
        x="share of all rows",
        rows=tuple(
            RankedRow(label=f.subject, value=float(f.numbers["by_rate"] or 0.0), note=f.summary.split(";")[0])
            for f in shown
        ),
        share=True,
    )


def _flow(case: Case, windows: Sequence[_Counts], i: int, j: int) -> _ErrorFlow:
    rate = _change([(counts.days, counts.labels[:, i], counts.by_day(i, j)) for counts in windows])
    share = [float(counts.total[i].sum() / counts.total.sum()) for counts in windows]
    mix = (share[1] - share[0]) * (rate.reference + rate.current) / 2
    within = (rate.current - rate.reference) * (share[0] + share[1]) / 2
    total = None
    if mix >= case.floor(METRICS["accuracy"]):
        total = _change([(counts.days, counts.labels.sum(1), counts.by_day(i, j)) for counts in windows])
    rows = (int(windows[0].total[i, j]), int(windows[1].total[i, j]))
    return _ErrorFlow(i, j, rate, rate.p_worse, mix, within, total, rows)


def _flow_finding(case: Case, one: _ErrorFlow, p_value: float, tested: int) -> Finding:
    label, predicted = case.problem.classes[one.i], case.problem.classes[one.j]
    floor, rate = case.floor(METRICS["accuracy"]), one.rate
    by_rate = p_value < VERDICT_ALPHA and rate.estimate >= floor
    by_mix = one.total is not None and one.total.p_worse * tested < VERDICT_ALPHA and one.total.estimate >= floor
    summary = (
        f"{say.percent(rate.current)} of rows labelled {label!r} are predicted {predicted!r}, "
        f"{say.percent(rate.reference)} before"
    )
    if by_rate or by_mix:
        parts = [f"{say.signed(round(100 * part, 1), 3)} points" for part in (one.within, one.mix)]
        summary += f"; in shares of all rows, {parts[0]} from this rate and {parts[1]} from more or fewer rows labelled {label!r}"
    return change_finding(
        Errors,
        f"{label} → {predicted}",
        summary,
        rate,
        floor=floor,
        severity=Severity.WARN if by_rate else Severity.NOTE if by_mix else Severity.OK,
        p_value=p_value,
        tested=tested,
        sided=1,
        basis="all labelled rows",
        numbers={
            "rows_reference": one.rows[0],
            "rows_current": one.rows[1],
            "by_rate": one.within,
            "by_class_mix": one.mix,
            "unit_of_noise": rate.unit,
        },
    )


def _matrix(case: Case, ref: Floats, cur: Floats, worst: Finding) -> Matrix:
    n_ref, n_cur = ref.sum(1, keepdims=True), cur.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = cur / n_cur - ref / n_ref
    labels = case.problem.classes
    return Matrix(
        title="Change of the confusion matrix",
        reading=f"Share of each label's rows by prediction, current minus reference. {worst.summary}.",
        rows=labels,
        columns=labels,
        row_title="label",
        column_title="prediction",
        values=tuple(tuple(float(v) if np.isfinite(v) else None for v in row) for row in change),
    )
