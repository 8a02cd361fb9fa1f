"""What the charts share: the look, axes, the legend of the two windows, named lines, and how rows are labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backslide.contracts import say
from backslide.report.charts.palette import CURRENT, FAINT, GRID, INK, PAPER, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Spec = dict[str, Any]

MOST_ROWS = 24
"""Rows or categories drawn; more cannot be read. What is left out is said in the axis title."""

WINDOW: Spec = {
    "field": "window",
    "type": "nominal",
    "scale": {"domain": ["reference", "current"], "range": [REFERENCE, CURRENT]},
}
LEGEND: Spec = {
    "orient": "top",
    "title": None,
    "symbolType": "stroke",
    "symbolStrokeWidth": 2.5,
    "symbolOpacity": 1,
    "symbolFillColor": "transparent",
    "symbolSize": 220,
}
DASH = {**WINDOW, "scale": {"domain": ["reference", "current"], "range": [[1, 0], [5, 3]]}, "legend": LEGEND}
COLOUR = {**WINDOW, "legend": LEGEND}

_ROOM = {"tickCount": 5, "labelOverlap": "greedy", "labelSeparation": 10}
"""Browsers' fonts run wider than the one that drawings are laid out with."""
PERCENT_AXIS = {"format": ".3~p", **_ROOM}
PLAIN_AXIS = {"format": ",.12~g", **_ROOM}
POINTS_AXIS = {"format": "+.3~p", **_ROOM}
CONFIG = {
    "aria": False,
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "view": {"stroke": None},
    "title": {"color": INK, "fontSize": 12},
    "axis": {
        "labelColor": FAINT,
        "titleColor": FAINT,
        "titleFontWeight": "normal",
        "titleFontSize": 11,
        "labelFontSize": 11,
        "gridColor": GRID,
        "domainColor": GRID,
        "tickColor": GRID,
        "labelLimit": 170,
        "titleLimit": 300,
    },
    "legend": {"labelColor": FAINT, "labelFontSize": 11, "offset": 4, "padding": 0},
}


def sized(width: int | Spec, height: int | Spec) -> Spec:
    """Size of the plot proper, in pixels or per row."""
    return {"width": max(80, width) if isinstance(width, int) else width, "height": height}


def vertical_marks(marks: dict[str, float], kind: str, ends: tuple[float, float] | None = None) -> list[Spec]:
    """Named vertical lines; neighbouring names stand on different heights, those far right of ``ends`` left of the line."""
    if not marks:
        return []
    ordered = sorted(marks.items(), key=lambda mark: mark[1])
    turn = float("inf") if ends is None else ends[0] + 0.55 * (ends[1] - ends[0])
    values: list[Spec] = [{"x": at, "name": name, "row": 9 + 12 * (i % 3)} for i, (name, at) in enumerate(ordered)]
    x = {"field": "x", "type": kind}
    rule = {"type": "rule", "color": INK, "strokeWidth": 1}
    layers: list[Spec] = [{"data": {"values": values}, "mark": rule, "encoding": {"x": x}}]
    for side, dx in (("left", 4), ("right", -4)):
        here = [value for value in values if (value["x"] > turn) == (side == "right")]
        text = {"type": "text", "align": side, "dx": dx, "fontSize": 10, "color": INK, "limit": 150}
        height = {"field": "row", "type": "quantitative", "scale": None, "axis": None}
        if here:
            layers.append(
                {
                    "data": {"values": here},
                    "mark": text,
                    "encoding": {"x": x, "y": height, "text": {"field": "name"}},
                }
            )
    return layers


def values_at_the_side(y: Spec, x: int, *, field: str = "text") -> Spec:
    """Numbers written in a column right of the plot, at ``x`` pixels."""
    mark = {"type": "text", "align": "left", "fontSize": 11, "color": INK}
    return {"mark": mark, "encoding": {"y": y, "x": {"value": x}, "text": {"field": field}}}


def room_at_the_side(x: int) -> Spec:
    """Nothing, drawn at ``x`` pixels: the drawing then reaches that far, however wide the numbers turn out."""
    mark = {"type": "point", "opacity": 0, "size": 1, "color": PAPER}
    return {"data": {"values": [{}]}, "mark": mark, "encoding": {"x": {"value": x}, "y": {"value": 0}}}


def rows_axis(names: Sequence[str], side: int) -> Spec:
    """A vertical axis of names in the given order, its labels ``side`` pixels wide."""
    axis: Spec = {"labelLimit": round(0.88 * side) - 6, "minExtent": side - 4, "maxExtent": side - 4, "labelColor": INK}
    axis |= {"ticks": False, "domain": False, "grid": False}
    return {"field": "name", "type": "nominal", "sort": list(names), "title": None, "axis": axis}


def side_of(names: Iterable[str], most: int = 150) -> int:
    """Pixels that the longest name needs beside the plot, within reason."""
    return min(most, 18 + round(7 * max((len(name) for name in names), default=0)))


def distinct(names: Iterable[str]) -> list[str]:
    """Names told apart: equal ones would be drawn on top of each other."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


def points_or_plain(*, share: bool, suffix: bool = True) -> Callable[[float], str]:
    """How signed values are written: shares in points, others to three figures."""

    def write(value: float) -> str:
        if share:
            return say.fixed(100 * value, 1, sign=True) + (" pt" if suffix else "")
        return say.fixed(value, say.decimals(value, 3), sign=True)

    return write


def same_length(*parts: Sequence[object]) -> None:
    """Check that parts belong together.

    Raises:
        ValueError: when they differ in length or are empty.
    """
    lengths = {len(part) for part in parts}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"expected parts of one length above zero, found lengths {sorted(lengths)}")
