"""The client beside servers as they fail: away, deaf, wordy, and no such server at all."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pandas as pd
import pytest

from backslide.contracts.errors import ConfigError, InputError
from backslide.server import client as clients
from backslide.server.client import Client, ServerError

Answer = tuple[int, bytes] | None
"""Status and body; None closes the connection without a word."""


class Stub:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.peers: set[int] = set()
        self.answer: Callable[[str], Answer] = lambda _: (200, b"{}")

    def __enter__(self) -> Client:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                data = self.rfile.read(int(self.headers.get("content-length", 0)))
                stub.asked.append((self.command, self.path, json.loads(data) if data else None))
                stub.peers.add(self.client_address[1])
                answer = stub.answer(self.path)
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer[0])
                self.send_header("content-length", str(len(answer[1])))
                self.end_headers()
                self.wfile.write(answer[1])

            def do_POST(self) -> None:
                self.do_GET()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return Client(f"http://127.0.0.1:{self.server.server_port}", tries=3, timeout=20)

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    monkeypatch.setattr(clients, "LONGEST_PAUSE", 0.0)
    return Stub()


def test_a_job_whose_answer_is_lost_is_not_asked_for_again(stub: Stub):
    stub.answer = lambda _: None
    with stub as client:
        with pytest.raises(ServerError, match="is away"):
            client.run_job("retrain", "loans")
        assert len(stub.asked) == 1
        with pytest.raises(ServerError, match="is away"):
            client.event("loans", "deploy v2", at=1.0)
        assert len(stub.asked) == 1 + 3, "records have ids and may go twice"


def test_a_job_is_asked_for_again_where_the_server_was_busy_or_not_there(stub: Stub):
    answers = iter(
        [(503, b"{}"), (201, b'{"job": "j1"}'), (200, b'{"status": "done"}'), (200, b'{"verdict": "degraded"}')]
    )
    stub.answer = lambda _: next(answers)
    with stub as client:
        assert client.run_job("diagnose", "loans", current="2026-03-01..2026-03-31") == {"verdict": "degraded"}
    refused = Client(client._parts.geturl(), tries=2)
    with pytest.raises(ServerError, match="Connection refused"):
        refused.run_job("gate", "loans")


@pytest.mark.parametrize("answer", [b"<html>a proxy</html>", b"[1]", b"", b'"x"'])
def test_what_is_no_such_server_is_said_in_one_line(stub: Stub, answer: bytes):
    stub.answer = lambda _: (200, answer)
    with stub as client, pytest.raises(ServerError, match="is no `backslide serve`"):
        client.models()


def test_an_answer_without_end_takes_no_memory(stub: Stub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clients, "MOST_BYTES", 1000)
    stub.answer = lambda _: (200, b" " * 5000)
    with stub as client, pytest.raises(ServerError, match="more than 0 MB"):
        client.models()


def test_values_are_sent_as_recorders_take_them(stub: Stub):
    features = {
        "a": np.float64(1.5),
        "b": np.int64(2),
        "c": np.array([1.0, 2.0]),
        "d": pd.NA,
        "e": np.float32("nan"),
        "f": datetime(2026, 3, 1, tzinfo=UTC),
        "g": {1, 2},
    }
    with stub as client:
        client.record("loans", features, np.str_("paid"), scores={"paid": np.float32(0.5)}, id="r")
        for odd in (object(), "\ud800"):
            with pytest.raises(InputError, match="cannot be sent as JSON"):
                client.record("loans", {"x": odd}, "paid")
    ((_, _, sent),) = stub.asked
    given = {"a": 1.5, "b": 2, "c": [1.0, 2.0], "d": None, "e": None, "f": "2026-03-01T00:00:00+00:00", "g": [1, 2]}
    assert sent == {"id": "r", "features": given, "prediction": "paid", "scores": {"paid": 0.5}}


def test_a_token_that_is_none_is_refused_without_being_shown():
    assert Client("http://127.0.0.1:9", "bsl_tok3n\n")._headers == {"Authorization": "Bearer bsl_tok3n"}
    for token in ("bsl_tok3n\nx: y", "tok3n\0", "tök3n", " "):
        with pytest.raises(ConfigError) as raised:
            Client("http://127.0.0.1:9", token)
        assert "k3n" not in str(raised.value)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_has_a_connection_of_its_own(stub: Stub):
    with stub as client:
        client.metrics("loans")
        child = os.fork()
        if child == 0:
            client.metrics("loans")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        client.metrics("loans")
    assert (len(stub.asked), len(stub.peers)) == (3, 2)
