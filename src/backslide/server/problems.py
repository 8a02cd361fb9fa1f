"""Every error of the server has one shape: ``application/problem+json`` (RFC 9457) with one sentence in ``detail``."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
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


def validation_sentence(error: Mapping[str, Any]) -> str:
    """The first thing wrong with a request, as one line without what was sent."""
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {str(error['msg']).lower()}"


def _answer(request: Request, status: int, detail: str, *, retry_after: int | None = None) -> Response:
    """The answer, for a person where a browser asks for a page."""
    answer = problem(status, detail, retry_after=retry_after)
    if not _for_a_person(request):
        return answer
    from backslide.server.pages.site import render  # pages raise what this module shows

    page = render("problem.html.j2", title=HTTPStatus(status).phrase, detail=scrub(detail)[:LONGEST])
    kept = {name: value for name, value in answer.headers.items() if name in ("retry-after", "www-authenticate")}
    return HTMLResponse(page, status, kept)


def _for_a_person(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def register(app: FastAPI) -> None:
    """Let every error take this shape."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        if error.status == HTTPStatus.UNAUTHORIZED and _for_a_person(request) and request.method == "GET":
            return RedirectResponse(request.url_for("login_page").include_query_params(next=request.url.path), 303)
        return _answer(request, error.status, error.detail, retry_after=error.retry_after)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, validation_sentence(error.errors()[0]))

    async def unrouted(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = _answer(request, error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    async def ours(request: Request, error: Exception) -> Response:
        away = isinstance(error, StoreError)
        status = HTTPStatus.SERVICE_UNAVAILABLE if away else HTTPStatus.BAD_REQUEST
        return _answer(request, status, str(error), retry_after=5 if away else None)

    app.add_exception_handler(ProblemError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, unrouted)
    app.add_exception_handler(BackslideError, ours)
