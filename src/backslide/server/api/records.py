"""Predictions, labels and events into the log: one, many, or a stream of lines."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from backslide.server.api.common import Ingester, ModelName, Parts
from backslide.server.body import kind_of, read_body, read_lines
from backslide.server.context import Context, context_of
from backslide.server.ingest import EVENTS, LABELS, PREDICTIONS, RecordKind, parse, parse_lines, recorder_lines, write
from backslide.server.ingest import LINES as RECORDER_LINES
from backslide.server.problems import ProblemError, problem_responses

JSON, LINES = "application/json", "application/x-ndjson"
FEW = 64
"""Bytes in thousands up to which a body is handled at once: a thread costs more than the work."""
router = APIRouter(
    prefix="/api/v1/models/{model}",
    tags=["records"],
    responses=problem_responses(400, 401, 403, 413, 415, 422, 429, 503, 507),
)


class Receipt(BaseModel):
    """What is on disk now."""

    recorded: int
    id: str | None = None
    """Of a single prediction."""
    without_id: int = 0
    """Predictions that came without an id: sent again, they count again."""


def _described(kind: RecordKind) -> dict[str, Any]:
    """The body, for the description of the API: it is read by hand, which is several times as fast."""
    either = {"oneOf": [kind.schema, {"type": "array", "items": kind.schema}]}
    lines = {"type": "string", "description": f"One {kind.noun} a line; as long as you like."}
    return {"requestBody": {"required": True, "content": {JSON: {"schema": either}, LINES: {"schema": lines}}}}


async def _record(request: Request, kind: RecordKind, model: str) -> Response:
    context = context_of(request)
    if kind_of(request, JSON, LINES) == LINES:
        return _receipt(await _record_stream(request, context, kind, model))
    server = context.settings.server
    body = await read_body(request, server.max_body)

    def work() -> Receipt:
        records = parse(kind, body, server.max_records)
        results = write(context.store, kind, model, records)
        single = len(results) == 1 and results[0].__class__ is str
        return Receipt(
            recorded=len(results), id=str(results[0]) if single else None, without_id=_without_id(kind, records)
        )

    return _receipt(work() if len(body) < FEW * 1000 else await run_in_threadpool(work))


async def _record_stream(request: Request, context: Context, kind: RecordKind, model: str) -> Receipt:
    total = nameless = 0
    line = 1
    async for lines in read_lines(request):

        def work(text: bytes = lines, first: int = line) -> tuple[int, int]:
            records = recorder_lines(text, first) if kind is RECORDER_LINES else parse_lines(kind, text, first)
            return len(write(context.store, kind, model, records)), _without_id(kind, records)

        try:
            done, without = await run_in_threadpool(work)
        except ProblemError as error:
            raise ProblemError(
                error.status, f"{error.detail}; {total} records before it are kept", retry_after=error.retry_after
            ) from None
        total, nameless, line = total + done, nameless + without, line + lines.count(b"\n")
    return Receipt(recorded=total, without_id=nameless)


def _without_id(kind: RecordKind, records: list[Any]) -> int:
    return sum("id" not in one for one in records) if kind is PREDICTIONS else 0


def _receipt(receipt: Receipt) -> Response:
    return Response(orjson.dumps(receipt.__dict__), HTTPStatus.CREATED, media_type=JSON)


@router.post("/predictions", status_code=201, response_model=Receipt, openapi_extra=_described(PREDICTIONS))
async def record_predictions(request: Request, model: ModelName, _: Ingester) -> Response:
    """Record a prediction, a list of them, or a stream of lines. Answered once they are on disk."""
    return await _record(request, PREDICTIONS, model)


@router.post("/labels", status_code=201, response_model=Receipt, openapi_extra=_described(LABELS))
async def record_labels(request: Request, model: ModelName, _: Ingester) -> Response:
    """Record outcomes of predictions, any time later."""
    return await _record(request, LABELS, model)


@router.post("/events", status_code=201, response_model=Receipt, openapi_extra=_described(EVENTS))
async def record_events(request: Request, model: ModelName, _: Ingester) -> Response:
    """Record deploys and other dated changes."""
    return await _record(request, EVENTS, model)


@router.post(
    "/lines",
    status_code=201,
    response_model=Receipt,
    openapi_extra={"requestBody": {"required": True, "content": {LINES: {"schema": {"type": "string"}}}}},
)
async def record_lines(request: Request, context: Parts, model: ModelName, _: Ingester) -> Response:
    """Take lines as a recorder on another machine wrote them, with everything that JSON cannot say."""
    kind_of(request, LINES)
    return _receipt(await _record_stream(request, context, RECORDER_LINES, model))
