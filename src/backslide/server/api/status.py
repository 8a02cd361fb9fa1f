"""Whether the server is there, and whether it can work: both answer everybody."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel

from backslide.contracts.errors import StoreError
from backslide.server.api.common import Reader
from backslide.server.context import Context, context_of
from backslide.server.problems import problem, problem_responses

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The server is there."""

    status: str = "ok"


@router.get("/health")
async def health() -> Health:
    """Whether the process answers."""
    return Health()


@router.get("/ready", response_model=Health, responses=problem_responses(503))
def ready(context: Annotated[Context, Depends(context_of)]) -> Response:
    """Whether records can be taken: the database answers and lines can be written."""
    try:
        context.accounts.protected()
    except StoreError as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_after=5)
    if not context.store.writable():
        words = "the folder of waiting lines cannot be written, or its disk is full"
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, words, retry_after=30)
    return JSONResponse(Health().model_dump())


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, _: Reader) -> JSONResponse:
    """The description of the API."""
    return JSONResponse(request.app.openapi())


@router.get("/metrics", response_class=PlainTextResponse, responses=problem_responses(401, 403, 503))
def metrics(request: Request, context: Annotated[Context, Depends(context_of)], _: Reader) -> Response:
    """Figures of the server and of the last look at every model, for Prometheus."""
    text = request.app.state.telemetry.exposition(context)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
