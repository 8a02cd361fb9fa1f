"""The marks of a layer: lines, areas, bars, cells, rules, points and words."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from backslide.report.charts.drawing.limits import UnsupportedError
from backslide.report.charts.drawing.words import pixel, shortened, text_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backslide.report.charts.drawing.plan import Layer, Plot
    from backslide.report.charts.parts import Spec

ANCHORS = {"left": "start", "right": "end", "center": "middle"}
BASELINE = 0.3
"""Of the height of a font: from the middle of a word down to its baseline."""
TICK, POINT = 1, 30
"""Thickness and square pixels of marks that do not say theirs."""


def draw_layer(layer: Layer, plot: Plot) -> str:
    """SVG of all marks of a layer.

    Raises:
        UnsupportedError: of a kind that is not drawn here.
    """
    kind = layer.mark["type"]
    if layer.mark.get("opacity") == 0:
        return ""
    if kind not in _DRAW:
        raise UnsupportedError(f"mark {kind}")
    return "".join(_DRAW[kind](layer, plot))


def look(layer: Layer, channel: str, row: Spec) -> Any:
    """What a mark of a row has on a channel: of its encoding, else of the mark itself; None where neither says."""
    encoding = layer.encoding.get(channel)
    if encoding is None:
        return layer.mark.get(channel)
    if "value" in encoding:
        return encoding["value"]
    value = row.get(encoding["field"])
    scale = encoding.get("scale")
    return value if not scale else scale["range"][scale["domain"].index(value)] if value in scale["domain"] else None


def place(layer: Layer, plot: Plot, channel: str, row: Spec) -> float | None:
    """Pixels of a row on a channel of place; None where the row has none there."""
    encoding = layer.encoding.get(channel)
    if encoding is None:
        return None
    if "value" in encoding:
        return float(encoding["value"])
    value = row.get(encoding["field"])
    if value is None:
        return None
    if encoding.get("scale", {}) is None:
        return float(value)
    return plot.scales[channel[0]].at(value)


def _style(layer: Layer, row: Spec, *, filled: bool) -> str:
    """Fill, stroke and opacity of a mark."""
    colour = look(layer, "color", row)
    fill = look(layer, "fill", row) or (colour if filled else None)
    stroke = look(layer, "stroke", row) or (None if filled else colour)
    width, dash = look(layer, "strokeWidth", row), look(layer, "strokeDash", row)
    found = [f'fill="{fill}"' if fill else 'fill="none"']
    if stroke and width != 0:
        found += [f'stroke="{stroke}"', f'stroke-width="{1 if width is None else width}"']
    if dash and dash[1]:
        found.append(f'stroke-dasharray="{dash[0]},{dash[1]}"')
    opacity, fill_opacity = look(layer, "opacity", row), look(layer, "fillOpacity", row)
    if opacity not in (None, 1):
        found.append(f'opacity="{opacity}"')
    if fill_opacity not in (None, 1) and fill:
        found.append(f'fill-opacity="{fill_opacity}"')
    return " ".join(found)


def _path(d: str, style: str, tip: str | None) -> str:
    title = f"><title>{escape(tip)}</title></path>" if tip else "/>"
    return f'<path d="{d}" {style}{title}'


def _series(layer: Layer) -> Iterator[list[Spec]]:
    """The rows of each line, in their order."""
    fields = [layer.encoding[c]["field"] for c in ("color", "strokeDash") if c in layer.encoding]
    groups: dict[tuple[Any, ...], list[Spec]] = {}
    for row in layer.rows:
        groups.setdefault(tuple(row.get(field) for field in fields), []).append(row)
    yield from groups.values()


def _lines(layer: Layer, plot: Plot) -> Iterator[str]:
    steps = layer.mark.get("interpolate")
    if steps not in (None, "step-after"):
        raise UnsupportedError(f"interpolation {steps}")
    for rows in _series(layer):
        found = [(place(layer, plot, "x", row), place(layer, plot, "y", row)) for row in rows]
        points = sorted(((x, y) for x, y in found if x is not None and y is not None), key=lambda point: point[0])
        if not points:
            continue
        d = f"M{pixel(points[0][0])},{pixel(points[0][1])}"
        d += "".join(f"H{pixel(x)}V{pixel(y)}" if steps else f"L{pixel(x)},{pixel(y)}" for x, y in points[1:])
        yield _path(d, _style(layer, rows[0], filled=False), None)


def _areas(layer: Layer, plot: Plot) -> Iterator[str]:
    for rows in _series(layer):
        found = [[place(layer, plot, c, row) for c in ("x", "y", "y2")] for row in rows]
        points = sorted([float(v) for v in p if v is not None] for p in found if None not in p)
        if points:
            there = "L".join(f"{pixel(x)},{pixel(low)}" for x, low, _ in points)
            back = "L".join(f"{pixel(x)},{pixel(high)}" for x, _, high in reversed(points))
            yield _path(f"M{there}L{back}Z", _style(layer, rows[0], filled=True), None)


def _rules(layer: Layer, plot: Plot) -> Iterator[str]:
    for row in layer.rows:
        x, x2, y, y2 = (place(layer, plot, c, row) for c in ("x", "x2", "y", "y2"))
        if x is None and y is None:
            continue
        left, right = (0.0, plot.width) if x is None else (x, x if x2 is None else x2)
        top, bottom = (0.0, plot.height) if y is None else (y, y if y2 is None else y2)
        yield _path(
            f"M{pixel(left)},{pixel(top)}L{pixel(right)},{pixel(bottom)}", _style(layer, row, filled=False), None
        )


def _box(left: float, top: float, width: float, height: float) -> str:
    return f"M{pixel(left)},{pixel(top)}h{pixel(width)}v{pixel(height)}h{pixel(-width)}Z"


def _bars(layer: Layer, plot: Plot) -> Iterator[str]:
    rows = plot.scales["y"]
    for row in layer.rows:
        x, y = place(layer, plot, "x", row), _middle(layer, plot, row)
        if x is None or y is None:
            continue
        start = place(layer, plot, "x2", row)
        start = plot.scales["x"].at(0) if start is None else start
        height = layer.mark.get("height", 0.9)
        if isinstance(height, dict):
            height = height["band"]
            height *= rows.band / len(plot.offset.names) if plot.offset else rows.band  # type: ignore[attr-defined]  # rows of names
        yield _path(_box(min(x, start), y - height / 2, abs(x - start), height), _style(layer, row, filled=True), None)


def _middle(layer: Layer, plot: Plot, row: Spec) -> float | None:
    """Where a mark stands in its row, or in its part of the row."""
    y = place(layer, plot, "y", row)
    if y is None or plot.offset is None or "yOffset" not in layer.encoding:
        return y
    parts, rows = plot.offset, plot.scales["y"]
    share = parts.at(row[layer.encoding["yOffset"]["field"]]) / len(parts.names)
    return y + (share - 0.5) * rows.band  # type: ignore[attr-defined,no-any-return]  # bars stand in rows of names


def _cells(layer: Layer, plot: Plot) -> Iterator[str]:
    for row in layer.rows:
        x, y, y2 = (place(layer, plot, c, row) for c in ("x", "y", "y2"))
        if y is not None and y2 is not None:
            yield _path(_box(0, min(y, y2), plot.width, abs(y2 - y)), _style(layer, row, filled=True), None)
        elif x is not None and y is not None:
            wide, high = (plot.scales[c].band for c in ("x", "y"))  # type: ignore[attr-defined]  # rows of names
            yield _path(_box(x - wide / 2, y - high / 2, wide, high), _style(layer, row, filled=True), None)


def _ticks(layer: Layer, plot: Plot) -> Iterator[str]:
    wide, high = layer.mark.get("thickness", TICK), layer.mark["height"]
    for row in layer.rows:
        x, y = place(layer, plot, "x", row), place(layer, plot, "y", row)
        if x is not None and y is not None:
            yield _path(_box(x - wide / 2, y - high / 2, wide, high), _style(layer, row, filled=True), None)


def _points(layer: Layer, plot: Plot) -> Iterator[str]:
    filled, square = layer.mark.get("filled", False), layer.mark.get("shape") == "square"
    for row in layer.rows:
        x, y = place(layer, plot, "x", row), place(layer, plot, "y", row)
        if x is None or y is None:
            continue
        size = look(layer, "size", row)
        size = POINT if size is None else size
        side, r = math.sqrt(size), math.sqrt(size / math.pi)
        round_one = f"M{pixel(x + r)},{pixel(y)}A{pixel(r)},{pixel(r)},0,1,1,{pixel(x - r)},{pixel(y)}"
        round_one += f"A{pixel(r)},{pixel(r)},0,1,1,{pixel(x + r)},{pixel(y)}Z"
        d = _box(x - side / 2, y - side / 2, side, side) if square else round_one
        yield _path(d, _style(layer, row, filled=filled), _tip(layer, row))


def _tip(layer: Layer, row: Spec) -> str | None:
    """What a mark says when one points at it."""
    description = layer.encoding.get("description")
    return None if description is None else row.get(description["field"])


def _words(layer: Layer, plot: Plot) -> Iterator[str]:
    size = layer.mark.get("fontSize", 11)
    for row in layer.rows:
        x, y = place(layer, plot, "x", row), _middle(layer, plot, row)
        text = look(layer, "text", row)
        if x is None or text in (None, ""):
            continue
        y = plot.height / 2 if y is None else y
        yield text_at(
            x + layer.mark.get("dx", 0),
            y + BASELINE * size,
            shortened(str(text), layer.mark.get("limit"), size),
            anchor=ANCHORS[layer.mark.get("align", "center")],
            size=size,
            fill=look(layer, "color", row) or "currentColor",
        )


_DRAW: dict[str, Callable[[Layer, Plot], Iterator[str]]] = {
    "line": _lines,
    "area": _areas,
    "rule": _rules,
    "bar": _bars,
    "rect": _cells,
    "tick": _ticks,
    "point": _points,
    "text": _words,
}
