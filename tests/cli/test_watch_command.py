"""``backslide watch`` as a stranger uses it: exit codes, files, one-line errors."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from backslide.cli.errors import run
from backslide.contracts.watch import WatchReport
from streams_of_logs import watched_project


@pytest.fixture(name="project", scope="module")
def _project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return watched_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(autouse=True)
def _there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def test_exit_codes_say_what_is_open(capsys: pytest.CaptureFixture[str]):
    assert run(["watch", "--as-of", "2026-02-25", "-q"]) == 0
    assert "Quiet" in capsys.readouterr().out
    assert run(["watch", "--as-of", "2026-03-05", "-q", "--html", "pages"]) == 1
    assert "Alarm: loans" in capsys.readouterr().out
    assert {"index.html", "model-loans.html"} < {path.name for path in Path("pages").iterdir()}
    assert Path("backslide.db").exists()


def test_a_replay_touches_nothing_and_prints_what_would_have_been(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    before = Path("backslide.db").read_bytes() if Path("backslide.db").exists() else b""
    out = tmp_path / "r.json"
    assert run(["watch", "--replay", "--as-of", "2026-03-08", "--json", str(out), "-q"]) == 1
    printed = capsys.readouterr().out
    assert "1 alarm, 0 early signs" in printed
    data = json.loads(out.read_text(encoding="utf-8"))
    jsonschema.validate(data, WatchReport.json_schema())
    assert data["replay"] is True
    assert WatchReport.from_dict(data).to_text() == printed.rstrip("\n") + "\n"
    assert before == (Path("backslide.db").read_bytes() if Path("backslide.db").exists() else b"")


def test_json_to_the_terminal_is_only_json(capsys: pytest.CaptureFixture[str]):
    assert run(["watch", "--replay", "--as-of", "2026-03-08", "--json", "-", "-q"]) == 1
    assert json.loads(capsys.readouterr().out)["format"] == "backslide.watch/1"


def test_mutes(capsys: pytest.CaptureFixture[str]):
    assert run(["watch", "--mute", "*", "--reason", "known", "--until", "2026-03-20"]) == 0
    assert run(["watch", "--as-of", "2026-03-06", "-q"]) == 0
    assert "muted: known" in capsys.readouterr().out
    assert run(["watch", "--unmute", "*"]) == 0
    assert run(["watch", "--as-of", "2026-03-06", "-q"]) == 1


def test_incidents_are_listed_and_marked(capsys: pytest.CaptureFixture[str]):
    assert run(["watch", "--as-of", "2026-03-06", "-q"]) == 1
    capsys.readouterr()
    assert run(["incidents"]) == 0
    listing = capsys.readouterr().out
    assert "Incident 1, 2026-" in listing
    assert run(["incidents", "mark", "1", "false", "--note", "a test of ours"]) == 0
    told = capsys.readouterr().err
    assert "marked incident 1 of loans" in told
    assert "1 of 1 alarm marked false" in told
    assert run(["watch", "--as-of", "2026-03-06", "--json", "-", "-q"]) == 0  # nobody is called again
    look = json.loads(capsys.readouterr().out)
    jsonschema.validate(look, WatchReport.json_schema())
    assert (look["promise"]["marked_false"], look["incidents"][0]["mark"]["note"]) == (1, "a test of ours")
    assert "what is open is marked" in look["summary"]
    assert run(["incidents", "mark", "1", "fixed"]) == 0
    assert run(["watch", "--as-of", "2026-03-06", "-q"]) == 1  # that it is mended, recovery shows
    capsys.readouterr()
    assert run(["incidents", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["format"], data["incidents"][0]["mark"]["mark"]) == ("backslide.incidents/1", "fixed")
    assert data["promise"]["marked_note"] == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mark", "1", "flase"], "did you mean 'false'?"),
        (["mark", "77", "false"], "no incident '77' of 'loans'; there are: 1"),
        (["--config", "nowhere.toml"], "no configuration at nowhere.toml"),
    ],
)
def test_bad_marks_are_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]):
    run(["watch", "--as-of", "2026-03-06", "-q"])
    capsys.readouterr()
    assert run(["incidents", *arguments]) == 2
    told = capsys.readouterr().err.strip()
    assert says in told
    assert "\n" not in told


def test_before_the_first_look_there_are_no_incidents(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "new.toml").write_text('[model]\nname = "new"\n', encoding="utf-8")
    assert run(["incidents", "--config", str(tmp_path / "new.toml")]) == 2
    assert "nothing was looked at yet for 'new'; run backslide watch first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--mute", "x"], "--mute needs --reason"),
        (["--unmute", "never"], "no mute of 'never'"),
        (["--mute", "x", "--reason", "r", "--until", "soon"], "--until: expected a day"),
        (["--every", "often"], "--every: expected a time such as 30m"),
        (["--as-of", "yesterday"], "--as-of: expected an ISO date or time"),
        (["--replay", "--every", "1h"], "--replay covers the history alone"),
        (["--html", "log.parquet"], "cannot write pages to"),
        (["--test-alert"], "[alerts] urls is empty"),
        (["nowhere.toml"], "no configuration at nowhere.toml"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]):
    assert run(["watch", *arguments]) == 2
    told = capsys.readouterr().err.strip()
    assert says in told
    assert "\n" not in told
