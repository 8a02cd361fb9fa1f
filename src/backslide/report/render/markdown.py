"""The report for a pull request or an incident: GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backslide.report.documents.diagnosis import build
from backslide.report.documents.lines import bracket, metric_line, named, since_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backslide.contracts.diagnosis import Diagnosis
    from backslide.report.documents.diagnosis import View


def render_markdown(diagnosis: Diagnosis) -> str:
    """The diagnosis as GitHub-flavoured Markdown for a pull request or an incident; foreign strings cannot mark up."""
    view = build(diagnosis)
    blocks = [f"## {view.sign} {view.verdict}: {_md(view.model)}", f"**{_md(view.summary)}**"]
    blocks.append(_markdown_facts(view))
    blocks.append(f"**Do now: {view.action}.** {_md(view.reason)}")
    if view.warnings:
        blocks.append("\n>\n".join(f"> **Warning:** {_md(warning)}" for warning in view.warnings))
    if view.parts:
        parts = [(p.name, p.kind, p.metric, p.reference, p.current, p.change + bracket(p.interval)) for p in view.parts]
        blocks += ["### What is worse", _md_table(("part", "kind", "metric", "reference", "current", "change"), parts)]
    blocks += ["### Causes", *_markdown_causes(view)]
    if view.harmless:
        lines = [f"- {_md(c.title)} ({c.points}{bracket(c.interval)}): {_md(c.summary)}" for c in view.harmless]
        blocks += ["### Faults that cost nothing", "\n".join(lines)]
    if view.unchecked:
        rows = [(named(u), u.status, u.reason) for u in view.unchecked]
        summary = f"<summary>Not checked, and why ({len(rows)})</summary>"
        blocks += [f"<details>{summary}", _md_table(("check", "state", "why"), rows), "</details>"]
    if view.notes:
        summary = f"<summary>Notes ({len(view.notes)})</summary>"
        blocks += [f"<details>{summary}", "\n".join(f"- {_md(note)}" for note in view.notes), "</details>"]
    return "\n\n".join(blocks) + "\n"


def _markdown_facts(view: View) -> str:
    lines = [f"- {_md(metric_line(view))}"]
    if view.onset:
        lines.append(f"- since {_md(since_line(view))}")
    return "\n".join([*lines, f"- {_md(view.detectable)}"])


def _markdown_causes(view: View) -> list[str]:
    if not view.causes:
        return [_md(view.no_cause)]
    rows = [
        (
            str(c.rank),
            c.title,
            c.points + bracket(c.interval),
            f"{c.confidence}: {c.confidence_means}",
            c.where,
            c.since,
        )
        for c in view.causes
    ]
    table = _md_table(("", "cause", "points", "confidence", "where", "since"), rows)
    details = [
        "\n".join(
            [f"{c.rank}. **{_md(c.title)}.** {_md(c.summary)}"]
            + [f"   - {_md(line)}" for line in c.proof]
            + [f"   - **Next:** {_md(c.next_step)}"]
        )
        for c in view.causes
    ]
    unexplained = [f"Unexplained: {view.unexplained}"] if view.unexplained else []
    return [table, "\n".join(details), *unexplained]


def _md_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(_md(cell) for cell in row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


_BROKEN = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "@\u200b"), ("#", "#\u200b"), ("://", ":\u200b//"))
"""Tags, mentions, references to issues, headings and addresses that become links by themselves."""


def _md(text: str) -> str:
    """Text that Markdown shows as it is: no tags, links, images, emphasis, code, mathematics, mentions or table cells."""
    for sign, inert in _BROKEN:
        text = text.replace(sign, inert)
    text = re.sub(r"(?i)\bwww\.", lambda found: found.group()[:-1] + "\u200b.", text)
    return re.sub(r"([\\`*|~$]|\](?=[(\[:])|(?<!\w)_|_(?!\w))", r"\\\1", text)
