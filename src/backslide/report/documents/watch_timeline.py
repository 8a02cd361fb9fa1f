"""A look's streams on one axis of time: the headline measured and estimated, confidence, data faults, what else was raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.watch import Level
from backslide.report.documents.timeline import (
    IncidentSpan,
    Sparkline,
    TimeEvent,
    TimeLine,
    Timeline,
    TimePanel,
    TimePoint,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backslide.contracts.watch import Stream, WatchReport

MOST_OTHERS = 4
"""Panels of streams beside the headline, confidence and faults: those that raised something."""
MOST_FAULTS = 3
SPARK_PERIODS = 60
END = "~"
"""After every period's label."""
Stretches = tuple[tuple[str, str], ...]
NAMED_EVENTS = 8
"""Events drawn with their names: more cannot be read; the latest are kept."""


def watch_timeline(w: WatchReport, also: tuple[str, ...] = ()) -> Timeline | None:
    """Everything that was followed on one axis; None while there is no period. ``also`` names further streams to show."""
    panels = tuple(_panels(w, also))
    if not panels:
        return None
    spans = tuple(
        IncidentSpan(
            f"Incident {one.number}" if one.number is not None else one.id,
            one.began,
            one.raised,
            one.closed,
            one.level == Level.ALARM,
        )
        for one in w.incidents
    )
    events = tuple(TimeEvent(event.at, event.text) for event in w.events[-NAMED_EVENTS:])
    return Timeline("Over time", _reading(w, panels), panels, spans, events)


def _panels(w: WatchReport, also: tuple[str, ...]) -> Iterator[TimePanel]:
    drawable = [s for s in w.streams if s.points]
    measured = [s for s in drawable if s.kind == "performance"]
    estimated = [s for s in drawable if s.kind == "estimate"]
    heads = [*((s, "measured", False) for s in measured), *((s, "estimated", True) for s in estimated)]
    if heads:
        first = heads[0][0]
        words = {(True, True): "measured and (broken) estimated", (True, False): "measured", (False, True): "estimated"}
        title = f"{say.metric(w.metric)}, {words[bool(measured), bool(estimated)]}"
        moved = moved_inputs(w)
        lines = tuple(_line(s, name, estimate=estimate, without=moved) for s, name, estimate in heads)
        yield TimePanel(title, lines, first.share, tall=True)
    for kind, most in (("confidence", 1), ("fault", MOST_FAULTS), ("canary", 1)):
        for stream in [s for s in drawable if s.kind == kind][:most]:
            yield _panel(stream)
    shown = ("performance", "estimate", "confidence", "fault", "canary")
    others = [s for s in drawable if s.kind not in shown and (s.level != Level.QUIET or s.name in also)]
    rank = list(Level)
    for stream in sorted(others, key=lambda s: (-rank.index(s.level), -s.evidence))[:MOST_OTHERS]:
        yield _panel(stream)


def moved_inputs(w: WatchReport) -> Stretches:
    """Stretches in which inputs alarmed: what is expected of rows like the reference's says nothing of those."""
    inputs = ("confidence", "missing", "unknown", "fault")
    stretches = [
        (m.began, m.closed or END)
        for one in w.incidents
        for m in one.members
        if m.kind in inputs and m.level == Level.ALARM
    ]
    if w.estimated is not None and w.estimated.suppressed:
        stretches.append((w.estimated.since, w.estimated.until))
    return tuple(stretches)


def _panel(stream: Stream) -> TimePanel:
    return TimePanel(stream.words, (_line(stream, stream.name, estimate=False),), stream.share)


def _line(stream: Stream, name: str, *, estimate: bool, without: Stretches = ()) -> TimeLine:
    points = tuple(
        TimePoint(
            p.period,
            None if estimate and any(first <= p.period <= last for first, last in without) else p.value,
            p.expected,
            p.low,
            p.high,
            p.rows,
        )
        for p in stream.points
    )
    return TimeLine(name, points, estimate)


def _reading(w: WatchReport, panels: tuple[TimePanel, ...]) -> str:
    """What is to be seen: the stretch, what is shaded, and which changes are dated."""
    periods = [point.at for panel in panels for line in panel.lines for point in line.points]
    text = (
        f"{min(periods)} to {max(periods)}, by {w.period}; grey is where 95% of quiet periods lie, dots the usual level"
    )
    alarms = [f"{one.began} to {one.closed or 'now'}" for one in w.incidents if one.level == Level.ALARM]
    signs = len(w.incidents) - len(alarms)
    text += f"; shaded: {say.listed([f'alarm {stretch}' for stretch in alarms])}" if alarms else "; no alarm"
    text += f"; lightly shaded: {say.counted(signs, 'early sign')}" if signs else ""
    dated = [f"{event.text} ({say.moment(event.at)})" for event in w.events[-NAMED_EVENTS:]]
    if any(s.kind == "estimate" for s in w.streams) and moved_inputs(w):
        text += "; no estimate where inputs alarm"
    return f"{text}; upright lines: {say.listed(dated)}." if dated else f"{text}."


def headline_spark(w: WatchReport) -> Sparkline | None:
    """The last periods of the headline, or what it is expected to be where no label has come; None where there are none."""
    kinds = ("performance", "estimate", "confidence")
    stream = next((s for kind in kinds for s in w.streams if s.kind == kind and len(s.points) > 1), None)
    if stream is None:
        return None
    points = stream.points[-SPARK_PERIODS:]
    last = points[-1]
    reading = (
        f"{stream.words} {points[0].period} to {last.period}: {say.level(last.value, share=stream.share)} at last, "
        f"usual {say.level(last.expected, share=stream.share)}"
    )
    return Sparkline(tuple(p.value for p in points), last.low, last.high, reading)
