"""The pages of the gate and of retraining: complete, inert, and readable by everybody."""

from __future__ import annotations

import pytest
from browser_probe import in_the_dark
from test_report_accessibility import serious

from backslide.contracts.evidence import RankedRow, Ranking, Series, SeriesPoint
from backslide.contracts.finding import Estimate
from backslide.contracts.gate import Gate, GateLine, GateVerdict
from backslide.contracts.retrain import (
    Candidate,
    CurvePoint,
    FeatureRank,
    LearningCurve,
    Life,
    Policies,
    Policy,
    Refusal,
    Retrain,
    RetrainVerdict,
    Stretch,
)
from backslide.contracts.retrain_settings import GateSettings
from backslide.contracts.shadow import ShadowInputs

NASTY = "<script>alert(1)</script> **x** \u202e"
INPUTS = ShadowInputs(task="binary", rows=5000, labelled=4000, sampled=False, days=28, source="log", notes=("a note",))
GAIN = Estimate(estimate=0.034, low=0.021, high=0.047)


def line(kind="headline", name="accuracy", metric="accuracy", passed=True, **more):
    return GateLine(
        kind=kind,
        name=name,
        metric=metric,
        higher_is_better=True,
        share=True,
        rule="gain shown",
        old=0.8,
        new=0.834,
        difference=GAIN,
        level=0.9,
        margin=0.01,
        p_value=0.0003,
        rows=4000,
        passed=passed,
        **more,
    )


def gate(name="loans"):
    lines = (
        line(),
        line("class", name, f"f1[{name}]", passed=False),
        line("segment", f"branch = '{name}'", passed=True),
        GateLine(
            kind="class", name="rare", metric="f1[rare]", rule="no harm", margin=0.01, rows=3, note="3 labelled rows"
        ),
        GateLine(
            kind="latency",
            name="latency",
            metric="milliseconds",
            rule="at most 5 milliseconds",
            margin=5,
            old=1.2,
            new=7.5,
            passed=False,
        ),
    )
    return Gate(
        model=name,
        champion="v1",
        challenger="v2",
        verdict=GateVerdict.HOLD,
        summary=f"Hold: loses {name}.",
        reason="keep v1",
        lines=lines,
        policy=GateSettings(),
        inputs=INPUTS,
    )


def report(name="loans", **changes):
    dots = tuple(
        SeriesPoint(at=f"2026-03-{d:02d}", value=0.8, window=w) for d in (1, 8) for w in ("reference", "current")
    )
    evidence = (
        Series(title="On later rows", reading="Better.", y="accuracy", points=dots, share=True),
        Ranking(
            title="Gain of every candidate",
            reading="Best.",
            x="gain",
            share=True,
            rows=(RankedRow(label=name, value=0.03, low=0.02, high=0.04),),
        ),
    )
    policies = Policies(
        policies=(
            Policy(name="never", description="trained once", value=0.8, retrains=0, labels=1000, by_stretch=(0.8, 0.7)),
            Policy(
                name="every stretch",
                description="on schedule",
                value=0.84,
                retrains=7,
                labels=3000,
                recommended=True,
                by_stretch=(0.8, 0.85),
            ),
        ),
        starts=("2026-03-01", "2026-03-08"),
        sentence="Every stretch: 7 times.",
    )
    points = (CurvePoint(labels=100, value=0.8), CurvePoint(labels=200, value=0.83))
    values = {
        "model": name,
        "recipe": "training:train",
        "verdict": RetrainVerdict.PROMOTE,
        "summary": f"Train again on {name}.",
        "action": "Promote the candidate",
        "reason": "every requirement is met",
        "metric": "accuracy",
        "higher_is_better": True,
        "share": True,
        "champion_value": 0.8,
        "recommended": "recent 25%",
        "candidates": (
            Candidate(
                name="recent 25%",
                description="the most recent",
                rows=1000,
                value=0.834,
                gain=GAIN,
                by_fold=(0.03, 0.04),
                future=Estimate(estimate=0.03, low=-0.01, high=0.07),
                gate=GateVerdict.PROMOTE,
            ),
            Candidate(name="importance", description="weighted", note=f"fails: {name}"),
        ),
        "stretches": (Stretch(start="2026-03-01", end="2026-03-08", known=3000, rows=500, champion=0.8, best=0.834),),
        "features": (FeatureRank(feature=name, drift=0.2, harm=-0.01),),
        "curve": LearningCurve(points=points, sentence="More helps."),
        "life": Life(days=12.0, sentence="Expected to last about 12 days."),
        "policies": policies,
        "quality": ("fewer than 20 fresh labels of rare (3)",),
        "gate": gate(name),
        "version": "models/versions/0001-aa",
        "evidence": evidence,
        "inputs": INPUTS,
    }
    return Retrain(**(values | changes))


def refused():
    refusal = Refusal(
        cause="unit_change",
        features=("amount",),
        summary="amount comes in cents.",
        repair="divide amount by 100",
        repair_gain=GAIN,
        retrain_gain=Estimate(estimate=0.01),
    )
    return report(verdict=RetrainVerdict.REFUSED, recommended=None, refusal=refusal)


def test_the_page_of_retraining_says_everything():
    page = " ".join(report().to_html().split())
    for words in (
        "Promote",
        "+3.4 points",
        "95% prediction interval",
        "Candidates",
        "Stretch by stretch",
        "Requirements",
        "Features, drift times harm",
        "More helps.",
        "about 12 days",
        "Every stretch: 7 times.",
        "fewer than 20",
        "models/versions/0001-aa",
        "not judged",
        "7.50 milliseconds",
    ):
        assert words in page, words
    assert "Repair or retrain?" not in page


def test_a_refusal_shows_both_numbers():
    text = refused().to_text()
    assert "Repair or retrain?" in text
    assert "divide amount by 100" in text
    assert "+3.4 points" in text
    assert "+1.0 points" in text


def test_what_is_not_known_leaves_no_empty_table():
    gone = dict.fromkeys(("curve", "life", "policies", "gate", "refusal", "version", "champion_value", "recommended"))
    empty = dict.fromkeys(("stretches", "features", "evidence", "quality"), ())
    untried = (Candidate(name="all", description="all rows", note="too few rows"),)
    bare = report(candidates=untried, **gone, **empty)
    assert "too few rows" in bare.to_text()
    assert "Labels and life" not in bare.to_html()
    assert bare.to_markdown()


@pytest.mark.parametrize("found", [gate(NASTY), report(NASTY)], ids=["gate", "retrain"])
def test_foreign_strings_are_inert(found):
    page = found.to_html()
    assert "<script" not in page
    assert "default-src 'none'" in page
    for text in (page, found.to_text(), found.to_markdown(), repr(found)):
        assert "\u202e" not in text
    assert "**x**" not in found.to_markdown()
    assert "<script" not in found.to_markdown()


@pytest.mark.sample(1)
@pytest.mark.browser
@pytest.mark.parametrize(
    ("make", "dark", "phone"),
    [(gate, False, True), (report, False, False), (report, True, True), (refused, True, False)],
)
def test_nothing_serious(tmp_path, make, dark, phone):
    html = make().to_html().replace("default-src 'none';", "default-src 'none'; script-src 'none';")
    assert serious(in_the_dark(html) if dark else html, tmp_path, phone=phone) == []
