"""What the server knows of models: last look, streams, metrics, events."""

from __future__ import annotations

import fnmatch
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from backslide.contracts.errors import LogError
from backslide.contracts.secrets import scrub
from backslide.contracts.watch import EstimatedPerformance, Labels, Promise, Stream
from backslide.server.api.common import ModelName, Parts, Reader
from backslide.server.incidents import last_report
from backslide.server.looks import LookQueries
from backslide.server.problems import problem_responses

PERFORMANCE = ("performance", "mature", "estimate", "confidence")
MOST_EVENTS = 5000
router = APIRouter(prefix="/api/v1", tags=["queries"], responses=problem_responses(400, 401, 403, 404, 422, 429, 503))


class ModelHead(BaseModel):
    """A model in a line."""

    name: str
    configured: bool
    """Whether it is watched here."""
    status: str | None = None
    """``quiet``, ``watch`` or ``alarm``; null before the first look."""
    summary: str | None = None
    as_of: str | None = None
    open_incidents: int = 0


class ModelList(BaseModel):
    """Every model, and configurations that cannot be read."""

    models: list[ModelHead]
    errors: dict[str, str] = {}


class Metrics(BaseModel):
    """Performance as measured and as estimated, and how labels come."""

    model: str
    metric: str
    as_of: str
    labels: Labels
    estimated: EstimatedPerformance | None
    promise: Promise
    streams: list[Stream]


class StreamList(BaseModel):
    """Figures that are followed, by period."""

    model: str
    as_of: str
    streams: list[Stream]


class EventEntry(BaseModel):
    """A deploy or another dated change."""

    at: datetime
    text: str


class EventList(BaseModel):
    """Events in order of time."""

    model: str
    events: list[EventEntry]


@router.get("/models")
def list_models(context: Parts, _: Reader) -> ModelList:
    """Every model that is configured or has sent something."""
    configured = context.models.configured()
    known = {one.model: one for one in LookQueries(context.database).models()}
    heads = []
    for name in sorted({*context.models.names(), *known}):
        head, look = ModelHead(name=name, configured=name in configured), known.get(name)
        if look is not None and look.card is not None:
            card = look.card
            said = {"status": look.status, "summary": card["summary"], "as_of": card["as_of"]}
            head = head.model_copy(update={**said, "open_incidents": card["alarms"] + card["signs"]})
        heads.append(head)
    return ModelList(models=heads, errors=context.models.errors)


@router.get("/models/{model}/metrics")
def read_metrics(context: Parts, _: Reader, model: ModelName) -> Metrics:
    """Performance by period: with labels, estimated without, confidence; how labels come; the promise."""
    report = last_report(context, model, lambda one: one["kind"] in PERFORMANCE)
    return Metrics(
        model=model,
        metric=report.metric,
        as_of=report.as_of,
        labels=report.labels,
        estimated=report.estimated,
        promise=report.promise,
        streams=list(report.streams),
    )


@router.get("/models/{model}/streams")
def read_streams(
    context: Parts,
    _: Reader,
    model: ModelName,
    name: Annotated[str, Query(max_length=300, description="Name or pattern, such as missing:*.")] = "*",
    since: Annotated[str, Query(max_length=40, description="First period, such as 2026-03-01.")] = "",
    until: Annotated[str, Query(max_length=40, description="Last period.")] = "",
) -> StreamList:
    """Every figure that is followed, with its expectation and band by period."""
    report = last_report(context, model, lambda one: fnmatch.fnmatchcase(one["name"], name))
    streams = [
        one.model_copy(
            update={
                "points": tuple(
                    p for p in one.points if p.period >= since and (not until or p.period[: len(until)] <= until)
                )
            }
        )
        for one in report.streams
    ]
    return StreamList(model=model, as_of=report.as_of, streams=streams)


@router.get("/models/{model}/events")
def read_events(context: Parts, _: Reader, model: ModelName) -> EventList:
    """Deploys and other events of the log, the last ones."""
    try:
        rows = context.store.open(model).events().tail(MOST_EVENTS).collect()
    except LogError:  # nothing of it was rolled up
        return EventList(model=model, events=[])
    return EventList(model=model, events=[EventEntry(at=at, text=scrub(text)) for at, text in rows.iter_rows()])
