"""A shadow comparison for a terminal, and as GitHub-flavoured Markdown."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from backslide.report.documents.shadow import Section, ShadowView, build_shadow
from backslide.report.render.markdown import _md, _md_table

if TYPE_CHECKING:
    from backslide.contracts.shadow import Shadow

MOST_ROWS = 12
"""Rows of a table in the terminal; the rest are in the page and the JSON."""


def render_shadow_text(shadow: Shadow, *, width: int = 100) -> str:
    """The comparison as plain lines of about ``width`` columns."""
    view = build_shadow(shadow)
    lines = [f"{view.sign} {view.verdict}: {view.model}", *textwrap.wrap(view.summary, width), ""]
    facts = [
        ("old", view.old),
        ("new", view.new),
        ("how", view.mode),
        ("metric", _headline(view)),
        ("do now", f"{view.action}: {view.reason}"),
    ]
    for name, text in facts:
        lines += textwrap.wrap(text, width - 9, initial_indent=f"{name:<9}", subsequent_indent=" " * 9)
    for section in view.sections:
        lines += [
            "",
            section.title,
            *(f"  {line}" for line in textwrap.wrap(section.reading, width - 2)),
            *_table(section),
        ]
    if view.notes:
        lines += ["", "Notes", *(f"  {line}" for note in view.notes for line in textwrap.wrap(note, width - 2))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _headline(view: ShadowView) -> str:
    m = view.metric
    interval = f" [{m.interval}]" if m.interval else ""
    said = f"{m.name} {m.old} → {m.new}, {m.difference}{interval}" if m.difference else f"{m.name} not known"
    return said + (f"; {view.detectable}" if view.detectable else "")


def _table(section: Section) -> list[str]:
    rows = [section.columns, *section.rows[:MOST_ROWS]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(section.columns))]
    made = ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    left = len(section.rows) - MOST_ROWS
    return [*made, f"  and {left} more"] if left > 0 else made


def render_shadow_markdown(shadow: Shadow) -> str:
    """The comparison for a pull request; foreign strings cannot mark up."""
    view = build_shadow(shadow)
    blocks = [f"## {view.sign} {view.verdict}: {_md(view.model)}", f"**{_md(view.summary)}**"]
    blocks.append(f"- old: {_md(view.old)}\n- new: {_md(view.new)}\n- {view.mode}\n- {_md(_headline(view))}")
    blocks.append(f"**Do now: {view.action}.** {_md(view.reason)}")
    for section in view.sections:
        blocks += [f"### {section.title}", _md(section.reading), _md_table(section.columns, section.rows)]
    if view.notes:
        notes = "\n".join(f"- {_md(note)}" for note in view.notes)
        blocks += [f"<details><summary>Notes ({len(view.notes)})</summary>", notes, "</details>"]
    return "\n\n".join(blocks) + "\n"
