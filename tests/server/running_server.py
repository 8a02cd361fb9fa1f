"""A server in the process of the test, and tokens for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
from fastapi.testclient import TestClient
from sqlalchemy import text

from backslide.contracts.config import Settings
from backslide.server.app import create_app
from backslide.server.context import Context
from backslide.store.accounts import SCOPES
from backslide.store.tables import metadata


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
    if url is not None:
        with context.database.engine.begin() as connection:
            connection.execute(text(f"truncate {', '.join(metadata.tables)}"))
    context.database.close()


STORES = ["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.slow])]
"""The same tests on both; the second in continuous integration."""


def store_url(request: pytest.FixtureRequest) -> str | None:
    """Of the kind that the fixture was parametrised with."""
    return None if request.param == "sqlite" else f"postgresql://{request.getfixturevalue('postgres')}"
