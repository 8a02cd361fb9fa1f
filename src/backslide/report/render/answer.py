"""Any answer in any form: the document of its kind, laid out by one of three renderers.

This is the door that the contracts open by name (``contracts/rendering.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backslide.contracts.cause import Cause
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.finding import Finding
from backslide.contracts.gate import Gate
from backslide.contracts.integrity import Integrity
from backslide.contracts.rendering import PublishedAnswer
from backslide.contracts.retrain import Retrain
from backslide.contracts.segments import SegmentReport
from backslide.contracts.selftest import SelfTest
from backslide.contracts.shadow import Shadow
from backslide.contracts.watch import WatchReport
from backslide.report.documents.causes import lone_cause
from backslide.report.documents.diagnosis import diagnosis_page
from backslide.report.documents.findings import lone_finding
from backslide.report.documents.gate import gate_page
from backslide.report.documents.integrity import integrity_page
from backslide.report.documents.page import Block, FindingBlock, Page
from backslide.report.documents.retrain import retrain_page
from backslide.report.documents.segments import segments_page
from backslide.report.documents.selftest import selftest_page
from backslide.report.documents.shadow import shadow_page
from backslide.report.documents.watch import watch_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from backslide.contracts.rendering import Form
    from backslide.contracts.values import Value

_PAGES: dict[type[Value], Callable[[Any], Page]] = {
    Diagnosis: diagnosis_page,
    Gate: gate_page,
    Integrity: integrity_page,
    Retrain: retrain_page,
    SegmentReport: segments_page,
    SelfTest: selftest_page,
    Shadow: shadow_page,
    WatchReport: watch_page,
}
_BLOCKS: dict[type[Value], Callable[[Any], Block]] = {
    Cause: lone_cause,
    Finding: lambda finding: FindingBlock(lone_finding(finding)),
}


FORMATS: dict[str, type[PublishedAnswer]] = {
    kind.model_fields["format"].default.partition("/")[0]: kind for kind in _PAGES if issubclass(kind, PublishedAnswer)
}
"""Name of a published format, without its version -> kind of answer."""


def answer_from(document: Any) -> PublishedAnswer:
    """The answer that parsed JSON holds; what names no format of ours is read as a diagnosis, whose errors say what is wrong.

    Raises:
        InputError: it cannot be read.
    """
    name = str(document.get("format")).partition("/")[0] if isinstance(document, dict) else ""
    return FORMATS.get(name, Diagnosis).from_dict(document)


def page_of(value: Value) -> Page:
    """The page of an answer."""
    return next(make for kind, make in _PAGES.items() if isinstance(value, kind))(value)


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

    lone = next((make for kind, make in _BLOCKS.items() if isinstance(value, kind)), None)
    if lone is not None:
        return block_fragment(lone(value))
    return page_html(page_of(value)) if form == "html" else page_fragment(page_of(value))
