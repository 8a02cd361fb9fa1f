"""Evidence, findings and causes shown on their own: in a notebook cell, a terminal, an image file."""

from __future__ import annotations

import re
import textwrap
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from backslide.report.charts import palette
from backslide.report.charts.spec import WIDTH, chart_spec
from backslide.report.format import labels, numbers
from backslide.report.format.escape import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Environment

    from backslide.contracts.cause import Cause
    from backslide.contracts.evidence import Evidence
    from backslide.contracts.finding import Finding
    from backslide.contracts.values import Value
    from backslide.report.charts.parts import Spec

V = TypeVar("V", bound="Value")

MOST_FIGURES = 12
"""Charts drawn under one finding in a notebook cell."""
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


def finding_fragment(finding: Finding) -> str:
    """One finding with its charts as self-contained HTML."""
    from backslide.report.render.html import figure

    shown = type(finding).model_validate(_mapped(finding.model_dump(), clean_text))
    said = [] if shown.estimate is None else [numbers.free_estimate(shown.estimate, shown.unit)]
    said += [] if shown.p_value is None else [numbers.p_value(shown.p_value)]
    said += [shown.basis] if shown.basis else []
    said += [] if shown.since is None else [f"since {numbers.moment(shown.since)}"]
    template = _environment().get_template("finding.html.j2")
    return template.render(
        finding=shown,
        facts=", ".join(said),
        figures=[figure(e) for e in shown.evidence[:MOST_FIGURES]],
        values=[(name.replace("_", " "), _scalar(value)) for name, value in shown.numbers.items()],
    )


def cause_fragment(cause: Cause) -> str:
    """One cause as self-contained HTML.

    A cause by itself does not know the unit of its metric: its price stands in words in its summary, its proof as the plain
    number that the format holds.
    """
    shown = type(cause).model_validate(_mapped(cause.model_dump(), clean_text))
    proof = []
    if shown.repair is not None:
        back = shown.repair.points_back
        proof.append(f"Repair: {shown.repair.description}" + ("" if back is None else f"; {_plain(back)} back"))
    if shown.injection is not None:
        proof.append(f"Injection into the reference rows; {_plain(shown.injection.points)}")
    return (
        _environment()
        .get_template("cause.html.j2")
        .render(
            cause=shown,
            title=labels.cause_title(shown),
            means=labels.confidence_means(shown),
            proof=proof,
            price="no price" if shown.points is None else _plain(shown.points),
            where=", ".join(part for part in (numbers.share_of_rows(shown.share_of_rows), shown.segment or "") if part),
            since=numbers.since(shown),
        )
    )


def _plain(estimate: Any) -> str:
    text = str(estimate).replace("-", numbers.MINUS)
    return text + (f", {numbers.basis(estimate)}" if numbers.basis(estimate) else "")


def _scalar(value: str | int | float | bool | None) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, str):
        return value
    return numbers.unsigned(value, 0) if isinstance(value, int) else numbers.plain(value, 4)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("backslide.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    style = files("backslide.report").joinpath("templates", "style.css").read_text(encoding="utf-8")
    environment.globals["style"] = Markup(f"{style}\n{palette.rules()}")
    return environment
