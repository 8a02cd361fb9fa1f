"""What the page says, before it is laid out: order, links, directions, what was not checked."""

from __future__ import annotations

import pytest
import sample_diagnosis as samples

from backslide.contracts.cause import Confidence, Injection
from backslide.contracts.diagnosis import MetricChange
from backslide.contracts.finding import Estimate, Finding, Outcome, Severity, Status, Step
from backslide.report.documents.diagnosis import build
from backslide.contracts.escape import clean_text, cleaned


def test_the_headline_in_points():
    metric = build(samples.binary()).metric
    assert (metric.reference, metric.current) == ("84.2 %", "80.8 %")
    assert (metric.change, metric.interval, metric.direction) == ("−3.4 points", "−4.5 to −2.3", "worse")


def test_a_rising_error_is_worse():
    view = build(samples.regression())
    assert view.metric.change == "+1.23"
    assert view.metric.direction == "worse"
    assert view.causes[0].points == "+1.05"
    assert view.causes[0].direction == "worse"


@pytest.mark.parametrize(
    ("estimate", "higher_is_better", "word"),
    [
        (Estimate(estimate=-0.02, low=-0.03, high=-0.01), True, "worse"),
        (Estimate(estimate=-0.02, low=-0.03, high=-0.01), False, "better"),
        (Estimate(estimate=0.02, low=0.01, high=0.03), True, "better"),
        (Estimate(estimate=-0.02, low=-0.05, high=0.01), True, "within noise"),
        (Estimate(estimate=0.0, low=-0.01, high=0.01), True, "no different"),
        (Estimate(estimate=-0.02), True, "worse"),
    ],
)
def test_directions_are_words(estimate, higher_is_better, word):
    metric = MetricChange(
        name="accuracy", higher_is_better=higher_is_better, reference=0.8, current=0.78, change=estimate
    )
    assert build(samples.binary().model_copy(update={"metric": metric})).metric.direction == word


def test_without_labels_nothing_is_made_up():
    view = build(samples.no_labels())
    assert view.metric.current == "not estimable"
    assert view.metric.change == view.metric.direction == ""
    assert view.causes == ()
    assert "could not be decided" in view.no_cause


def test_causes_link_to_findings_on_the_page_and_name_those_that_are_not():
    first, second, _ = build(samples.binary()).causes
    view = build(samples.binary())
    anchors = {
        finding.anchor: finding.subject for step in view.steps for check in step.checks for finding in check.open
    }
    assert anchors[first.evidence[0].anchor] == "income"
    assert [(link.text, bool(link.anchor)) for link in second.evidence] == [
        ("DRF002:employment", True),
        ("INT004:encoder", False),
    ]


def test_proof_carries_both_numbers_and_the_sample():
    proof = build(samples.binary()).causes[0].proof
    assert proof[0].endswith("+2.5 points back [+1.8 to +3.2], sample of 13,377 rows")
    assert proof[1].endswith("−2.3 points [−3.0 to −1.6], sample of 20,000 rows")


def test_confidence_says_what_it_rests_on():
    base = samples.binary().causes[1]
    injected = base.model_copy(
        update={"repair": None, "injection": Injection(points=Estimate(estimate=-0.01))},
    )
    bare = base.model_copy(update={"repair": None})
    proven = base.model_copy(update={"confidence": Confidence.PROVEN})
    view = build(samples.binary().model_copy(update={"causes": (base, injected, bare, proven)}))
    assert [cause.confidence_means for cause in view.causes] == [
        "the repair bears it out",
        "the injection bears it out",
        "the decomposition bears it out",
        "an exact replay shows it",
    ]


def test_the_points_of_causes_are_in_the_metric_of_the_part():
    view = build(samples.in_part())
    assert [part.change for part in view.parts] == ["−7.7 points", "+0.420"]
    assert view.parts[0].interval == "−10.1 to −5.3"


def test_steps_stand_in_the_order_of_the_playbook_and_checks_worst_first():
    view = build(samples.binary())
    assert [step.name for step in view.steps] == [step.value for step in Step]
    drift = view.steps[2]
    assert [check.code for check in drift.checks] == ["DRF001", "DRF002"]
    assert [finding.subject for finding in drift.checks[0].open] == ["income"]
    assert [finding.subject for finding in drift.checks[0].ok] == ["term_months", "amount"]
    assert drift.state == "fail"


def test_findings_stand_worst_first():
    found = tuple(
        Finding(code="X", subject=severity.value, severity=severity, summary="s")
        for severity in (Severity.NOTE, Severity.FAIL, Severity.OK, Severity.WARN)
    )
    outcome = Outcome(code="X", title="t", step=Step.VERIFY, status=Status.RAN, severity=Severity.FAIL, findings=found)
    view = build(samples.quiet().model_copy(update={"checks": (outcome,)}))
    assert [finding.subject for finding in view.steps[0].checks[0].open] == ["fail", "warn", "note"]


def test_nothing_checked_is_not_a_pass():
    view = build(samples.quiet())
    assert {step.state for step in view.steps} == {"not checked"}
    assert [item.status for item in view.unchecked] == ["not checked"] * 6


def test_every_idle_check_is_listed_with_its_reason_failures_first():
    listed = [(item.code, item.status, item.reason) for item in build(samples.binary()).unchecked]
    assert listed[:3] == [
        ("CON002", "failed", "the solver did not converge"),
        ("SHD001", "not applicable", "no saved model; give reference_model to replay it"),
        ("DRF006", "muted", "muted in [checks]"),
    ]
    assert {item.title for item in build(samples.binary()).unchecked[3:]} == {
        Step.INTEGRITY.question,
        Step.EXPLAIN.question,
    }


def test_a_step_whose_checks_all_failed_is_not_checked():
    assert build(samples.binary()).steps[3].state == "not checked"


def test_steps_count_what_ran_and_what_did_not():
    assert [step.tally for step in build(samples.binary()).steps] == [
        "2 checks ran",
        "1 check did not run",
        "2 checks ran, 1 did not",
        "1 check did not run",
        "no check of this step in this run",
        "no check of this step in this run",
    ]


def test_repeated_findings_do_not_repeat_an_anchor():
    check = samples.binary().checks[2]
    doubled = check.model_copy(update={"findings": check.findings * 2})
    view = build(samples.binary().model_copy(update={"checks": (doubled,)}))
    anchors = [f.anchor for f in (*view.steps[2].checks[0].open, *view.steps[2].checks[0].ok) if f.anchor]
    assert len(anchors) == len(set(anchors)) == 3


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain_name", "plain_name"),
        ("größe in €", "größe in €"),
        ("two\nlines\tand tab", "two lines and tab"),
        ("\x1b[2Jcleared", "\\u001b[2Jcleared"),
        ("abc\u202edef", "abc\\u202edef"),
        ("nul\x00", "nul\\u0000"),
        ("half \ud800", "half \\ud800"),
        ("👩‍🔬", "👩‍🔬"),
    ],
)
def test_foreign_text_is_made_safe_to_show(raw, shown):
    assert clean_text(raw) == shown


def test_cleaning_leaves_an_ordinary_diagnosis_as_it_is():
    assert cleaned(samples.binary()) == samples.binary()


def test_cleaning_keeps_names_apart_that_differ_in_control_characters_alone():
    d = samples.quiet()
    inputs = d.inputs.model_copy(update={"versions": {"a\n": "1", "a\t": "2"}})
    assert sorted(cleaned(d.model_copy(update={"inputs": inputs})).inputs.versions.values()) == ["1", "2"]
