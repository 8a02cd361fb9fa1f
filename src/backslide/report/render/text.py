"""The report for a terminal and a mail."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from backslide.report.documents.diagnosis import build
from backslide.report.documents.lines import bracket, metric_line, named, since_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backslide.contracts.diagnosis import Diagnosis
    from backslide.report.documents.diagnosis import CauseView, Unchecked, View

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
            change = f"{part.reference} → {part.current}, {part.change}{bracket(part.interval)}"
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
            out.add(f"{cause.title} ({cause.points}{bracket(cause.interval)}): {cause.summary}", indent=2)
    _text_unchecked(out, view.unchecked)
    if view.notes:
        out.section("Notes")
        for note in view.notes:
            out.add(note, indent=2)
    return "\n".join(out.lines) + "\n"


def _text_headline(out: _Lines, view: View) -> None:
    out.add(f"{view.sign} {view.verdict}: {view.model}", "bold", _TONES.get(view.tone, "green"))
    out.add(view.summary)
    out.lines.append("")
    out.labelled("metric", metric_line(view))
    if view.onset:
        out.labelled("since", since_line(view))
    out.labelled("do now", f"{view.action}. {view.reason}", "bold")
    for warning in view.warnings:
        out.labelled("warning", warning, "yellow")


def _text_cause(out: _Lines, cause: CauseView) -> None:
    out.add(
        f"{cause.rank}. {cause.title}  {cause.points}{bracket(cause.interval)}  {cause.confidence}", "bold", indent=2
    )
    out.add(cause.summary, indent=5)
    for line in cause.proof:
        out.labelled("proof", line, indent=5)
    out.labelled("where", cause.where + (f", since {cause.since}" if cause.since else ""), indent=5)
    out.labelled("next", cause.next_step, indent=5)


def _text_unchecked(out: _Lines, unchecked: Iterable[Unchecked]) -> None:
    lines = [f"{named(item)}: {item.status}" + (f", {item.reason}" if item.reason else "") for item in unchecked]
    if lines:
        out.section("Not checked")
        for line in lines:
            out.add(line, indent=2)
