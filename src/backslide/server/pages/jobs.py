"""Work in the background: how far it is, and its answer once it is done."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from backslide.server.pages.parts import Operator, Parts, Reader, queries
from backslide.server.pages.reports import body_of
from backslide.server.pages.site import View, respond
from backslide.server.pages.stack import words_of
from backslide.server.problems import ProblemError
from backslide.store.memory import Json
from backslide.store.queue import QueuedJob

router = APIRouter(include_in_schema=False)


def _job(context: Parts, name: str) -> QueuedJob:
    job = context.jobs.job(name) if name.isascii() and name.isalnum() else None
    if job is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such job")
    return job


@router.get("/jobs/{name}")
def job_page(view: Reader, context: Parts, name: str) -> HTMLResponse:
    """A job, with its answer once it is done."""
    job = _job(context, name)
    body = None
    if job.status == "done":
        body = body_of(queries(context), ("job", job.job), lambda: _document(context.jobs.result(job.job)))
    said = _summary(context.jobs.result(job.job)) if job.status == "done" and body is None else ""
    return respond(view, "job.html.j2", job=job, body=body, said=said, **_worded(view, job))


@router.get("/jobs/{name}/state")
def job_state(view: Reader, context: Parts, name: str) -> HTMLResponse:
    """How far it is; once it has ended the whole page is loaded again."""
    job = _job(context, name)
    answer = respond(view, "job_state.html.j2", job=job, body=None, said="", **_worded(view, job))
    if not job.live:
        answer.headers["HX-Refresh"] = "true"
    return answer


@router.post("/jobs/{name}/cancel")
def cancel(view: Operator, context: Parts, name: str) -> RedirectResponse:
    """Stop it."""
    job = _job(context, name)
    context.jobs.cancel(job.job)
    context.accounts.note(view.caller.name, "cancel job", job.model, job=job.job)
    return RedirectResponse(view.link(f"/jobs/{job.job}"), HTTPStatus.SEE_OTHER)


def _document(result: Json | None) -> Json | None:
    """The answer within what a job left."""
    if result is None or "format" in result:
        return result
    return next((one for one in result.values() if isinstance(one, dict) and "format" in one), None)


def _worded(view: View, job: QueuedJob) -> dict[str, Any]:
    asked = f"Asked for by {job.author}, {view.moment(job.created)}"
    if job.started is not None and job.finished is not None:
        asked += f"; took {max(1, round((job.finished - job.started).total_seconds()))} s"
    return {"heading": words_of(job), "asked": f"{asked}."}


def _summary(result: Json | None) -> str:
    """What a look said; it has no report of its own."""
    return "" if result is None else str(result.get("summary") or "")
