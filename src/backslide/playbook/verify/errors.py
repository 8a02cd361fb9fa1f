"""Which kinds of errors grew?

Classification: confusion flows, "rows labelled A and predicted B", as shares of the rows labelled A, so that a changed class
mix is not mistaken for changed errors. Regression: the mean error (bias) within quantiles of the prediction, so that a model
that is right on average and wrong at both ends shows.

**Why it matters.** The same error rate can be made of errors that hurt more.

**Stays quiet** when a flow's change is within noise (one-sided 0.5 % over all flows, Holm) or under `min_effect`; for
regression, when the bias of a quantile moved by less than `min_effect`.

**What to do.** The grown flow names the two classes to look at; a bias by quantile says where the relation bends.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import stats

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.evidence import Matrix, Ranked, RankedRow
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine import names
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.stats.change import VERDICT_ALPHA
from backslide.stats.metrics import Floats
from backslide.stats.two_sample import holm, newcombe, proportion_z

MIN_ROWS = 20
SHOWN = 12
QUANTILES = 5


class Errors(Check):
    code = "VER004"
    title = "Kinds of errors"
    step = Step.VERIFY
    needs = (Need.LABELS, Need.PREDICTIONS)

    def run(self, case: Case) -> Iterable[Finding]:
        """Flows that changed (classification) or bias by quantile of the prediction (regression)."""
        return _flows(case) if case.problem.classification else _biases(case)

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
    classes = {label: code for code, label in enumerate(side.problem.classes)}
    table = np.zeros((len(classes), len(classes)))
    for key, count in side.profile.cells.items():
        label, prediction = key[-2:]
        if label in classes and prediction in classes:
            table[classes[label], classes[prediction]] += count
    return table


def _flows(case: Case) -> list[Finding]:
    g, b = (confusion(side) for side in case.sides)
    n_g, n_b = g.sum(1), b.sum(1)
    flows = [
        (i, j)
        for i in range(len(g))
        for j in range(len(g))
        if i != j and min(n_g[i], n_b[i]) >= MIN_ROWS and g[i, j] + b[i, j] > 0
    ]
    z = [proportion_z(g[i, j], n_g[i], b[i, j], n_b[i]) for i, j in flows]
    adjusted = holm([float(stats.norm.sf(value)) for value in z])
    findings = []
    for (i, j), p in zip(flows, adjusted, strict=True):
        before, after = g[i, j] / n_g[i], b[i, j] / n_b[i]
        low, high = newcombe(g[i, j], n_g[i], b[i, j], n_b[i])
        grown = p < VERDICT_ALPHA and after - before >= case.problem.min_effect
        name = f"{case.problem.classes[i]} → {case.problem.classes[j]}"
        findings.append(
            Finding(
                code=Errors.code,
                subject=name,
                severity=Severity.WARN if grown else Severity.OK,
                summary=f"{say.percent(after)} of rows labelled {case.problem.classes[i]!r} are predicted "
                f"{case.problem.classes[j]!r}, {say.percent(before)} before",
                estimate=Estimate(estimate=after - before, low=low, high=high),
                unit="points",
                p_value=float(p),
                numbers={"reference": before, "current": after, "rows_current": int(b[i, j])},
            )
        )
    findings.sort(key=lambda f: (-f.severity.rank, -abs(f.estimate.estimate if f.estimate else 0)))
    kept = [f for f in findings if f.severity != Severity.OK] or findings[:3]
    if kept:
        kept[0] = kept[0].model_copy(update={"evidence": (_matrix(case, g, b, kept[0]),)})
    return kept[:SHOWN]


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


def _biases(case: Case) -> list[Finding]:
    sides = [(side.outcomes, side.outcomes.known()) for side in case.sides]
    predictions = [o.predictions[k].astype(float) for o, k in sides]
    errors = [p - o.labels[k].astype(float) for p, (o, k) in zip(predictions, sides, strict=True)]
    if min(len(e) for e in errors) < 2 * QUANTILES:
        return []
    edges = np.unique(np.quantile(predictions[0], np.linspace(0, 1, QUANTILES + 1)[1:-1]))
    codes = [np.searchsorted(edges, p, side="right") for p in predictions]
    rows, p_values = [], []
    for q in range(len(edges) + 1):
        parts = [e[c == q] for e, c in zip(errors, codes, strict=True)]
        if min(len(p) for p in parts) < MIN_ROWS:
            continue
        shift = float(parts[1].mean() - parts[0].mean())
        se = float(np.sqrt(sum(p.var(ddof=1) / len(p) for p in parts)))
        rows.append((_span(edges, q), parts, shift, se))
        p_values.append(float(2 * stats.norm.sf(abs(shift) / se)) if se > 0 else 1.0)
    findings = [_bias_finding(case, *row, p) for row, p in zip(rows, holm(p_values), strict=True)]
    if findings:
        findings[0] = findings[0].model_copy(update={"evidence": (_bias_chart(findings),)})
    return findings


def _span(edges: Floats, q: int) -> str:
    if q == 0:
        return f"predictions under {say.number(float(edges[0]), 3)}"
    if q == len(edges):
        return f"predictions from {say.number(float(edges[-1]), 3)}"
    return f"predictions {say.number(float(edges[q - 1]), 3)} to {say.number(float(edges[q]), 3)}"


def _bias_finding(case: Case, span: str, parts: list[Floats], shift: float, se: float, p: float) -> Finding:
    before, after = (float(part.mean()) for part in parts)
    material = p < VERDICT_ALPHA and abs(shift) >= case.problem.min_effect
    verb = "too high" if after > 0 else "too low"
    sampled = not (case.reference.complete and case.current.complete)
    return Finding(
        code=Errors.code,
        subject=span,
        severity=Severity.WARN if material and abs(after) > abs(before) else Severity.OK,
        summary=f"{span}: on average {say.number(abs(after), 3)} {verb}, bias before {say.signed(before)}",
        estimate=Estimate(
            estimate=shift, low=shift - 1.96 * se, high=shift + 1.96 * se, basis="sample" if sampled else "all",
            n=sum(len(part) for part in parts) if sampled else None,
        ),
        p_value=float(p),
        numbers={"reference": before, "current": after, names.ERROR.strip("_"): shift},
    )  # fmt: skip


def _bias_chart(findings: list[Finding]) -> Ranked:
    worst = max(findings, key=lambda f: abs(f.estimate.estimate if f.estimate else 0))
    return Ranked(
        title="Change of bias by quantile of the prediction",
        reading=f"{worst.summary}.",
        x="change of mean error (prediction − label)",
        rows=tuple(
            RankedRow(label=f.subject, value=f.estimate.estimate, low=f.estimate.low, high=f.estimate.high)
            for f in findings
            if f.estimate is not None
        ),
    )
