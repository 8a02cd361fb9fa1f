"""Incidents: what was raised, what people made of it, notes and mutes."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from backslide.contracts.watch import Incident
from backslide.monitor.marks import marked
from backslide.server.api.common import ModelName, Number, Operator, Parts, Reader, utc
from backslide.server.body import PlainText
from backslide.server.context import Context
from backslide.server.incidents import (
    IncidentChange,
    MuteRequest,
    change_incident,
    incident_of,
    last_report,
    mute,
    unmute,
)
from backslide.server.looks import LookQueries
from backslide.server.problems import ProblemError, problem_responses
from backslide.store.desk import CaseFile, State

router = APIRouter(prefix="/api/v1", tags=["incidents"], responses=problem_responses(400, 401, 403, 404, 422, 429, 503))


class IncidentItem(BaseModel):
    """An incident and its human side."""

    model: str
    state: State
    owner: str | None
    acknowledged: datetime | None
    incident: Incident


class IncidentList(BaseModel):
    """The latest first."""

    incidents: list[IncidentItem]


class NoteEntry(BaseModel):
    """What somebody wrote beside an incident."""

    author: str
    text: str
    created: datetime


class IncidentDetails(IncidentItem):
    """An incident with its notes."""

    notes: list[NoteEntry]


class MuteEntry(BaseModel):
    """Streams that call nobody."""

    pattern: str
    reason: str
    until: str | None


class MuteList(BaseModel):
    """Mutes of a model."""

    mutes: list[MuteEntry]


def _entry(model: str, one: Incident, files: dict[tuple[str, str], CaseFile]) -> IncidentItem:
    file = files.get((model, one.id))
    return IncidentItem(
        model=model,
        state="new" if file is None else file.state,
        owner=None if file is None else file.owner,
        acknowledged=None if file is None else utc(file.acknowledged),
        incident=one,
    )


def _details(context: Context, model: str, number: int) -> IncidentDetails:
    one = incident_of(context, model, number)
    entry = _entry(model, one, context.desk.case_files(model))
    notes = [NoteEntry(author=n.author, text=n.text, created=utc(n.created)) for n in context.desk.notes(model, one.id)]
    return IncidentDetails(**entry.__dict__, notes=notes)


@router.get("/incidents")
def list_incidents(
    context: Parts,
    _: Reader,
    state: State | None = None,
    model: Annotated[PlainText | None, Query(max_length=200)] = None,
    open: Annotated[bool | None, Query(description="Only those that are open, or over.")] = None,
) -> IncidentList:
    """Incidents of every model, the latest first."""
    files = context.desk.case_files(model)
    found = LookQueries(context.database).published_incidents(model or "")
    entries = [_entry(name, marked(Incident.model_validate(data), entry), files) for name, data, entry in found]
    chosen = [e for e in entries if state in (None, e.state) and (open is None or e.incident.open == open)]
    return IncidentList(incidents=chosen)


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
    mute(context, model, request, caller.name)
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
    mutes = context.desk.mutes(model)
    return MuteList(mutes=[MuteEntry(pattern=m.pattern, reason=m.reason, until=m.until) for m in mutes])
