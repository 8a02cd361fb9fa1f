"""Panels over one axis of time: what was measured and estimated, the usual band, stretches of alarm, dated events."""

from __future__ import annotations

import re
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from markupsafe import Markup

from backslide.contracts import say
from backslide.report.charts.palette import BAND, CURRENT, FAINT, REFERENCE, RISE
from backslide.report.charts.palette import FALL as ALARM_TINTS
from backslide.report.charts.parts import CONFIG, axis_of, quantity, vertical_marks
from backslide.report.charts.svg import draw
from backslide.report.charts.time import milliseconds, time_axis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backslide.report.charts.parts import Spec
    from backslide.report.documents.timeline import IncidentSpan, Sparkline, TimeLine, Timeline, TimePanel

TALL, LOW = 150, 72
"""Heights of a panel in pixels: the headline's, and those beside it."""
SIDE = 66
"""Pixels for the labels of the vertical axis."""
MOST_DOTS = 130
"""Points drawn one by one, each with its numbers on hover."""
SPARK_WIDTH, SPARK_HEIGHT = 168, 34
_ROWS = re.compile(r"^rows (\d+) to (\d+)$")


def timeline_svg(timeline: Timeline, width: int) -> Markup:
    """The drawing, ``width`` pixels wide in all.

    Raises:
        ValueError: there is no point to draw.
    """
    return Markup(draw(timeline_spec(timeline, width), timeline.reading))


def timeline_spec(timeline: Timeline, width: int) -> Spec:
    """The Vega-Lite specification of a timeline."""
    labels = [point.at for panel in timeline.panels for line in panel.lines for point in line.points]
    if not labels:
        raise ValueError("expected a point to draw, got none")
    dated = all(_place(label) is not None and not _ROWS.match(label) for label in labels)
    places = [place for label in labels if (place := _place(label)) is not None]
    step = _step(places)
    ends = (min(places), max(places) + step)
    x: Spec = {"field": "x", "type": "temporal" if dated else "quantitative", "title": None if dated else "rows"}
    x["scale"] = {"domain": list(ends), "nice": False} | ({"type": "utc"} if dated else {})
    panels = []
    for number, panel in enumerate(timeline.panels):
        last = number == len(timeline.panels) - 1
        axis = time_axis(ends) if dated else {"tickCount": 5}
        axis |= {} if last else {"labels": False, "ticks": False, "title": None}
        panels.append(_panel(timeline, panel, {**x, "axis": axis}, ends, step, width, named=number == 0))
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": "transparent",
        "config": CONFIG,
        "vconcat": panels,
        "spacing": 14,
    }


def _panel(
    timeline: Timeline, panel: TimePanel, x: Spec, ends: tuple[float, float], step: float, width: int, *, named: bool
) -> Spec:
    y = quantity("value", "", axis_of(share=panel.share) | {"tickCount": 4 if panel.tall else 3}, zero=False)
    layers: list[Spec] = []
    spans = [_span(span, ends, step) for span in timeline.spans]
    for alarm in (False, True):
        shaded = [span for span in spans if span["alarm"] == alarm]
        if shaded:
            mark = {"type": "rect", "color": ALARM_TINTS[0] if alarm else RISE[0], "opacity": 0.7}
            layers.append({"data": {"values": shaded}, "mark": mark, "encoding": {"x": x, "x2": {"field": "end"}}})
    for number, line in enumerate(panel.lines):
        layers += _line(line, x, y, step, share=panel.share, banded=number == 0)
    events = {event.name: place for event in timeline.events if (place := _place(event.at)) is not None}
    within = {name: place for name, place in events.items() if ends[0] <= place <= ends[1]}
    marks = vertical_marks(within, str(x["type"]), ends)
    layers += marks if named else marks[:1]
    title = {"text": panel.title, "anchor": "start", "fontSize": 12, "limit": width - SIDE, "offset": 4}
    return {"title": title, "width": max(80, width - SIDE), "height": TALL if panel.tall else LOW, "layer": layers}


