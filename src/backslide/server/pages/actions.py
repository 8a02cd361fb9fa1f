"""What people do: every form posts here, is written into the audit log, and leads back to a page that shows it."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse

from backslide.server.context import Context
from backslide.server.incidents import mute, unmute
from backslide.server.jobs import JobRequest, submit
from backslide.server.looks import ListedIncident
from backslide.server.pages.parts import Number, Operator, Parts, incident_of, model_named, plain, queries
from backslide.server.pages.site import View, incident_path, model_path
from backslide.server.problems import ProblemError
from backslide.store.memory import Mute

router = APIRouter(include_in_schema=False)
SEE = HTTPStatus.SEE_OTHER
Text = Annotated[str, Form(min_length=1, max_length=4000)]
ShortText = Annotated[str, Form(min_length=1, max_length=500)]
Name = Annotated[str, Form(max_length=100)]


def _back(view: View, path: str, said: str, **query: str) -> RedirectResponse:
    return RedirectResponse(view.link(path, said=said, **query), SEE)


def _note(view: View, context: Context, action: str, one: ListedIncident, **detail: object) -> None:
    context.accounts.note(view.caller.name, action, f"{one.model}: incident {one.number}", **detail)


def _written(text: str, what: str) -> str:
    """A text that says something.

    Raises:
        ProblemError: it is empty.
    """
    text = plain(text)
    if not text.strip():
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{what} is empty; write it and send the form again")
    return text.strip()


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "expected a day such as 2026-04-30 as the end") from None


@router.post("/models/{slug}/incidents/{number}/acknowledge")
def acknowledge(view: Operator, context: Parts, slug: str, number: Number) -> RedirectResponse:
    """Somebody has seen it; without an owner it becomes theirs."""
    one, _ = incident_of(context, slug, number)
    context.desk.acknowledge(one.model, one.incident, None if one.owner else view.caller.name)
    _note(view, context, "acknowledge", one)
    return _back(view, incident_path(one.model, one.number), "acknowledged")


@router.post("/models/{slug}/incidents/{number}/owner")
def assign(view: Operator, context: Parts, slug: str, number: Number, owner: Name = "") -> RedirectResponse:
    """Give it to somebody, or to nobody."""
    one, _ = incident_of(context, slug, number)
    name = plain(owner).strip()
    context.desk.assign(one.model, one.incident, name or None)
    _note(view, context, "assign", one, owner=name)
    return _back(view, incident_path(one.model, one.number), "assigned")


@router.post("/models/{slug}/incidents/{number}/mark")
def mark(
    view: Operator,
    context: Parts,
    slug: str,
    number: Number,
    mark: Annotated[Literal["fixed", "false", "known"], Form()],
    note: Text,
) -> RedirectResponse:
    """Say what it was: a false alarm counts against the promise, and what fixed it is found by the next one."""
    one, data = incident_of(context, slug, number)
    covers = [(m["stream"], m["level"], m["raised"]) for m in data["members"]]
    text = _written(note, "the note")
    context.database.mark(one.model, one.incident, mark, text, covers)
    if one.acknowledged is None:
        context.desk.acknowledge(one.model, one.incident, one.owner or view.caller.name)
    _note(view, context, f"mark {mark}", one, note=text)
    return _back(view, incident_path(one.model, one.number), "marked")


@router.post("/models/{slug}/incidents/{number}/reopen")
def reopen(view: Operator, context: Parts, slug: str, number: Number) -> RedirectResponse:
    """Take back what was said of it."""
    one, _ = incident_of(context, slug, number)
    context.desk.reopen(one.model, one.incident)
    _note(view, context, "reopen", one)
    return _back(view, incident_path(one.model, one.number), "reopened")


@router.post("/models/{slug}/incidents/{number}/mute")
def mute_incident(
    view: Operator, context: Parts, slug: str, number: Number, reason: ShortText, until: Name
) -> RedirectResponse:
    """Its streams call nobody until a day."""
    one, data = incident_of(context, slug, number)
    why, end = _written(reason, "the reason"), _day(until)
    for stream in dict.fromkeys(member["stream"] for member in data["members"]):
        context.database.mute(one.model, Mute(_literal(stream), why, end))
    queries(context).hush(one.model, one.incident, why)
    _note(view, context, "mute", one, reason=why, until=end)
    return _back(view, incident_path(one.model, one.number), "muted")


def _literal(stream: str) -> str:
    """A stream's name as a pattern that fits nothing else."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in stream)


@router.post("/models/{slug}/incidents/{number}/notes")
def annotate(view: Operator, context: Parts, slug: str, number: Number, text: Text) -> RedirectResponse:
    """Write something beside it."""
    one, _ = incident_of(context, slug, number)
    context.desk.annotate(one.model, one.incident, view.caller.name, _written(text, "the note"))
    return _back(view, incident_path(one.model, one.number), "noted")


@router.post("/models/{slug}/mute")
def mute_streams(
    view: Operator,
    context: Parts,
    slug: str,
    pattern: Annotated[str, Form(min_length=1, max_length=200)],
    reason: ShortText,
    until: Name,
) -> RedirectResponse:
    """Streams of a model call nobody until a day."""
    model = model_named(context, slug)
    mute(
        context,
        model,
        Mute(_written(pattern, "the pattern"), _written(reason, "the reason"), _day(until)),
        view.caller.name,
    )
    return _back(view, model_path(model), "muted", tab="watching")


@router.post("/models/{slug}/unmute")
def unmute_streams(
    view: Operator, context: Parts, slug: str, pattern: Annotated[str, Form(max_length=500)]
) -> RedirectResponse:
    """Take back a mute."""
    model = model_named(context, slug)
    unmute(context, model, plain(pattern), view.caller.name)
    return _back(view, model_path(model), "unmuted", tab="watching")


def _period(word: str, first: str, last: str) -> str:
    """The period between two days.

    Raises:
        ProblemError: they are none.
    """
    if not first or not last or first > last:
        words = f"the {word} period needs a first and a last day in this order; choose them again"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, words)
    return f"{first}..{last}"


@router.post("/models/{slug}/jobs")
def start_job(
    view: Operator,
    context: Parts,
    slug: str,
    kind: Annotated[Literal["shadow", "gate", "retrain", "watch"], Form()],
    current_from: Name = "",
    current_to: Name = "",
) -> RedirectResponse:
    """Compare two models, hold a candidate against the gate, train one, or look now."""
    wish = {"current": _period("later", current_from, current_to)} if current_from or current_to else {}
    job = submit(context, JobRequest(kind=kind, model=model_named(context, slug), **wish), view.caller.name)
    return RedirectResponse(view.link(f"/jobs/{job.job}"), SEE)


@router.post("/models/{slug}/diagnose")
def diagnose(
    view: Operator,
    context: Parts,
    slug: str,
    reference_from: Name,
    reference_to: Name,
    current_from: Name,
    current_to: Name,
) -> RedirectResponse:
    """Ask in the background why one period is worse than another."""
    model = model_named(context, slug)
    spans = {"reference": (reference_from, reference_to), "current": (current_from, current_to)}
    word = {"reference": "sound", "current": "doubtful"}
    periods = {name: _period(word[name], *span) for name, span in spans.items()}
    job = submit(context, JobRequest(kind="diagnose", model=model, **periods), view.caller.name)
    return RedirectResponse(view.link(f"/jobs/{job.job}"), SEE)
