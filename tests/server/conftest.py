"""A server for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
from running_server import STORES, RunningServer, start, store_url


@pytest.fixture(params=STORES)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningServer]:
    """With everything at its default."""
    yield from start(tmp_path, store_url(request))


@pytest.fixture
def sqlite_server(tmp_path: Path) -> Iterator[RunningServer]:
    """On SQLite alone: for tests that the kind of store says nothing about."""
    yield from start(tmp_path)
