"""A finding and a cause on their own: one line in a terminal, a self-contained fragment in a notebook."""

from __future__ import annotations

import json

import altair
import pytest
import sample_diagnosis as samples
import sample_evidence as evidence
from test_report_html import HOSTILE, Page

from backslide.contracts.finding import Finding, Severity
from backslide.report.charts.standalone import safe_text, standalone_spec

DIAGNOSIS = samples.binary()
FINDING = next(f for outcome in DIAGNOSIS.checks for f in outcome.findings if f.evidence)


def test_terminals_get_one_short_line():
    assert repr(DIAGNOSIS).startswith("<Diagnosis of loan-defaults, degraded, 3 causes: Accuracy fell")
    assert repr(DIAGNOSIS.causes[0]).startswith("<Cause 1, unit_change of income, verified: income is 12 times")
    assert repr(FINDING) == f"<Finding {FINDING.key.replace(':', ' ')}, {FINDING.severity.value}: {FINDING.summary}>"
    hostile = FINDING.model_copy(update={"summary": "a\nb\x1b[31m\u202e"})
    assert repr(hostile).endswith("a b\\u001b[31m\\u202e>")
    assert str(hostile) == repr(hostile)


def test_a_finding_shows_its_sentence_its_numbers_and_its_charts():
    page = Page(FINDING._repr_html_())
    assert FINDING.summary in page.words()
    assert FINDING.code in page.words()
    assert len(page.all("svg")) == sum(1 for e in FINDING.evidence if e.kind != "table")
    for drawn in FINDING.evidence:
        assert drawn.reading in page.words()
    for name in FINDING.numbers:
        assert name.replace("_", " ") in page.words()


def test_a_cause_shows_what_it_is_and_how_that_is_known():
    cause = DIAGNOSIS.causes[0]
    words = Page(cause._repr_html_()).words()
    for said in (
        "Unit change: income",
        cause.summary,
        cause.next_step,
        cause.repair.description,
        "verified",
        *cause.evidence,
    ):
        assert said in words
    assert "−2.4 points −3.1 to −1.7" in words
    unnamed = cause.model_copy(update={"unit": ""})
    assert "−0.0240 −0.0310 to −0.0170" in Page(unnamed._repr_html_()).words()


@pytest.mark.parametrize("name", samples.ALL)
def test_every_finding_and_cause_has_a_display(name):
    diagnosis = samples.ALL[name]() if callable(samples.ALL[name]) else samples.ALL[name]
    for cause in (*diagnosis.causes, *diagnosis.harmless):
        assert Page(cause._repr_html_()).all("div")
    for outcome in diagnosis.checks[:6]:
        for finding in outcome.findings[:2]:
            assert Page(finding.model_copy(update={"evidence": ()})._repr_html_()).all("article")


def test_foreign_text_stays_text():
    cause = DIAGNOSIS.causes[0].model_copy(update={"summary": HOSTILE, "features": (HOSTILE,), "next_step": HOSTILE})
    drawn = evidence.bars().model_copy(update={"title": HOSTILE, "reading": HOSTILE, "categories": (HOSTILE,) * 5})
    finding = Finding(
        code="X",
        subject=HOSTILE,
        severity=Severity.WARN,
        summary=HOSTILE,
        numbers={HOSTILE: HOSTILE, "none": None},
        evidence=(drawn, evidence.table().model_copy(update={"columns": (HOSTILE,) * 4})),
    )
    for shown in (cause._repr_html_(), finding._repr_html_()):
        page = Page(shown)
        assert page.all("script") == []
        assert page.all("img") == []
        assert page.all("title") == [] or "svg" in shown
        assert "alert(1)" in page.text


def test_fragments_need_nothing_from_elsewhere_and_bring_no_ids():
    for shown in (FINDING._repr_html_(), DIAGNOSIS.causes[0]._repr_html_()):
        page = Page(shown)
        assert not any(attributes.get("id") for _, attributes in page.tags)
        assert not any(
            "http" in (attributes.get(name) or "") for _, attributes in page.tags for name in ("src", "href")
        )
        assert page.all("style")


@pytest.mark.parametrize("one", evidence.EVIDENCE, ids=lambda e: e.kind)
def test_every_kind_stands_alone_as_a_valid_specification(one):
    spec = standalone_spec(one)
    assert " ".join(spec["title"]["subtitle"]) == one.reading
    assert " ".join(spec["title"]["text"]) == one.title
    kind = altair.LayerChart if "layer" in spec else altair.HConcatChart if "hconcat" in spec else altair.Chart
    kind.validate(spec)  # Altair refuses what Vega-Lite's schema does not know; the drawing engine would not say


def test_text_that_could_end_a_script_is_defused_and_other_text_is_left_alone():
    for kept in ("a < b", "x<3", "5 <= 6", "→ é 名", "a & b"):
        assert safe_text(kept) == kept
    for tag in ("</script>", "<!--", "<b>", "<?php"):
        assert tag[:2] not in safe_text(tag)
        assert safe_text(tag).replace("\u2060", "") == tag
    hostile = evidence.bars().model_copy(update={"categories": (HOSTILE,) * 5, "title": HOSTILE})
    assert "</script" not in json.dumps(standalone_spec(hostile), ensure_ascii=False)
