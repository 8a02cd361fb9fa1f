"""Errors of a regression by quantile of its prediction: bias, and how large errors get."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Ranked, RankedRow, Table
from backslide.contracts.finding import Estimate, Finding, Severity
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change
from backslide.stats.change.units import detectable, mean_change, two_sided
from backslide.stats.metrics.metric import METRICS, Floats
from backslide.stats.two_sample import holm

MIN_ROWS = 20
"""Labelled rows of a range of predictions per window."""
QUANTILES = 5
ERROR_QUANTILES = (0.5, 0.9, 0.95)


@dataclass(frozen=True)
class _Bias:
    """Errors of both windows within one range of predictions."""

    span: str
    errors: tuple[Floats, Floats]
    change: Change


def biases(case: Case, code: str) -> list[Finding]:
    """One finding per quantile range of the predictions with enough rows, as findings of the check ``code``."""
    rows = [case.labelled_rows(side) for side in case.sides]
    taken = [side.outcomes.take(picked) for side, picked in zip(case.sides, rows, strict=True)]
    days = [None if side.blocks is None else side.blocks[p] for side, p in zip(case.sides, rows, strict=True)]
    predictions = [o.predictions.astype(float) for o in taken]
    errors = [p - o.labels.astype(float) for p, o in zip(predictions, taken, strict=True)]
    if min(len(e) for e in errors) < 2 * QUANTILES:
        return []
    edges = np.unique(np.quantile(predictions[0], np.linspace(0, 1, QUANTILES + 1)[1:-1]))
    codes = [np.searchsorted(edges, p, side="right") for p in predictions]
    found = []
    for q in range(len(edges) + 1):
        inside = [c == q for c in codes]
        if min(int(i.sum()) for i in inside) < MIN_ROWS:
            continue
        parts = [e[i] for e, i in zip(errors, inside, strict=True)]
        own = [None if d is None else d[i] for d, i in zip(days, inside, strict=True)]
        change = mean_change(parts[0], parts[1], own[0], own[1])
        if np.isfinite((change.estimate, change.se)).all():
            found.append(_Bias(_span(edges, q), (parts[0], parts[1]), change))
    adjusted = holm([two_sided(one.change) for one in found])
    findings = [_bias_finding(case, code, one, float(p), len(found)) for one, p in zip(found, adjusted, strict=True)]
    if findings:
        findings[0] = findings[0].model_copy(update={"evidence": (_bias_chart(findings), _percentiles(found))})
    return findings


def _span(edges: Floats, q: int) -> str:
    if not len(edges):
        return "all predictions"
    if q == 0:
        return f"predictions under {say.number(float(edges[0]), 3)}"
    if q == len(edges):
        return f"predictions from {say.number(float(edges[-1]), 3)}"
    return f"predictions {say.number(float(edges[q - 1]), 3)} to {say.number(float(edges[q]), 3)}"


def _bias_finding(case: Case, code: str, one: _Bias, p_value: float, tested: int) -> Finding:
    change, floor = one.change, case.floor(METRICS["bias"])
    before, after = change.reference, change.current
    material = p_value < VERDICT_ALPHA and abs(change.estimate) >= floor
    verb = "too high" if after > 0 else "too low"
    sampled = not (case.reference.complete and case.current.complete)
    n = sum(len(part) for part in one.errors)
    quantiles = [[float(np.quantile(np.abs(part), q)) for q in ERROR_QUANTILES] for part in one.errors]
    return Finding(
        code=code,
        subject=one.span,
        severity=Severity.WARN if material and abs(after) > abs(before) else Severity.OK,
        summary=f"{one.span}: on average {say.number(abs(after), 3)} {verb}, bias before {say.signed(before)}; "
        f"nine in ten errors under {say.number(quantiles[1][1], 3)}, before {say.number(quantiles[0][1], 3)}",
        estimate=Estimate(
            estimate=change.estimate,
            low=change.low,
            high=change.high,
            basis="sample" if sampled else "all",
            n=n if sampled else None,
        ),
        p_value=p_value,
        detectable=detectable(change, floor, VERDICT_ALPHA / tested, sided=2),
        basis=f"sample of {say.number(n, 6)} labelled rows" if sampled else "all labelled rows",
        numbers={
            "reference": before,
            "current": after,
            "error": change.estimate,
            "unit_of_noise": change.unit,
            **{
                f"{window}_p{round(100 * q)}": value
                for window, values in zip(("reference", "current"), quantiles, strict=True)
                for q, value in zip(ERROR_QUANTILES, values, strict=True)
            },
        },
    )


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


def _percentiles(found: list[_Bias]) -> Table:
    shown = [f"{round(100 * q)}%" for q in ERROR_QUANTILES]
    rows = tuple(
        (one.span, *(float(np.quantile(np.abs(part), q)) for q in ERROR_QUANTILES for part in one.errors))
        for one in found
    )
    return Table(
        title="Size of the error by quantile of the prediction",
        reading=f"Errors not exceeded by {say.listed(shown)} of rows, in both windows.",
        columns=("predictions", *(f"{q} {window}" for q in shown for window in ("reference", "current"))),
        rows=rows,
    )
