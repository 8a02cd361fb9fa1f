"""A whole drawing: what stands around the plot, and how much room that takes."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from backslide.report.charts.drawing.axes import below, beside, legend
from backslide.report.charts.drawing.marks import draw_layer, look, place
from backslide.report.charts.drawing.plan import plan
from backslide.report.charts.drawing.scales import Rows
from backslide.report.charts.drawing.words import pixel, width_of

if TYPE_CHECKING:
    from backslide.report.charts.drawing.plan import Plot
    from backslide.report.charts.parts import Spec

MARGIN = 5
ABOVE = 18
"""Pixels of the legend."""


def compose(spec: Spec, label: str) -> str:
    """SVG of a specification, with ``label`` as its text alternative.

    Raises:
        UnsupportedError: it holds what is not drawn here.
    """
    plot = plan(spec)
    across, up, key = below(plot), beside(plot), legend(plot)
    over = isinstance(plot.scales["x"], Rows)
    top = MARGIN + (across.extent if over and plot.axes.get("x") else ABOVE if key else 1)
    left = MARGIN + up.extent
    right = MARGIN + 1 + max(across.beyond, _reach(plot) - plot.width, 0.0)
    bottom = MARGIN + (1 if over else across.extent + 1)
    width, height = math.ceil(left + plot.width + right), math.ceil(top + plot.height + bottom)
    marks = "".join(f"<g>{part}</g>" for layer in plot.layers if (part := draw_layer(layer, plot)))
    # Names of columns and rows stand over the cells, other axes under the marks.
    body = f"{marks}{across.axis}{up.axis}" if over else f"{across.grid}{up.grid}{across.axis}{up.axis}{marks}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif" role="img" '
        f'aria-label="{escape(label)}" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<g transform="translate({pixel(left)},{pixel(top)})">{key}{body}</g></svg>'
    )


def _reach(plot: Plot) -> float:
    """How far words and the room that is kept for them reach to the right."""
    reach = 0.0
    for layer in plot.layers:
        kind, align = layer.mark["type"], layer.mark.get("align")
        for row in layer.rows if (kind == "text" and align == "left") or layer.mark.get("opacity") == 0 else ():
            x = place(layer, plot, "x", row)
            text = str(look(layer, "text", row) or "") if kind == "text" else ""
            wide = min(width_of(text, layer.mark.get("fontSize", 11)), layer.mark.get("limit", math.inf))
            reach = max(reach, (x or 0.0) + layer.mark.get("dx", 0) + wide)
    return reach
