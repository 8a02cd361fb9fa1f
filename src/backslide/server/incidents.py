"""What people do with incidents, for pages and API alike: every change is checked, kept and written into the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from backslide.contracts.watch import Incident, WatchReport
from backslide.monitor.marks import apply_marks
from backslide.server.body import PlainText
from backslide.server.context import Context
from backslide.server.looks import ListedIncident, LookQueries
from backslide.server.problems import ProblemError
from backslide.store.memory import Json, Mute

NewState = Literal["new", "acknowledged", "fixed", "false alarm", "known"]
MARK_OF: dict[str, str] = {"fixed": "fixed", "false alarm": "false", "known": "known"}
NoteText = Annotated[PlainText, Field(min_length=1, max_length=10_000)]


class IncidentChange(BaseModel):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    state: NewState | None = None
    """``false alarm`` counts against the promised rate; ``false alarm`` and ``known`` call nobody again."""
    owner: Annotated[PlainText, Field(max_length=200)] | None = None
    """Who takes care of it; an empty text: nobody."""
    note: NoteText | None = None


class MuteRequest(BaseModel):
    """Streams that call nobody for a while."""

    model_config = ConfigDict(extra="forbid")
    pattern: Annotated[PlainText, Field(min_length=1, max_length=300)]
    """Name of a stream, or a pattern such as ``missing:*``."""
    reason: Annotated[PlainText, Field(min_length=1, max_length=1000)]
    until: date | None = None
    """Last day; default: until it is taken back."""


def last_report(context: Context, model: str, chosen: Callable[[Json], bool] | None = None) -> WatchReport:
    """The answer of a model's last look, with the marks made since; of its streams those that are ``chosen``.

    Raises:
        ProblemError: 404 where nothing was looked at.
    """
    data = context.database.report(model)
    if data is None:
        words = f"nothing was looked at yet for {model!r}; name its configuration in [server] models"
        raise ProblemError(HTTPStatus.NOT_FOUND, words)
    if chosen is not None:  # hundreds of streams with hundreds of points, of which few are asked for
        data = {**data, "streams": [one for one in data["streams"] if chosen(one)]}
    return apply_marks(WatchReport.from_dict(data), context.database.incidents(model))


def listed_incident(context: Context, model: str, number: int) -> tuple[ListedIncident, Json]:
    """One incident, and all that was published of it.

    Raises:
        ProblemError: 404 where there is none of this number.
    """
    found = LookQueries(context.database).incident(model, number)
    if found is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"no incident {number} of {model!r}")
    return found


def change_incident(context: Context, model: str, number: int, change: IncidentChange, author: str) -> None:
    """Set state and owner, and add a note.

    Raises:
        ProblemError: 404 where there is no such incident.
    """
    _, published = listed_incident(context, model, number)
    one = Incident.model_validate(published)
    desk = context.desk
    if change.state == "new":
        desk.reopen(model, one.id)
    elif change.state == "acknowledged":
        desk.acknowledge(model, one.id, change.owner)
    elif change.state is not None:
        covers = [(member.stream, member.level.value, member.raised) for member in one.members]
        context.database.mark(model, one.id, MARK_OF[change.state], change.note or "", covers)
    if change.owner is not None:
        desk.assign(model, one.id, change.owner.strip())
    if change.note is not None:
        desk.annotate(model, one.id, author, change.note)
    details = change.model_dump(exclude_none=True, exclude={"note"})
    context.accounts.note(author, "change incident", f"{model} {number}", **details)


def mute(context: Context, model: str, mute: Mute, author: str) -> None:
    """Mute streams of a model."""
    context.database.mute(model, mute)
    context.accounts.note(author, "mute", model, **asdict(mute))


def unmute(context: Context, model: str, pattern: str, author: str) -> int:
    """Take back every mute of a pattern; returns how many there were."""
    gone = context.database.unmute(model, pattern)
    if gone:
        context.accounts.note(author, "unmute", model, pattern=pattern)
    return gone
