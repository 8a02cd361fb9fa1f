"""The labels that would decide: which rows, as a file to fill in, and the answers that come back."""

from __future__ import annotations

import os
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, UploadFile
from fastapi.responses import RedirectResponse, Response

from backslide.contracts import say
from backslide.contracts.errors import BackslideError
from backslide.contracts.files import write_whole
from backslide.log.label_sample import ANSWER, read_answers
from backslide.report.documents.addresses import file_name
from backslide.server.context import Context
from backslide.server.looks import ListedIncident
from backslide.server.pages.parts import Number, Operator, Parts, Reader, incident_of, look_of
from backslide.server.pages.site import incident_path
from backslide.server.problems import ProblemError
from backslide.store.memory import Json

router = APIRouter(include_in_schema=False)
MOST_BYTES = 20_000_000
NO_ROOM = "the server cannot write the rows beside [server] spool; ask whoever runs it for room and rights"
NO_NEED = (
    "The labels that are there decide, so none are asked for. Where a verdict is inconclusive, the fewest rows whose labels "
    "would decide it are drawn here, to be labelled and sent back."
)


def state(context: Context, one: ListedIncident, brief: Json | None) -> dict[str, Any]:
    """What the tab of labels shows."""
    file = request_file(context, one)
    asked = [job for job in context.jobs.jobs(one.model, kinds=("diagnose",)) if job.request.get("ask") == file.name]
    request = None if brief is None else brief.get("label_request")
    undecided = brief is not None and brief.get("verdict") == "inconclusive"
    rows = _rows(file)
    if request is not None:
        sentence = (
            f"The verdict is inconclusive. Labels of {say.counted(int(request['rows']), 'row')}, drawn where they tell most, "
            f"would decide it; of rows drawn at random {say.count(int(request['uniform_rows']))} would be needed."
        )
    elif undecided or file.exists():
        sentence = "The verdict is inconclusive; the fewest rows whose labels would decide it can be drawn."
    else:
        sentence = NO_NEED
    return {
        "sentence": sentence,
        "job": asked[0] if asked else None,
        "file": file.exists(),
        "rows": rows,
        "answer": ANSWER,
        "possible": undecided or request is not None or file.exists(),
    }


def request_file(context: Context, one: ListedIncident) -> Path:
    """Where the rows of an incident lie that wait for labels."""
    return context.store.label_requests / f"{file_name(one.model)}-{one.number}.csv"


def _rows(file: Path) -> int:
    try:
        with file.open(encoding="utf-8") as lines:
            return max(0, sum(1 for _ in lines) - 1)
    except OSError:
        return 0


@router.post("/models/{slug}/incidents/{number}/ask")
def ask(view: Operator, context: Parts, slug: str, number: Number) -> RedirectResponse:
    """Draw the rows whose labels would decide, in the background."""
    one, data = incident_of(context, slug, number)
    return _start(view, context, one, data)


@router.get("/models/{slug}/incidents/{number}/labels.csv")
def download(view: Reader, context: Parts, slug: str, number: Number) -> Response:
    """The rows that wait for labels."""
    one, _ = incident_of(context, slug, number)
    file = request_file(context, one)
    try:
        content = file.read_bytes()
    except OSError:
        raise ProblemError(HTTPStatus.NOT_FOUND, "no rows were drawn for this incident yet") from None
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/models/{slug}/incidents/{number}/answers")
def answers(
    view: Operator, context: Parts, slug: str, number: Number, answers: Annotated[UploadFile, File()]
) -> RedirectResponse:
    """Take the file back with labels, and judge again."""
    one, data = incident_of(context, slug, number)
    content = answers.file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the file is larger than {MOST_BYTES // 1_000_000} MB")
    file = request_file(context, one)
    _make_folder(file)
    before = file.read_bytes() if file.exists() else None
    try:
        write_whole(file, content.decode("utf-8"))
        read_answers(file)
    except OSError:  # the file is as it was
        raise ProblemError(HTTPStatus.INSUFFICIENT_STORAGE, NO_ROOM, retry_after=60) from None
    except (BackslideError, UnicodeDecodeError) as error:
        if before is None:
            file.unlink(missing_ok=True)
        else:
            write_whole(file, before.decode("utf-8"))
        detail = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error).replace(str(file), "it")
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the file of answers cannot be read: {detail}") from None
    context.accounts.note(view.caller.name, "send answers", f"{one.model}: incident {one.number}", bytes=len(content))
    return _start(view, context, one, data)


def _make_folder(file: Path) -> None:
    """Make the folder of the files of rows.

    Raises:
        ProblemError: 507, nothing can be written there.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(file.parent, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise ProblemError(HTTPStatus.INSUFFICIENT_STORAGE, NO_ROOM, retry_after=60)


def _start(view: Operator, context: Context, one: ListedIncident, data: Json) -> RedirectResponse:
    answer = look_of(context, one.model)
    file = request_file(context, one)
    _make_folder(file)
    ends = (data["began"], data["closed"] or answer.report.last or data["raised"])
    request: Json = {
        "reference": "..".join(answer.report.reference),
        "current": "..".join(ends),
        "ask": file.name,
    }
    job = context.jobs.put("diagnose", one.model, request, view.caller.name)
    context.accounts.note(view.caller.name, "start job", one.model, job=job.job, kind=job.kind, **request)
    path = incident_path(one.model, one.number)
    return RedirectResponse(view.link(path, tab="labels", said="asked"), HTTPStatus.SEE_OTHER)
