"""An assistant's questions, asked by the real client of the Model Context Protocol over standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from backslide.cli.assistant import LARGEST, Assistant, shorten
from backslide.cli.mcp import _as_tool
from backslide.contracts.containment import Termination
from backslide.contracts.errors import ConfigError, SourceError
from commands import backslide
from streams_of_logs import watched_project

READING = {"list_incidents", "get_diagnosis", "compare_periods", "compare_snapshots", "rows_to_label"}
PERIODS = {"reference": "2026-01-05..2026-02-15", "current": "2026-02-28..2026-03-05"}


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A watched project with an open alarm, a stored diagnosis and two snapshots."""
    pytest.importorskip("sqlalchemy")
    folder = tmp_path_factory.mktemp("assistant") / "project"
    folder.mkdir()
    alerts = '[alerts]\nurls = ["json://user:tok3nplanted@localhost:1/"]\n'
    watched_project(folder, more=alerts)
    written = (folder / "backslide.toml").read_text()
    (folder / "backslide.toml").write_text(written.replace("[data]", f'current = "{PERIODS["current"]}"\n[data]'))
    (folder.parent / "secret.json").write_text("{}")
    assert backslide(folder, "watch", "--as-of", "2026-03-05", "-q").code == 1
    assert backslide(folder, "diagnose", "--quick", "--quiet", "--json", "why.json").code == 1
    rng = np.random.default_rng(0)
    for name, scale in (("v1", 1.0), ("v2", 3.0)):
        x = rng.normal(size=(60, 2)) * scale
        joblib.dump(LogisticRegression().fit(x, x[:, 0] > 0), folder / f"{name}.joblib")
        done = backslide(folder, "snapshot", "--model", f"{name}.joblib", "--out", f"{name}.json")
        assert done.code == 0, done.err
    return folder


def test_answers_say_what_happened_and_why(folder: Path):
    assistant = Assistant(folder / "backslide.toml")
    listed = assistant.list_incidents()
    assert listed["model"] == "loans"
    assert listed["incidents"][0]["open"]
    assert "fell" in listed["incidents"][0]["sentence"] or "rose" in listed["incidents"][0]["sentence"]
    stored = assistant.get_diagnosis("why.json")
    assert (stored["verdict"], stored["causes"][0]["features"]) == ("degraded", ["income"])
    assert assistant.compare_periods(**PERIODS)["causes"][0]["kind"] == stored["causes"][0]["kind"]
    assert assistant.compare_snapshots("v1.json", "v2.json")["differences"]


def test_labels_are_asked_for_where_they_would_decide(folder: Path):
    answer = Assistant(folder / "backslide.toml").rows_to_label("2026-01-05..2026-02-10", "2026-02-11..2026-02-13")
    assert {"verdict", "rows"} <= answer.keys()
    assert not answer["rows"]
    assert "would not decide" in answer["note"]


def test_rows_to_label_are_ids_with_their_chances(folder: Path, monkeypatch: pytest.MonkeyPatch):
    request = {"rows": 1, "of_rows": 4, "uniform_rows": 2, "interval_then": None, "file": None}

    def diagnosis(_: Assistant, reference: str, current: str, file: Path) -> Any:
        file.write_text("id,label,inclusion,of_rows,income\n'=a,,0.25,4,9\n")
        return SimpleNamespace(to_dict=lambda: {"verdict": "inconclusive", "label_request": request})

    monkeypatch.setattr(Assistant, "_diagnosis", diagnosis)
    answer = Assistant(folder / "backslide.toml").rows_to_label(**PERIODS)
    assert answer["rows"] == [{"id": "=a", "inclusion": 0.25}]


@pytest.mark.parametrize(
    ("question", "arguments", "error", "words"),
    [
        ("get_diagnosis", {"file": "../secret.json"}, SourceError, "in the folder of the configuration"),
        ("get_diagnosis", {"file": "/etc/passwd"}, SourceError, "in the folder of the configuration"),
        ("get_diagnosis", {"file": "a\0b"}, SourceError, "in the folder of the configuration"),
        ("get_diagnosis", {"file": "v1.joblib"}, SourceError, "cannot read 'v1.joblib'"),
        ("compare_snapshots", {"before": "v1.json", "after": "none.json"}, SourceError, "got 'none.json'"),
        ("compare_periods", PERIODS | {"current": "/etc/passwd"}, ConfigError, "expected a period as FROM..TO"),
        ("rows_to_label", PERIODS | {"reference": "log.parquet"}, ConfigError, "expected a period as FROM..TO"),
        ("mark_incident", {"incident": "99", "what": "false"}, ConfigError, "no incident '99'"),
    ],
)
def test_nothing_else_is_read(
    folder: Path, question: str, arguments: dict[str, str], error: type[Exception], words: str
):
    with pytest.raises(error, match=words):
        getattr(Assistant(folder / "backslide.toml"), question)(**arguments)