def _line(line: TimeLine, x: Spec, y: Spec, step: float, *, share: bool, banded: bool) -> Iterator[Spec]:
    """The usual band and level behind the first line, then the line, then its points."""
    values = []
    for point in line.points:
        place = _place(point.at)
        if place is None:
            continue
        levels = (point.value or 0.0, point.expected, point.low, point.high)
        written = [say.level(v, share=share) for v in levels]
        tip = f"{point.at}, {line.name}: {written[0]}; usual {written[1]} [{written[2]} to {written[3]}]"
        value: Spec = {"x": place + step / 2, "value": point.value, "tip": f"{tip}, {say.counted(point.rows, 'row')}"}
        values.append(value | {"expected": point.expected, "low": point.low, "high": point.high})
    data = {"values": values}
    colour = CURRENT if line.estimated else REFERENCE
    if banded:
        ends = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        yield {"data": data, "mark": {"type": "area", "color": BAND, "opacity": 0.9}, "encoding": ends}
        usual = {"type": "line", "color": FAINT, "strokeWidth": 1, "strokeDash": [2, 2]}
        yield {"data": data, "mark": usual, "encoding": {"x": x, "y": {**y, "field": "expected"}}}
    stroke = {"type": "line", "color": colour, "strokeWidth": 1.8} | ({"strokeDash": [5, 3]} if line.estimated else {})
    yield {"data": data, "mark": stroke, "encoding": {"x": x, "y": y}}
    if len(values) <= MOST_DOTS:
        dot = {"type": "point", "filled": True, "size": 16, "aria": True, "opacity": 1, "color": colour}
        shown = {"values": [value for value in values if value["value"] is not None]}
        yield {"data": shown, "mark": dot, "encoding": {"x": x, "y": y, "description": {"field": "tip"}}}


def _span(span: IncidentSpan, ends: tuple[float, float], step: float) -> Spec:
    start, end = _place(span.start), None if span.end is None else _place(span.end)
    return {
        "x": max(ends[0], ends[0] if start is None else start),
        "end": min(ends[1], ends[1] if end is None else max(end, (start or 0) + step)),
        "alarm": span.alarm,
    }


def _place(label: str) -> float | None:
    """Where a period begins: milliseconds since 1970, or rows before it."""
    rows = _ROWS.match(label)
    return float(rows.group(1)) - 1 if rows else milliseconds(label)


def _step(places: list[float]) -> float:
    """Length of a period, told from the nearest two."""
    ordered = sorted(set(places))
    return min((b - a for a, b in pairwise(ordered)), default=1.0)


def sparkline_svg(spark: Sparkline) -> Markup:
    """A line without axes over its usual band; colours are those that the page maps."""
    values = spark.values
    low, high = min(spark.low, *values), max(spark.high, *values)
    extent = (high - low) or 1.0

    def height(value: float) -> float:
        return round(3 + (SPARK_HEIGHT - 6) * (1 - (value - low) / extent), 1)

    across = (SPARK_WIDTH - 8) / max(len(values) - 1, 1)
    dots = [(round(3 + across * i, 1), height(value)) for i, value in enumerate(values)]
    points = " ".join(f"{x},{y}" for x, y in dots)
    top, bottom, last = height(spark.high), height(spark.low), dots[-1]
    thick = max(round(bottom - top, 1), 1)
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="spark" role="img" aria-label="{escape(spark.reading)}" '
        f'width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}">'
        f'<rect x="0" y="{top}" width="{SPARK_WIDTH}" height="{thick}" fill="{BAND}"/>'
        f'<polyline points="{points}" fill="none" stroke="{REFERENCE}" stroke-width="1.6"/>'
        f'<circle cx="{last[0]}" cy="{last[1]}" r="2.6" fill="{REFERENCE}"/></svg>'
    )
