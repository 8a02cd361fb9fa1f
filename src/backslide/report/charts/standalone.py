"""Charts that stand alone: in an image file, or on the last line of a notebook cell."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any, TypeVar

from backslide.contracts.escape import clean_text
from backslide.report.charts import palette
from backslide.report.charts.spec import WIDTH, chart_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from backslide.contracts.evidence import Evidence
    from backslide.contracts.values import Value
    from backslide.report.charts.parts import Spec

V = TypeVar("V", bound="Value")

_HEADING, _SENTENCE = 7.5, 6.2
"""Pixels of a character in a title and in the sentence under it, on average."""
_FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"
"""Fonts as wide as the one that texts are measured with: what fits when drawn then fits wherever the file is opened."""
_TAG = re.compile(r"<(?=[a-zA-Z/!?])")


def standalone_spec(evidence: Evidence, *, width: int = WIDTH) -> Spec:
    """The specification of a chart that stands alone: on white paper, its sentence under its title.

    Raises:
        ValueError: when the parts of the evidence do not fit each other.
    """
    return framed(chart_spec(safe(evidence), width=width), width=width)


def framed(spec: Spec, *, width: int = WIDTH) -> Spec:
    """A specification with its description as visible sentence under its title, on white.

    Both are wrapped: a drawing is as wide as its content, and what is cut cannot be read.
    """
    title = spec["title"] if isinstance(spec["title"], dict) else {"text": spec["title"]}
    title = {key: value for key, value in title.items() if key != "limit"} | {
        "text": textwrap.wrap(str(title["text"]), max(24, round(width / _HEADING))),
        "subtitle": textwrap.wrap(spec["description"], max(30, round(width / _SENTENCE))),
        "subtitleColor": palette.FAINT,
        "subtitleFontSize": 11,
        "anchor": "start",
        "offset": 10,
    }
    look = {"config": {**spec.get("config", {}), "font": _FONT}, "background": "#ffffff"}
    return {**spec, **look, "title": title, "padding": {"left": 8, "top": 8, "right": 20, "bottom": 8}}


def safe(value: V) -> V:
    """The value with every text made safe to stand inside a script: charting libraries write specifications into pages."""
    return type(value).model_validate(_mapped(value.model_dump(), safe_text))


def safe_text(text: str) -> str:
    """The text without control characters, and without anything that a page would read as a tag."""
    return _TAG.sub("<\u2060", clean_text(text))  # a word joiner: nothing to see, and no tag any more


def _mapped(value: Any, write: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return write(value)
    if isinstance(value, dict):
        return {_mapped(key, write): _mapped(item, write) for key, item in value.items()}
    return [_mapped(item, write) for item in value] if isinstance(value, (list, tuple)) else value
