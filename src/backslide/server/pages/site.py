"""Templates, static files, and what every page knows: who asks, the time zone, and its own address."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from backslide.contracts import say
from backslide.contracts.escape import clean_text
from backslide.report.documents.addresses import file_name
from backslide.report.render.html import page_script, page_style
from backslide.server.access import CSRF_FIELD, Caller
from backslide.server.pages import words

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = (
    "site.css",
    "app.js",
    "axis.js",
    "icon.svg",
    "vendor/htmx.min.js",
    "vendor/uplot.min.js",
    "vendor/uplot.min.css",
)
ZONE = "tz"
"""Name of the time zone in every address."""
LONGEST_ZONE = 64


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name; UTC where there is no such zone."""
    try:
        return ZoneInfo(name[:LONGEST_ZONE] or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


@dataclass(frozen=True)
class View:
    """One request, as templates see it."""

    request: Request
    caller: Caller
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def query(self) -> Mapping[str, str]:
        """What the address asks for."""
        return self.request.query_params

    @property
    def zone(self) -> ZoneInfo:
        """In which moments are shown."""
        return zone_of(self.query.get(ZONE, ""))

    @property
    def zone_name(self) -> str:
        """Its name."""
        return str(self.zone)

    @property
    def path(self) -> str:
        """Address of the page, without what it asks for."""
        return self.request.url.path

    def link(self, path: str, /, **query: object) -> str:
        """Address of another page, in the same time zone; what is empty is left out."""
        wanted = {name: value for name, value in query.items() if value not in (None, "")}
        if self.zone_name != "UTC":
            wanted[ZONE] = self.zone_name
        return f"{path}?{urlencode(wanted)}" if wanted else path

    def here(self, /, **changes: object) -> str:
        """Address of this page with other wishes; None takes one back."""
        query = {name: value for name, value in self.query.items() if name not in (ZONE, "said")}
        return self.link(self.path, **{**query, **changes})

    def moment(self, at: datetime | str | None) -> str:
        """A moment in words, in the zone of the page."""
        return words.moment(at, self.zone, self.now)

    def ago(self, at: datetime | str | None) -> str:
        """How long ago, in words."""
        return words.ago(at, self.now)


def model_path(model: str) -> str:
    """Address of a model's page."""
    return f"/models/{quote(file_name(model))}"


def incident_path(model: str, number: int) -> str:
    """Address of an incident's page."""
    return f"{model_path(model)}/incidents/{number}"


def respond(view: View, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page; only its inner part where htmx asked for a part."""
    return HTMLResponse(render(template, view=view, **values), status)


def render(template: str, **values: Any) -> str:
    """A template as text."""
    return environment().get_template(template).render(**values)


@cache
def environment() -> Environment:
    """Templates; whatever comes from elsewhere is escaped, and control characters are made visible."""
    made = Environment(
        loader=PackageLoader("backslide.server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.globals |= {
        "asset": asset_address,
        "model_path": model_path,
        "incident_path": incident_path,
        "csrf_field": CSRF_FIELD,
        "say": say,
        "words": words,
        "zones": _zones,
        "messages": _messages,
    }
    made.filters["lines"] = _lines
    return made


def _lines(text: str) -> Markup:
    """A text whose lines stay lines."""
    return Markup("\n").join(clean_text(line) for line in text.splitlines())


USUAL_ZONES = (
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
)
"""Zones of the list; that of the reader's device joins them, and any other may stand in the address."""
SAID = {
    "acknowledged": "You have acknowledged it.",
    "assigned": "It has another owner now.",
    "marked": "It is marked. The next incident like it will show what you wrote.",
    "reopened": "What was said is taken back: it is new again.",
    "muted": "Muted until the day you named.",
    "unmuted": "The mute is taken back.",
    "noted": "Your note is there.",
    "asked": "The rows are being drawn; this page shows them once they are there.",
}
"""What a page says after an action; the address holds the key alone."""


def _zones(chosen: str) -> list[str]:
    return [*USUAL_ZONES, *([] if chosen in USUAL_ZONES else [chosen])]


def _messages(view: View) -> list[str]:
    text = SAID.get(view.query.get("said", ""))
    return [] if text is None else [text]


def _shown(value: object) -> object:
    return clean_text(value) if type(value) is str else value


@cache
def assets() -> dict[str, tuple[bytes, str]]:
    """Static files by name: content and type. Nothing else is served, whatever the address says."""
    folder = files("backslide.server.pages").joinpath("static")
    contents = {name: folder.joinpath(*name.split("/")).read_bytes() for name in FILES}
    contents["report.css"] = page_style().encode()
    contents["report.js"] = page_script().encode()
    return {name: (content, TYPES[name[name.rindex(".") :]]) for name, content in contents.items()}


@cache
def asset_address(name: str) -> Markup:
    """Address of a static file, another one whenever it changes."""
    digest = hashlib.sha256(assets()[name][0]).hexdigest()[:12]
    return Markup(f"/static/{name}?v={digest}")


def asset_response(name: str) -> Response | None:
    """A static file, or None where there is none of that name."""
    known = assets().get(name)
    return None if known is None else Response(known[0], media_type=f"{known[1]}; charset=utf-8")
