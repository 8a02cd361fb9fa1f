"""Who sends no request, or its headers without end, is not waited for; everybody else is."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("httptools")
pytest.importorskip("uvicorn")
import uvicorn

from backslide.server import connection

LIMIT = 0.5


async def echo(scope, receive, send) -> None:
    """Answer with the length of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    text = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


@pytest.fixture
def port(monkeypatch) -> Iterator[int]:
    """Of a server whose connections have little time."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", LIMIT)
    options = {"http": connection.PromptConnection, "log_config": None, "lifespan": "off", "timeout_keep_alive": 30}
    server = uvicorn.Server(uvicorn.Config(echo, **options))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def talk(port: int, *parts: bytes, pause: float = 0.0, patience: float = 20 * LIMIT) -> bytes:
    """What comes back of the parts, until the other side closes or nothing comes for a while."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as client:
        try:
            for part in parts:
                client.sendall(part)
                time.sleep(pause)
            while data := client.recv(65536):
                answer += data
        except TimeoutError:
            answer += b"(still open)"
        except OSError:
            answer += b"(closed)"
    return answer


HEAD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n"


@pytest.mark.parametrize("parts", [(), (b"GET",), (HEAD,), (b"GET / HTTP/1.1\r\n", *[b"x: y\r\n"] * 10)])
def test_a_request_that_does_not_begin_is_not_waited_for(port, parts):
    answer = talk(port, *parts, pause=LIMIT / 5)
    assert b"(still open)" not in answer
    assert answer.startswith((b"HTTP/1.1 408", b"(closed)"))


def test_the_next_request_of_a_connection_has_to_begin_in_time_too(port):
    answer = talk(port, HEAD + b"\r\nbody", HEAD, pause=LIMIT / 5)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1 408") == 1
    assert b"(still open)" not in answer


def test_headers_without_end_are_refused(port, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_SECONDS", 60.0)
    answer = talk(port, b"GET / HTTP/1.1\r\n", *[b"x: " + b"y" * 4000 + b"\r\n"] * 40)
    assert answer.startswith((b"HTTP/1.1 431", b"(closed)"))


def test_a_body_and_a_pause_between_requests_may_take_longer(port):
    answer = talk(port, HEAD + b"\r\nbo", b"dy", HEAD + b"\r\n", b"body", pause=1.2 * LIMIT, patience=LIMIT)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.endswith(b"4(still open)")