def test_answers_have_a_size_and_no_secrets():
    long = {"rows": [{"text": "x" * 100} for _ in range(10_000)], "note": "see json://user:tok3nplanted@host/"}
    text = shorten(long)
    assert len(text) <= LARGEST
    answer = json.loads(text)
    assert answer["cut"]["rows"] == 10_000 - len(answer["rows"])
    assert "tok3nplanted" not in text
    assert "ask for less" in json.loads(shorten({"text": "x" * 100_000}))["cut"]


class PanicException(BaseException):
    """As a library in Rust panics."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("x"), "internal error, KeyError: 'x'"),
        (
            PermissionError(13, "Permission denied", "/srv/models/new.json"),
            "internal error, PermissionError: Permission denied",
        ),
        (
            ValueError("no rows in /srv/models/new.json,\nnone"),
            "internal error, ValueError: no rows in new.json, none",
        ),
        (RuntimeError("json://user:tok3nplanted@host/ is away"), "is away"),
        (PanicException("index out of bounds"), "internal error, PanicException: index out of bounds"),
    ],
)
def test_whatever_is_raised_is_one_line_to_the_assistant(error: BaseException, words: str):
    def question() -> dict[str, Any]:
        raise error

    with pytest.raises(RuntimeError) as raised:
        _as_tool(question, RuntimeError)()
    assert words in str(raised.value)
    assert "tok3n" not in str(raised.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Termination])
def test_who_asks_the_server_to_end_is_heard(error: type[BaseException]):
    def question() -> dict[str, Any]:
        raise error

    with pytest.raises(error):
        _as_tool(question, RuntimeError)()


def ask(folder: Path, calls: list[tuple[str, dict[str, str]]], *options: str) -> tuple[set[str], list[Any]]:
    """Names of the tools, and the results of calls, of a server in a process of its own."""
    mcp = pytest.importorskip("mcp")

    async def talk() -> tuple[set[str], list[Any]]:
        parameters = mcp.StdioServerParameters(
            command=sys.executable,
            args=["-m", "backslide", "mcp", str(folder / "backslide.toml"), *options],
            env=dict(os.environ),
        )
        async with mcp.stdio_client(parameters) as streams, mcp.ClientSession(*streams) as session:
            await session.initialize()
            tools = await session.list_tools()
            results = [await session.call_tool(name, arguments) for name, arguments in calls]
            for tool in tools.tools:
                assert tool.description
                assert tool.annotations.read_only_hint is (tool.name != "mark_incident")
            return {tool.name for tool in tools.tools}, results

    return asyncio.run(asyncio.wait_for(talk(), 300))


@pytest.mark.slow
def test_the_client_of_the_protocol_is_answered(folder: Path):
    names, results = ask(
        folder,
        [
            ("list_incidents", {}),
            ("compare_periods", PERIODS),
            ("get_diagnosis", {"file": "../secret.json"}),
            ("mark_incident", {"incident": "1", "what": "false"}),
        ],
    )
    assert names == READING
    incidents, periods, outside, unknown = results
    assert json.loads(incidents.content[0].text)["incidents"]
    assert json.loads(periods.content[0].text)["verdict"] == "degraded"
    assert outside.is_error
    assert "in the folder of the configuration" in outside.content[0].text
    assert unknown.is_error
    assert all("tok3nplanted" not in str(result) for result in results)


@pytest.mark.slow
def test_it_writes_only_where_it_was_allowed(folder: Path):
    names, (marked, listed) = ask(
        folder,
        [("mark_incident", {"incident": "1", "what": "known", "note": "a migration"}), ("list_incidents", {})],
        "--allow-writes",
    )
    assert names == READING | {"mark_incident"}
    assert json.loads(marked.content[0].text) == {"marked": "1", "as": "known"}
    assert json.loads(listed.content[0].text)["incidents"][-1]["mark"]["note"] == "a migration"
