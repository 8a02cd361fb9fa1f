"""Any answer in any form: the document of its kind, laid out by one of three renderers.

This is the door that the contracts open by name (``contracts/rendering.py``).
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from backslide.contracts.rendering import PublishedAnswer

if TYPE_CHECKING:
    from backslide.contracts.rendering import Form
    from backslide.contracts.values import Value
    from backslide.report.documents.page import Block, Page

_KINDS = {
    "Diagnosis": "diagnosis",
    "Gate": "gate",
    "Integrity": "integrity",
    "Retrain": "retrain",
    "SegmentReport": "segments",
    "SelfTest": "selftest",
    "Shadow": "shadow",
    "WatchReport": "watch",
}
"""Class of an answer -> the module among the contracts that it stands in, and among the documents that makes its page. Imported
when it is asked for: a diagnosis needs no page of another answer."""


@cache
def _published() -> dict[str, type[PublishedAnswer]]:
    """Name of a published format, without its version -> kind of answer."""
    kinds = (getattr(import_module(f"backslide.contracts.{module}"), name) for name, module in _KINDS.items())
    return {
        kind.model_fields["format"].default.partition("/")[0]: kind
        for kind in kinds
        if issubclass(kind, PublishedAnswer)
    }


def answer_from(document: Any) -> PublishedAnswer:
    """The answer that parsed JSON holds; what names no format of ours is read as a diagnosis, whose errors say what is wrong.

    Raises:
        InputError: it cannot be read.
    """
    name = str(document.get("format")).partition("/")[0] if isinstance(document, dict) else ""
    formats = _published()
    return formats.get(name, formats["backslide.diagnosis"]).from_dict(document)


def page_of(value: Value) -> Page:
    """The page of an answer."""
    module = next(_KINDS[kind.__name__] for kind in type(value).__mro__ if kind.__name__ in _KINDS)
    page: Page = getattr(import_module(f"backslide.report.documents.{module}"), f"{module}_page")(value)
    return page


def render(value: Value, form: Form) -> str:
    """An answer as text, Markdown, a whole HTML page, or a fragment of HTML; a cause or a finding as a fragment."""
    # Imported by form: a terminal needs neither templates nor the chart compiler.
    if form == "text":
        from backslide.report.render.text import page_text

        return page_text(page_of(value))
    if form == "markdown":
        from backslide.report.render.markdown import page_markdown

        return page_markdown(page_of(value))
    from backslide.report.render.html import block_fragment, page_fragment, page_html

    lone = _lone_block(value)
    if lone is not None:
        return block_fragment(lone)
    return page_html(page_of(value)) if form == "html" else page_fragment(page_of(value))


def _lone_block(value: Value) -> Block | None:
    """What stands for a cause or a finding by itself; None of anything else."""
    from backslide.contracts.cause import Cause
    from backslide.contracts.finding import Finding
    from backslide.report.documents.causes import lone_cause
    from backslide.report.documents.findings import lone_finding
    from backslide.report.documents.page import FindingBlock

    if isinstance(value, Cause):
        return lone_cause(value)
    return FindingBlock(lone_finding(value)) if isinstance(value, Finding) else None
