"""What the page says, before it is laid out: order, links, directions, what was not checked."""

from __future__ import annotations

import pytest
import sample_diagnosis as samples

from backslide.contracts.cause import CauseKind, Confidence, Injection
from backslide.contracts.diagnosis import MetricChange, Verdict
from backslide.contracts.escape import clean_text, cleaned
from backslide.contracts.finding import Estimate, Finding, Outcome, Severity, Status, Step
from backslide.report.documents import labels
from backslide.report.documents.diagnosis import MOST_WARNINGS, diagnosis_page
from backslide.report.documents.headline import MOST_WORDS, phrase


def page(diagnosis, **changes):
    return diagnosis_page(diagnosis.model_copy(update=changes))


def section(made, title):
    return next(section for section in made.sections if section.title == title)


def cards(made):
    """Every card of a named cause."""
    others = [s for s in made.sections if s.title == "Other causes"]
    return [*made.why, *(card for s in others for card in s.blocks[0].cards)]


def checks(made, step):
    return [block.check for section in made.sections if section.step == step for block in section.blocks]


def unchecked(made):
    return section(made, "Not checked, and why").blocks[0].rows


def lines(card, name):
    return next(row.lines for row in card.rows if row.name == name)


def test_the_headline_names_change_and_cause_in_one_short_sentence():
    assert page(samples.binary()).headline == (
        "Accuracy fell from 84.2% to 80.8%, mainly because of a unit change of income."
    )
    assert page(samples.in_part()).headline == (
        "Recall of 'court_filing' fell from 88.1% to 80.4% (and 1 other part), mainly because of a unit change of income; "
        "overall, accuracy fell from 91.2% to 91.0%."
    )


@pytest.mark.parametrize("name", samples.ALL)
def test_a_headline_is_read_at_a_glance(name):
    assert len(page(samples.ALL[name]()).headline.split()) <= MOST_WORDS


@pytest.mark.parametrize("kind", CauseKind)
def test_every_kind_of_cause_stands_in_a_sentence(kind):
    cause = samples.binary().causes[0].model_copy(update={"kind": kind})
    assert not phrase(cause).startswith(("a missing", "a rounded", "a added", "a unseen", "a unrecognised"))
    assert "income" in phrase(cause)


def test_doubt_stands_in_the_headline():
    cause = samples.binary().causes[0]
    for confidence, word in (
        ("suspected", "perhaps because"),
        ("supported", "probably because"),
        ("proven", "80.8% because"),
    ):
        sure = cause.model_copy(update={"confidence": Confidence(confidence)})
        assert word in page(samples.binary(), causes=(sure,)).headline


def test_how_sure_and_since_when_stand_beside_the_headline():
    change, since = page(samples.binary()).facts
    assert (change.value, change.direction, change.notes) == ("−3.4 points", "worse", ("95% interval −4.5 to −2.3",))
    assert (since.value, since.notes[-1]) == ("3 April 10:00 UTC", "deploy v2, 12 min before")


def test_no_interval_from_a_day_to_itself():
    onset = samples.binary().onset.model_copy(update={"at": "2026-04-03", "low": "2026-04-03", "high": "2026-04-03"})
    assert page(samples.binary(), onset=onset).facts[-1].notes == ("deploy v2, 12 min before",)


def test_a_rising_error_is_worse():
    made = page(samples.regression())
    assert made.facts[0].value == "+1.23"
    assert made.facts[0].direction == "worse"
    assert made.why[0].value == "+1.05"
    assert made.why[0].level == "fail"


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
    assert page(samples.binary(), metric=metric).facts[0].direction == word


def test_without_labels_nothing_is_made_up():
    made = page(samples.no_labels())
    assert made.facts[0].value == "84.2% → not estimable"
    assert made.facts[0].direction == ""
    assert made.why == ()
    text = section(made, "Causes").blocks[0].text
    assert "could not be decided" in text
    assert ("What is most suspect stands below" in text) == bool(samples.no_labels().suspects)
    assert "Nothing is suspected" in labels.no_cause(Verdict.INCONCLUSIVE, "", suspects=False)


def test_causes_link_to_findings_on_the_page_and_name_those_that_are_not():
    made = page(samples.binary())
    first, second, _ = cards(made)
    anchors = {finding.anchor: finding.subject for check in checks(made, "drift") for finding in check.open}
    assert anchors[first.links[0].anchor] == "income"
    assert [(link.text, bool(link.anchor)) for link in second.links] == [
        ("DRF002:employment", True),
        ("INT004:encoder", False),
    ]


def test_the_card_of_a_cause_draws_the_broken_column():
    first, second, third = cards(page(samples.binary()))
    assert [chart.title for chart in first.charts] == ["income in both windows"]
    assert [chart.title for chart in second.charts] == ["Categories of employment"]
    assert third.charts == ()


def test_proof_carries_both_numbers_and_the_sample():
    proof = lines(page(samples.binary()).why[0], "proof")
    assert proof[0].endswith("+2.5 points back [+1.8 to +3.2], sample of 13,377 rows")
    assert proof[1].endswith("−2.3 points [−3.0 to −1.6], sample of 20,000 rows")


