"""The page: one self-contained HTML file, and its first screen as a fragment for notebooks.

The page is complete without its script, which only filters. The page's policy names the script by its hash, so nothing
else can run, whatever strings the data hold, and nothing can be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from backslide.report.charts import palette
from backslide.report.charts.figures import Figure, figure, is_table, waterfall_figure
from backslide.report.documents.diagnosis import build
from backslide.report.format import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backslide.contracts.diagnosis import Diagnosis
    from backslide.contracts.evidence import Evidence
    from backslide.report.documents.diagnosis import View
    from backslide.report.documents.findings import CheckView, FindingView

__all__ = ["MOST_CHARTS", "MOST_FINDINGS", "Figure", "figure", "render_fragment", "render_html", "waterfall_figure"]

MOST_CHARTS = 60
"""Charts drawn on a page, those of the causes and the most serious findings first: each costs some 9 kB and 80 ms."""
MOST_FINDINGS = 600
"""Findings written out per check and severity group; they can be searched, and a row costs little."""

MOST_FIGURES = 60
"""Findings per check whose figures are listed, folded, beside the sentence: most of the page's elements otherwise."""


def render_html(diagnosis: Diagnosis) -> str:
    """The whole report as one HTML page that needs no network, and no script to be read."""
    view = build(diagnosis)
    evidence = [e for finding in _findings(view) for e in finding.evidence]
    drawn = _to_draw(view)
    figures = {id(e): figure(e) for e in evidence if is_table(e) or id(e) in drawn}

    def of(shown: tuple[Evidence, ...]) -> list[Figure]:
        return [figures[id(e)] for e in shown if id(e) in figures]

    script, policy = _script()
    left_out = sum(id(e) not in figures for e in evidence)
    return _render(
        "page.html.j2",
        view,
        figures=of,
        overview=_overview,
        distributions=_distributions,
        charts_left_out=left_out,
        script=script,
        policy=policy,
    )


def render_fragment(diagnosis: Diagnosis) -> str:
    """Verdict, decision, waterfall and causes, for a notebook cell. Carries its own styles and no ids."""
    return _render("fragment.html.j2", build(diagnosis))


def _render(template: str, view: View, **more: object) -> str:
    waterfall = waterfall_figure(view.waterfall) if view.waterfall is not None else None
    return _environment().get_template(template).render(v=view, waterfall=waterfall, **more)


def _findings(view: View) -> Iterator[FindingView]:
    for step in view.steps:
        for check in step.checks:
            yield from check.open[:MOST_FINDINGS]
            yield from check.ok[:MOST_FINDINGS]


def _to_draw(view: View) -> set[int]:
    """Ids of the evidence to draw: what the causes rest on, then by severity, then in the order of the page."""
    cited = {link.anchor for cause in (*view.causes, *view.harmless) for link in cause.evidence if link.anchor}
    order = {"fail": 1, "warn": 2, "note": 3, "ok": 4}
    ranked = sorted(_findings(view), key=lambda finding: 0 if finding.anchor in cited else order[finding.severity])
    charts = [id(e) for finding in ranked for e in finding.evidence if not is_table(e)]
    return set(charts[:MOST_CHARTS])


def _overview(check: CheckView) -> tuple[Evidence, ...]:
    """What findings in order show of the whole, such as a table of metrics: it stands open."""
    return tuple(e for e in _quiet(check) if e.kind in _whole(check))


def _distributions(check: CheckView) -> tuple[Evidence, ...]:
    """Charts of single columns that are in order: they are folded away with them."""
    return tuple(e for e in _quiet(check) if e.kind not in _whole(check))


def _whole(check: CheckView) -> set[str]:
    """Kinds of evidence that the check draws once; what it draws again and again belongs to single columns."""
    drawn: Counter[str] = Counter(e.kind for e in _quiet(check))
    return {kind for kind, times in drawn.items() if times == 1} - {"histograms", "bars"}


def _quiet(check: CheckView) -> list[Evidence]:
    return [e for finding in check.ok[:MOST_FINDINGS] for e in finding.evidence]


_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|points?\b|UTC\b))")


def _unbroken(value: object) -> object:
    """Keep a number and its unit on one line."""
    return _BEFORE_UNIT.sub("\u00a0", value) if type(value) is str else value


@cache
def _script() -> tuple[Markup, str]:
    """The script of the page, and its hash as a content security policy names it."""
    text = files("backslide.report").joinpath("templates", "filter.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).digest()
    return Markup(text), f"sha256-{base64.b64encode(digest).decode()}"


def _says(summary: str, reading: str) -> bool:
    """Whether a chart's sentence only repeats the sentence beside it."""
    return reading.rstrip(". ").casefold() in summary.rstrip(". ").casefold()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("backslide.report"),
        autoescape=True,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("backslide.report").joinpath("templates", "style.css").read_text(encoding="utf-8")
    environment.globals["style"] = Markup(f"{style}\n{palette.rules()}")
    environment.globals["most"] = MOST_FINDINGS
    environment.globals["most_figures"] = MOST_FIGURES
    environment.filters["count"] = numbers.count
    environment.tests["said_in"] = lambda reading, summary: _says(summary, reading)
    return environment
