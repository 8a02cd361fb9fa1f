"""A server for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
from running_server import RunningServer, start


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """On SQLite, with everything at its default."""
    yield from start(tmp_path)
