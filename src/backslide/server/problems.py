"""Every error of the server has one shape: ``application/problem+json`` (RFC 9457) with one sentence in ``detail``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from backslide.contracts.errors import BackslideError, StoreError
from backslide.contracts.secrets import scrub

CONTENT_TYPE = "application/problem+json"
LONGEST = 500
"""Characters of a sentence: what somebody sent is not sent back at length."""


class ProblemDocument(BaseModel):
    """What went wrong."""

    type: str = "about:blank"
    title: str
    """The status in words."""
    status: int
    detail: str
    """One line: what was expected, what came, what to do next."""


class ProblemError(Exception):
    """A request that is refused."""

    def __init__(self, status: int, detail: str, *, retry_after: int | None = None) -> None:
        """Take a status and one sentence; ``retry_after``: seconds after which it may go."""
        super().__init__(detail)
        self.status, self.detail, self.retry_after = status, detail, retry_after


def problem(status: int, detail: str, *, retry_after: int | None = None) -> JSONResponse:
    """The answer."""
    text = " ".join(scrub(detail).split())[:LONGEST]
    body = ProblemDocument(title=HTTPStatus(status).phrase, status=status, detail=text)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body.model_dump(), status, headers, media_type=CONTENT_TYPE)


def problem_responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """For the description of the API: these statuses come with a problem."""
    content = {CONTENT_TYPE: {"schema": ProblemDocument.model_json_schema()}}
    return {code: {"description": HTTPStatus(code).phrase, "content": content} for code in codes}


def validation_sentence(error: dict[str, object]) -> str:
    """The first thing wrong with a request, as one line without what was sent."""
    place = ".".join(str(part) for part in error["loc"])  # type: ignore[attr-defined]  # of pydantic: always a tuple
    return f"{place}: {str(error['msg']).lower()}"


def register(app: FastAPI) -> None:
    """Let every error take this shape."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        page = not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")
        if error.status == HTTPStatus.UNAUTHORIZED and page and request.method == "GET":
            return RedirectResponse(request.url_for("login_page").include_query_params(next=request.url.path), 303)
        return problem(error.status, error.detail, retry_after=error.retry_after)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, validation_sentence(error.errors()[0]))

    async def unrouted(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = problem(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    async def ours(_: Request, error: Exception) -> Response:
        away = isinstance(error, StoreError)
        status = HTTPStatus.SERVICE_UNAVAILABLE if away else HTTPStatus.BAD_REQUEST
        return problem(status, str(error), retry_after=5 if away else None)

    app.add_exception_handler(ProblemError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, unrouted)
    app.add_exception_handler(BackslideError, ours)
