"""A Vega-Lite specification drawn to static SVG that takes its colours from the page.

Drawn here rather than in the reader's browser: the page then needs no script at all, weighs a few hundred kB instead of
a charting library per page, prints, and shows the same wherever HTML is shown.
"""

from __future__ import annotations

import re
from contextlib import suppress
from html import escape
from typing import Any

from backslide.report.charts.drawing.compose import compose
from backslide.report.charts.drawing.limits import UnsupportedError

# What Vega writes for assistive technology on every group; the figure says it once, in a sentence.
_NOISE = re.compile(
    r' (?:role="graphics-[a-z]+"|aria-roledescription="[^"]*"|aria-hidden="true"|pointer-events="none"'
    r'|class="[^"]*"|font-family="[^"]*"|opacity="1")'
)
_HIDDEN = re.compile(r'<text[^>]* opacity="0">[^<]*</text>')
_EMPTY = re.compile(r'<path(?: d="(?:M0,0h0v0h0Z)?"| display="none")*\s*/>')
_LABELLED = re.compile(r'<path aria-label="([^"]*)"([^>]*?)/>')
_OPENING = re.compile(r'^<svg [^>]*?width="([\d.]+)" height="([\d.]+)"[^>]*>')
_LONG_DECIMALS = re.compile(r"(\d+\.\d)\d+")


def draw(spec: dict[str, Any], label: str) -> str:
    """SVG markup of a specification, with ``label`` as its text alternative and marks named on hover.

    Raises:
        ValueError: when the specification cannot be drawn.
    """
    with suppress(UnsupportedError):
        return compose(spec, label)
    import vl_convert  # starts a JavaScript engine: only when nothing simpler draws it

    untitled = {key: value for key, value in spec.items() if key not in ("title", "description")}
    return _slim(vl_convert.vegalite_to_svg(untitled), label)


def _slim(markup: str, label: str) -> str:
    opening = _OPENING.match(markup)
    if opening is None:
        raise ValueError("expected SVG with width and height from the chart compiler")
    width, height = opening.groups()
    body = markup[opening.end() :]
    body = re.sub(r"<[^>]+>", lambda tag: _LONG_DECIMALS.sub(r"\1", _NOISE.sub("", tag.group())), body)
    body = _LABELLED.sub(r"<path\2><title>\1</title></path>", body)
    body = _HIDDEN.sub("", _EMPTY.sub("", body))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif" role="img" aria-label="{escape(label)}" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">{body}'
    )
