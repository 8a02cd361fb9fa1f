"""The page: one self-contained HTML file without any script, and its first screen as a fragment for notebooks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from backslide.contracts.evidence import Table, Waterfall
from backslide.report import numbers, palette
from backslide.report.charts import WIDTH, chart_spec
from backslide.report.row_charts import cell_text
from backslide.report.svg import draw
from backslide.report.view import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backslide.contracts.diagnosis import Diagnosis
    from backslide.contracts.evidence import Evidence
    from backslide.report.view import FindingView, View

MOST_CHARTS = 60
"""Charts drawn on a page, those of the causes and the most serious findings first: each costs some 8 kB and 60 ms."""
MOST_FINDINGS = 200
"""Findings written out per check and severity group; a page of thousands is not read."""
WIDE = 860
"""Width of the waterfall where there is room."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One piece of evidence laid out: a drawing or a table under its title, with the sentence that says the same."""

    title: str
    reading: str
    svg: str = ""
    narrow: str = ""
    """The same drawing for a phone, where it would not shrink well."""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def render_html(diagnosis: Diagnosis) -> str:
    """The whole report as one HTML page that needs neither network nor script."""
    view = build(diagnosis)
    drawn = _to_draw(view)
    evidence = [e for finding in _findings(view) for e in finding.evidence]
    figures = {id(e): figure(e) for e in evidence if _shown(e, drawn)}
    left_out = len(evidence) - sum(_shown(e, drawn) for e in evidence)

    def of(shown: tuple[Evidence, ...]) -> list[Figure]:
        return [figures[id(e)] for e in shown if id(e) in figures]

    return _render("page.html.j2", view, figures=of, charts_left_out=left_out)


def render_fragment(diagnosis: Diagnosis) -> str:
    """Verdict, decision, waterfall and causes, for a notebook cell. Carries its own styles and no ids."""
    return _render("fragment.html.j2", build(diagnosis))


def figure(evidence: Evidence) -> Figure:
    """A piece of evidence ready for the page. What cannot be drawn keeps its sentence: a chart never costs a report."""
    if isinstance(evidence, Table):
        rows = tuple(tuple(cell_text(cell) for cell in row) for row in evidence.rows)
        return Figure(evidence.title, evidence.reading, columns=evidence.columns, rows=rows)
    try:
        return Figure(evidence.title, evidence.reading, svg=_drawing(evidence, WIDTH))
    except ValueError:
        return Figure(evidence.title, evidence.reading)


def waterfall_figure(evidence: Waterfall) -> Figure:
    """The waterfall at both widths."""
    try:
        wide, narrow = _drawing(evidence, WIDE), _drawing(evidence, WIDTH)
    except ValueError:
        return Figure(evidence.title, evidence.reading)
    return Figure(evidence.title, evidence.reading, svg=wide, narrow=narrow)


def _drawing(evidence: Evidence, width: int) -> Markup:
    return Markup(draw(chart_spec(evidence, width=width), evidence.reading))


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
    charts = [id(e) for finding in ranked for e in finding.evidence if not isinstance(e, Table)]
    return set(charts[:MOST_CHARTS])


def _shown(evidence: Evidence, drawn: set[int]) -> bool:
    return isinstance(evidence, Table) or id(evidence) in drawn


_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|points?\b|UTC\b))")


def _unbroken(value: object) -> object:
    """Keep a number and its unit on one line."""
    return _BEFORE_UNIT.sub("\u00a0", value) if type(value) is str else value


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
    environment.filters["count"] = numbers.count
    return environment
