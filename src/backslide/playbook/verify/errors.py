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
from backslide.contracts.evidence import Matrix
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine import names
from backslide.engine.units import dated_units
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.verify.biases import biases
from backslide.stats.change import VERDICT_ALPHA, Change, compare
from backslide.stats.metrics import METRICS, Floats, Metric
from backslide.stats.two_sample import holm, proportion_z
from backslide.stats.units import MEAN, detectable

MIN_ROWS = 20
"""Labelled rows of a label per window."""
SHOWN = 12
LOOKED_AT = 40
"""Flows whose day noise is worked out, by how far they stand out without it."""


class Errors(Check):
    code = "VER004"
    title = "Kinds of errors"
    step = Step.VERIFY
    needs = (Need.LABELS, Need.PREDICTIONS)

    def run(self, case: Case) -> Iterable[Finding]:
        """Flows that changed (classification) or bias by quantile of the prediction (regression)."""
        return _flows(case) if case.problem.classification else biases(case, Errors.code)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Rows of "yes" are predicted "no" more often."""
        current = scenarios.next_month(rng)
        missed = (current["label"] == "yes").to_numpy() & (rng.random(current.height) < 0.3)
        prediction = np.where(missed, "no", current["prediction"].to_numpy())
        current = current.with_columns(prediction=np.asarray(prediction, object))
        return Scenario(scenarios.served(rng), current, dict(scenarios.ROLES), None, "yes → no")


def confusion(side: Side) -> Floats:
    """Labelled rows by label and prediction (K, K), over all rows."""
    return np.asarray(_by_day(side)[1].sum(0))


def _by_day(side: Side) -> tuple[list[str | None], Floats]:
    """Days (None: unknown, or no days at all) and labelled rows by day, label and prediction (D, K, K)."""
    classes = {label: code for code, label in enumerate(side.problem.classes)}
    cells = side.profile.cells
    dated = side.profile.plan.cells[:1] == (names.DAY,)
    days = sorted({key[0] if dated else None for key in cells}, key=lambda day: day or "")
    place = {day: at for at, day in enumerate(days)}
    table = np.zeros((max(len(days), 1), len(classes), len(classes)))
    for key, count in cells.items():
        label, prediction = key[-2:]
        if label in classes and prediction in classes:
            table[place[key[0] if dated else None], classes[label], classes[prediction]] += count
    return days if dated else [], table


_SHARE = Metric("share", False, "counts", MEAN.value, event=1.0)


def _change(sides: Sequence[tuple[list[str | None], Floats, Floats]]) -> Change:
    """Change of a share: per window its days, and by day all rows (D,) and those that count (D,)."""
    made = []
    for days, rows, hits in sides:
        second = np.array([[rows.sum(), hits.sum()], [hits.sum(), hits.sum()]])
        made.append(dated_units(np.column_stack([rows, hits]), rows, second, days))
    return compare(made[0], made[1], _SHARE)


@dataclass(frozen=True)
class _Flow:
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
    windows = [_by_day(side) for side in case.sides]
    g, b = (table.sum(0) for _, table in windows)
    n_g, n_b = g.sum(1), b.sum(1)
    flows = [
        (i, j)
        for i in range(len(g))
        for j in range(len(g))
        if i != j and min(n_g[i], n_b[i]) >= MIN_ROWS and g[i, j] + b[i, j] > 0
    ]
    # Holm counts every flow; those that are quiet even without day noise need no closer look.
    z = {(i, j): proportion_z(g[i, j], n_g[i], b[i, j], n_b[i]) for i, j in flows}
    looked = sorted(flows, key=lambda flow: -abs(z[flow]))[:LOOKED_AT]
    made = [_flow(case, windows, *flow) for flow in looked]
    adjusted = holm([one.p_value for one in made] + [1.0] * (len(flows) - len(made)))
    findings = [_flow_finding(case, one, float(p), len(flows)) for one, p in zip(made, adjusted, strict=False)]
    findings.sort(key=lambda f: (-f.severity.rank, -abs(f.estimate.estimate if f.estimate else 0), f.subject))
    kept = [f for f in findings if f.severity != Severity.OK] or findings[:3]
    if kept:
        kept[0] = kept[0].model_copy(update={"evidence": (_matrix(case, g, b, kept[0]),)})
    return kept[:SHOWN]


def _flow(case: Case, windows: Sequence[tuple[list[str | None], Floats]], i: int, j: int) -> _Flow:
    rate = _change([(days, table[:, i].sum(1), table[:, i, j]) for days, table in windows])
    tables = [table.sum(0) for _, table in windows]
    share = [float(table[i].sum() / table.sum()) for table in tables]
    mix = (share[1] - share[0]) * (rate.reference + rate.current) / 2
    within = (rate.current - rate.reference) * (share[0] + share[1]) / 2
    total = None
    if mix >= case.floor(METRICS["accuracy"]):
        total = _change([(days, table.sum((1, 2)), table[:, i, j]) for days, table in windows])
    return _Flow(i, j, rate, rate.p_worse, mix, within, total, (int(tables[0][i, j]), int(tables[1][i, j])))


def _flow_finding(case: Case, one: _Flow, p_value: float, tested: int) -> Finding:
    label, said = case.problem.classes[one.i], case.problem.classes[one.j]
    floor, rate = case.floor(METRICS["accuracy"]), one.rate
    grown = p_value < VERDICT_ALPHA and rate.estimate >= floor
    moved = one.total is not None and one.total.p_worse * tested < VERDICT_ALPHA and one.total.estimate >= floor
    before, after = say.percent(rate.reference), say.percent(rate.current)
    summary = f"{after} of rows labelled {label!r} are predicted {said!r}, {before} before"
    if grown or moved:
        parts = [f"{say.signed(round(100 * part, 1), 3)} points" for part in (one.within, one.mix)]
        summary += (
            f"; of all rows, {parts[0]} by this rate and {parts[1]} because of more or fewer rows labelled {label!r}"
        )
    return Finding(
        code=Errors.code,
        subject=f"{label} → {said}",
        severity=Severity.WARN if grown else Severity.NOTE if moved else Severity.OK,
        summary=summary,
        estimate=Estimate(estimate=rate.estimate, low=rate.low, high=rate.high),
        unit="points",
        p_value=p_value,
        detectable=detectable(rate, floor, VERDICT_ALPHA / tested),
        basis="all labelled rows",
        numbers={
            "reference": rate.reference, "current": rate.current, "rows_reference": one.rows[0], "rows_current": one.rows[1],
            "by_rate": one.within, "by_class_mix": one.mix, "unit_of_noise": rate.unit,
        },
    )  # fmt: skip


def _matrix(case: Case, g: Floats, b: Floats, worst: Finding) -> Matrix:
    n_g, n_b = g.sum(1, keepdims=True), b.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = b / n_b - g / n_g
    keep = np.argsort(-np.nan_to_num(np.abs(change)).max(1), kind="stable")[:SHOWN]
    keep.sort()
    labels = tuple(case.problem.classes[i] for i in keep)
    return Matrix(
        title="Change of the confusion matrix",
        reading=f"Share of each label's rows by prediction, current minus reference. {worst.summary}.",
        rows=labels,
        columns=labels,
        row_title="label",
        column_title="prediction",
        values=tuple(tuple(float(v) if np.isfinite(v) else None for v in change[i, keep]) for i in keep),
    )
