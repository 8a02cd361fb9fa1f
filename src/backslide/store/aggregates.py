"""What pages show at once: a card of each model, its incidents, every stream by period. Written with each look, read by pages.

They are copies in another shape. A page of a hundred models must not read a hundred whole answers, and a time axis of two years
no more than the streams and the stretch that it draws.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import and_, select

from backslide.contracts import say
from backslide.contracts.finding import Estimate
from backslide.store.memory import Json
from backslide.store.records import insert_once
from backslide.store.tables import diagnoses, incident_details, looks, series

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Table

PART = 512
"""Periods of a row of ``series``: a look writes the last part of each stream, and a page reads a few."""
LONGEST = 255
DIGITS = 6
"""Significant digits of what is drawn."""
SPARK = 60
"""Periods of the small line of a card."""
HEADS = ("performance", "estimate")
"""Streams of the small lines: as measured, and as estimated before labels come."""
BRIEF = ("verdict", "summary", "decision", "metric", "parts", "causes", "suspects", "label_request", "onset")
"""What a page of an incident says of its diagnosis."""
COLUMNS = ("value", "expected", "low", "high", "rows")


def write_aggregates(connection: Connection, book: str, report: Json, streams: Iterable[Json], now: datetime) -> None:
    """Write everything about a look, inside its transaction."""
    model = report["model"]
    ordered = list(streams)
    _replace(
        connection,
        looks,
        {"model": model},
        book=book,
        status=report["status"],
        card=_card(report, ordered),
        brief=_brief(report),
        changed=now,
    )
    _write_incidents(connection, book, report)
    _write_series(connection, book, ordered)


def keep_diagnosis(connection: Connection, model: str, incident: str, document: Json, now: datetime) -> None:
    """Keep the whole answer of an alarm's diagnosis."""
    brief = {name: document.get(name) for name in BRIEF} | {"task": document["inputs"]["task"]}
    same = {"model": model, "incident": incident}
    _replace(connection, diagnoses, same, document=document, brief=brief, created=now)


def _brief(report: Json) -> Json:
    """The answer without what other tables hold."""
    streams = [{name: value for name, value in one.items() if name != "points"} for one in report["streams"]]
    return {**report, "streams": streams, "incidents": []}


def _card(report: Json, streams: Sequence[Json]) -> Json:
    """What the list of models says of one."""
    by_name = {one["stream"]: one for one in streams}
    published = {one["name"]: one for one in report["streams"]}
    lines: Json = {}
    first = None
    for name in HEADS:
        if name in by_name:
            numbers = by_name[name]["number"]
            first = numbers[-SPARK] if first is None and len(numbers) > SPARK else first
            kept = [i for i, n in enumerate(numbers) if first is None or n >= first][-SPARK:]
            lines[name] = {
                key: [_rounded(by_name[name][key][i]) for i in kept] for key in ("number", "value", "low", "high")
            }
    head = next((published[name] for name in (*HEADS, "confidence") if name in published), None)
    judged = next((one["periods"] for one in report["streams"] if one["kind"] == "performance"), 0)
    incidents = [one for one in report["incidents"] if one["open"]]
    return {
        **{name: report[name] for name in ("summary", "metric", "period", "as_of", "last")},
        "head": None if head is None else {name: head[name] for name in ("name", "words", "share", "latest")},
        "lines": lines,
        "judged": judged,
        "periods": max((one["periods"] for one in report["streams"]), default=0),
        "complete_through": report["labels"]["complete_through"],
        "waiting": report["labels"]["waiting"],
        "stale": [note for note in report["notes"] if note.startswith("no rows after")],
        "alarms": sum(one["level"] == "alarm" for one in incidents),
        "signs": sum(one["level"] != "alarm" for one in incidents),
    }


def _write_incidents(connection: Connection, book: str, report: Json) -> None:
    table = incident_details
    model, found = report["model"], {one["id"] for one in report["incidents"]}
    same = and_(table.c.model == model, table.c.book == book)
    before = set(connection.execute(select(table.c.incident).where(same)).scalars())
    if gone := before - found:  # a later look may see otherwise what an earlier one raised
        connection.execute(table.delete().where(same, table.c.incident.in_(gone)))
    shares = {one["name"]: one["share"] for one in report["streams"]}
    chosen = select(diagnoses.c.incident, diagnoses.c.brief).where(diagnoses.c.model == model)
    briefs = {row.incident: row.brief for row in connection.execute(chosen)}
    for one in report["incidents"]:
        diagnosis = one["diagnosis"] or {}
        speaker = one["members"][0]
        loss = _measured_loss(briefs.get(one["id"]), speaker["kind"]) or _stream_loss(speaker, shares)
        _replace(
            connection,
            table,
            {"model": model, "incident": one["id"]},
            book=book,
            **{name: one[name] for name in ("level", "open", "began", "known_on", "closed", "sentence", "muted")},
            kind=diagnosis.get("kind"),
            features=list(diagnosis.get("features") or ()),
            loss=loss,
            data=one,
        )
    _close_former(connection, book, report)


