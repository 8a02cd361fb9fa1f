"""The report for a terminal, a mail and a pull request."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from backslide.report.view import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from backslide.contracts.diagnosis import Diagnosis
    from backslide.report.view import CauseView, Unchecked, View

_COLOURS = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "faint": "2"}
_TONES = {"degraded": "red", "degraded_in_part": "red", "inconclusive": "yellow"}
_LABEL = 9
"""Columns that the labels on the left take."""


class _Lines:
    """Collects wrapped lines; colour, where asked for, is put around whole pieces so that widths stay right."""

    def __init__(self, *, color: bool, width: int) -> None:
        self.color, self.width = color, max(40, width)
        self.lines: list[str] = []

    def paint(self, text: str, *styles: str) -> str:
        if not self.color or not text:
            return text
        codes = ";".join(_COLOURS[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def add(self, text: str, *styles: str, indent: int = 0) -> None:
        pad = " " * indent
        wrapped = textwrap.wrap(text, self.width - indent, break_on_hyphens=False) or [""]
        self.lines += [pad + self.paint(line, *styles) for line in wrapped]

    def labelled(self, label: str, text: str, *styles: str, indent: int = 0) -> None:
        """``label`` at the left, ``text`` wrapped in the column beside it."""
        first = self.paint(label.ljust(_LABEL), "faint")
        hang = indent + _LABEL
        wrapped = textwrap.wrap(text, self.width - hang, break_on_hyphens=False) or [""]
        for number, line in enumerate(wrapped):
            head = " " * indent + first if number == 0 else " " * hang
            self.lines.append(head + self.paint(line, *styles))

    def section(self, title: str) -> None:
        self.lines.append("")
        self.add(title, "bold")


def render_text(diagnosis: Diagnosis, *, color: bool = False, width: int = 100) -> str:
    """The diagnosis as plain lines of at most ``width`` columns; ``color`` adds ANSI styles and changes nothing else."""
    view = build(diagnosis)
    out = _Lines(color=color, width=width)
    _text_headline(out, view)
    if view.parts:
        out.section("What is worse")
        for part in view.parts:
            change = f"{part.reference} → {part.current}, {part.change}{_bracket(part.interval)}"
            out.add(f"{part.kind} {part.name}: {part.metric} {change}", indent=2)
    out.section("Causes")
    for cause in view.causes:
        _text_cause(out, cause)
    if view.no_cause:
        out.add(view.no_cause, indent=2)
    if view.unexplained:
        out.add(f"Unexplained: {view.unexplained}", indent=2)
    if view.harmless:
        out.section("Faults that cost nothing")
        for cause in view.harmless:
            out.add(f"{cause.title} ({cause.points}{_bracket(cause.interval)}): {cause.summary}", indent=2)
    _text_unchecked(out, view.unchecked)
    return "\n".join(out.lines) + "\n"


def _text_headline(out: _Lines, view: View) -> None:
    out.add(f"{view.sign} {view.verdict}: {view.model}", "bold", _TONES.get(view.tone, "green"))
    out.add(view.summary)
    out.lines.append("")
    out.labelled("metric", _metric_line(view))
    if view.onset:
        said = [view.onset, view.onset_interval, *view.onset_events]
        out.labelled("since", ", ".join(part for part in said if part))
    out.labelled("do now", f"{view.action}. {view.reason}", "bold")
    for warning in view.warnings:
        out.labelled("warning", warning, "yellow")


def _metric_line(view: View) -> str:
    metric = view.metric
    line = f"{metric.name} {metric.reference} → {metric.current}"
    if metric.change:
        line += f", {metric.change}{_bracket(metric.interval)}"
    if metric.direction:
        line += f", {metric.direction}"
    return line + (f" ({metric.basis})" if metric.basis else "")


def _text_cause(out: _Lines, cause: CauseView) -> None:
    out.add(
        f"{cause.rank}. {cause.title}  {cause.points}{_bracket(cause.interval)}  {cause.confidence}", "bold", indent=2
    )
    out.add(cause.summary, indent=5)
    for line in cause.proof:
        out.labelled("proof", line, indent=5)
    out.labelled("where", cause.where + (f", since {cause.since}" if cause.since else ""), indent=5)
    out.labelled("next", cause.next_step, indent=5)


def _text_unchecked(out: _Lines, unchecked: Iterable[Unchecked]) -> None:
    lines = [f"{_named(item)}: {item.status}" + (f", {item.reason}" if item.reason else "") for item in unchecked]
    if lines:
        out.section("Not checked")
        for line in lines:
            out.add(line, indent=2)


def _named(item: Unchecked) -> str:
    return f"{item.code} {item.title}" if item.code else item.title


def _bracket(interval: str) -> str:
    return f" [{interval}]" if interval else ""


def render_markdown(diagnosis: Diagnosis) -> str:
    """The diagnosis as GitHub-flavoured Markdown for a pull request or an incident; foreign strings cannot mark up."""
    view = build(diagnosis)
    blocks = [f"## {view.sign} {view.verdict}: {_md(view.model)}", f"**{_md(view.summary)}**"]
    blocks.append(_markdown_facts(view))
    blocks.append(f"**Do now: {view.action}.** {_md(view.reason)}")
    if view.warnings:
        blocks.append("\n".join(f"> **Warning:** {_md(warning)}" for warning in view.warnings))
    if view.parts:
        parts = [
            (p.name, p.kind, p.metric, p.reference, p.current, p.change + _bracket(p.interval)) for p in view.parts
        ]
        blocks += ["### What is worse", _md_table(("part", "kind", "metric", "reference", "current", "change"), parts)]
    blocks += ["### Causes", *_markdown_causes(view)]
    if view.harmless:
        lines = [f"- {_md(c.title)} ({c.points}{_bracket(c.interval)}): {_md(c.summary)}" for c in view.harmless]
        blocks += ["### Faults that cost nothing", "\n".join(lines)]
    if view.unchecked:
        rows = [(_named(u), u.status, u.reason) for u in view.unchecked]
        blocks += ["### Not checked, and why", _md_table(("check", "state", "why"), rows)]
    return "\n\n".join(blocks) + "\n"


def _markdown_facts(view: View) -> str:
    lines = [f"- {_md(_metric_line(view))}"]
    if view.onset:
        said = ", ".join(part for part in (view.onset, view.onset_interval, *view.onset_events) if part)
        lines.append(f"- since {_md(said)}")
    return "\n".join([*lines, f"- {_md(view.detectable)}"])


def _markdown_causes(view: View) -> list[str]:
    if not view.causes:
        return [_md(view.no_cause)]
    rows = [
        (
            str(c.rank),
            c.title,
            c.points + _bracket(c.interval),
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


def _md(text: str) -> str:
    """Text that Markdown shows as it is: no tags, links, images, emphasis, code, mentions or table cells."""
    inert = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")
    return re.sub(r"([\\`*|~]|\](?=[(\[:])|(?<!\w)_|_(?!\w))", r"\\\1", inert)
