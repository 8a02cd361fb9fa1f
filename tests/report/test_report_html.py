"""The page: self-contained, inert, small, well formed, complete, in the right order."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import sample_diagnosis as samples
import sample_evidence as evidence
import sample_pages

from backslide.contracts.diagnosis import Diagnosis
from backslide.report.documents.diagnosis import diagnosis_page
from backslide.report.render.html import MOST_CHARTS, MOST_FIGURES, MOST_FINDINGS

pytestmark = pytest.mark.core

IN_CARDS = 5
"""Drawings besides those of findings: the waterfall at two widths, the broken columns of three cards."""
VOID = {"meta", "br", "link", "img", "input", "hr"}
HOSTILE = (
    "</script></style></title><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\" ' & {{7*7}}"
)


class Page(HTMLParser):
    """Every tag with its attributes, the visible text, and whether each tag is closed where it should be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag
        if tag in ("td", "th", "p", "li", "h3"):
            self.text += " "

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def words(self) -> str:
        return " ".join(self.text.split())


@pytest.fixture(scope="module")
def pages():
    """Each sample rendered once from what was stored of it."""
    return {name: Page(sample_pages.page(name)) for name in samples.ALL}


FIXED = {"kind", "role", "window", "step", "status", "severity", "verdict", "action", "confidence"} | {
    *("format", "basis", "task", "at", "since")
}
"""Fields of a fixed vocabulary; everything else may come from the user's data."""
NAMED_BY_USERS = {"marks", "events", "numbers", "sources", "versions"}


def poisoned(value, field=""):
    """A stored diagnosis with every free string made hostile, names in dictionaries included."""
    if isinstance(value, dict):
        items = {
            key: item if key in FIXED and isinstance(item, str) else poisoned(item, key) for key, item in value.items()
        }
        return {f"{HOSTILE}{key}": item for key, item in items.items()} if field in NAMED_BY_USERS else items
    if isinstance(value, list):
        return [poisoned(item, field) for item in value]
    return HOSTILE if isinstance(value, str) and value else value


@pytest.mark.parametrize("name", samples.ALL)
def test_a_stored_diagnosis_says_the_same(name):
    diagnosis = samples.ALL[name]()
    assert diagnosis_page(Diagnosis.from_json(diagnosis.to_json())) == diagnosis_page(diagnosis)


@pytest.mark.parametrize("name", samples.ALL)
def test_nothing_is_fetched_and_nothing_foreign_runs(pages, name):
    page = pages[name]
    assert not {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "embed", "base"}
    for _, attributes in page.tags:
        assert not any(key.startswith("on") or key in ("src", "srcset", "action") for key in attributes)
        assert (attributes.get("href") or "#").startswith("#")


@pytest.mark.parametrize("name", samples.ALL)
def test_the_policy_names_the_only_script_by_its_hash(name):
    html = sample_pages.page(name)
    scripts = re.findall(r"<script>(.*?)</script>", html, re.S)
    assert html.count("<script") == len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    assert policy[1].startswith(f"default-src 'none'; script-src 'sha256-{digest}';")
    assert not re.search(r"fetch|XMLHttp|import|eval|innerHTML|document\.write|https?:", scripts[0])


def test_the_styles_fetch_nothing():
    style = re.search(r"<style>(.*?)</style>", sample_pages.page("binary"), re.S)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("name", ["binary", "in_part", "quiet"])
def test_hostile_strings_are_text(whole, name):
    diagnosis = Diagnosis.from_dict(poisoned(samples.ALL[name]().to_dict()))
    page = Page(diagnosis.to_html() if whole else diagnosis._repr_html_())
    assert "img" not in {tag for tag, _ in page.tags}
    assert len(page.all("script")) == (1 if whole else 0)
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert "{{7*7}}" in page.text


def test_a_terminal_escape_in_a_name_does_not_reach_the_page():
    assert "\x1b" not in samples.quiet().model_copy(update={"model": "\x1b[2J\x00model"}).to_html()


