"""Servers with something to show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
from filled_server import started
from running_server import RunningServer


@pytest.fixture(scope="module", name="filled")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    yield from started(tmp_path_factory.mktemp("filled"))


@pytest.fixture(name="fresh")
def _fresh(tmp_path: Path) -> Iterator[RunningServer]:
    """One that a test may change."""
    yield from started(tmp_path)
