"""Terminal and Markdown: complete, within the width, and inert."""

from __future__ import annotations

import re

import pytest
import sample_diagnosis as samples

from backslide.report.documents.diagnosis import diagnosis_page
from backslide.report.render.markdown import page_markdown
from backslide.report.render.text import page_text

pytestmark = pytest.mark.core

ANSI = re.compile(r"\x1b\[[\d;]*m")


def render_text(diagnosis, **look):
    return page_text(diagnosis_page(diagnosis), **look)


def render_markdown(diagnosis):
    return page_markdown(diagnosis_page(diagnosis))


HOSTILE = "# a|b](http://evil.example) ![x](y) <script>alert(1)</script> **bold** `code` @team #12 $x$ www.evil.example \x1b[2J"


def hostile():
    base = samples.binary()
    cause = base.causes[0].model_copy(update={"features": (HOSTILE,), "summary": HOSTILE, "next_step": HOSTILE})
    return base.model_copy(update={"model": HOSTILE, "causes": (cause, *base.causes[1:]), "warnings": (HOSTILE,)})


def joined(text):
    return " ".join(text.split())


@pytest.mark.parametrize("name", samples.ALL)
@pytest.mark.parametrize("width", [60, 100])
def test_lines_keep_to_the_width(name, width):
    lines = render_text(samples.ALL[name](), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert not [line for line in lines if line != line.rstrip()]


@pytest.mark.parametrize("name", samples.ALL)
def test_colour_changes_nothing_but_colour(name):
    plain, coloured = render_text(samples.ALL[name]()), render_text(samples.ALL[name](), color=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert [line.rstrip() for line in ANSI.sub("", coloured).splitlines()] == plain.splitlines()


@pytest.mark.parametrize("render", [render_text, render_markdown])
def test_both_say_what_matters_first(render):
    text = joined(render(samples.binary())).replace("\\", "").replace("*", "")
    order = [
        "Degraded: loan-defaults",
        "Accuracy fell from 84.2% to 80.8%",
        "−3.4 points, worse; 95% interval −4.5 to −2.3",
        "3 April 10:00 UTC",
        "Unit change: income",
        "+2.5 points back [+1.8 to +3.2]",
        "Convert income to monthly upstream",
        "Fix the data upstream. Income multiplied by 12",
        "reference 2026-03-01 to 2026-03-31 (31 days)",
        "14.2% of the predictions",
        "Category recode: employment",
        "Unexplained: −0.1 points",
        "Faults that cost nothing",
        "Not checked",
        "no saved model; give reference_model to replay it",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


@pytest.mark.parametrize("render", [render_text, render_markdown])
def test_parts_and_the_lack_of_causes_are_said(render):
    assert "−7.7 points [−10.1 to −5.3]" in joined(render(samples.in_part())).replace("\\", "")
    assert "Nothing material got worse, so no cause is named." in render(samples.quiet())
    assert "not estimable" in render(samples.no_labels())


def test_regression_has_no_points():
    text = render_text(samples.regression())
    assert "Mean absolute error rose from 2.41 to 3.64" in text
    assert "+1.23, worse; 95% interval +1.01 to +1.45" in joined(text)
    assert "points" not in text.split("Not checked")[0].replace("unexplained", "")


def test_a_name_cannot_steer_the_terminal():
    assert "\x1b" not in render_text(hostile())


def test_markdown_shows_foreign_strings_as_they_are():
    text = render_markdown(hostile())
    assert "<script" not in text
    assert "](http" not in text.replace("\\](", "")
    assert not re.search(r"@team|#12|(?<!\\)\$x|://evil|www\.evil|^#\s*a", text, re.M)
    assert not re.search(r"<(?!/?(?:details|summary)>)", text)
    assert not re.search(r"(?<!\\)\*\*bold", text)
    assert "Unit change" in text
    wide = samples.in_part()
    part = wide.parts[0].model_copy(update={"name": HOSTILE})
    lines = render_markdown(wide.model_copy(update={"parts": (part,)})).splitlines()
    row = next(line for line in lines if line.startswith("|") and "recall" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 5


def test_intraword_underscores_stay_readable():
    assert "term_months" in render_markdown(samples.binary())


def test_the_value_shows_itself(tmp_path):
    diagnosis = samples.binary()
    assert diagnosis.to_text() == render_text(diagnosis)
    assert diagnosis.to_markdown(tmp_path / "why.md") == (tmp_path / "why.md").read_text(encoding="utf-8")
