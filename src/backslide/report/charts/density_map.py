"""Maps of both windows: where rows lie on two axes, by cell of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.report.charts.parts import COLOUR, PLAIN_AXIS, same_length, sized

if TYPE_CHECKING:
    from backslide.contracts.evidence import Density, DensityCell
    from backslide.report.charts.parts import Spec

HEIGHT = 230
LARGEST = 130
"""Square pixels of the mark of the fullest cell."""


def density(evidence: Density, width: int) -> Spec:
    """Rings for the reference and filled squares for the current window, their area the share of rows in the cell."""
    same_length(evidence.cells)
    fullest = max(max(cell.reference, cell.current) for cell in evidence.cells)
    values = [value for cell in evidence.cells for value in _values(cell, fullest)]
    ends = [
        [min(getattr(c, axis) for c in evidence.cells) - step, max(getattr(c, axis) for c in evidence.cells) + step]
        for axis, step in zip("xy", evidence.step, strict=True)
    ]
    place: Spec = {
        axis: {
            "field": axis,
            "type": "quantitative",
            "title": title,
            "axis": PLAIN_AXIS,
            "scale": {"domain": end, "nice": False, "zero": False},
        }
        for axis, title, end in zip("xy", (evidence.x, evidence.y), ends, strict=True)
    }
    place |= {"size": {"field": "size", "type": "quantitative", "scale": None, "legend": None}}
    place |= {"color": COLOUR, "description": {"field": "tip"}}
    marks = {
        "current": {"type": "point", "shape": "square", "filled": True, "opacity": 0.75, "aria": True},
        "reference": {
            "type": "point",
            "shape": "circle",
            "filled": False,
            "strokeWidth": 1.4,
            "opacity": 1,
            "aria": True,
        },
    }
    layers = [
        {"transform": [{"filter": f"datum.window === '{window}'"}], "mark": mark, "encoding": place}
        for window, mark in marks.items()
    ]
    return sized(width - 66, HEIGHT) | {"data": {"values": values}, "layer": layers}


def _values(cell: DensityCell, fullest: float) -> list[Spec]:
    tip = f"{say.percent(cell.reference)} of the reference, {say.percent(cell.current)} of the current window"
    return [
        {
            "x": cell.x,
            "y": cell.y,
            "window": window,
            "size": LARGEST * share / fullest if fullest > 0 else 0.0,
            "tip": tip,
        }
        for window, share in (("reference", cell.reference), ("current", cell.current))
        if share > 0
    ]
