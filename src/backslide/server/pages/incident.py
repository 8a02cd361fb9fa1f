"""An incident: why, what would undo it, the rows, the labels that would decide, and what people said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Semaphore
from typing import Any

import polars as pl
from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, Response
from markupsafe import Markup

from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.errors import BackslideError
from backslide.contracts.watch import Promise
from backslide.contracts.watch_settings import WatchSettings
from backslide.engine.sources.errors import reading
from backslide.monitor.periods import PeriodGrid, now
from backslide.monitor.rows import SERVED, between, open_rows, plain
from backslide.report.documents.addresses import file_name
from backslide.server.context import Context
from backslide.server.looks import ListedIncident
from backslide.server.pages import asking, model, words
from backslide.server.pages.parts import (
    NO_DIAGNOSIS,
    Number,
    Parts,
    Reader,
    incident_of,
    look_of,
    lost_word,
    queries,
)
from backslide.server.pages.reports import body_of, incident_file
from backslide.server.pages.site import View, respond
from backslide.server.pages.sparks import spark
from backslide.store.memory import Json

router = APIRouter(include_in_schema=False)
TABS = (("", "What and why"), ("report", "Whole report"), ("rows", "Rows concerned"), ("labels", "Labels"))
MOST_MEMBERS = 40
AROUND = 60
"""Periods before and after an incident that its chart shows."""
MOST_CAUSES = 5


@router.get("/models/{slug}/incidents/{number}")
def incident_page(
    view: Reader, context: Parts, slug: str, number: Number, tab: str = "", part: str = ""
) -> HTMLResponse:
    """One incident."""
    one, data = incident_of(context, slug, number)
    tab = tab if tab in {key for key, _ in TABS} else ""
    ask = queries(context)
    found = ask.diagnosis(one.model, one.incident)
    brief = None if found is None else found[0]
    if tab == "rows" and part == "rows":
        return respond(view, "rows.html.j2", sample=_rows(context, one, data, brief))
    action, reason = _decision(data, brief)
    promise = _promise(context, one.model)
    values: dict[str, Any] = {
        "one": one,
        "data": data,
        "tab": tab,
        "tabs": [(key, name, 0) for key, name in TABS],
        "lost_word": lost_word,
        "action": action,
        "reason": reason,
        "diagnosis": brief,
        "no_diagnosis": NO_DIAGNOSIS,
        "promise": promise,
        "budget": _budget(promise),
    }
    if tab == "":
        values |= _what(view, context, one, data, brief)
    elif tab == "report":
        key = ("incident", one.model, one.incident, "" if found is None else found[1].isoformat())
        values["body"] = body_of(ask, key, lambda: ask.whole_diagnosis(one.model, one.incident))
    elif tab == "rows":
        values["sample"] = _rows(context, one, data, brief) if part else None
    else:
        values["ask"] = asking.state(context, one, brief)
    return respond(view, "incident.html.j2", **values)


def _decision(data: Json, brief: Json | None) -> tuple[str, str]:
    """What to do now, and why."""
    if brief is not None and brief.get("decision"):
        decision = brief["decision"]
        return say.sentence(str(decision["action"]).replace("_", " ")).rstrip("."), str(decision["reason"])
    text = (data.get("diagnosis") or {}).get("decision") or ""
    action, _, reason = text.partition(": ")
    return say.sentence(action.replace("_", " ")).rstrip("."), reason


def _promise(context: Context, model_name: str) -> Promise:
    return look_of(context, model_name).report.promise


def _budget(promise: Promise) -> str:
    """What a false alarm counts against."""
    said = f" {say.sentence(promise.marked_note)}" if promise.marked_note else ""
    return f"It counts against the promise of {say.number(promise.false_alarms_per_year, 2)} false alarms a year.{said}"


def _what(view: View, context: Context, one: ListedIncident, data: Json, brief: Json | None) -> Mapping[str, Any]:
    """Why, the chart, similar incidents, members and notes."""
    ask = queries(context)
    share = one.loss is None or bool(one.loss.get("share"))
    reasons = [] if brief is None else [*(brief.get("causes") or ()), *(brief.get("suspects") or ())]
    card = ask.card(one.model)
    return {
        "causes": [_cause(cause, share=share) for cause in reasons[:MOST_CAUSES]],
        "similar": ask.similar([one])[one.model, one.incident],
        "members": data["members"][:MOST_MEMBERS],
        "more_members": max(0, len(data["members"]) - MOST_MEMBERS),
        "notes": context.desk.notes(one.model, one.incident),
        "placeholder": Markup("") if card is None else spark(card["lines"], "the last periods in small"),
        "reading": f"Shaded are the stretches of alarms; this one since {words.day(one.began, view.now)}. "
        "Grey is where 95% of quiet periods lie, upright lines are deploys and other events.",
    }


def _cause(cause: Json, *, share: bool) -> Mapping[str, str]:
    size, interval = words.points(cause.get("points"), share=share)
    repair = cause.get("repair") or {}
    back, back_interval = words.points(repair.get("points_back"), share=share)
    sure = {
        "proven": "proven: replayed exactly",
        "verified": "verified: undoing it and doing it agree",
        "supported": "supported: undoing it or doing it agrees",
        "suspected": "suspected",
    }
    return {
        "summary": str(cause["summary"]),
        "size": size,
        "interval": interval,
        "confidence": sure.get(str(cause["confidence"]), str(cause["confidence"])),
        "repair": str(repair.get("description") or ""),
        "back": back,
        "back_interval": back_interval,
        "next_step": str(cause.get("settle") or cause["next_step"]),
    }


def _rows(context: Context, one: ListedIncident, data: Json, brief: Json | None) -> RowSample:
    causes = [] if brief is None else brief.get("causes") or []
    try:
        settings = context.models.settings(one.model)
    except BackslideError as error:
        return RowSample(trouble=f"The rows cannot be read: {error}")
    return rows_concerned(settings, data, causes[0] if causes else None)


@router.get("/models/{slug}/incidents/{number}/axis.json")
def axis(view: Reader, context: Parts, slug: str, number: Number) -> JSONResponse:
    """The chart around an incident: the streams that moved, some weeks before and after."""
    one, data = incident_of(context, slug, number)
    answer = look_of(context, one.model)
    names = [member["stream"] for member in data["members"]]
    names.sort(key=lambda name: name != data["members"][0]["stream"])
    return JSONResponse(model.axis_around(context, answer, names[:6], _around(answer.report.period, data)))


def _around(period: str, data: Json) -> tuple[int, int] | None:
    grid = PeriodGrid.of(WatchSettings(period=period))
    if not grid.timed:
        return None
    first = grid.number(datetime.fromisoformat(data["began"]))
    last = grid.number(datetime.fromisoformat(data["closed"] or data["raised"]))
    return first - AROUND, last + AROUND


@router.get("/models/{slug}/incidents/{number}/export.html")
async def export(view: Reader, context: Parts, slug: str, number: Number) -> Response:
    """The incident as one file that needs no server."""
    name, text = await run_in_threadpool(_export, context, slug, number)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Security-Policy": EXPORTED}
    return HTMLResponse(text, headers=headers)


EXPORTED = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""A file to keep brings its style with it; should a browser show it in place, no script of it runs."""


