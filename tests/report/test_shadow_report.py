"""The pages of a shadow comparison: complete, inert, and the same on every surface."""

from __future__ import annotations

import html
import re

import pytest

from backslide.contracts.evidence import Matrix, RankedRow, Ranking
from backslide.contracts.finding import Estimate
from backslide.contracts.shadow import (
    AnswerAgreement,
    Assignment,
    Flips,
    Flow,
    Imbalance,
    LabelFree,
    MetricComparison,
    PartComparison,
    Shadow,
    ShadowDecision,
    ShadowInputs,
    ShadowVerdict,
    Shift,
    Worlds,
)
from backslide.report.documents.shadow import VERDICT, shadow_page

NASTY = "<script>alert(1)</script>|**x**\u202e"


def estimate(value: float, half: float = 0.01) -> Estimate:
    return Estimate(estimate=value, low=value - half, high=value + half)


def difference(metric: str = "accuracy", change: float = -0.034, winner: str = "old") -> MetricComparison:
    return MetricComparison(
        metric=metric,
        higher_is_better=True,
        share=True,
        old=0.842,
        new=0.842 + change,
        difference=estimate(change),
        p_value=0.0003,
        test="t by day",
        winner=winner,
    )


def comparison(verdict: str = "old_better", name: str = "loans", **more: object) -> Shadow:
    facts: dict[str, object] = {
        "model": name,
        "mode": "replay",
        "old": "v1",
        "new": name,
        "verdict": verdict,
        "summary": f"Something about {name}.",
        "decision": ShadowDecision(action="roll_back", reason="let v1 answer"),
        "metric": difference(),
        "detectable": 0.011,
        "metrics": (difference(), difference("f1[x]")),
        "classes": (
            PartComparison(
                kind="class", name=name, rows=10, labelled=10, flips=0.1, comparison=difference(), masked=True
            ),
        ),
        "segments": (PartComparison(kind="segment", name="a = 1", rows=3, labelled=0, flips=0.0),),
        "agreement": AnswerAgreement(rows=100, equal=0.93, kappa=0.8, score_distance=0.02, correlation=0.9),
        "flips": Flips(
            share=estimate(0.07),
            rows=7,
            labelled=5,
            old_right=3,
            new_right=1,
            both_wrong=1,
            flows=(Flow(old=name, new="b", rows=7, share=0.07, old_right=3, new_right=1),),
        ),
        "confidence": (Shift(name="near_boundary", old=0.1, new=0.2, difference=estimate(0.1)),),
        "label_free": LabelFree(
            metric="accuracy", old=0.84, new=0.81, difference=estimate(-0.03), assumption="assumes luck"
        ),
        "worlds": Worlds(
            old_model_old_data=0.85,
            new_model_old_data=None,
            old_model_new_data=0.84,
            new_model_new_data=0.81,
            model=estimate(-0.03),
            data=estimate(-0.01),
            reading="The model, not the world.",
        ),
        "assignment": Assignment(
            old_rows=60,
            new_rows=40,
            share=estimate(0.4),
            planned=0.5,
            p_value=0.04,
            balanced=False,
            by_day_p_value=0.5,
            imbalances=(Imbalance(column=name, size=0.3, p_value=1e-6),),
            reading="The groups differ.",
        ),
        "evidence": (
            Ranking(
                title="By class",
                reading="One loses.",
                x="F1",
                rows=(RankedRow(label=name, value=-0.1, low=-0.2, high=0.0),),
            ),
            Matrix(
                title="Flips",
                reading="From a to b.",
                rows=("a", name),
                columns=("a", name),
                row_title="old",
                column_title="new",
                values=((None, 0.1), (0.2, None)),
            ),
        ),
        "inputs": ShadowInputs(
            task="binary",
            rows=100,
            labelled=80,
            sampled=False,
            days=7,
            source="log.parquet",
            period=("2026-04-01T00:00:00Z", "2026-04-07T00:00:00Z"),
            notes=("a note",),
        ),
    }
    return Shadow.model_validate(facts | more)


def text_of(page: str) -> str:
    body = re.sub(r"<style>.*?</style>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.mark.parametrize("verdict", list(ShadowVerdict))
def test_every_verdict_has_its_word_and_sign(verdict):
    found = comparison(verdict)
    word, sign, _ = VERDICT[verdict]
    for said in (found.to_text(), found.to_markdown(), text_of(found.to_html()), text_of(found._repr_html_())):
        assert f"{sign} {word}" in said
    assert len({sign for _, sign, _ in VERDICT.values()}) == len(VERDICT)


def test_page_holds_every_section_and_number():
    found = comparison()
    page, view = text_of(found.to_html()), shadow_page(found)
    assert [s.title for s in view.sections] == [
        "Who wins where",
        "Every usual metric",
        "By class",
        "By segment",
        "Flips",
        "Confidence",
        "Agreement",
        "Without labels",
        "Did the model change, or the world?",
        "Assignment",
    ]
    for section in view.sections:
        assert section.title in page
        for row in [row for block in section.blocks if block.kind == "table" for row in block.rows]:
            assert all(" ".join(cell.split()) in page for cell in row), row
    for words in ("84.2%", "−3.4 points", "too few labels", "assumes luck", "a note", "near the boundary", "masked"):
        assert words in page


def test_terminal_shows_tables_and_says_what_is_left_out():
    many = tuple(PartComparison(kind="segment", name=f"s = {i}", rows=5, labelled=0, flips=0.0) for i in range(30))
    said = comparison(segments=many).to_text()
    assert "and 18 more" in said
    assert "84.2% → 80.8%" in said
    assert "−3.4 points; 95% interval −4.4 to −2.4" in said


def test_foreign_strings_are_inert():
    found = comparison(name=NASTY)
    page = found.to_html()
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "\u202e" not in page
    assert "\u202e" not in found.to_text()
    assert "**x**" not in found.to_markdown()
    assert "<script" not in found.to_markdown()
    assert "\u202e" not in repr(found)


def test_what_is_not_known_leaves_no_empty_table():
    gone = dict.fromkeys(("agreement", "flips", "label_free", "worlds", "assignment"))
    empty = dict.fromkeys(("confidence", "classes", "segments", "evidence"), ())
    bare = comparison(metric=difference().model_copy(update={"difference": None, "new": None}), **gone, **empty)
    view = shadow_page(bare)
    assert [s.title for s in view.sections] == ["Every usual metric"]
    assert "not known" in bare.to_text()
    assert bare.to_html()
