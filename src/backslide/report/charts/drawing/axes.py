"""Axes with their grid, and the legend of the windows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backslide.report.charts.drawing.limits import UnsupportedError
from backslide.report.charts.drawing.scales import Logarithmic, Rows
from backslide.report.charts.drawing.words import pixel, shortened, text_at, width_of, written
from backslide.report.charts.palette import FAINT, GRID

if TYPE_CHECKING:
    from backslide.report.charts.drawing.plan import Plot
    from backslide.report.charts.drawing.scales import AxisScale
    from backslide.report.charts.parts import Spec

FONT = 11
MARK, ROOM = 5, 2
"""Pixels of a tick, and between it and its label."""
LABEL_LIMIT, TITLE_LIMIT = 170, 300
BESIDE = 4
"""Pixels between labels and title."""
SYMBOL, APART = 16, 12
"""Pixels of a symbol of the legend, and between its entries."""


@dataclass(frozen=True)
class AxisSide:
    """What stands on one side of the plot, and how far it reaches from it."""

    grid: str
    axis: str
    extent: float
    beyond: float = 0.0
    """Pixels that its last label reaches beyond the end of the axis."""


NOTHING = AxisSide("", "", 0.0)


def below(plot: Plot) -> AxisSide:
    """The horizontal axis, above the plot where it says so."""
    encoding = plot.axes.get("x")
    if encoding is None:
        return NOTHING
    axis, scale = encoding.get("axis", {}), plot.scales["x"]
    if isinstance(scale, Rows):
        return _above(plot, encoding, scale)
    ticks = scale.ticks(axis.get("tickCount", 8))
    places = [pixel(round(scale.at(tick)) + 0.5) for tick in ticks]
    labels = [(scale.at(tick), written(tick, axis.get("format"))) for tick in _to_label(ticks, scale)]
    grid = "".join(_line(f"M{x},0v{pixel(plot.height)}") for x in places) if axis.get("grid", True) else ""
    foot = plot.height + 0.5
    parts = [_line(f"M{x},{pixel(foot)}v{MARK}") for x in places] if axis.get("ticks", True) else []
    if axis.get("domain", True):
        parts.append(_line(f"M0,{pixel(foot)}h{pixel(plot.width)}"))
    last, beyond = -float("inf"), 0.0
    for x, label in labels:
        wide = width_of(label)
        anchor = "start" if x < 1 else "end" if x > plot.width - 1 else "middle"
        left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
        if left >= last + axis.get("labelSeparation", 0):
            parts.append(text_at(x, foot + 16, label, anchor=anchor, size=FONT, fill=FAINT))
            last, beyond = left + wide, max(beyond, left + wide - plot.width)
    extent = MARK + ROOM + FONT
    title = encoding.get("title")
    if title:
        shown = shortened(title, TITLE_LIMIT)
        parts.append(text_at(plot.width / 2, foot + 31, shown, anchor="middle", size=FONT, fill=FAINT))
        extent += BESIDE + FONT
    return AxisSide(grid, "".join(parts), extent, beyond)


def _to_label(ticks: list[Any], scale: AxisScale) -> list[Any]:
    """Of a logarithmic axis the powers of ten where there are some."""
    if not isinstance(scale, Logarithmic):
        return ticks
    powers = [tick for tick in ticks if math.isclose(math.log10(tick) % 1, 0, abs_tol=1e-9)]
    return powers if len(powers) > 1 else ticks


def _above(plot: Plot, encoding: Spec, scale: Rows) -> AxisSide:
    """Names above the columns of a matrix; ``extent`` is upwards."""
    axis: Spec = encoding.get("axis", {})
    if axis.get("orient") != "top":
        raise UnsupportedError("names below the plot")
    turned, parts, high = bool(axis.get("labelAngle")), list[str](), float(FONT)
    for name in scale.names:
        label = shortened(name, axis.get("labelLimit", LABEL_LIMIT))
        if turned:
            # From the middle of the column up to the right.
            text = text_at(0, 0, label, anchor="start", size=FONT, fill=FAINT)
            where = f'transform="translate({pixel(scale.at(name) + 4)},-4) rotate(-45)"'
            parts.append(text.replace('transform="translate(0,0)"', where, 1))
            high = max(high, 0.71 * width_of(label) + 8)
        else:
            parts.append(text_at(scale.at(name), -4, label, anchor="middle", size=FONT, fill=FAINT))
    title = shortened(encoding.get("title") or "", TITLE_LIMIT)
    parts.append(text_at(plot.width / 2, -8 - high, title, anchor="middle", size=FONT, fill=FAINT))
    beyond = max(0.0, (width_of(title) - plot.width) / 2, 0.71 * high if turned else 0.0)
    return AxisSide("", "".join(parts), 8 + high + FONT, beyond)


def beside(plot: Plot) -> AxisSide:
    """The vertical axis, left of the plot."""
    encoding = plot.axes.get("y")
    if encoding is None:
        return NOTHING
    axis, scale = encoding.get("axis", {}), plot.scales["y"]
    names = isinstance(scale, Rows)
    ticks = scale.ticks(axis.get("tickCount", 8))
    labels = [(scale.at(tick), written(tick, axis.get("format"))) for tick in ticks]
    labels = [(y, shortened(label, axis.get("labelLimit", LABEL_LIMIT))) for y, label in labels]
    marks = not names and axis.get("ticks", True)
    places = [pixel(round(y) + 0.5) for y, _ in labels]
    grid = "" if names else "".join(_line(f"M0,{y}h{pixel(plot.width)}") for y in places)
    parts = [_line(f"M0,{y}h-{MARK}") for y in places] if marks else []
    if not names:
        parts.append(_line(f"M0.5,0v{pixel(plot.height)}"))
    edge = (MARK if marks else 0) + ROOM
    colour = axis.get("labelColor", FAINT)
    last = float("inf")
    for y, label in sorted(labels, reverse=True):
        if names or y + FONT / 2 <= last:
            parts.append(text_at(-edge, y + 3, label, anchor="end", size=FONT, fill=colour))
            last = y - FONT / 2
    extent = edge + max((width_of(label) for _, label in labels), default=0.0)
    extent = min(max(extent, axis.get("minExtent", 0)), axis.get("maxExtent", 1000))
    title = encoding.get("title")
    if title:
        away = extent + axis.get("titlePadding", BESIDE) + 4
        shown = shortened(title, max(plot.height, 40))
        parts.append(text_at(-away, plot.height / 2, shown, anchor="middle", size=FONT, fill=FAINT, turned=True))
        extent = away + FONT
    return AxisSide(grid, "".join(parts), extent)


def _line(d: str) -> str:
    return f'<path d="{d}" fill="none" stroke="{GRID}"/>'


def legend(plot: Plot) -> str:
    """The windows with their colours and dashes, above the plot; empty where nothing is told apart."""
    shown: dict[str, dict[str, Any]] = {}
    style: Spec = {}
    for layer in plot.layers:
        for channel in ("color", "strokeDash"):
            encoding = layer.encoding.get(channel, {})
            if encoding.get("legend") and encoding.get("scale"):
                style = encoding["legend"]
                for name, value in zip(encoding["scale"]["domain"], encoding["scale"]["range"], strict=True):
                    shown.setdefault(name, {})[channel] = value
    parts, x = [], 0.0
    for place, (name, looks) in enumerate(shown.items()):
        colour = looks.get("color", FAINT)
        if style.get("symbolType") == "square":
            faint = ' fill-opacity="0.35"' if place else ""
            parts.append(f'<path d="M{pixel(x + 3)},-15h10v10h-10Z" fill="{colour}"{faint} stroke="{colour}"/>')
        else:
            dash = looks.get("strokeDash", (1, 0))
            dashed = f' stroke-dasharray="{dash[0]},{dash[1]}"' if dash[1] else ""
            parts.append(
                f'<path d="M{pixel(x)},-10h{SYMBOL}" fill="none" stroke="{colour}" '
                f'stroke-width="{style.get("symbolStrokeWidth", 1.5)}"{dashed}/>'
            )
        parts.append(text_at(x + SYMBOL + 4, -6, name, anchor="start", size=FONT, fill=FAINT))
        x += SYMBOL + 4 + width_of(name) + APART
    return "".join(parts)
