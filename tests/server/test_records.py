"""Records over HTTP: one, many, a stream; once each, limits, what is refused."""

from __future__ import annotations

import json
from types import SimpleNamespace

import orjson
import pytest

from backslide.server import body as bodies
from disks import FullDisk

URL = "/api/v1/models/loans/predictions"
ONE = {"id": "r-1", "features": {"income": 1.5, "branch": "<script>"}, "prediction": "paid", "scores": {"paid": 0.8}}


def send(server, data, path="predictions", **headers):
    content = data if isinstance(data, bytes) else orjson.dumps(data)
    return server.client.post(
        f"/api/v1/models/loans/{path}", content=content, headers={**server.headers("ingest"), **headers}
    )


def lines(*records) -> bytes:
    return b"".join(orjson.dumps(one) + b"\n" for one in records)


def rows(server):
    assert [one.error for one in server.context.store.roll_up()] == [None]
    return server.context.store.open("loans").predictions().collect()


def test_one_many_and_a_stream_are_there_once(server):
    assert send(server, ONE).json() == {"recorded": 1, "id": "r-1", "without_id": 0}
    assert send(server, ONE).status_code == 201  # whoever got no answer sends it again
    many = [{"id": f"m-{i}", "features": {"income": i}, "at": "2026-03-01T10:00:00Z"} for i in range(300)]
    assert send(server, many).json()["recorded"] == 300
    nameless = [{"features": {}} for _ in range(2)]
    stream = lines(*many, *nameless)
    answer = send(server, stream, **{"Content-Type": "application/x-ndjson"})
    assert answer.json() == {"recorded": 302, "id": None, "without_id": 2}
    assert send(server, [{"id": "r-1", "value": "default"}], "labels").json()["recorded"] == 1
    found = rows(server)
    assert found.height == 303
    assert found.filter(found["id"] == "r-1").select("branch", "label", "p_paid").row(0) == ("<script>", "default", 0.8)


def test_one_post_makes_a_deploy_event_and_twice_the_same_is_one(server):
    send(server, ONE)
    for _ in range(2):
        answer = send(server, {"text": "deploy v2", "at": "2026-03-02T12:00:00+01:00"}, "events")
        assert answer.status_code == 201
    rows(server)
    events = server.context.store.open("loans").events().collect()
    assert [(f"{at:%H:%M}", text) for at, text in events.iter_rows()] == [("11:00", "deploy v2")]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"features": 3}, "prediction 0, features: input should be an object"),
        ({"id": "x"}, "prediction 0, features: field required"),
        ({"features": {}, "feature": {}}, "prediction 0, feature: extra inputs"),
        ([{"features": {}}, {"features": {}, "id": ""}], "prediction 1, id: string should have at least 1"),
        ([{"features": {}, "at": "yesterday"}], "prediction 0: expected a time"),
        ([{"features": {}, "at": 1e300}], "prediction 0: expected a time between"),
        (b"{", "prediction 0: invalid json"),
        (b"[" * 10_000, "prediction 0: invalid json"),
        (b'{"features": {"a": "\\ud800"}}', "prediction 0: invalid json"),
        (b"", "prediction 0: invalid json"),
        (b"\xff", "prediction 0: invalid json"),
    ],
)
def test_what_is_no_record_is_said_in_one_line_and_nothing_is_written(sqlite_server, data, words):
    answer = send(sqlite_server, data)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert sqlite_server.context.store.counts() == {}


def test_a_stream_says_which_line_is_none_and_what_is_kept(sqlite_server, monkeypatch):
    monkeypatch.setattr(bodies, "PORTION", 10)
    parts = [lines(ONE, {**ONE, "id": "r-2"}), b"\n", b'{"id": "r-3"}\n']
    answer = sqlite_server.client.post(
        URL, content=iter(parts), headers={**sqlite_server.headers("ingest"), "Content-Type": "application/x-ndjson"}
    )
    assert answer.status_code == 422
    assert answer.json()["detail"] == "prediction 4, features: field required; 0 records before it are kept"


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"k": "x"}', b"\xff", b'{"i": 1}'])
def test_lines_of_no_recorder_are_refused(sqlite_server, line):
    answer = send(
        sqlite_server, b'{"k":"e","t":1,"y":"x"}\n' + line, "lines", **{"Content-Type": "application/x-ndjson"}
    )
    assert (answer.status_code, answer.json()["detail"][:34]) == (422, "line 2: expected a line as a recor")


def test_limits(sqlite_server, monkeypatch):
    settings = sqlite_server.context.settings
    small = settings.server.model_copy(update={"max_body": 0.001, "max_records": 2})
    sqlite_server.context.settings = settings.model_copy(update={"server": small})
    assert send(sqlite_server, b" " * 1001).status_code == 413
    assert send(sqlite_server, [{"features": {}}] * 3).json()["detail"].startswith("expected at most 2 records")
    assert send(sqlite_server, ONE, **{"Content-Type": "text/csv"}).status_code == 415
    assert send(sqlite_server, ONE, **{"Content-Encoding": "gzip"}).status_code == 415
    monkeypatch.setattr("backslide.server.predictions.disk_usage", lambda _: SimpleNamespace(free=-1))
    sqlite_server.context.store._asked = -1e9
    answer = send(sqlite_server, ONE)
    assert (answer.status_code, answer.headers["retry-after"]) == (507, "60")


def test_a_disk_that_cannot_be_written_is_no_success(sqlite_server, monkeypatch):
    send(sqlite_server, ONE)
    monkeypatch.setattr("backslide.log.recorder.os", FullDisk())
    answer = send(sqlite_server, ONE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "No space left" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["..", "a%2Fb", "a%00", " a", "a%20", "x" * 200])
def test_names_that_are_no_folders_are_refused(sqlite_server, name):
    answer = sqlite_server.client.post(
        f"/api/v1/models/{name}/predictions", content=json.dumps(ONE), headers=sqlite_server.headers("ingest")
    )
    assert answer.status_code in (404, 405, 422)
    assert sqlite_server.context.store.models() == []
