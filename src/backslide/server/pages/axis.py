"""The time axis of a model as the chart takes it: panels of streams, stretches of alarm, dated events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from backslide.contracts import say
from backslide.contracts.escape import clean_text
from backslide.contracts.moments import instant
from backslide.contracts.watch import Level, Stream, WatchReport
from backslide.contracts.watch_settings import WatchSettings
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.series import ARRIVAL, ROWS
from backslide.report.documents.watch_timeline import moved_inputs
from backslide.store.memory import Json

MOST_PERIODS = 3000
"""Periods of a chart, the last ones: more cannot be told apart, even on a wide screen."""
MOST_FAULTS, MOST_OTHERS, MOST_CHOSEN = 3, 3, 6
MOST_EVENTS = 60


def streams_to_draw(report: WatchReport, also: Sequence[str] = ()) -> list[Stream]:
    """What one axis can hold: performance, confidence, faults, the canary, what is raised, and what was asked for."""
    rank = list(Level)
    kinds = (("performance", 1), ("estimate", 1), ("confidence", 1), ("fault", MOST_FAULTS), ("canary", 1))
    loudest = sorted(report.streams, key=lambda s: (-rank.index(s.level), -max(s.evidence, s.early)))
    chosen = [one for kind, most in kinds for one in [s for s in loudest if s.kind == kind][:most]]
    chosen += [s for s in loudest if s.name in also and s not in chosen][:MOST_CHOSEN]
    return chosen + [s for s in loudest if s.level != Level.QUIET and s not in chosen][:MOST_OTHERS]


def grid_of(report: WatchReport) -> PeriodGrid:
    """How its periods are cut."""
    return PeriodGrid.of(WatchSettings(period=report.period))


def axis_data(report: WatchReport, series: Mapping[str, Json], streams: Sequence[Stream]) -> Json:
    """Everything that the chart draws; times are seconds since 1970, of numbered rows the rows before."""
    grid = grid_of(report)
    numbers = sorted({n for one in series.values() for n in one["number"]})[-MOST_PERIODS:]
    if not numbers:
        return {
            "x": [],
            "panels": [],
            "spans": [],
            "events": [],
            "dated": grid.timed,
            "extent": [0, 1],
            "step": 1,
            "origin": 0,
        }
    place = {number: i for i, number in enumerate(numbers)}
    x = [_start(grid, number) for number in numbers]
    step = int(grid.length.total_seconds()) if grid.length is not None else int(grid.rows or 1)
    return {
        "x": x,
        "dated": grid.timed,
        "step": step,
        "origin": _start(grid, 0),
        "extent": [x[0], x[-1] + step],
        "panels": list(_panels(report, series, streams, place, grid)),
        "spans": list(_spans(report, step, x[-1] + step)),
        "events": _events(report, grid),
    }


def _panels(
    report: WatchReport,
    series: Mapping[str, Json],
    streams: Sequence[Stream],
    place: Mapping[int, int],
    grid: PeriodGrid,
) -> Iterator[Json]:
    heads = [s for s in streams if s.kind in ("performance", "estimate") and s.name in series]
    if heads:
        measured = any(s.kind == "performance" for s in heads)
        lines = []
        for stream in heads:
            values = _spread(series[stream.name], "value", place)
            if stream.kind == "estimate":
                values = _without(values, place, report, grid)
            name = "measured" if stream.kind == "performance" else "estimated before labels come"
            lines.append({"name": name, "dashed": stream.kind == "estimate", "values": values})
        title = say.metric(report.metric) if measured else f"{say.metric(report.metric)}, estimated"
        yield _panel(title, lines, series[heads[0].name], heads[0].share, place, tall=True)
    for stream in streams:
        if stream not in heads and stream.name in series:
            line = {"name": stream.name, "dashed": False, "values": _spread(series[stream.name], "value", place)}
            yield _panel(stream.words, [line], series[stream.name], stream.share, place)
    for name, words, share in ((ARRIVAL, "labels that have come", True), (ROWS, "rows", False)):
        if name in series and any(series[name]["value"]):
            line = {"name": name, "dashed": False, "values": _spread(series[name], "value", place)}
            yield {
                "title": words,
                "short": name,
                "share": share,
                "tall": False,
                "bars": True,
                "lines": [line],
                "low": None,
            }


def _panel(
    title: str, lines: list[Json], banded: Json, share: bool, place: Mapping[int, int], *, tall: bool = False
) -> Json:
    panel: Json = {"title": clean_text(title), "short": clean_text(title), "share": share, "tall": tall, "lines": lines}
    panel |= {name: _spread(banded, name, place) for name in ("low", "high", "expected")}
    for line in lines:
        line["name"] = clean_text(line["name"])
    return panel | ({"low": None} if all(value is None for value in panel["low"]) else {})


def _spread(one: Json, column: str, place: Mapping[int, int]) -> list[Any]:
    """Values at their places of the axis; None in between."""
    values: list[Any] = [None] * len(place)
    for number, value in zip(one["number"], one[column], strict=True):
        if number in place:
            values[place[number]] = value
    return values


def _without(values: list[Any], place: Mapping[int, int], report: WatchReport, grid: PeriodGrid) -> list[Any]:
    """The estimate without the stretches in which inputs alarm: it says nothing of rows unlike the reference's."""
    stretches = moved_inputs(report)
    kept = list(values)
    for number, i in place.items():
        if any(first <= grid.label(number) <= last for first, last in stretches):
            kept[i] = None
    return kept


def _start(grid: PeriodGrid, number: int) -> int:
    if not grid.timed:
        return number * int(grid.rows or 1)
    return int(grid.start(number).replace(tzinfo=UTC).timestamp())


def _spans(report: WatchReport, step: int, end: int) -> Iterator[Json]:
    for one in report.incidents:
        start, closed = at(one.began), None if one.closed is None else at(one.closed)
        if start is not None:
            until = end if one.closed is None else max(start + step, closed or start)
            yield {"from": start, "to": until, "alarm": one.level == Level.ALARM}


def _events(report: WatchReport, grid: PeriodGrid) -> list[Json]:
    if not grid.timed:
        return []
    dated = [(at(event.at), event.text) for event in report.events]
    return [{"at": when, "text": clean_text(text)} for when, text in dated if when is not None][-MOST_EVENTS:]


def at(label: str) -> int | None:
    """Seconds since 1970 of a period's name or an event's time, or the rows before a numbered period."""
    if label.startswith("rows "):
        return int(label.split()[1]) - 1
    moment = instant(label)
    return None if moment is None else int(moment.timestamp())
