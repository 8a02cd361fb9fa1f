"""Logging in and out: a token becomes a session."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from backslide.server.access import COOKIE, SAFE, Caller, caller_of
from backslide.server.context import Context, context_of
from backslide.server.pages.site import render
from backslide.server.problems import ProblemError

router = APIRouter(include_in_schema=False)


def _inside(path: str) -> str:
    """A path of this server, never an address elsewhere."""
    own = path.startswith("/") and not path.startswith(("//", "/\\")) and not any(ord(c) < 32 for c in path)
    return path if own else "/"


def _page(trouble: str, next: str, status: int = HTTPStatus.OK) -> HTMLResponse:
    return HTMLResponse(render("login.html.j2", trouble=trouble, next=_inside(next)), status)


@router.get("/login", name="login_page")
def login_page(next: str = "/") -> HTMLResponse:
    """The form."""
    return _page("", next)


@router.post("/login")
async def log_in(
    request: Request,
    context: Annotated[Context, Depends(context_of)],
    token: Annotated[str, Form(max_length=200)],
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Begin a session."""
    hours = context.settings.server.session_hours
    begun = await run_in_threadpool(context.accounts.log_in, token.strip(), hours)
    if begun is None:
        return _page("The token is unknown, revoked or expired.", next, HTTPStatus.UNAUTHORIZED)
    answer = RedirectResponse(_inside(next), HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        begun[1],
        max_age=int(hours * 3600),
        httponly=True,
        samesite="lax",
        secure=context.settings.server.https,
        path="/",
    )
    return answer


@router.post("/logout")
async def log_out(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """End the session."""
    assert request.method not in SAFE
    cookie = request.cookies.get(COOKIE)
    if not caller.csrf or cookie is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "there is no session to end")
    await run_in_threadpool(context_of(request).accounts.log_out, cookie)
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE, path="/")
    return answer
