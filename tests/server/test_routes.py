"""Every route there is, from the application itself: without a token, with a wrong scope, with the session of somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from running_server import start

from backslide.server.access import COOKIE
from backslide.store.accounts import HOLDS, SCOPES

FOR_EVERYBODY = {"/health", "/ready", "/login", "/logout", "/static/{name:path}"}
"""Whether the server is there; how to log in and out; style sheets and scripts."""
SAMPLES = {"model": "loans", "number": "1", "job": "0" * 24, "token": "0" * 16, "digest": "0" * 64}


@pytest.fixture(scope="module")
def locked(tmp_path_factory) -> Iterator:
    yield from start(tmp_path_factory.mktemp("locked"), require_login=True)


def dependencies(dependant) -> Iterator:
    for one in dependant.dependencies:
        yield one.call
        yield from dependencies(one)


def routes(app, prefix: str = "") -> Iterator[tuple[str, str, str | None]]:
    """Method, path and the scope that is asked for."""
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner, prefix + getattr(route.include_context, "prefix", ""))
        elif isinstance(route, APIRoute):
            scopes = [s for call in dependencies(route.dependant) if (s := getattr(call, "scope", None)) in SCOPES]
            for method in sorted(route.methods):
                yield method, prefix + route.path, scopes[0] if scopes else None


def path(template: str) -> str:
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda m: SAMPLES.get(m[1], "x"), template)


def test_every_route_asks_for_a_scope(locked):
    found = list(routes(locked.client.app))
    assert len(found) > 25
    assert {"/api/v1/jobs", "/openapi.json"} <= {p for _, p, _ in found}
    free = {p for _, p, scope in found if scope is None}
    assert free == FOR_EVERYBODY
    changing = {(m, p) for m, p, scope in found if scope == "read" and m not in ("GET", "HEAD")}
    assert changing == set()


def test_no_token_a_wrong_scope_and_a_foreign_session_are_refused(locked):
    stranger = locked.context.accounts.log_in(locked.secrets["operate"], 1)
    assert stranger is not None
    for method, template, scope in routes(locked.client.app):
        if scope is None:
            continue
        url = path(template)
        words = (method, template)
        assert locked.client.request(method, url).status_code == 401, words
        bad = locked.client.request(method, url, headers={"Authorization": "Bearer bsl_x"})
        assert bad.status_code == 401, words
        for other in SCOPES:
            if scope not in HOLDS[other]:
                assert locked.client.request(method, url, headers=locked.headers(other)).status_code == 403, words
        if method not in ("GET", "HEAD"):  # another site makes the browser of somebody who is logged in send it
            answer = locked.client.request(method, url, headers={"Cookie": f"{COOKIE}={stranger[1]}"})
            assert answer.status_code == 403, words
            assert "another session" in answer.json()["detail"], words


def test_reading_is_free_on_this_machine_and_writing_is_not(server):
    assert server.client.get("/api/v1/models").status_code == 200
    assert server.client.post("/api/v1/models/loans/predictions", json={"features": {}}).status_code == 401
    assert server.client.get("/api/v1/audit").status_code == 401
