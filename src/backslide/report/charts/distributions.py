"""Charts of the two windows over one quantity: histograms with their densities, and bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.report.charts import kde
from backslide.report.charts.binning import drawable
from backslide.report.charts.palette import INK
from backslide.report.charts.parts import (
    COLOUR,
    DASH,
    LEGEND,
    MOST_ROWS,
    PERCENT_AXIS,
    PLAIN_AXIS,
    WINDOW,
    axis_of,
    distinct,
    level_writer,
    quantity,
    rows_axis,
    same_length,
    side_of,
    sized,
    vertical_marks,
    with_rest,
)

if TYPE_CHECKING:
    from backslide.contracts.evidence import Bars, Histograms
    from backslide.report.charts.binning import DrawableBins
    from backslide.report.charts.parts import Spec


def histograms(evidence: Histograms, width: int) -> Spec:
    """Bins of both windows over each other, and over them a smooth line each: solid before, dashed now.

    Values that come in steps have no density: their bins are outlined instead.
    """
    same_length(evidence.reference, evidence.current, evidence.edges[1:])
    shape = drawable(evidence)
    outside = f" ({say.percent(shape.outside, 1)} of rows beyond)" if shape.outside >= 0.0005 else ""
    title = evidence.x + outside + (", logarithmic" if shape.log else "")
    ends = [shape.value(shape.edges[0]), shape.value(shape.edges[-1])]
    kind = {"type": "log"} if shape.log else {"zero": False}
    x = quantity("x", title, PLAIN_AXIS, domain=ends, nice=False, **kind)
    y = quantity("share", "share of rows per bin", PERCENT_AXIS)
    smooth = _lines(shape)
    place = {"x": x, "y": y}
    fill = {**WINDOW, "legend": None}
    bins: Spec = {"type": "line", "interpolate": "step-after", "fillOpacity": 0.2}
    if smooth:
        layers: list[Spec] = [
            {"mark": bins | {"strokeWidth": 0}, "encoding": {**place, "color": COLOUR, "fill": fill}},
            {
                "data": {"values": smooth},
                "mark": {"type": "line", "strokeWidth": 2.2},
                "encoding": {**place, "color": COLOUR, "strokeDash": DASH},
            },
        ]
    else:
        layers = [
            {
                "mark": bins | {"strokeWidth": 1.8},
                "encoding": {**place, "color": COLOUR, "fill": fill, "strokeDash": DASH},
            }
        ]
    shown = {name: at for name, at in evidence.marks.items() if ends[0] <= at <= ends[1]}
    middle = shape.value((shape.edges[0] + shape.edges[-1]) / 2)
    layers += vertical_marks(shown, "quantitative", (ends[0], 2 * middle - ends[0]))
    return sized(width - 62, 150) | {"data": {"values": _outlines(shape)}, "layer": layers}


def _outlines(shape: DrawableBins) -> list[Spec]:
    """From the ground up, along the bins, and down again: one path serves as outline and as area."""
    at = (shape.edges[0], *shape.edges, shape.edges[-1])
    return [
        {"x": shape.value(x), "share": share, "window": window}
        for window, shares in (("reference", shape.reference), ("current", shape.current))
        for x, share in zip(at, (0.0, *shares, shares[-1], 0.0), strict=True)
    ]


def _lines(shape: DrawableBins) -> list[Spec]:
    """The densities of both windows, or nothing where one of them has none."""
    densities = [(name, kde.line(shape.edges, getattr(shape, name))) for name in ("reference", "current")]
    if any(line is None for _, line in densities):
        return []
    return [
        {"x": shape.value(x), "share": y, "window": name}
        for name, line in densities
        if line is not None
        for x, y in zip(line.x, line.y, strict=True)
    ]


def bars(evidence: Bars, width: int) -> Spec:
    """Two bars per category with their shares written out."""
    same_length(evidence.reference, evidence.current, evidence.categories)
    write = level_writer(share=evidence.share)
    keep = _busiest(evidence)
    names = distinct(evidence.categories[i] for i in keep)
    values = [
        {"name": name, "value": shares[i], "text": write(shares[i]), "window": window}
        for name, i in zip(names, keep, strict=True)
        for window, shares in (("reference", evidence.reference), ("current", evidence.current))
    ]
    left_out = len(evidence.categories) - len(keep)
    side = side_of(names)
    y = rows_axis(names, side)
    offset = {"field": "window", "type": "nominal", "scale": {"domain": ["reference", "current"]}}
    x = quantity("value", with_rest(evidence.x, left_out), axis_of(share=evidence.share))
    shared = {"x": x, "y": y, "yOffset": offset}
    bar = {"type": "bar", "strokeWidth": 1.2, "height": {"band": 0.86}}
    square = {**LEGEND, "symbolType": "square", "symbolSize": 90}
    layers = [
        {
            "mark": bar,
            "encoding": {
                **shared,
                "color": {**WINDOW, "legend": square},
                "stroke": {**WINDOW, "legend": None},
                "fillOpacity": _FAINTER_NOW,
            },
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 4, "fontSize": 10, "color": INK},
            "encoding": {**shared, "text": {"field": "text"}},
        },
    ]
    return sized(width - side - 56, {"step": 13}) | {"data": {"values": values}, "layer": layers}


_FAINTER_NOW = {**WINDOW, "scale": {"domain": ["reference", "current"], "range": [1, 0.35]}, "legend": None}
"""Fill differs as well as colour, so that bars are told apart without it."""


def _busiest(evidence: Bars) -> list[int]:
    """Positions of the categories worth drawing, in their own order: those that moved or hold most."""
    size = {
        i: abs(c - r) + max(r, c) for i, (r, c) in enumerate(zip(evidence.reference, evidence.current, strict=True))
    }
    return sorted(sorted(size, key=lambda i: -size[i])[:MOST_ROWS])
