"""Who a request comes from and what it may do: ``require(scope)`` stands at every route.

A token comes as ``Authorization: Bearer bsl_...``, a session as a cookie. What changes something and comes with a session repeats
the session's word, as the form field ``csrf_token`` or the header ``X-CSRF-Token``. Reading is free on this machine unless
``require_login`` is set.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from backslide.server.context import Context, context_of
from backslide.server.problems import ProblemError
from backslide.store.accounts import Scope, Session, Token

COOKIE = "backslide_session"
CSRF_FIELD, CSRF_HEADER = "csrf_token", "x-csrf-token"
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
TRUSTED_SECONDS = 5.0
"""How long a token that was found is not looked up again; one that is revoked opens the doors for so long."""
MOST_TOKENS = 1000
ANYBODY = "anybody"


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    name: str = ANYBODY
    rights: frozenset[str] = frozenset()
    csrf: str = ""
    """Word that forms repeat; empty without a session."""

    @property
    def logged_in(self) -> bool:
        """Whether somebody is known."""
        return bool(self.rights)

    def may(self, scope: Scope) -> bool:
        """Whether a scope is among the rights: for pages that show a button or do not."""
        return scope in self.rights


@dataclass
class TokenCache:
    """Tokens that were found lately: a look-up each would be most of the time of a small request."""

    found: dict[str, tuple[float, Token]] = field(default_factory=dict)

    async def find(self, context: Context, secret: str) -> Token | None:
        """The live token of a secret."""
        now = time.monotonic()
        known = self.found.get(secret)
        if known is not None and now - known[0] < TRUSTED_SECONDS and known[1].live:
            return known[1]
        token = await run_in_threadpool(context.accounts.find, secret)
        if len(self.found) >= MOST_TOKENS:
            self.found.clear()
        if token is None:
            self.found.pop(secret, None)
        else:
            self.found[secret] = (now, token)
        return token


def require(scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency that lets a request through, or raises 401 or 403: ``caller: Annotated[Caller, Depends(require("read"))]``."""

    async def check(request: Request) -> Caller:
        caller = await caller_of(request)
        free = scope == "read" and not request.app.state.login_for_reading
        if scope in caller.rights or (free and not caller.logged_in):
            return caller
        if free and request.method in SAFE:
            return caller
        if not caller.logged_in:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, f"this needs a token or a session with the scope {scope}")
        raise ProblemError(HTTPStatus.FORBIDDEN, f"this needs the scope {scope}, which {caller.name!r} does not have")

    check.scope = scope  # type: ignore[attr-defined]  # read by the test that walks over the routes
    return check


async def caller_of(request: Request) -> Caller:
    """Who asks, by token, session or neither.

    Raises:
        ProblemError: a token or session that opens nothing, or a session without its word.
    """
    context = context_of(request)
    header = request.headers.get("authorization")
    if header is not None:
        kind, _, secret = header.partition(" ")
        token = None
        if kind.lower() == "bearer":
            token = await request.app.state.tokens.find(context, secret.strip())
        if token is None:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "the token is unknown, revoked or expired; ask for another one")
        return Caller(token.name, token.rights)
    cookie = request.cookies.get(COOKIE)
    session = None if cookie is None else await run_in_threadpool(context.accounts.session, cookie)
    if session is None:
        return Caller()
    if request.method not in SAFE:
        await _check_word(request, session)
    return Caller(session.token.name, session.token.rights, session.csrf)


async def _check_word(request: Request, session: Session) -> None:
    """Refuse what another site made the browser send."""
    word = request.headers.get(CSRF_HEADER)
    if word is None and request.headers.get("content-type", "").startswith(
        ("application/x-www-form-urlencoded", "multipart/form-data")
    ):
        entry = (await request.form()).get(CSRF_FIELD)
        word = entry if isinstance(entry, str) else None
    if word is None or not hmac.compare_digest(word.encode(), session.csrf.encode()):
        raise ProblemError(HTTPStatus.FORBIDDEN, "the form is of another session; load the page again")
