"""What the charts share: the look, axes, the legend of the two windows, named lines, and how rows are labelled."""

from __future__ import annotations

from functools import partial
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


def quantity(field: str, title: str, axis: Spec, **scale: Any) -> Spec:
    """The encoding of a number, with the keys of its scale."""
    encoding: Spec = {"field": field, "type": "quantitative", "title": title, "axis": axis}
    return encoding | ({"scale": scale} if scale else {})


def axis_of(*, share: bool) -> Spec:
    """The axis of levels: in percent for shares."""
    return PERCENT_AXIS if share else PLAIN_AXIS


def dots_around_zero(
    values: list[Spec],
    dots: list[Spec],
    width: int,
    *,
    title: str,
    left_out: int,
    share: bool,
    most_side: int = 150,
    numbers: int = 66,
) -> Spec:
    """A dot per row with its interval, around zero, the number written beside it.

    Args:
        values: ``name``, ``value``, ``low``, ``high``, ``text`` and ``tip`` of each row.
        dots: marks of the dots, each with the filter of its rows if any.
        width: pixels of everything.
        title: of the axis.
        left_out: rows that are not drawn, which the title says.
        share: whether the values are fractions.
        most_side: pixels that the names may take.
        numbers: pixels that the numbers take.
    """
    names = [value["name"] for value in values]
    side = side_of(names, most_side)
    plot = max(80, width - side - numbers - 4)
    x = quantity("value", with_rest(title, left_out), POINTS_AXIS if share else PLAIN_AXIS, nice=True)
    y = rows_axis(names, side)
    layers: list[Spec] = [
        {
            "data": {"values": [{"zero": 0}]},
            "mark": {"type": "rule", "color": FAINT, "strokeWidth": 1},
            "encoding": {"x": {**x, "field": "zero"}},
        },
        {
            "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
            "mark": {"type": "rule", "color": CURRENT, "strokeWidth": 2, "opacity": 0.6},
            "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
        },
        *({**dot, "encoding": {"x": x, "y": y, "description": {"field": "tip"}}} for dot in dots),
        values_at_the_side(y, plot + 8),
        room_at_the_side(plot + numbers),
    ]
    return sized(plot, {"step": 19}) | {"data": {"values": values}, "layer": layers}


def with_rest(title: str, left_out: int) -> str:
    """A title that says how many rows are not drawn."""
    return title + (f" ({left_out} more not drawn)" if left_out else "")


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
    counts: dict[str, int] = {}
    out = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        out.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return out


def level_writer(*, share: bool) -> Callable[[float], str]:
    """How levels are written: shares in percent, others to three figures."""
    return say.percent if share else partial(say.number, digits=3)


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
