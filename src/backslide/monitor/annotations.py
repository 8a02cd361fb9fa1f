"""Alarms of a look as Grafana's annotations: bodies of ``POST /api/annotations``."""

from __future__ import annotations

from typing import Any

from backslide.contracts.moments import instant
from backslide.contracts.watch import Level, WatchReport
from backslide.log.dated_events import OURS


def annotation_bodies(report: WatchReport) -> list[dict[str, Any]]:
    """One per incident with dates; an open one lasts to the look.

    Tags name the model, the level and the incident, by which one that is there already is found:
    ``GET /api/annotations?tags=backslide&tags=incident:3``.
    """
    bodies = []
    for one in report.incidents:
        start, end = _milliseconds(one.began), _milliseconds(report.as_of if one.open else one.closed or one.raised)
        if start is None or end is None:
            continue  # periods that are numbers of rows
        level = "alarm" if one.level == Level.ALARM else "early sign"
        tags = [OURS, level, f"model:{report.model}", f"incident:{one.number if one.number is not None else one.id}"]
        tags += [f"marked:{one.mark.mark}"] if one.mark is not None else []
        decision = one.diagnosis.decision if one.diagnosis is not None else ""
        text = f"{report.model}: {one.sentence}" + (f" {decision}" if decision else "")
        bodies.append({"time": start, "timeEnd": max(start, end), "tags": tags, "text": text})
    return bodies


def _milliseconds(text: str) -> int | None:
    at = instant(text)
    return None if at is None else round(at.timestamp() * 1000)
