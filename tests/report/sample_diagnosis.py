"""Diagnoses as the main job writes them, for every surface of the report to be tried on."""

from __future__ import annotations

from sample_evidence import (
    EVIDENCE,
    bars,
    histograms,
    matrix,
    ranked,
    reliability,
    scatter,
    segments,
    series,
    table,
    waterfall,
)

from backslide.contracts.cause import Cause, CauseKind, Confidence, Injection, Repair
from backslide.contracts.diagnosis import (
    Action,
    Decision,
    DegradedPart,
    Detectable,
    Diagnosis,
    Inputs,
    MetricChange,
    Onset,
    Verdict,
    WindowCounts,
    WindowPeriod,
)
from backslide.contracts.evidence import Evidence, Matrix, Waterfall, WaterfallStep
from backslide.contracts.finding import Estimate, Finding, Outcome, Severity, Status, Step


def _inputs(task: str = "binary", **changes: object) -> Inputs:
    values: dict[str, object] = {
        "task": task,
        "rows": WindowCounts(reference=20_140, current=14_020),
        "labelled": WindowCounts(reference=20_140, current=13_377),
        "sampled": WindowCounts(reference=20_000, current=13_377),
        "features": ("income", "employment", "term_months", "branch"),
        "classes": ("default", "paid"),
        "sources": {"reference": "march.parquet", "current": "april.parquet"},
        "periods": {
            "reference": WindowPeriod(start="2026-03-01T00:00:04Z", end="2026-03-31T23:58:00Z", days=31),
            "current": WindowPeriod(start="2026-04-01T00:01:00Z", end="2026-04-21T23:59:10Z", days=21),
        },
        "model_versions": {"reference": ("v1",), "current": ("v1", "v2")},
        "versions": {"backslide": "0.1.0", "polars": "2.1.0"},
        "notes": ("643 current rows have no label yet.", "Column raw_payload holds nested values and was left alone."),
    }
    return Inputs.model_validate(values | changes)


def _outcomes() -> tuple[Outcome, ...]:
    def finding(
        code: str, subject: str, severity: Severity, summary: str, *evidence: Evidence, **more: object
    ) -> Finding:
        values = {"code": code, "subject": subject, "severity": severity, "summary": summary, "evidence": evidence}
        return Finding.model_validate(values | more)

    quiet = tuple(
        finding(
            "DRF001",
            name,
            Severity.OK,
            f"{name} stayed where it was.",
            histograms(name, 1.0),
            estimate=Estimate(estimate=0.4, low=-2.0, high=2.8),
            unit="USD",
            detectable=45.0,
            basis="all rows, KS exact to 1/128",
            numbers={"reference": 4100.0, "current": 4100.4},
        )
        for name in ("term_months", "amount")
    )
    return (
        Outcome(
            code="VER001",
            title="Metrics in both windows",
            step=Step.VERIFY,
            status=Status.RAN,
            severity=Severity.FAIL,
            findings=(
                finding(
                    "VER001",
                    "accuracy",
                    Severity.FAIL,
                    "Accuracy fell from 84.2% to 80.8%.",
                    table(),
                    series(),
                    estimate=Estimate(estimate=-0.034, low=-0.045, high=-0.023),
                    unit="points",
                    p_value=2e-9,
                ),
            ),
        ),
        Outcome(
            code="VER005",
            title="Kinds of errors",
            step=Step.VERIFY,
            status=Status.RAN,
            severity=Severity.WARN,
            findings=(
                finding(
                    "VER005", "default → paid", Severity.WARN, "Defaults taken for paid grew by 3.1 points.", matrix()
                ),
                finding("VER005", "segments", Severity.NOTE, "Long terms carry most of the drop.", ranked()),
            ),
        ),
        Outcome(
            code="DRF001",
            title="Numeric features",
            step=Step.DRIFT,
            status=Status.RAN,
            severity=Severity.FAIL,
            findings=(
                *quiet,
                finding(
                    "DRF001",
                    "income",
                    Severity.FAIL,
                    "income: median 4,100 → 49,200 USD.",
                    histograms(),
                    estimate=Estimate(estimate=45_100.0, low=44_800.0, high=45_400.0),
                    unit="USD",
                    p_value=0.0,
                    since="2026-04-03",
                    detectable=45.0,
                    basis="all rows, KS exact to 1/128",
                    numbers={"ks": 0.93, "psi": 4.1, "rows": 34_160, "direction": "up", "heavy": True, "cap": None},
                ),
            ),
        ),
        Outcome(
            code="DRF002",
            title="Categorical features",
            step=Step.DRIFT,
            status=Status.RAN,
            severity=Severity.WARN,
            findings=(finding("DRF002", "employment", Severity.WARN, "“EMP” became “employed”.", bars()),),
        ),
        Outcome(
            code="SHD001",
            title="Exact replay",
            step=Step.SHADOW,
            status=Status.NOT_APPLICABLE,
            reason="no saved model; give reference_model to replay it",
        ),
        Outcome(
            code="CON002",
            title="Relation by feature",
            step=Step.CONCEPT,
            status=Status.FAILED,
            reason="the solver did not converge",
        ),
        Outcome(
            code="DRF006", title="Multivariate drift", step=Step.DRIFT, status=Status.MUTED, reason="muted in [checks]"
        ),
    )


