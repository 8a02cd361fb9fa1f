"""The example for Flask in the documentation answers and records; that for ASGI is run with the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backslide.log.reading import open_log
from backslide.log.rollup import rollup

PAGE = Path(__file__).resolve().parents[2] / "docs" / "log.md"


def example() -> str:
    (text,) = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return text


def test_the_flask_example_is_python():
    compile(example(), str(PAGE), "exec")


def test_the_flask_example_answers_and_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("flask")
    pytest.importorskip("deltalake")
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "example"}
    exec(compile(example(), str(PAGE), "exec"), names)
    client = names["app"].test_client()
    answer = client.post("/predict", json={"income": 2000.0}).json
    assert answer["decision"] == "paid"
    assert client.post(f"/outcome/{answer['id']}", json={"outcome": "default"}).json == {"kept": True}
    names["recorder"].close()
    rollup("log")
    (row,) = open_log("log").predictions().collect().to_dicts()
    assert (row["id"], row["label"], row["income"]) == (answer["id"], "default", 2000.0)
