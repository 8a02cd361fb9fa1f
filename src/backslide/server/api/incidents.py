"""Incidents: what was raised, what people made of it, notes and mutes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from backslide.contracts.watch import Incident
from backslide.monitor.marks import marked
from backslide.server.api.common import Entry, ModelName, Moment, Number, Operator, Parts, Reader
from backslide.server.body import PlainText
from backslide.server.context import Context
from backslide.server.incidents import (
    IncidentChange,
    MuteRequest,
    change_incident,
    last_report,
    listed_incident,
    mute,
    unmute,
)
from backslide.server.looks import ListedIncident, LookQueries
from backslide.server.problems import ProblemError, problem_responses
from backslide.store.desk import State
from backslide.store.memory import Json, Mute

router = APIRouter(prefix="/api/v1", tags=["incidents"], responses=problem_responses(400, 401, 403, 404, 422, 429, 503))


class IncidentItem(Entry):
    """An incident and its human side."""

    model: str
    state: State
    owner: str | None
    acknowledged: Moment | None
    incident: Incident


class IncidentList(BaseModel):
    """The latest first."""

    incidents: list[IncidentItem]


class NoteEntry(Entry):
    """What somebody wrote beside an incident."""

    author: str
    text: str
    created: Moment


class IncidentDetails(IncidentItem):
    """An incident with its notes."""

    notes: list[NoteEntry]


class MuteEntry(Entry):
    """Streams that call nobody."""

    pattern: str
    reason: str
    until: str | None


class MuteList(BaseModel):
    """Mutes of a model."""

    mutes: list[MuteEntry]


def _item(one: ListedIncident, published: Json) -> IncidentItem:
    incident = marked(Incident.model_validate(published), one.entry)
    return IncidentItem(
        model=one.model, state=one.state, owner=one.owner, acknowledged=one.acknowledged, incident=incident
    )


def _details(context: Context, model: str, number: int) -> IncidentDetails:
    item = _item(*listed_incident(context, model, number))
    notes = context.desk.notes(model, item.incident.id)
    return IncidentDetails.model_validate({**item.__dict__, "notes": notes})


@router.get("/incidents")
def list_incidents(
    context: Parts,
    _: Reader,
    state: State | None = None,
    model: Annotated[PlainText | None, Query(max_length=200)] = None,
    open: Annotated[bool | None, Query(description="Only those that are open, or over.")] = None,
) -> IncidentList:
    """Incidents of every model, the latest first."""
    found = LookQueries(context.database).published_incidents(model or "")
    chosen = [pair for pair in found if state in (None, pair[0].state) and open in (None, pair[0].open)]
    return IncidentList(incidents=[_item(*pair) for pair in chosen])


@router.get("/models/{model}/incidents/{number}")
def read_incident(context: Parts, _: Reader, model: ModelName, number: Number) -> IncidentDetails:
    """One incident."""
    return _details(context, model, number)


@router.post("/models/{model}/incidents/{number}")
def update_incident(
    context: Parts, caller: Operator, model: ModelName, number: Number, change: IncidentChange
) -> IncidentDetails:
    """Acknowledge, give to somebody, close, reopen, or add a note."""
    change_incident(context, model, number, change, caller.name)
    return _details(context, model, number)


@router.get("/models/{model}/mutes")
def list_mutes(context: Parts, _: Reader, model: ModelName) -> MuteList:
    """Streams of a model that call nobody."""
    return _mutes(context, model)


@router.post("/models/{model}/mutes", status_code=201)
def add_mute(context: Parts, caller: Operator, model: ModelName, request: MuteRequest) -> MuteList:
    """Mute streams of a model, with a reason."""
    if model not in context.models.names():
        last_report(context, model)  # 404 unless it was looked at
    until = None if request.until is None else request.until.isoformat()
    mute(context, model, Mute(request.pattern, request.reason, until), caller.name)
    return _mutes(context, model)


@router.delete("/models/{model}/mutes")
def remove_mute(
    context: Parts,
    caller: Operator,
    model: ModelName,
    pattern: Annotated[PlainText, Query(min_length=1, max_length=300)],
) -> MuteList:
    """Take back every mute of a pattern."""
    if not unmute(context, model, pattern, caller.name):
        raise ProblemError(HTTPStatus.NOT_FOUND, f"no mute {pattern!r} of {model!r}")
    return _mutes(context, model)


def _mutes(context: Context, model: str) -> MuteList:
    return MuteList.model_validate({"mutes": context.desk.mutes(model)})
