"""The pages of gate and retraining: one shape, for a terminal, a pull request and a browser. No script, nothing fetched."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from backslide.contracts.evidence import Evidence
from backslide.report.charts.figures import figure
from backslide.report.documents.shadow import Section
from backslide.report.render.html import _environment
from backslide.report.render.markdown import _md, _md_table
from backslide.report.render.shadow_text import _table


@dataclass(frozen=True, slots=True)
class Fact:
    """One number of the headline."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that a page says, in the order in which it says it."""

    model: str
    about: str
    verdict: str
    sign: str
    tone: str
    summary: str
    facts: tuple[Fact, ...]
    action: str
    reason: str
    sections: tuple[Section, ...]
    evidence: tuple[Evidence, ...]
    inputs: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def page_text(page: Page, *, width: int = 100) -> str:
    """Plain lines of about ``width`` columns."""
    lines = [f"{page.sign} {page.verdict}: {page.model}", *textwrap.wrap(page.summary, width), ""]
    facts = [(f.name, f"{f.value}; {f.note}" if f.note else f.value) for f in page.facts]
    wide = max((len(name) for name, _ in facts), default=0) + 2
    wide = max(wide, 9)
    for name, text in [*facts, ("do now", f"{page.action}: {page.reason}")]:
        lines += textwrap.wrap(text, width, initial_indent=f"{name:<{wide}}", subsequent_indent=" " * wide)
    for section in page.sections:
        told = [f"  {line}" for line in textwrap.wrap(section.reading, width - 2)]
        lines += ["", section.title, *told, *(_table(section) if section.rows else [])]
    if page.notes:
        lines += ["", "Notes", *(f"  {line}" for note in page.notes for line in textwrap.wrap(note, width - 2))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def page_markdown(page: Page) -> str:
    """GitHub-flavoured Markdown; foreign strings cannot mark up."""
    blocks = [f"## {page.sign} {page.verdict}: {_md(page.model)}", f"**{_md(page.summary)}**"]
    blocks.append("\n".join(f"- {_md(f.name)}: {_md(f.value)} {_md(f.note)}".rstrip() for f in page.facts))
    blocks.append(f"**Do now: {page.action}.** {_md(page.reason)}")
    for section in page.sections:
        blocks += [f"### {section.title}", _md(section.reading)]
        if section.rows:
            blocks.append(_md_table(section.columns, section.rows))
    if page.notes:
        notes = "\n".join(f"- {_md(note)}" for note in page.notes)
        blocks += [f"<details><summary>Notes ({len(page.notes)})</summary>", notes, "</details>"]
    return "\n\n".join(block for block in blocks if block) + "\n"


def page_html(page: Page) -> str:
    """One self-contained page that needs no network."""
    figures = [figure(e) for e in page.evidence]
    return _environment().get_template("upkeep.html.j2").render(v=page, figures=figures)