def test_confidence_says_what_it_rests_on():
    base = samples.binary().causes[1]
    injected = base.model_copy(
        update={"repair": None, "injection": Injection(points=Estimate(estimate=-0.01))},
    )
    bare = base.model_copy(update={"repair": None})
    proven = base.model_copy(update={"confidence": Confidence.PROVEN})
    assert [card.means for card in cards(page(samples.binary(), causes=(base, injected, bare, proven)))] == [
        "by the repair",
        "by the injection",
        "by the decomposition",
        "an exact replay shows it",
    ]


def test_the_points_of_causes_are_in_the_metric_of_the_part():
    rows = section(page(samples.in_part()), "What is worse").blocks[0].rows
    assert [row[-1] for row in rows] == ["−7.7 points [−10.1 to −5.3]", "+0.420 [+0.200 to +0.640]"]


def test_few_warnings_are_shown_those_of_most_points_first():
    said = tuple(f"something moved by {points}.0 points" for points in (1, 7, 3, 9, 2, 8, 4))
    made = page(samples.binary(), warnings=said)
    assert [warning.split()[3] for warning in made.warnings] == ["9.0", "8.0", "7.0", "4.0", "3.0"]
    assert (len(made.warnings), made.more_warnings) == (MOST_WARNINGS, 2)


def test_a_change_of_our_own_is_the_answer_of_the_step_integrity():
    made = page(samples.binary())
    changed = page(samples.binary(), causes=_own_change(samples.binary().causes[0]))
    states = [{step.name: step.state for step in page_.contents}["integrity"] for page_ in (made, changed)]
    assert states[0] != "fail"
    assert states[1] == "fail"


def _own_change(cause):
    return (cause.model_copy(update={"kind": CauseKind.MODEL_CHANGE, "features": ()}),)


def test_steps_stand_in_the_order_of_the_playbook_and_checks_worst_first():
    made = page(samples.binary())
    assert [step.name for step in made.contents] == [step.value for step in Step]
    drift = checks(made, "drift")
    assert [check.code for check in drift] == ["DRF001", "DRF002"]
    assert [finding.subject for finding in drift[0].open] == ["income"]
    assert [finding.subject for finding in drift[0].ok] == ["term_months", "amount"]
    assert made.contents[2].state == "fail"


def test_findings_stand_worst_first():
    found = tuple(
        Finding(code="X", subject=severity.value, severity=severity, summary="s")
        for severity in (Severity.NOTE, Severity.FAIL, Severity.OK, Severity.WARN)
    )
    outcome = Outcome(code="X", title="t", step=Step.VERIFY, status=Status.RAN, severity=Severity.FAIL, findings=found)
    (check,) = checks(page(samples.quiet(), checks=(outcome,)), "verify")
    assert [finding.subject for finding in check.open] == ["fail", "warn", "note"]


def test_accuracy_is_shown_once():
    found = tuple(
        Finding(code="VER001", subject=name, severity=Severity.FAIL, summary=f"{name} fell.")
        for name in ("accuracy", "micro_f1", "micro_precision", "micro_recall", "macro_f1")
    )
    outcome = Outcome(
        code="VER001", title="t", step=Step.VERIFY, status=Status.RAN, severity=Severity.FAIL, findings=found
    )
    (check,) = checks(page(samples.quiet(), checks=(outcome,)), "verify")
    assert [finding.subject for finding in check.open] == ["accuracy", "macro_f1"]


def test_nothing_checked_is_not_a_pass():
    made = page(samples.quiet())
    assert {step.state for step in made.contents} == {"not checked"}
    assert [state for _, state, _ in unchecked(made)] == ["not checked"] * 6


def test_every_idle_check_is_listed_with_its_reason_failures_first():
    listed = unchecked(page(samples.binary()))
    assert listed[:3] == (
        ("Relation by feature CON002", "failed", "the solver did not converge"),
        ("Exact replay SHD001", "not applicable", "no saved model; give reference_model to replay it"),
        ("Multivariate drift DRF006", "muted", "muted in [checks]"),
    )
    assert {title for title, *_ in listed[3:]} == {Step.INTEGRITY.question, Step.EXPLAIN.question}


def test_checks_of_kinds_of_columns_that_are_not_there_are_one_line():
    reasons = {
        "DRF001": "no numeric feature",
        "DRF013": "no column of embeddings; log",
        "DRF014": "no column of embeddings; log",
    }
    idle = tuple(
        Outcome(code=code, title=code, step=Step.DRIFT, status=Status.NOT_APPLICABLE, reason=reason)
        for code, reason in reasons.items()
    )
    first, *rest = unchecked(page(samples.quiet(), checks=idle))
    assert first == (
        "3 checks of other kinds of columns",
        "not applicable",
        "no such column: numeric (DRF001); embeddings (DRF013, DRF014)",
    )
    assert len(rest) == 5


def test_a_step_whose_checks_all_failed_is_not_checked():
    assert page(samples.binary()).contents[3].state == "not checked"


def test_steps_count_what_ran_and_what_did_not():
    assert [step.tally for step in page(samples.binary()).contents] == [
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
    (drawn,) = checks(page(samples.binary(), checks=(doubled,)), "drift")
    anchors = [f.anchor for f in (*drawn.open, *drawn.ok) if f.anchor]
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
