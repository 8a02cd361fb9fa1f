"""A page for a pull request or an incident: GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backslide.report.documents.page import Bullets, Cards, Page, PageTable, Paragraph
from backslide.report.render.text import card_title, fact_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backslide.report.documents.page import Block, Card, Row


def page_markdown(page: Page) -> str:
    """The page as GitHub-flavoured Markdown; foreign strings cannot mark up."""
    blocks = [f"## {page.sign} {_inert(page.verdict)}: {_inert(page.model)}", f"**{_inert(page.headline)}**"]
    blocks.append("\n".join(f"- {_inert(fact.name)}: {_inert(fact_line(fact))}" for fact in page.facts))
    blocks += [f"**Why.** {_card(card)}" for card in page.why]
    if page.action:
        blocks.append(f"**Do now: {_inert(page.action)}.** {_inert(page.reason)}")
    blocks.append(_definitions(page.context))
    if page.warnings:
        lines = [f"> **Warning:** {_inert(warning)}" for warning in page.warnings]
        more = [f"> {page.more_warnings} more warnings are in the JSON."] if page.more_warnings else []
        blocks.append("\n>\n".join([*lines, *more]))
    for section in page.sections:
        body = [] if section.depth == "full" else [text for block in section.blocks if (text := _block(block))]
        if body and section.folded:
            blocks += [f"<details><summary>{_inert(section.title)}</summary>", *body, "</details>"]
        elif body:
            blocks += [f"### {_inert(section.title)}", *body]
    blocks += _folded("What went in", _definitions(page.inputs))
    blocks += _folded(f"Notes ({len(page.notes)})", _bullets(page.notes))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _folded(title: str, body: str) -> list[str]:
    return [f"<details><summary>{title}</summary>", body, "</details>"] if body else []


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return _inert(block.text)
    if isinstance(block, Bullets):
        return _bullets(block.lines)
    if isinstance(block, PageTable):
        lines = [block.columns, tuple("---" for _ in block.columns), *block.rows]
        return "\n".join("| " + " | ".join(map(_inert, line)) + " |" for line in lines)
    if isinstance(block, Cards):
        numbers = (
            f"{n}. " if block.first is not None else "- " for n in range(block.first or 0, len(block.cards) + 99)
        )
        return "\n".join(number + _card(card) for number, card in zip(numbers, block.cards, strict=False))
    return ""  # drawings: their numbers stand in the sentences beside them


def _card(card: Card) -> str:
    lines = [f"   - {_inert(row.name)}: {_inert(line)}" for row in card.rows for line in row.lines]
    return "\n".join([f"**{_inert(card_title(card))}**: {_inert(card.text)}", *lines])


def _definitions(rows: Iterable[Row]) -> str:
    return "\n".join(f"- {_inert(row.name)}: {_inert('; '.join(row.lines))}" for row in rows)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_inert(line)}" for line in lines)


_BROKEN = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "@\u200b"), ("#", "#\u200b"), ("://", ":\u200b//"))
"""Tags, mentions, references to issues, headings and addresses that become links by themselves."""


def _inert(text: str) -> str:
    """Text that Markdown shows as it is: no tags, links, images, emphasis, code, mathematics, mentions or table cells."""
    for sign, inert in _BROKEN:
        text = text.replace(sign, inert)
    text = re.sub(r"(?i)\bwww\.", lambda match: match.group()[:-1] + "\u200b.", text)
    return re.sub(r"([\\`*|~$]|\](?=[(\[:])|(?<!\w)_|_(?!\w))", r"\\\1", text)
