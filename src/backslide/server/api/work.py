"""Jobs: start, follow, read the answer, cancel. Snapshots: hand in, list, compare."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.errors import InputError
from backslide.contracts.gate import Gate
from backslide.contracts.integrity import Integrity
from backslide.contracts.retrain import Retrain
from backslide.contracts.shadow import Shadow
from backslide.contracts.snapshot import Snapshot
from backslide.server.api.common import Entry, Ingester, ModelName, Moment, Operator, Parts, Reader
from backslide.server.body import PlainText, kind_of, read_body
from backslide.server.jobs import JobKind, JobRequest, submit
from backslide.server.problems import ProblemError, problem_responses
from backslide.store.queue import QueuedJob

CODES = (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)
router = APIRouter(prefix="/api/v1", tags=["jobs"], responses=problem_responses(*CODES))
JobName = Annotated[str, Path(pattern="^[0-9a-f]{24}$")]
Digest = Annotated[str, Query(pattern="^[0-9a-f]{64}$")]


class JobEntry(Entry):
    """A job and what became of it."""

    job: str
    kind: str
    model: str
    request: dict[str, Any]
    status: str
    """``waiting``, ``running``, ``done``, ``failed`` or ``cancelled``."""
    progress: str | None
    error: str | None
    author: str
    created: Moment
    started: Moment | None
    finished: Moment | None


class JobList(BaseModel):
    """The newest first."""

    jobs: list[JobEntry]


class LookResult(BaseModel):
    """What a look at a model said; the rest stands under ``/api/v1/models/NAME/metrics`` and ``/api/v1/incidents``."""

    status: str
    """``quiet``, ``watch`` or ``alarm``."""
    summary: str
    as_of: str


Answer = Diagnosis | Shadow | Gate | Retrain | LookResult


class SnapshotReceipt(BaseModel):
    """A snapshot that is kept."""

    digest: str
    new: bool


class SnapshotHead(Entry):
    """A snapshot without its contents."""

    digest: str
    author: str
    created: Moment


class SnapshotList(BaseModel):
    """The newest first."""

    snapshots: list[SnapshotHead]


def _job(context: Parts, name: str) -> QueuedJob:
    job = context.jobs.job(name)
    if job is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"no job {name!r}")
    return job


@router.post("/jobs", status_code=202)
def start_job(context: Parts, caller: Operator, request: JobRequest) -> JobEntry:
    """Start work in the background, such as a diagnosis over two periods."""
    return JobEntry.model_validate(submit(context, request, caller.name))


@router.get("/jobs")
def list_jobs(
    context: Parts,
    _: Reader,
    model: Annotated[PlainText | None, Query(max_length=200)] = None,
    kind: JobKind | None = None,
) -> JobList:
    """Jobs, the newest first."""
    return JobList.model_validate({"jobs": context.jobs.jobs(model, kinds=() if kind is None else (kind,))})


@router.get("/jobs/{job}")
def read_job(context: Parts, _: Reader, job: JobName) -> JobEntry:
    """How far a job is."""
    return JobEntry.model_validate(_job(context, job))


@router.get("/jobs/{job}/result", response_model=Answer, response_description="The answer in its published format.")
def read_result(context: Parts, _: Reader, job: JobName) -> Response:
    """What a job answered, in the published format of its kind."""
    known = _job(context, job)
    result = context.jobs.result(job)
    if result is None:
        raise ProblemError(
            HTTPStatus.CONFLICT, f"the job is {known.status}" + (f": {known.error}" if known.error else "")
        )
    return JSONResponse(result)


@router.delete("/jobs/{job}")
def cancel_job(context: Parts, caller: Operator, job: JobName) -> JobEntry:
    """End a job before it is done."""
    known = _job(context, job)
    if not context.jobs.cancel(job):
        raise ProblemError(HTTPStatus.CONFLICT, f"the job is {known.status}")
    context.accounts.note(caller.name, "cancel job", known.model, job=job)
    return JobEntry.model_validate(_job(context, job))


_SNAPSHOT = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


@router.post("/models/{model}/snapshots", status_code=201, response_model=SnapshotReceipt, openapi_extra=_SNAPSHOT)
async def add_snapshot(request: Request, context: Parts, caller: Ingester, model: ModelName) -> SnapshotReceipt:
    """Hand in what `backslide snapshot` wrote; the same twice is kept once."""
    kind_of(request, "application/json")
    body = await read_body(request, context.settings.server.max_body)

    def work() -> SnapshotReceipt:
        try:
            snapshot = Snapshot.from_json(body)
        except InputError as error:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        digest, new = context.snapshots.add(model, snapshot.to_dict(), caller.name)
        if new:
            context.accounts.note(caller.name, "add snapshot", model, digest=digest)
        return SnapshotReceipt(digest=digest, new=new)

    return await run_in_threadpool(work)


@router.get("/models/{model}/snapshots")
def list_snapshots(context: Parts, _: Reader, model: ModelName) -> SnapshotList:
    """Snapshots of a model, the newest first."""
    return SnapshotList.model_validate({"snapshots": context.snapshots.entries(model)})


@router.get("/models/{model}/integrity", response_model=Integrity)
def compare_snapshots(context: Parts, _: Reader, model: ModelName, first: Digest, second: Digest) -> Response:
    """What differs between two snapshots of a model, ranked by how likely it hurts."""
    from backslide.stack.compare import integrity

    known = [context.snapshots.snapshot(model, digest) for digest in (first, second)]
    for digest, data in zip((first, second), known, strict=True):
        if data is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"no snapshot {digest} of {model!r}")
    one, two = (Snapshot.from_dict(data) for data in known)
    return JSONResponse(integrity(one, two).to_dict())
