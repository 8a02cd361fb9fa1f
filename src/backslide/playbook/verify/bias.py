"""Errors of a regression by quantile of its prediction: bias, and how large errors get."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Ranking, Table
from backslide.contracts.finding import Finding, Severity
from backslide.playbook.base import Check
from backslide.playbook.findings import (
    change_finding,
    change_over_rows,
    is_material,
    labelled_basis,
    labelled_sample,
    ranked_changes,
    with_evidence,
)
from backslide.stats.arrays import Floats
from backslide.stats.change.metric_change import Change
from backslide.stats.change.units import two_sided
from backslide.stats.metrics.metric import METRICS
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


def biases(case: Case, check: type[Check]) -> list[Finding]:
    """One finding per quantile range of the predictions with enough rows, as findings of ``check``."""
    rows = [case.labelled_rows(side) for side in case.sides]
    outcomes = [side.outcomes.take(at) for side, at in zip(case.sides, rows, strict=True)]
    predictions = [o.predictions.astype(float) for o in outcomes]
    errors = [p - o.labels.astype(float) for p, o in zip(predictions, outcomes, strict=True)]
    if min(len(e) for e in errors) < 2 * QUANTILES:
        return []
    edges = np.unique(np.quantile(predictions[0], np.linspace(0, 1, QUANTILES + 1)[1:-1]))
    codes = [np.searchsorted(edges, p, side="right") for p in predictions]
    ranges = []
    for q in range(len(edges) + 1):
        inside = [c == q for c in codes]
        if min(int(i.sum()) for i in inside) < MIN_ROWS:
            continue
        parts = [e[i] for e, i in zip(errors, inside, strict=True)]
        change = change_over_rows(case.sides, [at[i] for at, i in zip(rows, inside, strict=True)], parts)
        if np.isfinite((change.estimate, change.se)).all():
            ranges.append(_Bias(_span(edges, q), (parts[0], parts[1]), change))
    adjusted = holm([two_sided(one.change) for one in ranges])
    findings = [_bias_finding(case, check, one, float(p), len(ranges)) for one, p in zip(ranges, adjusted, strict=True)]
    return with_evidence(findings, _bias_chart(findings, ranges), _percentiles(ranges)) if findings else []


def _span(edges: Floats, q: int) -> str:
    if not len(edges):
        return "all predictions"
    if q == 0:
        return f"predictions under {say.number(float(edges[0]), 3)}"
    if q == len(edges):
        return f"predictions from {say.number(float(edges[-1]), 3)}"
    return f"predictions {say.number(float(edges[q - 1]), 3)} to {say.number(float(edges[q]), 3)}"


def _bias_finding(case: Case, check: type[Check], one: _Bias, p_value: float, tested: int) -> Finding:
    change, floor = one.change, case.floor(METRICS["bias"])
    ref, cur = change.reference, change.current
    sample_rows = None if labelled_sample(case) is None else sum(map(len, one.errors))
    quantiles = [[float(np.quantile(np.abs(part), q)) for q in ERROR_QUANTILES] for part in one.errors]
    worse = is_material(change, p_value, floor) and abs(cur) > abs(ref)
    return change_finding(
        check,
        one.span,
        f"{one.span}: on average {say.number(abs(cur), 3)} {'too high' if cur > 0 else 'too low'}, bias before "
        f"{say.signed(ref)}; nine in ten errors under {say.number(quantiles[1][1], 3)}, before {say.number(quantiles[0][1], 3)}",
        change,
        floor=floor,
        severity=Severity.WARN if worse else Severity.OK,
        p_value=p_value,
        tested=tested,
        sample_rows=sample_rows,
        unit="",
        basis=labelled_basis(sample_rows),
        numbers={
            "error": change.estimate,
            "unit_of_noise": change.unit,
            **{
                f"{window}_p{say.fixed(100 * q, 0)}": value
                for window, values in zip(("reference", "current"), quantiles, strict=True)
                for q, value in zip(ERROR_QUANTILES, values, strict=True)
            },
        },
    )


def _bias_chart(findings: list[Finding], ranges: list[_Bias]) -> Ranking:
    worst = max(findings, key=lambda f: abs(f.estimate.estimate if f.estimate else 0))
    return ranked_changes(
        "Change of bias by quantile of the prediction",
        f"{worst.summary}.",
        "change of mean error (prediction − label)",
        [(one.span, one.change, "") for one in ranges],
        share=False,
    )


def _percentiles(ranges: list[_Bias]) -> Table:
    shown = [say.percent(q, 0) for q in ERROR_QUANTILES]
    rows = tuple(
        (one.span, *(float(np.quantile(np.abs(part), q)) for q in ERROR_QUANTILES for part in one.errors))
        for one in ranges
    )
    return Table(
        title="Size of the error by quantile of the prediction",
        reading=f"Errors not exceeded by {say.listed(shown)} of rows, in both windows.",
        columns=("predictions", *(f"{q} {window}" for q in shown for window in ("reference", "current"))),
        rows=rows,
    )
