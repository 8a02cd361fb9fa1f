"""Charts of one quantity against another: reliability curves, and named points on two axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.report.charts import label_placement
from backslide.report.charts.palette import CURRENT, FAINT, INK, PAPER
from backslide.report.charts.parts import (
    COLOUR,
    DASH,
    PERCENT_AXIS,
    axis_of,
    level_writer,
    quantity,
    same_length,
    sized,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backslide.contracts.evidence import Reliability, ReliabilityBin, Scatter, ScatterPoint
    from backslide.report.charts.parts import Spec

HEIGHT = 210


def reliability(evidence: Reliability, width: int) -> Spec:
    """Observed share against mean score, a curve per window with its intervals; on the diagonal scores keep their word."""
    same_length(evidence.bins)
    values = [_bin_value(b) for b in evidence.bins]
    numbers = [v for b in evidence.bins for v in (b.predicted, b.observed, b.low, b.high) if v is not None]
    low, high = _padded(min(numbers), max(numbers))
    low, high = max(0.0, low), min(1.0, high)
    x = quantity("predicted", evidence.x, PERCENT_AXIS, domain=[low, high], nice=False, zero=False)
    y: Spec = {**x, "field": "observed", "title": "observed share"}
    ends = {"data": {"values": [{"predicted": low, "observed": low}, {"predicted": high, "observed": high}]}}
    layers: list[Spec] = [
        ends
        | {
            "mark": {"type": "line", "color": FAINT, "strokeWidth": 1, "strokeDash": [2, 3]},
            "encoding": {"x": x, "y": y},
        },
        {
            "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
            "mark": {"type": "rule", "strokeWidth": 1.4, "opacity": 0.6},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": COLOUR},
        },
        {
            "mark": {"type": "line", "strokeWidth": 1.8},
            "encoding": {"x": x, "y": y, "color": COLOUR, "strokeDash": DASH},
        },
    ]
    layers += [
        {
            "transform": [{"filter": f"datum.window === '{window}'"}],
            "mark": {"type": "point", "filled": True, "size": 42, "opacity": 1, "aria": True, "shape": shape},
            "encoding": {"x": x, "y": y, "color": COLOUR, "description": {"field": "tip"}},
        }
        for window, shape in (("reference", "circle"), ("current", "square"))
    ]
    return sized(width - 66, HEIGHT) | {"data": {"values": values}, "layer": layers}


def _bin_value(b: ReliabilityBin) -> Spec:
    tip = f"{b.window}: scores of {say.percent(b.predicted)} came true in {say.percent(b.observed)}"
    if b.low is not None and b.high is not None:
        tip += f" [{say.percent(b.low)} to {say.percent(b.high)}]"
    if b.rows:
        tip += f", {say.counted(b.rows, 'row')}"
    return {"predicted": b.predicted, "observed": b.observed, "low": b.low, "high": b.high, "window": b.window} | {
        "tip": tip
    }


def scatter(evidence: Scatter, width: int) -> Spec:
    """Named points: flagged ones strong and labelled where there is room, the others faint rings."""
    same_length(evidence.points)
    plot = max(80, width - 66)
    points = sorted(evidence.points, key=lambda point: point.flagged)
    horizontal = _padded(*_ends([point.x for point in points]))
    vertical = _padded(*_ends([point.y for point in points]))
    at = [
        (
            plot * (point.x - horizontal[0]) / (horizontal[1] - horizontal[0]),
            HEIGHT * (vertical[1] - point.y) / (vertical[1] - vertical[0]),
        )
        for point in points
    ]
    values = [_point_value(point, evidence) for point in points]
    placed = label_placement.place(
        [(point.label, spot) for point, spot in zip(points, at, strict=True) if point.flagged], plot, HEIGHT
    )
    fixed = {"nice": False, "zero": False}
    x = quantity("x", evidence.x, axis_of(share=evidence.x_share), domain=list(horizontal), **fixed)
    y = quantity("y", evidence.y, axis_of(share=evidence.y_share), domain=list(vertical), **fixed)
    dot = {"type": "point", "opacity": 1, "aria": True}
    faint = dot | {"size": 26, "color": FAINT, "filled": False, "strokeWidth": 1.2}
    strong = dot | {"size": 58, "color": CURRENT, "filled": True, "stroke": PAPER, "strokeWidth": 1}
    place = {"x": x, "y": y, "description": {"field": "tip"}}
    layers: list[Spec] = [
        {"transform": [{"filter": "!datum.flagged"}], "mark": faint, "encoding": place},
        {"transform": [{"filter": "datum.flagged"}], "mark": strong, "encoding": place},
    ]
    layers += [_names(placed, side) for side in ("left", "right", "center") if any(p.align == side for p in placed)]
    return sized(plot, HEIGHT) | {"data": {"values": values}, "layer": layers}


def _names(placed: Sequence[label_placement.PlacedName], side: str) -> Spec:
    values = [{"text": p.text, "left": p.x, "top": p.y} for p in placed if p.align == side]
    mark = {"type": "text", "align": side, "baseline": "middle", "fontSize": label_placement.SIZE, "color": INK}
    pixels = {"type": "quantitative", "scale": None, "axis": None}
    encoding = {"x": {**pixels, "field": "left"}, "y": {**pixels, "field": "top"}, "text": {"field": "text"}}
    return {"data": {"values": values}, "mark": mark, "encoding": encoding}


def _point_value(point: ScatterPoint, evidence: Scatter) -> Spec:
    across, up = level_writer(share=evidence.x_share), level_writer(share=evidence.y_share)
    tip = f"{point.label}: {evidence.x} {across(point.x)}, {evidence.y} {up(point.y)}"
    tip += f", {point.note}" if point.note else ""
    return {"x": point.x, "y": point.y, "flagged": point.flagged, "tip": tip}


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """From the smallest to the largest, zero included where all lie on one side of it and near it."""
    low, high = min(values), max(values)
    if 0 < low <= 0.5 * high:
        low = 0.0
    if 0.5 * low <= high < 0:
        high = 0.0
    return low, high


def _padded(low: float, high: float) -> tuple[float, float]:
    """A little room on both sides; room around a single value."""
    room = 0.06 * (high - low) or 0.5 * abs(high) or 0.5
    return low - room, high + room