def _export(context: Context, slug: str, number: Number) -> tuple[str, str]:
    one, _ = incident_of(context, slug, number)
    answer = look_of(context, one.model)
    document = queries(context).whole_diagnosis(one.model, one.incident)
    return f"incident-{file_name(one.model)}-{number}.html", incident_file(
        model.with_points(context, answer, one.incident), one.incident, document
    )


# The rows that an incident is about: a sample of the log in its stretch of time, and what marks them.


MOST_ROWS = 60
MOST_COLUMNS = 12
LONGEST_CELL = 80
READING = Semaphore(1)
"""One page at a time reads rows: each may go through the whole log."""
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class RowSample:
    """Rows spread evenly over a stretch."""

    columns: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()
    total: int = 0
    condition: str = ""
    marked: tuple[str, ...] = ()
    """Columns that the cause is about."""
    trouble: str = ""


def rows_concerned(settings: Settings, incident: Json, cause: Json | None) -> RowSample:
    """Rows of an incident from its onset to its end; of the segment that its first cause names, where it names one."""
    if not READING.acquire(timeout=PATIENCE_SECONDS):
        return RowSample(trouble="Rows are being read for another page; load this one again in a while.")
    try:
        return _sample(settings, incident, cause)
    except BackslideError as error:
        return RowSample(trouble=f"The rows cannot be read: {error}")
    finally:
        READING.release()


def _sample(settings: Settings, incident: Json, cause: Json | None) -> RowSample:
    grid = PeriodGrid.of(settings.watch)
    if not grid.timed:
        return RowSample(trouble="Rows are shown where periods are stretches of time; here they are counted rows.")
    first = grid.number(datetime.fromisoformat(incident["began"]))
    closed = incident["closed"]
    last = grid.number(now()) if closed is None else grid.number(datetime.fromisoformat(closed))
    frame = between(open_rows(settings, grid, now()), first, last).later
    named = f"from {incident['began']} to {closed or 'now'}"
    segment = None if cause is None else cause.get("segment")
    if segment:
        frame = frame.filter(_condition(segment))
        named += f" where {segment}"
    marked = tuple(() if cause is None else cause.get("features") or ())
    with reading():
        total = int(frame.select(pl.len()).collect(engine="streaming").item())
        apart = max(1, -(-total // MOST_ROWS))
        frame = frame.with_row_index("__row").filter(pl.col("__row") % apart == 0).sort(SERVED)  # few are sorted
        shown = plain(frame.drop("__row")).collect(engine="streaming")
    columns = _columns(settings, shown.columns, marked)
    lines = tuple(tuple(map(_cell, row)) for row in shown.select(columns).iter_rows())
    return RowSample(tuple(columns), lines, total, named, marked)


def _condition(segment: str) -> pl.Expr:
    return pl.sql_expr(segment)


def _columns(settings: Settings, there: list[str], marked: tuple[str, ...]) -> list[str]:
    """When and who, answer and label, what the cause is about, then as many others as fit."""
    model = settings.model
    first = [model.timestamp, model.id, model.version, model.label, model.prediction, *marked]
    known = [name for name in dict.fromkeys(first) if name in there]
    rest = [name for name in there if name not in known]
    return [*known, *rest][:MOST_COLUMNS]


def _cell(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, float):
        return say.number(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    text = str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
