"""A server as users start it: what it acknowledged survives kill -9, requests end before it does, clients wait for it."""

from __future__ import annotations

import http.client
import json
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import LiveServer
from sqlalchemy import text

from backslide.contracts.errors import ConfigError
from backslide.log.reading import open_log
from backslide.log.recorder import Recorder
from backslide.log.rollup import rollup
from backslide.server.client import Client, Forwarder, ServerError
from backslide.store.database import open_database
from backslide.store.leases import Leases
from backslide.store.tables import metadata
from scale import runs
from streams_of_logs import REFERENCE, config, served

DOCS = Path(__file__).resolve().parents[2] / "docs" / "server.md"


@pytest.fixture(name="live", scope="module")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live")) as server:
        yield server


def counts(server: LiveServer) -> dict[str, int]:
    rollup(server.folder / "log")
    log = open_log(server.folder / "log", "loans")
    ids = log.predictions().collect()["id"]
    assert ids.is_unique().all()
    return {"predictions": len(ids), "labels": log.counts()["labels"], "events": log.events().collect().height}


def test_a_client_says_everything_and_a_recorder_waits_for_a_server_that_is_away(live, tmp_path):
    client = Client(live.url, live.token("ingest"), tries=1)
    assert (
        client.record("loans", {"income": 1200, "note": float("nan")}, "paid", id="r-17", scores={"paid": 0.8})
        == "r-17"
    )
    assert client.record_many("loans", [{"features": {"income": i}} for i in range(10)]) == 10
    client.label("loans", "r-17", "default")
    client.event("loans", "deploy v2", at="2026-03-01T10:00:00Z")
    client.event("loans", "deploy v2", at="2026-03-01T10:00:00Z")
    assert client.models()[0]["name"] == "loans"
    with pytest.raises(ServerError, match="needs the scope operate"):
        client.diagnose("loans", None, "2026-03-01..2026-03-02")
    with pytest.raises(ServerError, match="prediction 0, features"):
        client.record_many("loans", [{"features": 3}])
    away = Client("http://127.0.0.1:9", tries=1)
    recorder = Recorder("loans", store=live.url, spool=tmp_path)
    for i in range(5):
        recorder.record({"income": i, "when": float("inf")}, "paid", id=f"away-{i}")
    with Forwarder(away, tmp_path, every=60) as sender:
        pass
    assert "is away" in str(sender.error)
    with Forwarder(client, tmp_path, every=60):
        recorder.close()
    assert not list(tmp_path.glob("loans/*")), "sent, and let go of"
    assert Forwarder(client, tmp_path).send() == 0
    assert counts(live) == {"predictions": 16, "labels": 1, "events": 1}
    with pytest.raises(ConfigError, match="expected a URL"):
        Client("localhost:8642")


def test_the_examples_of_the_documentation_run(live, monkeypatch):
    monkeypatch.setenv("BACKSLIDE_TOKEN", live.token("admin"))
    monkeypatch.chdir(live.folder)
    blocks = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        exec(compile(block.replace("http://127.0.0.1:8642", live.url), str(DOCS), "exec"), {})


@pytest.mark.slow
def test_a_signal_lets_requests_end(tmp_path):
    with LiveServer(tmp_path) as server:
        token = server.token("ingest")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        body = json.dumps({"id": "last", "features": {}}).encode()
        connection.putrequest("POST", "/api/v1/models/loans/predictions")
        for name, value in (("Authorization", f"Bearer {token}"), ("Content-Length", str(len(body)))):
            connection.putheader(name, value)
        connection.endheaders(body[:5])
        Client(server.url, token).record("loans", {}, id="first")  # the request before it is at work by now
        server.process.send_signal(signal.SIGTERM)
        connection.send(body[5:])
        assert connection.getresponse().status == 201
        connection.close()
        assert server.process.wait(120) == 143
        assert "Traceback" not in server.said()
        assert counts(server)["predictions"] == 2


@pytest.mark.slow
@pytest.mark.postgres
def test_two_processes_share_one_postgres(postgres, tmp_path):
    url = f"postgresql://{postgres}"
    config(tmp_path, served(41, REFERENCE + 5, rows=60))
    model = '[model]\nname = "loans"\nlabel = "label"\nprediction = "prediction"\ntimestamp = "served_at"\n'
    windows = '[windows]\nreference = "2026-01-05..2026-02-15"\n[data]\nsource = "log.parquet"\n'
    windows += "[watch]\ndiagnose = false\nfaults = false\n"
    (tmp_path / "loans.toml").write_text(model + windows, encoding="utf-8")
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    options = {"store": url, "models": f'["{tmp_path}/loans.toml"]', "rollup_every": '"1s"'}
    with LiveServer(folders[0], **options) as first, LiveServer(folders[1], **options) as second:
        token = first.token("admin")
        clients = [Client(one.url, token) for one in (first, second)]
        for number, client in enumerate(clients):  # a token of one opens the other
            client.record("loans", {"income": number}, id=f"r-{number}")
        ended = _wait(lambda: [j for j in clients[1].call("GET", "/api/v1/jobs")["jobs"] if j["status"] == "done"])
        assert len(clients[0].call("GET", "/api/v1/jobs")["jobs"]) == len(ended) == 1, "one of them led"
        assert [client.models()[0]["status"] is not None for client in clients] == [True, True]
        database = open_database(url, tmp_path)
        try:
            leases = Leases(database)
            leader = leases.holder("watch")
            assert leader is not None
            number = next(i for i, one in enumerate((first, second)) if f"-{one.process.pid}-" in leader)
            assert (first, second)[number].end() == 143
            assert _wait(lambda: leases.holder("watch") not in (None, leader)), "the other one leads"
        finally:
            with database.engine.begin() as connection:
                connection.execute(text(f"truncate {', '.join(metadata.tables)}"))
            database.close()


def _wait(look):
    end = time.monotonic() + 120
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


@pytest.mark.slow
@pytest.mark.rates
def test_every_acknowledged_record_survives_kill_9_once(tmp_path):
    chance = random.Random(5)
    acknowledged: set[str] = set()
    with LiveServer(tmp_path, rollup_every='"1s"') as server:
        token = server.token("ingest")
        for number in range(runs(2, 50)):
            senders = [
                threading.Thread(target=_send, args=(server.url, token, f"{number}-{k}", acknowledged))
                for k in range(3)
            ]
            before = len(acknowledged)
            for one in senders:
                one.start()
            end = time.monotonic() + 60
            while len(acknowledged) == before and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(chance.random() * 0.5)
            assert server.end(signal.SIGKILL) == -9
            for one in senders:
                one.join()
            server.start()
        rollup(server.folder / "log")
        found = open_log(server.folder / "log", "loans").predictions().collect()["id"]
        assert len(acknowledged) > 100
        assert acknowledged - set(found) == set()
        assert found.is_unique().all()


def _send(url: str, token: str, name: str, acknowledged: set[str]) -> None:
    """Records one by one and many at once, until the server is gone."""
    client = Client(url, token, tries=1, timeout=60)
    number = 0
    while True:
        number += 1
        ids = [f"{name}-{number}-{i}" for i in range(50 if number % 3 == 0 else 1)]
        try:
            client.record_many("loans", [{"id": one, "features": {"a": number}} for one in ids])
        except ServerError:
            return
        acknowledged.update(ids)