@pytest.mark.parametrize("name", samples.ALL)
def test_headings_nest(pages, name):
    levels = [int(tag[1]) for tag, _ in pages[name].tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("name", samples.ALL)
def test_ids_stand_once_and_links_lead_somewhere(pages, name):
    ids = [attributes["id"] for _, attributes in pages[name].tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {a["href"] for a in pages[name].all("a")} <= {f"#{i}" for i in ids}
    named = {attributes.get("aria-labelledby") for _, attributes in pages[name].tags} - {None}
    assert named <= set(ids)


@pytest.mark.parametrize("name", samples.ALL)
def test_every_drawing_has_a_text_alternative(pages, name):
    drawings = [svg for svg in pages[name].all("svg") if svg.get("aria-hidden") != "true"]
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in drawings)
    assert all((svg["aria-label"] or "").rstrip(".") in pages[name].words() for svg in drawings)


def test_the_page_reads_in_the_order_of_the_questions(pages):
    text = pages["binary"].words()
    order = [
        "Degraded",
        "Accuracy fell from 84.2% to 80.8%, mainly because of a unit change of income.",
        "change −3.4 points worse 95% interval −4.5 to −2.3",
        "since 3 April 10:00 UTC",
        "Why: the first cause Unit change: income −2.4 points",
        "income in both windows",
        "Do now",
        "Fix the data upstream",
        "windows reference 2026-03-01 to 2026-03-31 (31 days)",
        "labelled 20,140 reference (100.0%), 13,377 current (95.4%)",
        samples.binary().warnings[0],
        "Other causes",
        "Where the change comes from",
        "Unexplained",
        "Faults that cost nothing",
        "The playbook",
        "Metrics in both windows",
        "Numeric features",
        "Not checked, and why",
        "What went in",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_a_card_says_what_where_since_when_how_much_and_what_next(pages):
    text = pages["binary"].words()
    for part in (
        "−2.4 points −3.1 to −1.7",
        "verified repair and injection agree",
        "divide income by 12 (yearly to monthly); +2.5 points back [+1.8 to +3.2], sample of 13,377 rows",
        "Injection: the same fault in the reference rows; −2.3 points [−3.0 to −1.6]",
        "61% of rows: branch == 'north'",
        "2026-04-03",
        "Convert income to monthly upstream",
    ):
        assert part in text


def test_what_is_in_order_is_folded_and_what_is_not_stands_open():
    html = sample_pages.page("binary")
    folded = re.search(r'<details class="in-order">(.*?)</details>', html, re.S)
    assert folded
    assert "term_months" in folded[1]
    assert "income" not in folded[1]


def test_parts_stand_before_the_causes(pages):
    text = pages["in_part"].words()
    assert text.index("What is worse") < text.index("court_filing class, recall") < text.index("Other causes")
    assert "−7.7 points" in text


def test_a_number_keeps_its_unit_on_the_line(pages):
    assert "−3.4\u00a0points" in pages["binary"].text


def test_no_causes_are_said_in_words(pages):
    assert "Nothing material got worse, so no cause is named." in pages["quiet"].words()
    assert "not estimable" in pages["no_labels"].words()


def test_everything_idle_stands_with_its_reason(pages):
    text = pages["binary"].words()
    for outcome in samples.binary().checks:
        if outcome.reason:
            assert outcome.reason in text
    assert "no check of the step “integrity” in this run" in text


MEGABYTES = 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize(("features", "most"), [(40, 2 * MEGABYTES), (500, 4 * MEGABYTES)])
def test_the_page_stays_small_with_everything_flagged(features, most):
    html = sample_pages.everything(features)
    assert len(html.encode()) < most
    page = Page(html)
    findings = [a for a in page.all("article") if a.get("data-level") == "warn"]
    assert len(findings) == 3 * features + 1
    drawn = len([svg for svg in page.all("svg") if svg.get("role") == "img"])
    assert MOST_CHARTS < drawn <= MOST_CHARTS + IN_CARDS
    assert html.count("Figures<span") == 3 * min(features, MOST_FIGURES)


def test_many_features_keep_every_chart_of_the_causes_and_say_what_is_not_drawn():
    page = Page(sample_pages.wide(500))
    drawings = [svg["aria-label"] for svg in page.all("svg")]
    assert len(drawings) == MOST_CHARTS + IN_CARDS
    assert evidence.histograms().reading in drawings
    assert evidence.bars().reading in drawings
    assert "charts of the least serious findings are not drawn" in page.words()


def test_more_findings_than_a_page_holds_are_counted():
    check = samples.binary().checks[2]
    quiet = check.findings[0].model_copy(update={"evidence": ()})
    many = check.model_copy(update={"findings": (quiet,) * (MOST_FINDINGS + 7)})
    page = Page(samples.quiet().model_copy(update={"checks": (many,)}).to_html())
    assert "7 more are in the JSON" in page.words()


def test_forty_features_have_all_their_charts():
    assert "are not drawn" not in Page(sample_pages.wide(40)).words()


def test_what_is_in_order_is_a_row_that_says_what_it_could_have_missed(pages):
    words = pages["binary"].words()
    assert "term_months 4,100 → 4,100 0.4 USD [−2 to 2.8] under 45 USD" in words
    assert words.count("all rows, KS exact to 1/128") == 2  # once for all rows in order, once for the finding
    assert "Flagged from 45 USD on" in words


def test_segments_are_a_table_with_bars(pages):
    page = pages["all_kinds"]
    words = page.words()
    assert "term_months > 48 flagged 6,240 → 4,330 83.1% 76.3% −6.8 pt −8.6 to −5.0 −2.1 pt" in words
    assert "branch = 'new' 0 → 40 – 80.0%" in words
    assert len([svg for svg in page.all("svg") if svg.get("aria-hidden") == "true"]) == 2 * (3 + 2)


def test_what_shows_the_whole_stands_open_though_all_is_in_order():
    html = sample_pages.page("all_kinds")
    folded = "".join(re.findall(r"<details.*?</details>", html, re.S))
    assert evidence.scatter().reading in html
    assert evidence.scatter().reading not in folded


def test_a_sentence_is_not_said_twice():
    finding = samples.binary().checks[2].findings[2]
    chart = finding.evidence[0].model_copy(update={"reading": finding.summary})
    check = (
        samples.binary().checks[2].model_copy(update={"findings": (finding.model_copy(update={"evidence": (chart,)}),)})
    )
    html = samples.quiet().model_copy(update={"checks": (check,)}).to_html()
    assert Page(html).words().count("median 4,100 → 49,200 USD") == 1


def test_a_fragment_stands_beside_others():
    page = Page(samples.binary()._repr_html_())
    assert not [attributes for _, attributes in page.tags if attributes.get("id") or attributes.get("href")]
    assert not {tag for tag, _ in page.tags} & {"html", "body", "script"}
    assert "Accuracy fell from 84.2% to 80.8%" in page.words()
    style = re.search(r"<style>(.*?)</style>", samples.binary()._repr_html_(), re.S)
    assert style
    selectors = [s for s in re.findall(r"([^{}]+)\{", style[1]) if not s.strip().startswith("@")]
    assert all(".backslide" in selector for selector in selectors)


def test_the_value_shows_itself(tmp_path):
    diagnosis = samples.binary()
    assert diagnosis.to_html(tmp_path / "why.html") == (tmp_path / "why.html").read_text(encoding="utf-8")
    assert diagnosis.causes[0].summary in diagnosis._repr_html_()


def test_lone_surrogates_can_be_written(tmp_path):
    text = json.loads('"half \\ud800 a pair"')
    diagnosis = samples.quiet().model_copy(update={"model": text})
    diagnosis.to_html(tmp_path / "why.html")
    assert "half \\ud800 a pair" in (tmp_path / "why.html").read_text(encoding="utf-8")
