"""Whole answers laid out for a page, drawn once: a report holds dozens of drawings, which take seconds."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from markupsafe import Markup

from backslide import __version__
from backslide.contracts.diagnosis import Diagnosis
from backslide.report.documents.addresses import Addresses
from backslide.report.documents.diagnosis import diagnosis_page
from backslide.report.documents.page import Page
from backslide.report.documents.watch_site import incident_page
from backslide.report.render.answer import answer_from, page_of
from backslide.report.render.html import page_body, page_html
from backslide.server.looks import LookQueries
from backslide.server.pages.parts import ModelLook
from backslide.store.memory import Json

MOST_IN_MEMORY = 24
_lock = threading.Lock()
_drawing = threading.Lock()
_recent: OrderedDict[str, Markup] = OrderedDict()


def body_of(ask: LookQueries, key: tuple[str, ...], document: Callable[[], Json | None]) -> Markup | None:
    """An answer as a part of a page; ``key`` names it and changes when it does. None where there is none."""
    digest = hashlib.sha256("\0".join((__version__, *key)).encode()).hexdigest()
    with _lock:
        if digest in _recent:
            _recent.move_to_end(digest)
            return _recent[digest]
    body = ask.rendering(digest)
    if body is None:
        with _drawing:  # two readers of one new report draw it once
            body = ask.rendering(digest)
            if body is None:
                data = document()
                if data is None:
                    return None
                body = page_body(page_of(answer_from(data)))
                ask.keep_rendering(digest, body)
    shown = Markup(body)  # escaped by the templates that made it
    with _lock:
        _recent[digest] = shown
        while len(_recent) > MOST_IN_MEMORY:
            _recent.popitem(last=False)
    return shown


def incident_file(answer: ModelLook, incident: str, document: Json | None) -> str:
    """An incident with the report of its diagnosis as one file that needs no server."""
    page = replace(incident_page(answer.report, incident, Addresses({})), trail=())
    if document is None:
        return page_html(page)
    return page_html(_joined(page, diagnosis_page(Diagnosis.from_dict(document))))


def _joined(page: Page, report: Page) -> Page:
    sections = tuple(one for one in page.sections if one.title != "Diagnosis")
    inputs = (*page.inputs, *report.inputs)
    return replace(
        page,
        facts=report.facts,
        why=report.why,
        warnings=report.warnings,
        more_warnings=report.more_warnings,
        sections=(*sections, *report.sections),
        contents=report.contents,
        inputs=inputs,
        notes=(*page.notes, *report.notes),
    )
