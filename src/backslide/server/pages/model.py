"""A model: one axis of time and what lies behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, JSONResponse
from markupsafe import Markup

from backslide.contracts import say
from backslide.contracts.escape import clean_text
from backslide.contracts.watch import Level, Point, WatchReport
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.publish import SHOWN
from backslide.monitor.series import ARRIVAL, ROWS
from backslide.report.documents.page import PageFact
from backslide.server.looks import IncidentFilter
from backslide.server.pages import stack, words
from backslide.server.pages.axis import axis_data, grid_of, streams_to_draw
from backslide.server.pages.parts import (
    ModelLook,
    Parts,
    Reader,
    answer_of,
    commands,
    lines_of,
    model_named,
    plain,
    queries,
)
from backslide.server.pages.site import View, respond
from backslide.server.pages.sparks import spark

router = APIRouter(include_in_schema=False)
TABS = (
    ("", "Over time"),
    ("parts", "Classes and segments"),
    ("inputs", "Inputs"),
    ("stack", "Snapshots"),
    ("models", "Versions and gates"),
    ("watching", "Watching"),
)
MOST_INPUTS = 25
"""Streams of inputs that are listed at first: the loudest."""
MOST_NUMBERS = 400
"""Periods of the table of numbers."""
USUAL_DAYS = 14
UNWATCHED = (
    "It has sent rows, and nothing says yet what is normal for it. A configuration names a stretch in which it was good; "
    "from then on every new period is held against it."
)
NO_FAULTS = "None is seen. They are read before any label comes, unless [watch] faults = false is set."


def _also(text: str) -> list[str]:
    return [name for name in plain(text).split(",") if name][:6]


@router.get("/models/{slug}")
def model_page(
    view: Reader, context: Parts, slug: str, tab: str = "", also: Annotated[str, Query(max_length=2000)] = ""
) -> HTMLResponse:
    """One model."""
    model = model_named(context, slug)
    answer = answer_of(context, model)
    given = commands(view, context, model)
    if answer is None:
        return respond(view, "model.html.j2", model=model, report=None, tab="", unwatched=UNWATCHED, commands=given)
    known = [key for key, _ in TABS]
    tab = tab if tab in known else ""
    report = answer.report
    counts = {"inputs": sum(one.level != Level.QUIET for one in report.faults)}
    values: dict[str, Any] = {
        "model": model,
        "report": report,
        "tab": tab,
        "tabs": [(key, name, counts.get(key, 0)) for key, name in TABS],
        "facts": _facts(answer, view),
        "commands": given,
        "also": _also(also),
    }
    more = {
        "": _over_time,
        "parts": _parts,
        "inputs": _inputs,
        "stack": _stack,
        "models": _models,
        "watching": _watching,
    }
    return respond(view, "model.html.j2", **values, **more[tab](view, context, answer, values["also"]))


def _facts(answer: ModelLook, view: View) -> list[PageFact]:
    """The headline: as measured, as estimated, and how labels come."""
    report, facts = answer.report, []
    head = next((s for s in report.streams if s.kind == "performance" and s.latest is not None), None)
    if head is not None and head.latest is not None:
        usual = [say.level(v, share=head.share) for v in (head.latest.low, head.latest.high)]
        note = f"measured {words.day(head.latest.period, view.now)}; usual {usual[0]} to {usual[1]}"
        facts.append(PageFact(head.words, say.level(head.latest.value, share=head.share), (note,)))
    one = report.estimated
    if one is not None:
        share = head.share if head is not None else True
        if one.estimate is None:
            facts.append(PageFact("expected since, not labelled yet", "no estimate", (one.suppressed or "",)))
        else:
            ends = [say.level(v, share=share) for v in (one.estimate.low, one.estimate.high) if v is not None]
            span = f"{words.day(one.since, view.now)} to {words.day(one.until, view.now)}"
            notes = (f"{' to '.join(ends)}; {span}",)
            facts.append(
                PageFact("expected since, not labelled yet", say.level(one.estimate.estimate, share=share), notes)
            )
    judged = next((s.periods for s in report.streams if s.kind == "performance"), 0)
    watched = max((s.periods for s in report.streams), default=0)
    if watched:
        through = report.labels.complete_through
        rest = [f"complete through {words.day(through, view.now)}"] if through else []
        rest += [f"{say.count(report.labels.waiting)} waiting"] if report.labels.waiting else []
        known = f"{say.count(judged)} of {say.counted(watched, report.period)}"
        facts.append(PageFact("judged with labels", known, tuple(rest)))
    return facts


def _over_time(view: View, context: Parts, answer: ModelLook, also: list[str]) -> Mapping[str, Any]:
    ask, report = queries(context), answer.report
    listed, total = ask.incidents(IncidentFilter("all", answer.model))
    card = ask.card(answer.model)
    asked = context.jobs.jobs(answer.model, kinds=("diagnose",), limit=8)
    return {
        "incidents": listed[:6],
        "more_incidents": total if total > 6 else 0,
        "reading": _reading(report, view),
        "placeholder": Markup("") if card is None else spark(card["lines"], "the last periods in small"),
        "chosen": _chosen(view, report),
        "dated": _dated(report),
        "jobs": [stack.worded(one) for one in asked],
    }


def _dated(report: WatchReport) -> bool:
    return grid_of(report).length == timedelta(days=1)


def _reading(report: WatchReport, view: View) -> str:
    """What is to be seen, in a sentence."""
    first, last = (words.day(end, view.now) for end in report.reference)
    text = f"By {report.period}, with the reference, {first} to {last}. Grey is where 95% of quiet periods lie."
    alarms = [one for one in report.incidents if one.level == Level.ALARM]
    if alarms:
        spans = [
            f"{words.day(a.began, view.now)} to {words.day(a.closed, view.now) if a.closed else 'now'}" for a in alarms
        ]
        text += f" Shaded: {say.counted(len(alarms), 'alarm')}, {say.listed(spans)}."
    return f"{text} Upright lines are deploys and other events." if report.events else text


def _chosen(view: View, report: WatchReport) -> dict[str, str]:
    """The two periods of the form: those of the address, else the reference and what is open or newest."""
    last = report.last or report.reference[1]
    live = [one for one in report.incidents if one.open]
    since = live[-1].began if live else _before(last, USUAL_DAYS)
    usual = {
        "reference_from": report.reference[0],
        "reference_to": report.reference[1],
        "current_from": since,
        "current_to": last,
    }
    return {name: clean_text(view.query.get(name) or value) for name, value in usual.items()}


def _before(label: str, days: int) -> str:
    try:
        return f"{datetime.fromisoformat(label) - timedelta(days=days - 1):%Y-%m-%d}"
    except ValueError:
        return label


def _parts(_: View, context: Parts, answer: ModelLook, __: list[str]) -> Mapping[str, Any]:
    shown = [one for one in answer.report.streams if one.kind in ("class", "segment")]
    return {"lines": lines_of(context, answer, shown)}


def _inputs(view: View, context: Parts, answer: ModelLook, _: list[str]) -> Mapping[str, Any]:
    rank = list(Level)
    kinds = ("confidence", "canary", "corrections", "missing", "unknown", "level", "spread", "share", "fault")
    streams = [one for one in answer.report.streams if one.kind in kinds]
    streams.sort(key=lambda one: (-rank.index(one.level), one.kind not in kinds[:3], -max(one.evidence, one.early)))
    shown = streams if view.query.get("all") else streams[:MOST_INPUTS]
    heads = [one for one in answer.report.streams if one.kind in ("performance", "estimate")]
    return {
        "input_streams": shown,
        "input_more": len(streams) - len(shown),
        "lines": lines_of(context, answer, shown[:MOST_INPUTS]),
        "no_faults": NO_FAULTS,
        "head_share": bool(heads) and heads[0].share,
    }


def _stack(view: View, context: Parts, answer: ModelLook, _: list[str]) -> Mapping[str, Any]:
    return stack.snapshots(context, answer.model, view.query.get("earlier", ""), view.query.get("later", ""))


def _models(view: View, context: Parts, answer: ModelLook, _: list[str]) -> Mapping[str, Any]:
    jobs = [stack.worded(one) for one in context.jobs.jobs(answer.model, kinds=("shadow", "gate", "retrain"))]
    return {
        "comparisons": [one for one in jobs if one["kind"] == "shadow"],
        "gates": [one for one in jobs if one["kind"] != "shadow"],
        "chosen": _chosen(view, answer.report),
        "dated": _dated(answer.report),
    }


def _watching(_: View, context: Parts, answer: ModelLook, __: list[str]) -> Mapping[str, Any]:
    return {"mutes": context.desk.mutes(answer.model)}


@router.get("/models/{slug}/axis.json")
def axis(view: Reader, context: Parts, slug: str, also: Annotated[str, Query(max_length=2000)] = "") -> JSONResponse:
    """What the chart draws."""
    answer = answer_of(context, model_named(context, slug))
    if answer is None:
        return JSONResponse({"x": [], "panels": [], "spans": [], "events": [], "extent": [0, 1], "step": 1})
    return JSONResponse(_axis(context, answer, _also(also)))


def _axis(context: Parts, answer: ModelLook, also: list[str], around: tuple[int, int] | None = None) -> dict[str, Any]:
    streams = streams_to_draw(answer.report, also)
    names = [*(one.name for one in streams), ARRIVAL, ROWS]
    series = queries(context).series(answer.book, names, *(around or ()))
    return axis_data(answer.report, series, streams)


def axis_around(context: Parts, answer: ModelLook, also: list[str], around: tuple[int, int] | None) -> dict[str, Any]:
    """The chart of a stretch of periods, with these streams besides."""
    return _axis(context, answer, also, around)


def with_points(context: Parts, answer: ModelLook, incident: str) -> ModelLook:
    """The answer with the points of the streams that the page of an incident draws."""
    one = next(i for i in answer.report.incidents if i.id == incident)
    streams = streams_to_draw(answer.report, [m.stream for m in one.members])
    series = queries(context).series(answer.book, [s.name for s in streams])
    grid = grid_of(answer.report)
    drawn = tuple(
        stream.model_copy(update={"points": _points(series[stream.name], grid)}) if stream.name in series else stream
        for stream in answer.report.streams
    )
    return replace(answer, report=answer.report.model_copy(update={"streams": drawn}))


def _points(one: Mapping[str, Any], grid: PeriodGrid) -> tuple[Point, ...]:
    """The last periods after the reference, which have an expectation."""
    columns = ("number", "value", "expected", "low", "high", "rows")
    lines = [line for line in zip(*(one[name] for name in columns), strict=True) if line[2] is not None]
    return tuple(
        Point(period=grid.label(n), value=value, expected=expected, low=low, high=high, rows=rows)
        for n, value, expected, low, high, rows in lines[-SHOWN:]
    )


@router.get("/models/{slug}/numbers")
def numbers(view: Reader, context: Parts, slug: str, also: Annotated[str, Query(max_length=2000)] = "") -> HTMLResponse:
    """The chart as a table: for screen readers, and for who wants to know exactly."""
    model = model_named(context, slug)
    answer = answer_of(context, model)
    columns: list[str] = []
    lines: list[tuple[str, list[str]]] = []
    if answer is not None:
        streams = streams_to_draw(answer.report, _also(also))
        series = queries(context).series(answer.book, [*(one.name for one in streams), ARRIVAL, ROWS])
        shares = {one.name: one.share for one in streams} | {ARRIVAL: True, ROWS: False}
        known = [name for name in shares if name in series]
        titles = {one.name: one.words for one in streams} | {ARRIVAL: "labels that have come", ROWS: "rows"}
        columns = [titles[name] for name in known]
        by_number = {name: dict(zip(series[name]["number"], series[name]["value"], strict=True)) for name in known}
        grid = grid_of(answer.report)
        every = sorted({n for one in by_number.values() for n in one}, reverse=True)[:MOST_NUMBERS]
        for number in every:
            cells = [(by_number[name].get(number), shares[name]) for name in known]
            written = ["" if value is None else say.level(value, share=share) for value, share in cells]
            lines.append((grid.label(number), written))
    return _part(view, "numbers.html.j2", "as numbers", model=model, columns=columns, lines=lines)


@router.get("/models/{slug}/versions")
def versions(view: Reader, context: Parts, slug: str) -> HTMLResponse:
    """Versions that its predictions name; a part of its own, since the log is read."""
    model = model_named(context, slug)
    shown = stack.versions(context, model)
    return _part(view, "versions.html.j2", "versions", model=model, versions=shown, no_versions=stack.NO_VERSIONS)


def _part(view: View, template: str, what: str, **values: Any) -> HTMLResponse:
    """A part of a page: by itself for htmx, on a page of its own without scripts."""
    if view.request.headers.get("hx-request") == "true":
        return respond(view, template, **values)
    return respond(view, "part_page.html.j2", part=template, what=what, **values)
