"""Charts of the two windows over one quantity: histograms, bars, a series over time."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from backslide.report import numbers
from backslide.report.binning import drawable
from backslide.report.chart_parts import (
    COLOUR,
    DASH,
    LEGEND,
    MOST_ROWS,
    PERCENT_AXIS,
    PLAIN_AXIS,
    WINDOW,
    distinct,
    rows_axis,
    same_length,
    side_of,
    sized,
    vertical_marks,
)
from backslide.report.palette import BAND, FAINT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backslide.contracts.evidence import Bars, Histograms, Series, SeriesPoint
    from backslide.report.chart_parts import Spec


def histograms(evidence: Histograms, width: int) -> Spec:
    """Step outlines of both windows over each other: solid blue before, dashed orange now."""
    same_length(evidence.reference, evidence.current, evidence.edges[1:])
    drawn = drawable(evidence)
    values = []
    for window, shares in (("reference", drawn.reference), ("current", drawn.current)):
        # From the ground up, along the bins, and down again: one path serves as outline and as area.
        heights = (0.0, *shares, shares[-1], 0.0)
        at = (drawn.edges[0], *drawn.edges, drawn.edges[-1])
        values += [{"x": x, "share": share, "window": window} for x, share in zip(at, heights, strict=True)]
    x: Spec = {"field": "x", "type": "quantitative", "title": _with_outside(evidence.x, drawn.outside)}
    x |= {"scale": {"domain": [drawn.edges[0], drawn.edges[-1]], "nice": False, "zero": False}, "axis": PLAIN_AXIS}
    y = {"field": "share", "type": "quantitative", "title": "share of rows", "axis": PERCENT_AXIS}
    outline = {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8, "fillOpacity": 0.15}
    fill = {**COLOUR, "legend": None}
    layers: list[Spec] = [
        {"mark": outline, "encoding": {"x": x, "y": y, "color": COLOUR, "fill": fill, "strokeDash": DASH}}
    ]
    shown = {name: at for name, at in evidence.marks.items() if drawn.edges[0] <= at <= drawn.edges[-1]}
    layers += vertical_marks(shown, "quantitative")
    return sized(width - 62, 150) | {"data": {"values": values}, "layer": layers}


def bars(evidence: Bars, width: int) -> Spec:
    """Two bars per category with their shares written out."""
    same_length(evidence.reference, evidence.current, evidence.categories)
    write = numbers.percent if evidence.share else numbers.plain
    keep = _busiest(evidence)
    names = distinct(evidence.categories[i] for i in keep)
    values = [
        {"name": name, "value": shares[i], "text": write(shares[i]), "window": window}
        for name, i in zip(names, keep, strict=True)
        for window, shares in (("reference", evidence.reference), ("current", evidence.current))
    ]
    left_out = len(evidence.categories) - len(keep)
    title = evidence.x + (f" ({left_out} more not drawn)" if left_out else "")
    side = side_of(names)
    y = rows_axis(names, side)
    offset = {"field": "window", "type": "nominal", "scale": {"domain": ["reference", "current"]}}
    axis = PERCENT_AXIS if evidence.share else PLAIN_AXIS
    x: Spec = {"field": "value", "type": "quantitative", "title": title, "axis": axis}
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
            "mark": {"type": "text", "align": "left", "dx": 4, "fontSize": 10, "color": FAINT},
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


def series(evidence: Series, width: int) -> Spec:
    """A line per window with its interval, over the usual band and the dated events."""
    same_length(evidence.points)
    times = [_milliseconds(point.at) for point in evidence.points]
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
            "axis": _time_axis(values),
        }
    y = {"field": "value", "type": "quantitative", "title": evidence.y, "scale": {"zero": False}}
    y["axis"] = PERCENT_AXIS if evidence.share else PLAIN_AXIS
    layers: list[Spec] = []
    if evidence.band is not None:
        band = {"data": {"values": [{"low": evidence.band[0], "high": evidence.band[1]}]}}
        ends = {"y": {**y, "field": "low"}, "y2": {"field": "high"}}
        layers.append(band | {"mark": {"type": "rect", "color": BAND, "opacity": 1}, "encoding": ends})
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
        {"mark": dot, "encoding": {"x": x, "y": y, "color": COLOUR, "description": {"field": "tip"}}},
    ]
    if dated:
        layers += vertical_marks(_events_within(evidence, values), "temporal")
    return sized(width - 66, 170) | {"data": {"values": values}, "layer": layers}


def _series_value(point: SeriesPoint, x: float | None, *, share: bool) -> Spec:
    write = numbers.percent if share else partial(numbers.plain, digits=4)
    tip = f"{numbers.moment(point.at)}: {write(point.value)}"
    if point.low is not None and point.high is not None:
        tip += f" [{write(point.low)} to {write(point.high)}]"
    if point.rows is not None:
        tip += f", {numbers.rows(point.rows)}"
    value = {"x": x, "value": point.value, "window": point.window, "tip": tip}
    return value | {"low": point.low, "high": point.high}


def _events_within(evidence: Series, values: Sequence[Spec]) -> dict[str, float]:
    """Events that fall into the time shown: one far off would squeeze the series into a corner."""
    times = [value["x"] for value in values]
    events = {name: _milliseconds(at) for name, at in evidence.events.items()}
    return {name: at for name, at in events.items() if at is not None and min(times) <= at <= max(times)}


def _with_outside(title: str, outside: float) -> str:
    return f"{title} ({numbers.percent(outside)} of rows beyond)" if outside >= 0.0005 else title


def _milliseconds(text: str) -> float | None:
    """An ISO time as milliseconds since 1970 in UTC; None for what is no ISO time."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000


def _time_axis(values: Sequence[Spec]) -> Spec:
    span = max(v["x"] for v in values) - min(v["x"] for v in values) if values else 0
    day = 86_400_000
    pattern = "%H:%M" if span < 2 * day else "%b %d" if span < 330 * day else "%b %Y"
    return {"format": pattern, "tickCount": 5, "labelOverlap": True}