def binary() -> Diagnosis:
    """Accuracy down 3.4 points for three causes."""
    points = Estimate(estimate=-0.024, low=-0.031, high=-0.017)
    back = Estimate(estimate=0.025, low=0.018, high=0.032, basis="sample", n=13_377)
    return Diagnosis(
        model="loan-defaults",
        verdict=Verdict.DEGRADED,
        summary="Accuracy fell from 84.2% to 80.8%, mostly because income comes yearly instead of monthly.",
        warnings=("14.2% of the predictions lie within 0.05 of the decision threshold, up from 9.1%.",),
        decision=Decision(
            action=Action.FIX_UPSTREAM_DATA,
            reason="Income multiplied by 12 explains 2.4 of 3.4 points, and dividing it again brings them back.",
        ),
        metric=MetricChange(
            name="accuracy",
            higher_is_better=True,
            reference=0.842,
            current=0.808,
            change=Estimate(estimate=-0.034, low=-0.045, high=-0.023),
        ),
        detectable=Detectable(
            estimate=0.011, note="With these rows a change under 1.1 points would not have been seen."
        ),
        onset=Onset(
            at="2026-04-03T10:00:00Z",
            low="2026-04-03T07:00:00Z",
            high="2026-04-03T12:00:00Z",
            events=("deploy v2, 12 min before",),
        ),
        causes=(
            Cause(
                rank=1,
                kind=CauseKind.UNIT_CHANGE,
                features=("income",),
                points=points,
                unit="points",
                confidence=Confidence.VERIFIED,
                repair=Repair(description="divide income by 12 (yearly to monthly)", points_back=back),
                injection=Injection(points=Estimate(estimate=-0.023, low=-0.03, high=-0.016, basis="sample", n=20_000)),
                since="2026-04-03",
                summary="income is 12 times as large in every current row since 3 April.",
                evidence=("DRF001:income",),
                next_step="Convert income to monthly upstream, and validate its range on arrival.",
            ),
            Cause(
                rank=2,
                kind=CauseKind.CATEGORY_RECODE,
                features=("employment",),
                points=Estimate(estimate=-0.006, low=-0.009, high=-0.003),
                confidence=Confidence.SUPPORTED,
                repair=Repair(
                    description="map “employed” to “EMP”", points_back=Estimate(estimate=0.007, low=0.004, high=0.01)
                ),
                share_of_rows=0.61,
                segment="branch == 'north'",
                summary="“EMP” became “employed” in 61% of the rows.",
                evidence=("DRF002:employment", "INT004:encoder"),
                next_step="Map the new codes back, or ship the encoder together with the codes.",
            ),
            Cause(
                rank=3,
                kind=CauseKind.LABEL_SHIFT,
                classes=("default",),
                points=Estimate(estimate=-0.003, low=-0.006, high=0.0),
                confidence=Confidence.SUSPECTED,
                summary="Defaults went from 22% to 26% of the labels.",
                next_step="Correct the scores for the new class shares, or retrain with them.",
            ),
        ),
        unexplained=Estimate(estimate=-0.001, low=-0.009, high=0.007),
        harmless=(
            Cause(
                rank=1,
                kind=CauseKind.ROUNDED_VALUES,
                features=("term_months",),
                points=Estimate(estimate=0.0, low=-0.001, high=0.001),
                confidence=Confidence.VERIFIED,
                summary="term_months comes in whole years.",
                next_step="Restore the precision upstream.",
            ),
        ),
        checks=_outcomes(),
        inputs=_inputs(),
        waterfall=waterfall(),
    )


