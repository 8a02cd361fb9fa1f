"""Who may do what: tokens, sessions, forms of other sites, host names, headers."""

from __future__ import annotations

import asyncio

import pytest
from fastapi.testclient import TestClient
from running_server import start

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.server import body as bodies
from backslide.server.security import check_binding


def test_health_and_readiness_answer_everybody(server):
    assert server.client.get("/health").json() == {"status": "ok"}
    assert server.client.get("/ready").status_code == 200


def test_other_host_names_and_unknown_tokens_are_refused(server):
    assert server.client.get("/health", headers={"Host": "evil.example"}).status_code == 421
    answer = server.client.get("/openapi.json", headers={"Authorization": "Bearer bsl_nothing"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_nothing_inline_and_no_other_host_in_the_policy(server):
    policy = server.client.get("/health").headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "http" not in policy


def test_a_session_begins_with_a_token_and_ends_with_its_word(server):
    begun = server.client.post("/login", data={"token": server.secrets["operate"], "next": "//evil.example"})
    assert (begun.status_code, begun.headers["location"]) == (303, "/")
    assert "httponly" in begun.headers["set-cookie"].lower()
    assert server.client.post("/logout").status_code == 403
    session = server.context.accounts.session(server.client.cookies["backslide_session"])
    assert server.client.post("/logout", data={"csrf_token": session.csrf}).status_code == 303
    assert server.client.post("/login", data={"token": "bsl_wrong"}).status_code == 401


def test_it_refuses_to_listen_to_others_without_a_token():
    with pytest.raises(ConfigError, match="refusing to listen at 0"):
        check_binding(Settings.from_dict({"server": {"host": "0.0.0.0"}}), protected=False)
    check_binding(Settings.from_dict({"server": {"host": "127.0.0.1"}}), protected=False)


def test_what_another_site_makes_a_browser_send_is_refused(server):
    data = {"token": server.secrets["read"]}
    for origin in ("https://evil.example", "null", "http://127.0.0.1:9"):
        assert server.client.post("/login", data=data, headers={"Origin": origin}).status_code == 403
    assert server.client.post("/login", data=data, headers={"Origin": "http://127.0.0.1"}).status_code == 303


def test_behind_a_proxy_reading_needs_a_login(tmp_path):
    for server in start(tmp_path, https=True):
        answer = server.client.get("/api/v1/models")
        assert answer.status_code == 401
        assert "max-age" in answer.headers["strict-transport-security"]
        begun = server.client.post("/login", data={"token": server.secrets["read"]})
        assert "secure" in begun.headers["set-cookie"].lower()


def test_an_internal_error_shows_nothing_of_itself(server, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(type(server.context.models), "configured", fail)
    client = TestClient(server.client.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = client.get("/api/v1/models")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers


def test_no_stranger_fills_the_memory_with_a_body(tmp_path):
    def parts():
        yield from (b" " * 600, b" " * 600)

    for server in start(tmp_path, max_body=0.001):
        for url, kind in (("/api/v1/jobs", "application/json"), ("/login", "application/x-www-form-urlencoded")):
            answer = server.client.post(url, content=parts(), headers={"Content-Type": kind})
            assert (answer.status_code, "[server] max_body" in answer.json()["detail"]) == (413, True), answer.text
        url, headers = "/api/v1/models/loans/events", {"Content-Type": "application/x-ndjson"}
        assert server.client.post(url, content=parts(), headers=headers).status_code == 401
        headers |= server.headers("ingest")
        line = b'{"text": "deploy"}\n'
        assert server.client.post(url, content=(line for _ in range(100)), headers=headers).status_code == 201


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/login", "application/x-www-form-urlencoded"), ("/api/v1/models/loans/events", "application/x-ndjson")],
)
def test_who_sends_a_body_drop_by_drop_keeps_no_place(sqlite_server, monkeypatch, path, kind):
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)
    told = [(b"host", b"127.0.0.1"), (b"content-type", kind.encode())]
    token = sqlite_server.headers("ingest")["Authorization"].encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*told, (b"authorization", token)],
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "http_version": "1.1",
    }
    parts, answers = iter([b'{"text": "a"}\n', b"t"]), []

    async def receive():
        part = next(parts, None)
        if part is None:
            await asyncio.sleep(5)
        return {"type": "http.request", "body": part or b"", "more_body": True}

    async def send(message):
        answers.append(message)

    asyncio.run(asyncio.wait_for(sqlite_server.client.app(scope, receive, send), 4))
    assert answers[0]["status"] == 408
    assert b"within 0.05 seconds" in answers[1]["body"]


def test_names_of_arguments_in_an_address_change_nothing(sqlite_server):
    assert sqlite_server.client.get("/?path=x&self=y").status_code == 200


def test_texts_with_nul_are_refused_before_anything_is_kept(sqlite_server):
    wishes = [
        ("POST", "models/a/incidents/1", {"note": "a\0b"}, "operate"),
        ("POST", "models/a/mutes", {"pattern": "x\0", "reason": "y"}, "operate"),
        ("POST", "tokens", {"name": "\0a", "scopes": ["read"]}, "admin"),
        ("POST", "jobs", {"model": "a\0"}, "operate"),
        ("GET", "jobs?model=a%00", None, "read"),
        ("GET", "incidents?model=a%00", None, "read"),
        ("DELETE", "models/a/mutes?pattern=%00", None, "operate"),
    ]
    for method, url, body, scope in wishes:
        answer = sqlite_server.client.request(method, f"/api/v1/{url}", json=body, headers=sqlite_server.headers(scope))
        assert (answer.status_code, "NUL" in answer.text.upper()) == (422, True), answer.text
