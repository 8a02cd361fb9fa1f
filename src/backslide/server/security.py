"""What goes around every answer: which names the server listens to, how large a request may be, headers for browsers."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.server.body import limited, prompt
from backslide.server.problems import problem
from backslide.server.telemetry import Telemetry, area_of

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Files of the server alone: no inline script or style, no eval, no other host."""
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
CACHED, FRESH = (b"cache-control", b"public, max-age=3600"), (b"cache-control", b"no-store")
LOGGER = logging.getLogger("backslide.server.requests")
FREE_AREAS = frozenset(("health", "metrics"))
"""Answered however busy the server is."""
LOGGED_AREAS = frozenset(("api", "pages"))
"""Records come in thousands a second; of them only failures are logged."""
STREAMED = ("/predictions", "/labels", "/events", "/lines")
"""Ends of the addresses that take lines without end, and read them only from those who may send them."""
OWN_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]", "::1"))

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def is_local(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host in OWN_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_binding(settings: Settings, *, protected: bool) -> None:
    """Refuse to listen to other machines where anybody could read and write.

    Raises:
        ConfigError: there is no token.
    """
    if not is_local(settings.server.host) and not protected:
        raise ConfigError(
            f"refusing to listen at {settings.server.host} without authentication; make a token first: "
            "backslide serve token create NAME --scope admin (with the same --config, if any)"
        )


class Shell:
    """The outermost layer."""

    def __init__(self, app: Application, settings: Settings, telemetry: Telemetry) -> None:
        server = settings.server
        self._app, self._telemetry = app, telemetry
        self._most, self._at_work, self._max_body = server.max_requests, 0, server.max_body
        self._names = {*OWN_NAMES, server.host.lower(), *(name.lower() for name in server.names)}
        self._any = "*" in self._names or server.host in ("0.0.0.0", "::")
        self._headers = [*HEADERS, *([(b"strict-transport-security", b"max-age=31536000")] if server.https else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._any and not self._named(scope):
            # Another site whose name leads here would otherwise read what is free on this machine.
            answer = problem(HTTPStatus.MISDIRECTED_REQUEST, "this host name is not among [server] names")
            await answer(scope, receive, send)
            return
        if scope["method"] not in SAFE and not _of_this_site(scope):
            await problem(HTTPStatus.FORBIDDEN, "another site made the browser send this")(scope, receive, send)
            return
        area = area_of(scope["path"], scope["method"])
        if self._at_work >= self._most and area not in FREE_AREAS:
            words = f"{self._most} requests are at work ([server] max_requests); try again"
            self._telemetry.requests.labels(area, "429").inc()
            await problem(HTTPStatus.TOO_MANY_REQUESTS, words, retry_after=1)(scope, receive, send)
            return
        begun, status, started = time.perf_counter(), 500, False
        more = [*self._headers, CACHED if area == "static" else FRESH]

        async def with_headers(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                known = {name for name, _ in message.get("headers", ())}
                message["headers"] = [*message.get("headers", ()), *(one for one in more if one[0] not in known)]
            await send(message)

        self._at_work += 1
        try:
            # Bodies of forms and of JSON are read before anybody asks who sent them.
            bounded = prompt(receive) if _is_stream(scope) else limited(receive, self._max_body)
            await self._app(scope, bounded, with_headers)
        except Exception:
            if not started:
                words = "internal error; the log of the server says where"
                await problem(HTTPStatus.INTERNAL_SERVER_ERROR, words)(scope, receive, with_headers)
            raise
        finally:
            self._at_work -= 1
            seconds = time.perf_counter() - begun
            self._note(scope, area, status, seconds)

    def _note(self, scope: Scope, area: str, status: int, seconds: float) -> None:
        self._telemetry.at_work.set(self._at_work)
        self._telemetry.requests.labels(area, str(status)).inc()
        self._telemetry.seconds.labels(area).observe(seconds)
        if status >= 500 or (area in LOGGED_AREAS and LOGGER.isEnabledFor(logging.INFO)):
            about = {"method": scope["method"], "path": scope["path"], "status": status, "seconds": round(seconds, 4)}
            LOGGER.log(logging.ERROR if status >= 500 else logging.INFO, "request", extra=about)

    def _named(self, scope: Scope) -> bool:
        host = _header(scope, b"host")
        bare = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        return bare in self._names


def _is_stream(scope: Scope) -> bool:
    kind = _header(scope, b"content-type").partition(";")[0].strip()
    return kind == "application/x-ndjson" and str(scope["path"]).endswith(STREAMED)


def _of_this_site(scope: Scope) -> bool:
    """Whether a browser that says where a request comes from says: from here. Programs say nothing."""
    origin = _header(scope, b"origin")
    return not origin or origin.partition("://")[2] == _header(scope, b"host")


def _header(scope: Scope, name: bytes) -> str:
    value: bytes = next((one for key, one in scope["headers"] if key == name), b"")
    return value.decode("latin-1").lower()