def regression() -> Diagnosis:
    """MAE up: worse though the number rises."""
    base = binary()
    cause = base.causes[0].model_copy(
        update={
            "kind": CauseKind.CONCEPT_DRIFT,
            "features": ("trip_distance",),
            "points": Estimate(estimate=1.05, low=0.8, high=1.3),
            "unit": "",
            "repair": None,
            "injection": None,
            "confidence": Confidence.SUPPORTED,
            "summary": "The same trips cost more than before.",
        }
    )
    return base.model_copy(
        update={
            "model": "green-taxi-fares",
            "summary": "MAE rose from 2.41 to 3.64: the same trips now cost more.",
            "decision": Decision(action=Action.RETRAIN, reason="The relation changed; the inputs are intact."),
            "metric": MetricChange(
                name="mae",
                higher_is_better=False,
                reference=2.41,
                current=3.64,
                change=Estimate(estimate=1.23, low=1.01, high=1.45),
            ),
            "causes": (cause,),
            "harmless": (),
            "unexplained": Estimate(estimate=0.18, low=-0.1, high=0.46),
            "waterfall": Waterfall(
                title="From 2.41 to 3.64",
                reading="The changed relation explains 1.05 of 1.23.",
                y="MAE",
                steps=(
                    WaterfallStep(label="reference", value=2.41, role="level"),
                    WaterfallStep(label="Concept drift", value=1.05, low=0.8, high=1.3, role="cause"),
                    WaterfallStep(label="unexplained", value=0.18, low=-0.1, high=0.46, role="unexplained"),
                    WaterfallStep(label="current", value=3.64, role="level"),
                ),
                share=False,
            ),
            "inputs": _inputs("regression", classes=()),
        }
    )


def no_labels() -> Diagnosis:
    """Nothing could be measured: no labels yet."""
    return Diagnosis(
        model="loan-defaults",
        verdict=Verdict.INCONCLUSIVE,
        summary="No row of the current window is labelled yet, so whether the model got worse is not known.",
        decision=Decision(
            action=Action.RELABEL, reason="About 2,100 labelled current rows would show a drop of 2 points."
        ),
        metric=MetricChange(name="accuracy", higher_is_better=True, reference=0.842, current=None, change=None),
        detectable=Detectable(estimate=None, note="Without labels no change of the metric can be seen."),
        checks=_outcomes()[2:],
        inputs=_inputs(labelled=WindowCounts(reference=20_140, current=0), periods={}, model_versions={}),
    )


def quiet() -> Diagnosis:
    """Nothing happened, and hardly anything was looked at."""
    return Diagnosis(
        model="loan-defaults",
        verdict=Verdict.NO_MATERIAL_CHANGE,
        summary="Accuracy did not change materially: 84.2% before, 84.1% now.",
        decision=Decision(action=Action.NONE, reason="The change lies within noise."),
        metric=MetricChange(
            name="accuracy",
            higher_is_better=True,
            reference=0.842,
            current=0.841,
            change=Estimate(estimate=-0.001, low=-0.009, high=0.007),
        ),
        detectable=Detectable(
            estimate=0.011, note="With these rows a change under 1.1 points would not have been seen."
        ),
        inputs=_inputs(features=(), sources={}, periods={}, model_versions={}, versions={}, notes=()),
    )


def in_part() -> Diagnosis:
    """The headline holds while one class of a multiclass model falls."""
    base = binary()
    labels = ("contract", "invoice", "complaint", "court_filing", "other")
    flows = Matrix(
        title="Change of the confusion matrix",
        reading="Court filings are taken for contracts: +6.2 points of the court filings.",
        rows=labels,
        columns=labels,
        row_title="label",
        column_title="prediction",
        values=tuple(tuple(0.062 if (i, j) == (3, 0) else 0.004 * (i - j) for j in range(5)) for i in range(5)),
    )
    confusion = base.checks[1].findings[0].model_copy(update={"evidence": (flows,)})
    checks = (base.checks[0], base.checks[1].model_copy(update={"findings": (confusion,)}), *base.checks[2:])
    return base.model_copy(
        update={
            "model": "legal-desk triage (simulated)",
            "verdict": Verdict.DEGRADED_IN_PART,
            "summary": "Overall accuracy holds at 91%, but recall of court_filing fell from 88.1% to 80.4%.",
            "parts": (
                DegradedPart(
                    kind="class",
                    name="court_filing",
                    metric="recall",
                    reference=0.881,
                    current=0.804,
                    change=Estimate(estimate=-0.077, low=-0.101, high=-0.053),
                ),
                DegradedPart(
                    kind="cost",
                    name="missed deadlines",
                    metric="expected_cost",
                    reference=1.21,
                    current=1.63,
                    change=Estimate(estimate=0.42, low=0.2, high=0.64),
                ),
            ),
            "metric": MetricChange(
                name="accuracy",
                higher_is_better=True,
                reference=0.912,
                current=0.91,
                change=Estimate(estimate=-0.002, low=-0.008, high=0.004),
            ),
            "checks": checks,
            "inputs": _inputs("multiclass", classes=labels),
        }
    )