def _close_former(connection: Connection, book: str, report: Json) -> None:
    """Close what looks under other settings left open: nobody follows it any more."""
    table = incident_details
    chosen = select(table.c.incident, table.c.known_on, table.c.data)
    former = and_(table.c.model == report["model"], table.c.book != book, table.c.open)
    for row in connection.execute(chosen.where(former)).all():
        end: Json = {"open": False, "closed": max(report["last"] or "", row.known_on)}
        same = and_(table.c.model == report["model"], table.c.incident == row.incident)
        connection.execute(table.update().where(same).values(**end, data={**row.data, **end}))


def _measured_loss(brief: Json | None, speaker: str) -> Json | None:
    """What the diagnosis of an incident found lost, as a whole or in its worst part; None where it measured no loss.

    An estimate that spoke for the incident is worth less than any measurement: it may have been made of broken inputs.
    """
    if brief is None or not (str(brief["verdict"]).startswith("degraded") or speaker == "estimate"):
        return None
    part = (brief.get("parts") or [None])[0]
    if part is None:
        name, change, level = brief["metric"]["name"], brief["metric"]["change"], brief["metric"]["reference"]
    else:
        name, change, level = part["metric"], part["change"], part["reference"]
    if change is None:
        return None
    classification = brief["task"] != "regression"
    unit = say.Unit.of(name, classification=classification, level=level, change=Estimate(**change))
    words = say.metric(name)
    if part is not None and part["kind"] == "class" and "[" not in name:
        words = say.metric(f"{name}[{part['name']}]")
    elif part is not None and part["kind"] == "segment":
        words = f"{words} where {part['name']}"
    return {**change, "share": unit.points, "words": words, "kind": "measured"}


def _stream_loss(speaker: Json, shares: Mapping[str, bool]) -> Json | None:
    """The change of the stream that speaks for an incident."""
    change: Json | None = speaker["change"]
    if change is None:
        return None
    return {**change, "share": shares.get(speaker["stream"], False), "words": speaker["words"], "kind": speaker["kind"]}


def _write_series(connection: Connection, book: str, streams: Sequence[Json]) -> None:
    """Write the parts that changed: mostly the last one of each stream."""
    chosen = select(series.c.stream, series.c.part, series.c.digest).where(series.c.book == book)
    before = {(row.stream, row.part): row.digest for row in connection.execute(chosen)}
    names = {_key(one["stream"]) for one in streams}
    if gone := {stream for stream, _ in before} - names:
        connection.execute(series.delete().where(series.c.book == book, series.c.stream.in_(gone)))
    for one in streams:
        for part, points in _parts(one):
            text = json.dumps(points, separators=(",", ":"))
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            key = {"book": book, "stream": _key(one["stream"]), "part": part}
            if before.get((key["stream"], part)) != digest:
                _replace(connection, series, key, digest=digest, points=points)


def _key(name: str) -> str:
    """The name of a stream as the table holds it: long ones end in a digest."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 16]}{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _parts(one: Json) -> Iterator[tuple[int, Json]]:
    places: dict[int, list[int]] = {}
    for place, number in enumerate(one["number"]):
        places.setdefault(number // PART, []).append(place)
    for part, chosen in places.items():
        points: Json = {"number": [one["number"][i] for i in chosen]}
        for column in COLUMNS:
            points[column] = [_rounded(one[column][i]) for i in chosen]
        yield part, points


def _rounded(value: float | None) -> float | int | None:
    if value is None or isinstance(value, int):
        return value
    if not math.isfinite(value):
        return None  # JSON knows neither NaN nor infinity, and no line goes there
    return say.significant(value, DIGITS)


def _replace(connection: Connection, table: Table, key: Mapping[str, Any], **values: Any) -> None:
    """Update the row of a key, or insert it; of two looks at once neither fails."""
    same = and_(*(table.c[name] == value for name, value in key.items()))
    if not connection.execute(table.update().where(same).values(**values)).rowcount:
        insert_once(connection, table.name, {**key, **values})


def read_series(
    connection: Connection, book: str, streams: Sequence[str], first: int | None = None, last: int | None = None
) -> dict[str, Json]:
    """Streams of a book by name, the periods ``first`` to ``last`` of them; streams that are not there are left out."""
    chosen = select(series.c.stream, series.c.points).where(
        series.c.book == book, series.c.stream.in_(wanted := {_key(name): name for name in streams})
    )
    if first is not None:
        chosen = chosen.where(series.c.part >= first // PART)
    if last is not None:
        chosen = chosen.where(series.c.part <= last // PART)
    joined: dict[str, Json] = {}
    for row in connection.execute(chosen.order_by(series.c.stream, series.c.part)):
        one = joined.setdefault(wanted[row.stream], {name: [] for name in ("number", *COLUMNS)})
        points = cast("Json", row.points)
        for name in ("number", *COLUMNS):
            one[name] += points[name]
    if first is None and last is None:
        return joined
    return {name: _within(one, first, last) for name, one in joined.items()}


def _within(one: Json, first: int | None, last: int | None) -> Json:
    kept = [
        place
        for place, number in enumerate(one["number"])
        if (first is None or number >= first) and (last is None or number <= last)
    ]
    return {name: [values[i] for i in kept] for name, values in one.items()}
