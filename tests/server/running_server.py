"""A server in the process of the test, and tokens for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
from fastapi.testclient import TestClient

from backslide.contracts.config import Settings
from backslide.server.app import create_app
from backslide.server.context import Context
from backslide.store.accounts import SCOPES


@dataclass
class RunningServer:
    """An application with a client without rights, and a secret for each scope."""

    client: TestClient
    context: Context
    secrets: dict[str, str]

    def headers(self, scope: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secrets[scope]}"}


def start(folder: Path, url: str | None = None, **server: object) -> Iterator[RunningServer]:
    """A server in a folder."""
    store = {} if url is None else {"url": url}
    settings = Settings.from_dict({"server": {"min_free_disk": 0, **server}, "store": store}, base=folder)
    app = create_app(settings)
    context: Context = app.state.context
    secrets = {scope: context.accounts.create_token(scope, (scope,), "tests")[1] for scope in SCOPES}
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield RunningServer(client, context, secrets)
    context.database.close()
