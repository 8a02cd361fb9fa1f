"""The example of a FastAPI service, asked over its real application, fills a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from backslide.log.reading import open_log
from integrations.environments import ROOT, python_with, run


def test_the_service_fills_its_log(tmp_path: Path):
    pytest.importorskip("deltalake")
    python = python_with("fastapi", "httpx", "httpx2", f"{ROOT}[delta]")
    run(python, ROOT / "examples" / "fastapi_service" / "ask.py", tmp_path)
    rows = open_log(tmp_path / "log", "loans").predictions().collect()
    assert rows.height == 50
    assert set(rows["prediction"]) == {"paid", "default"}
    assert rows["label"].to_list() == ["paid"] * 50
