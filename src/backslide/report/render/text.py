"""A page for a terminal and a mail: plain lines."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from backslide.report.documents.page import Bullets, Cards, Page, PageTable, Paragraph, Row

if TYPE_CHECKING:
    from backslide.report.documents.page import Block, Card, PageFact

_COLOURS = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "faint": "2"}
_TONES = {"degraded": "red", "degraded_in_part": "red", "inconclusive": "yellow"}
LEAST_LABEL, MOST_LABEL = 9, 26
"""Columns that the labels on the left take: as many as the longest needs, within reason."""
MOST_ROWS = 12
"""Rows of a table; the rest are in the page and the JSON."""
GAP = 2
"""Columns between the cells of a table."""


class _Lines:
    """Collects wrapped lines; colour, where asked for, is put around whole pieces so that widths stay right."""

    def __init__(self, *, color: bool, width: int) -> None:
        self.color, self.width = color, max(40, width)
        self.label = LEAST_LABEL
        self.lines: list[str] = []

    def paint(self, text: str, *styles: str) -> str:
        if not self.color or not text:
            return text
        codes = ";".join(_COLOURS[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def add(self, text: str, *styles: str, indent: int = 0) -> None:
        pad = " " * indent
        self.lines += [pad + self.paint(line, *styles) for line in _wrapped(text, self.width - indent)]

    def labelled(self, label: str, text: str, *styles: str, indent: int = 0) -> None:
        """``label`` at the left, ``text`` wrapped in the column beside it."""
        if len(label) >= self.label:
            self.add(label, "faint", indent=indent)
            label = ""
        hang = indent + self.label
        for number, line in enumerate(_wrapped(text, self.width - hang)):
            head = " " * indent + self.paint(label.ljust(self.label), "faint") if number == 0 else " " * hang
            self.lines.append(head + self.paint(line, *styles))

    def section(self, title: str) -> None:
        self.lines.append("")
        self.add(title, "bold")


def page_text(page: Page, *, color: bool = False, width: int = 100) -> str:
    """The page as lines of at most ``width`` columns; ``color`` adds ANSI styles and changes nothing else."""
    out = _Lines(color=color, width=width)
    _head(out, page)
    for section in page.sections:
        lines = _Lines(color=color, width=width)
        if section.depth != "full":
            for block in section.blocks:
                _block(lines, block)
        if lines.lines:
            out.section(section.title)
            out.lines += lines.lines
    if page.notes:
        out.section("Notes")
        for note in page.notes:
            out.add(note, indent=2)
    return "\n".join(line.rstrip() for line in out.lines) + "\n"


def _head(out: _Lines, page: Page) -> None:
    out.add(f"{page.sign} {page.verdict}: {page.model}", "bold", _TONES.get(page.tone, "green"))
    out.add(page.headline, "bold")
    out.lines.append("")
    names = [fact.name for fact in page.facts]
    out.label = min(MOST_LABEL, max([LEAST_LABEL, *(len(name) + 2 for name in names)]))
    for fact in page.facts:
        out.labelled(fact.name, fact_line(fact))
    for card in page.why:
        out.labelled("why", card_title(card), "bold")
        out.labelled("", card.text)
        for row in card.rows:
            for line in row.lines:
                out.labelled("", f"{row.name}: {line}")
    if page.action:
        out.labelled("do now", f"{page.action}. {page.reason}", "bold")
    for row in page.context:
        _row(out, row, indent=0)
    for warning in page.warnings:
        out.labelled("warning", warning, "yellow")
    if page.more_warnings:
        out.labelled("", f"{page.more_warnings} more warnings are in the JSON.", "faint")


def fact_line(fact: PageFact) -> str:
    """``−3.4 points, worse; 95% interval −4.5 to −2.3``."""
    value = f"{fact.value}, {fact.direction}" if fact.direction else fact.value
    return "; ".join((value, *fact.notes))


def card_title(card: Card) -> str:
    """``Unit change: income  −2.4 points [−3.1 to −1.7]  verified (repair and injection agree)``."""
    value = card.value + (f" [{card.interval}]" if card.interval else "")
    badge = card.badge + (f" ({card.means})" if card.means else "")
    return "  ".join(part for part in (card.title, value, badge) if part)


def _row(out: _Lines, row: Row, *, indent: int) -> None:
    for number, line in enumerate(row.lines):
        out.labelled(row.name if number == 0 else "", line, indent=indent)


def _block(out: _Lines, block: Block) -> None:
    if isinstance(block, Paragraph):
        if block.text:
            out.add(block.text, indent=2)
    elif isinstance(block, Bullets):
        for line in block.lines:
            out.add(line, indent=2)
    elif isinstance(block, PageTable):
        out.lines += ["  " + line for line in _table(block, out.width - 2)]
    elif isinstance(block, Cards):
        for number, card in enumerate(block.cards, start=block.first or 0):
            _card(out, card, f"{number}. " if block.first is not None else "")


def _card(out: _Lines, card: Card, number: str) -> None:
    out.add(number + card_title(card), "bold", indent=2)
    out.add(card.text, indent=5)
    out.label = max([LEAST_LABEL, *(len(row.name) + 2 for row in card.rows)])
    for row in card.rows:
        _row(out, row, indent=5)


def _table(table: PageTable, width: int) -> list[str]:
    """Aligned columns; the widest are wrapped until the table fits, as long as no word breaks."""
    rows = (table.columns, *table.rows[:MOST_ROWS])
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    least = [max((len(word) for row in rows for word in row[i].split()), default=0) for i in range(len(widths))]
    while sum(widths) + GAP * (len(widths) - 1) > width:
        widest = max(range(len(widths)), key=lambda i: widths[i] - least[i])
        if widths[widest] <= least[widest]:
            break
        widths[widest] -= 1
    lines = []
    for row in rows:
        cells = [_wrapped(cell, max(1, wide)) for cell, wide in zip(row, widths, strict=True)]
        for at in range(max(map(len, cells))):
            shown = ((cell[at] if at < len(cell) else "").ljust(wide) for cell, wide in zip(cells, widths, strict=True))
            lines.append((" " * GAP).join(shown))
    rest = len(table.rows) - MOST_ROWS
    return [*lines, f"and {rest} more"] if rest > 0 else lines


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