def _titled(name: str) -> Evidence:
    """The same drawing under a name of its own."""
    return histograms("value", 1.2).model_copy(update={"title": name, "reading": f"{name} stayed where it was."})


def wide(features: int) -> Diagnosis:
    """A diagnosis over many features, each with a chart, a tenth of them moved."""
    found = tuple(
        Finding(
            code="DRF001",
            subject=f"feature_{number:03d}",
            severity=Severity.WARN if number % 10 == 0 else Severity.OK,
            summary=f"feature_{number:03d}: median 4,100 → {4100 + 50 * (number % 10 == 0)}.",
            estimate=Estimate(estimate=float(number), low=number - 1.5, high=number + 1.5),
            unit="USD",
            numbers={"ks": 0.01, "psi": 0.02, "missing before": 0.0, "missing now": 0.0},
            evidence=(_titled(f"feature_{number:03d}"),),
        )
        for number in range(features)
    )
    base = binary()
    drift = base.checks[2].model_copy(update={"findings": (*base.checks[2].findings, *found)})
    return base.model_copy(update={"checks": (*base.checks[:2], drift, *base.checks[3:])})


def everything(features: int) -> Diagnosis:
    """Every feature flagged by three checks with a chart and twenty figures each, and evidence of every kind besides."""

    def flagged(code: str, number: int, evidence: Evidence) -> Finding:
        name = f"feature_with_a_long_name_{number:03d}"
        return Finding(
            code=code,
            subject=name,
            severity=Severity.WARN,
            summary=f"{name}: median 4,100 → 49,200, mean 4,210 → 50,900 (+2.31 standard deviations)",
            estimate=Estimate(estimate=45.0 + number, low=40.0, high=49.5),
            unit="USD",
            p_value=1e-12,
            detectable=1.5,
            since="2026-04-03",
            basis="all rows, KS exact to 1/128",
            numbers={f"reference_p{q:02d}": 41.0 + q for q in range(20)},
            evidence=(evidence,),
        )

    base = binary()
    drift = tuple(
        Outcome(
            code=code,
            title=f"Drift {code}",
            step=Step.DRIFT,
            status=Status.RAN,
            severity=Severity.WARN,
            findings=tuple(flagged(code, number, kind) for number in range(features)),
        )
        for code, kind in (("DRF001", histograms()), ("DRF002", bars()), ("DRF003", series()))
    )
    every = Outcome(
        code="VER009",
        title="One of every kind",
        step=Step.VERIFY,
        status=Status.RAN,
        severity=Severity.FAIL,
        findings=(
            Finding(code="VER009", subject="all", severity=Severity.FAIL, summary="Everything.", evidence=EVIDENCE),
        ),
    )
    return base.model_copy(update={"checks": (*base.checks[:2], every, *drift, *base.checks[4:])})


def all_kinds() -> Diagnosis:
    """Calibration, drift against importance and segments, both flagged and in order."""
    base = binary()

    def outcome(code: str, title: str, step: Step, severity: Severity, *evidence: Evidence) -> Outcome:
        found = Finding(
            code=code,
            subject=title,
            severity=severity,
            summary=f"{title} in one sentence.",
            estimate=Estimate(estimate=0.004, low=-0.003, high=0.011),
            unit="points",
            detectable=0.012,
            basis="sample of 20,000 rows",
            numbers={"reference": 0.05, "current": 0.054},
            evidence=evidence,
        )
        return Outcome(code=code, title=title, step=step, status=Status.RAN, severity=severity, findings=(found,))

    more = (
        outcome("VER005", "Calibration", Step.VERIFY, Severity.WARN, reliability()),
        outcome("VER007", "Segments found", Step.VERIFY, Severity.WARN, segments()),
        outcome("VER006", "Your segments", Step.VERIFY, Severity.OK, segments()),
        outcome("DRF009", "Drift against importance", Step.DRIFT, Severity.OK, scatter()),
    )
    return base.model_copy(update={"checks": (base.checks[0], *more, *base.checks[2:])})


ALL = {
    "binary": binary,
    "regression": regression,
    "no_labels": no_labels,
    "quiet": quiet,
    "in_part": in_part,
    "all_kinds": all_kinds,
}
