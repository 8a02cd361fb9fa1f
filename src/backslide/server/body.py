"""Bodies of requests: read up to a limit, and no further."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import HTTPException, Request
from pydantic import AfterValidator
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from backslide.server.problems import ProblemError

MEGABYTE = 10**6
BODY_SECONDS = 60.0
"""For a whole body of up to ``max_body``, and for each part of a stream."""
LONGEST_LINE = 4 * MEGABYTE
"""Bytes of one record of a stream."""
PORTION = 2 * MEGABYTE
"""Bytes of whole lines that are written together."""


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("expected a text without NUL characters")
    return text


PlainText = Annotated[str, AfterValidator(_without_nul)]
"""A text that every database takes: PostgreSQL knows no NUL, and would say so in the middle of a change."""


def limited(receive: Receive, megabytes: float) -> Receive:
    """What receives a request, up to a limit: what goes on raises 413, and what drips 408, whoever reads it."""
    rest = int(megabytes * MEGABYTE)
    receive_next = prompt(receive, whole=True)

    async def receive_part() -> Message:
        nonlocal rest
        message = await receive_next()
        rest -= len(message.get("body", b""))
        if rest < 0:
            error = _too_large(megabytes)  # the framework lets its own kind of error through alone
            raise HTTPException(error.status, error.detail)
        return message

    return receive_part


def prompt(receive: Receive, *, whole: bool = False) -> Receive:
    """What receives a request whose body, or with ``whole`` false each part of it, comes in time: else it raises 408.

    Who sends a byte a minute would otherwise keep a place among the requests that are at work, and a few hundred all of them.
    """
    more, end = True, 0.0

    async def receive_part() -> Message:
        nonlocal more, end
        if not more:  # waits for the end of the connection, as long as the answer takes
            return await receive()
        if not end or not whole:
            end = asyncio.get_running_loop().time() + BODY_SECONDS
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            words = f"expected the body within {BODY_SECONDS:g} seconds; send less at once"
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, words) from None
        more = bool(message.get("more_body"))
        return message

    return receive_part


def kind_of(request: Request, *kinds: str) -> str:
    """The content type, one of those that are taken.

    Raises:
        ProblemError: 415 for another one, or a body that is packed.
    """
    kind = request.headers.get("content-type", kinds[0]).partition(";")[0].strip().lower()
    if kind not in kinds:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"expected the content type {' or '.join(kinds)}, got {kind!r}"
        )
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected a body without content encoding; send it unpacked"
        )
    return kind


async def read_body(request: Request, megabytes: float) -> bytes:
    """A whole body.

    Raises:
        ProblemError: 413 beyond the limit, as soon as that is known.
    """
    most = int(megabytes * MEGABYTE)
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > most:
        raise _too_large(megabytes)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise _too_large(megabytes)
            parts.append(part)
    except ClientDisconnect:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the request ended before its body did") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def read_lines(request: Request) -> AsyncIterator[bytes]:
    """Whole lines of a stream, many at a time; the stream may be as long as it likes.

    Raises:
        ProblemError: 413 for a line that is too long.
    """
    rest = bytearray()
    try:
        async for part in request.stream():
            rest += part
            if len(rest) < PORTION:
                continue
            cut = rest.rfind(b"\n") + 1
            if cut:
                yield bytes(rest[:cut])
                del rest[:cut]
            if len(rest) > LONGEST_LINE:
                words = f"expected lines of at most {LONGEST_LINE // MEGABYTE} MB, got a longer one"
                raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
    except ClientDisconnect:
        return  # what was acknowledged to nobody
    if rest.strip():
        yield bytes(rest)


def _too_large(megabytes: float) -> ProblemError:
    words = f"expected a body of at most {megabytes:g} MB ([server] max_body); send several, or a stream of lines"
    return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
