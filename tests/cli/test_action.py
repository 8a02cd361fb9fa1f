"""The GitHub Action: summary, outputs and one comment, tried against a server that answers like GitHub's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.cli import action

ROOT = Path(__file__).parents[2]


class Comments(BaseHTTPRequestHandler):
    """The comments of pull request 7, two of them foreign."""

    kept: dict[int, str]
    asked: list[tuple[str, str, str | None]]

    def _answer(self, value: Any) -> None:
        self.asked.append((self.command, self.path, self.headers.get("Authorization")))
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _body(self) -> str:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

    def do_GET(self) -> None:
        self._answer([{"id": n, "body": body} for n, body in self.kept.items()])

    def do_POST(self) -> None:
        self.kept[max(self.kept) + 1] = self._body()
        self._answer({})

    def do_PATCH(self) -> None:
        self.kept[int(self.path.rsplit("/", 1)[1])] = self._body()
        self._answer({})

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def github() -> Iterator[tuple[str, type[Comments]]]:
    handler = type("Handler", (Comments,), {"kept": {1: "nice", 2: None}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A checkout whose incomes are twelve times as large in the current window, in the job of a pull request."""
    reference, current = worlds.two_months(np.random.default_rng(1), 500)
    current = worlds.scenarios.rescored(current.with_columns(pl.col("income") * 12))
    reference.write_parquet(tmp_path / "reference.parquet")
    current.write_parquet(tmp_path / "current.parquet")
    (tmp_path / "backslide.toml").write_text(
        '[model]\nlabel = "label"\nprediction = "prediction"\nscores = { yes = "p_yes" }\ntimestamp = "served_at"\n'
        '[windows]\nreference = "reference.parquet"\ncurrent = "current.parquet"\n'
    )
    (tmp_path / "event.json").write_text('{"pull_request": {"number": 7}}')
    monkeypatch.chdir(tmp_path)
    return {
        "COMMAND": "diagnose",
        "ARGUMENTS": "backslide.toml --quick",
        "TOKEN": "t",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_REPOSITORY": "me/loans",
    }


def test_it_fails_summarises_and_keeps_one_comment(job, github, tmp_path, capsys):
    address, handler = github
    for _ in range(2):
        assert action.main(job | {"GITHUB_API_URL": address}) == 1
    assert "::warning::" not in capsys.readouterr().out
    assert [name for name, body in handler.kept.items() if body and body.startswith("<!-- backslide diagnose ")] == [3]
    comment = handler.kept[3]
    assert "income" in comment
    assert "Do now" in comment
    assert "### " not in comment
    assert [method for method, _, _ in handler.asked] == ["GET", "POST", "GET", "PATCH"]
    assert {token for _, _, token in handler.asked} == {"Bearer t"}
    outputs = dict(line.split("=", 1) for line in (tmp_path / "outputs").read_text().splitlines())
    assert outputs["exit-code"] == "1"
    assert json.loads(Path(outputs["json"]).read_text())["verdict"] == "degraded"
    assert Path(outputs["junit"]).read_text().startswith("<?xml")
    assert (tmp_path / "summary.md").read_text().count("## ") >= 2


def test_a_comment_that_cannot_be_written_changes_no_exit_code(job, capsys):
    assert action.main(job | {"GITHUB_API_URL": "http://127.0.0.1:9"}) == 1
    assert "::warning::the comment could not be written" in capsys.readouterr().out


def test_what_cannot_run_says_so_and_writes_no_summary(job, tmp_path, capsys):
    assert action.main(job | {"ARGUMENTS": "missing.toml"}) == 2
    assert "missing.toml" in capsys.readouterr().err
    assert not (tmp_path / "summary.md").exists()
    assert "exit-code=2" in (tmp_path / "outputs").read_text()
    assert action.main(job | {"COMMAND": "rm"}) == 2


def test_every_input_of_the_action_is_used_and_every_output_is_written():
    text = (ROOT / "action.yml").read_text()
    declared = re.findall(r"^  ([a-z-]+):$", text.partition("outputs:")[0].partition("inputs:")[2], re.MULTILINE)
    assert set(declared) == set(re.findall(r"inputs\.([a-z-]+)", text))
    assert set(re.findall(r"steps\.run\.outputs\.([a-z-]+)", text)) == {"exit-code", "json", "junit"}
