"""A shadow comparison as one self-contained HTML page, and as a fragment for notebooks. No script, nothing fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.report.charts.figures import figure
from backslide.report.documents.shadow import build_shadow
from backslide.report.render.html import _environment

if TYPE_CHECKING:
    from backslide.contracts.shadow import Shadow


def render_shadow_html(shadow: Shadow) -> str:
    """The whole comparison as one page that needs no network."""
    return _render(shadow, whole=True)


def render_shadow_fragment(shadow: Shadow) -> str:
    """Verdict, decision and the first tables, for a notebook cell."""
    return _render(shadow, whole=False)


def _render(shadow: Shadow, *, whole: bool) -> str:
    view = build_shadow(shadow)
    figures = [figure(e) for e in view.evidence] if whole else []
    return _environment().get_template("shadow.html.j2").render(v=view, figures=figures, whole=whole)
