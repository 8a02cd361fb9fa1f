"""A quantity over time: a line per window with its interval, the usual band, and dated events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.moments import instant
from backslide.report.charts.palette import BAND
from backslide.report.charts.parts import COLOUR, DASH, axis_of, quantity, same_length, sized, vertical_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backslide.contracts.evidence import Series, SeriesPoint
    from backslide.report.charts.parts import Spec


MOST_DOTS = 120
"""Points drawn one by one, each with its numbers on hover; more run into the line."""


def series(evidence: Series, width: int) -> Spec:
    """A line per window with its interval, over the usual band and the dated events."""
    same_length(evidence.points)
    times = [milliseconds(point.at) for point in evidence.points]
    dated = all(time is not None for time in times)
    values = [
        _series_value(point, time if dated else number, share=evidence.share)
        for number, (point, time) in enumerate(zip(evidence.points, times, strict=True), start=1)
    ]
    x: Spec = {"field": "x", "type": "quantitative", "title": "block", "scale": {"zero": False}}
    if dated:
        x = {
            "field": "x",
            "type": "temporal",
            "title": None,
            "scale": {"type": "utc"},
            "axis": time_axis((min(v["x"] for v in values), max(v["x"] for v in values))),
        }
    y = quantity("value", evidence.y, axis_of(share=evidence.share), zero=False)
    layers = _usual(evidence, y)
    interval = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": COLOUR}
    dot = {"type": "point", "filled": True, "size": 26, "aria": True, "opacity": 1}
    layers += [
        {
            "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
            "mark": {"type": "area", "opacity": 0.18},
            "encoding": interval,
        },
        {
            "mark": {"type": "line", "strokeWidth": 1.8},
            "encoding": {"x": x, "y": y, "color": COLOUR, "strokeDash": DASH},
        },
    ]
    if len(values) <= MOST_DOTS:
        layers.append({"mark": dot, "encoding": {"x": x, "y": y, "color": COLOUR, "description": {"field": "tip"}}})
    if dated:
        shown: list[float] = [value["x"] for value in values]
        layers += vertical_marks(_events_within(evidence, shown), "temporal", (min(shown), max(shown)))
    return sized(width - 66, 170) | {"data": {"values": values}, "layer": layers}


def _usual(evidence: Series, y: Spec) -> list[Spec]:
    """The band of what is usual, behind everything."""
    if evidence.band is None:
        return []
    values = [{"low": evidence.band[0], "high": evidence.band[1]}]
    ends = {"y": {**y, "field": "low"}, "y2": {"field": "high"}}
    return [{"data": {"values": values}, "mark": {"type": "rect", "color": BAND, "opacity": 1}, "encoding": ends}]


def _series_value(point: SeriesPoint, x: float | None, *, share: bool) -> Spec:
    write = say.percent if share else say.number
    tip = f"{say.moment(point.at)}: {write(point.value)}"
    if point.low is not None and point.high is not None:
        tip += f" [{write(point.low)} to {write(point.high)}]"
    if point.rows is not None:
        tip += f", {say.counted(point.rows, 'row')}"
    value = {"x": x, "value": point.value, "window": point.window, "tip": tip}
    return value | {"low": point.low, "high": point.high}


def _events_within(evidence: Series, times: Sequence[float]) -> dict[str, float]:
    """Events that fall into the time shown: one far off would squeeze the series into a corner."""
    events = {name: milliseconds(at) for name, at in evidence.events.items()}
    return {name: at for name, at in events.items() if at is not None and min(times) <= at <= max(times)}


def milliseconds(text: str) -> float | None:
    """An ISO time as milliseconds since 1970 in UTC; None for what is no ISO time."""
    at = instant(text)
    return None if at is None else at.timestamp() * 1000


def time_axis(ends: tuple[float, float]) -> Spec:
    """The axis of times between two moments in milliseconds."""
    span = ends[1] - ends[0]
    day = 86_400_000
    pattern = "%H:%M" if span < 2 * day else "%b %d" if span < 330 * day else "%b %Y"
    return {"format": pattern, "tickCount": 5, "labelOverlap": "greedy", "labelSeparation": 14}
