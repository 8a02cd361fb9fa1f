"""Receivers that drip, flood or hang cost their message and not the look; a message that comes twice has one id."""

from __future__ import annotations

import json
import resource
import socket
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("apprise")

from backslide.contracts.config import Settings
from backslide.monitor import courier as couriers
from backslide.monitor import notify
from backslide.monitor.courier import Courier
from backslide.monitor.notify import message_id
from backslide.store.database import open_database
from backslide.store.memory import Message

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def read_request(connection) -> bytes:
    """The whole request: head and body may come in packets of their own."""
    with connection.makefile("rb") as stream:
        head = b"".join(iter(stream.readline, b"\r\n"))
        size = next(int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length:"))
        return head + b"\r\n" + stream.read(size)


class Server:
    """A socket that answers each connection as its ``answer`` does."""

    def __init__(self, answer) -> None:
        self.bodies: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"json://127.0.0.1:{self.socket.getsockname()[1]}/"
        self.over = threading.Event()

        def serve() -> None:
            while not self.over.is_set():
                try:
                    connection, _ = self.socket.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        def talk(connection) -> None:
            with connection:
                try:
                    self.bodies.append(read_request(connection))
                    answer(connection, self.over)
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()


def drip(connection, over):
    connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
    while not over.wait(0.2):
        connection.sendall(b"x")


def hang(connection, over):
    over.wait(60)


def flood(connection, over):
    connection.sendall(HEAD + b"Content-Length: 3221225472\r\n\r\n")
    block = b"x" * 2**20
    for _ in range(3072):
        if over.is_set():
            return
        connection.sendall(block)


def well(connection, over):
    connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")


@pytest.fixture
def server() -> Iterator:
    made: list[Server] = []

    def make(answer) -> Server:
        made.append(Server(answer))
        return made[-1]

    yield make
    for one in made:
        one.over.set()
        one.socket.close()


@pytest.mark.parametrize("answer", [drip, hang])
def test_a_receiver_that_does_not_end_costs_its_message(server, monkeypatch, answer):
    monkeypatch.setattr(couriers, "DELIVERY_SECONDS", 4.0)
    slow, quick = server(answer), server(well)
    with Courier() as courier:
        assert courier.deliver(slow.url, "t", "b", "alarm") == "took longer than 4 s"
        monkeypatch.setattr(couriers, "DELIVERY_SECONDS", 30.0)
        assert courier.deliver(quick.url, "t", "b", "alarm") is None
    assert b'"title": "t"' in quick.bodies[0]


@pytest.mark.slow
def test_an_endless_answer_takes_no_memory_of_ours(server, monkeypatch):
    monkeypatch.setattr(couriers, "DELIVERY_SECONDS", 20.0)
    endless = server(flood)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with Courier() as courier:
        assert courier.deliver(endless.url, "t", "b", "alarm") is not None
    grown = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert max(grown, before) * 1024 < 2.2 * 2**30 or grown == before


def test_no_secret_of_an_address_stands_in_the_list_of_processes(server):
    receiver = server(well)
    with Courier() as courier:
        assert courier.deliver(f"{receiver.url}tok3nplanted", "t", "b", "alarm") is None
        with open(f"/proc/{courier._process.pid}/cmdline", "rb") as file:
            assert b"tok3nplanted" not in file.read()


def test_what_is_sent_again_has_the_same_id():
    one = Message("2026-03-01", "alarm", "2026-03-02", "title", "body")
    again = Message("2026-03-01", "alarm", "2026-03-02", "title", "body", "waiting", 3, "number 2 refused it")
    other = Message("2026-03-01", "reminder", "2026-03-09", "title", "body")
    assert message_id(one) == message_id(again) != message_id(other)
    assert json.dumps(message_id(one)).isascii()


def test_two_looks_at_once_send_twice_only_what_is_on_its_way(monkeypatch, tmp_path):
    settings, sent = Settings.from_dict({"alerts": {"urls": ["json://127.0.0.1:1/"]}}), []
    databases = [open_database(None, tmp_path) for _ in range(2)]
    book, other = (database.book("m", {}) for database in databases)
    book.put(Message(str(k), "alarm", "2026-03-01", f"incident {k}", "") for k in range(3))

    class OtherLook:
        """A courier; while it has the first message, another look begins and ends."""

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def post(self, content):
            sent.append(content["title"])
            if len(sent) == 1:
                notify.deliver(settings, other)
            return {"error": None}

    monkeypatch.setattr(notify, "Courier", OtherLook)
    notify.deliver(settings, book)
    assert sorted(sent) == ["incident 0", "incident 0", "incident 1", "incident 2"]
    assert {m.status for m in other.messages()} == {"delivered"}
    for database in databases:
        database.close()
