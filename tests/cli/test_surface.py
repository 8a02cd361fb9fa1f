"""The surface of the command line: help, version, usage errors, exit codes, and what a failure looks like."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from importlib import import_module
from types import ModuleType

import pytest

from backslide import __version__
from backslide.contracts.errors import SourceError

pytestmark = pytest.mark.core

COMMANDS = ["demo", "init", "diagnose", "shadow", "report", "checks"]


def test_help_lists_every_command(backslide):
    ran = backslide("--help")
    assert ran.code == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command}\b", ran.out, re.M), command
    said = " ".join(ran.out.split())
    assert "0 no material degradation; 1 degraded, held, refused or an open alarm; 2 could not run" in said
    assert "130 interrupted; 143 terminated" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(backslide, command):
    ran = backslide(command, "-h")
    assert ran.code == 0
    assert "--json" in ran.out


@pytest.mark.parametrize("command", ["demo", "diagnose"])
def test_long_work_can_be_silenced(backslide, command):
    assert "-q" in backslide(command, "--help").out


def test_version(backslide):
    ran = backslide("--version")
    assert (ran.code, ran.out) == (0, f"backslide {__version__}\n")


def test_no_command_shows_help_and_is_no_success(backslide):
    ran = backslide()
    assert ran.code == 2
    assert "Usage" in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["diagnoze"], ["diagnoze"]),
        (["diagnose", "--jsn", "x"], ["--jsn"]),
        (["diagnose", "a.toml", "b.toml"], ["b.toml"]),
        (["diagnose", "--json"], ["--json"]),
        (["init"], ["TABLE"]),
        (["report"], ["DIAGNOSIS"]),
    ],
)
def test_usage_errors_are_one_line(backslide, arguments, words):
    backslide(*arguments).fails(*words, "--help")


@pytest.fixture
def main_job(monkeypatch):
    """Put another main job under the command line; what it does is given per test."""

    def install(diagnose):
        module = ModuleType("backslide.jobs.diagnose")
        module.diagnose = diagnose
        monkeypatch.setitem(sys.modules, "backslide.jobs.diagnose", module)

    return install


@pytest.fixture
def config(backslide, tmp_path):
    """An empty configuration in the working folder."""
    (tmp_path / "backslide.toml").write_text("", encoding="utf-8")


@pytest.mark.parametrize(
    ("verdict", "code"),
    [("degraded", 1), ("degraded_in_part", 1), ("no_material_change", 0), ("improved", 0), ("inconclusive", 0)],
)
def test_exit_code_of_every_verdict(backslide, config, main_job, diagnosis, verdict, code):
    main_job(lambda settings, **_: diagnosis(verdict))
    ran = backslide("diagnose")
    assert ran.code == code
    assert ran.out
    assert ran.err == ""


def test_an_error_of_the_input_is_its_own_line(backslide, config, main_job):
    def refuse(settings, **_):
        raise SourceError("no file at april.parquet;\n  did you mean 'april.csv'?")

    main_job(refuse)
    backslide("diagnose").fails("no file at april.parquet; did you mean 'april.csv'?")


def broken(settings, **_):
    return {}["is not there"]


def test_an_internal_error_is_2_and_shows_no_traceback(backslide, config, main_job):
    main_job(broken)
    ran = backslide("diagnose")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "internal error, KeyError: 'is not there'" in ran.err
    assert "BACKSLIDE_DEBUG=1" in ran.err


def test_debugging_shows_the_traceback_too(backslide, config, main_job, monkeypatch):
    main_job(broken)
    monkeypatch.setenv("BACKSLIDE_DEBUG", "1")
    ran = backslide("diagnose")
    assert ran.code == 2
    assert "Traceback" in ran.err
    assert ran.err.rstrip().splitlines()[-1].startswith("backslide: internal error")


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (KeyboardInterrupt(), "interrupted", 130),
        (MemoryError(), "out of memory", 2),
        (OSError(28, "No space left on device", "report.html"), "report.html: No space left on device", 2),
        (RecursionError("too deep"), "internal error, RecursionError", 2),
    ],
)
def test_other_ends(backslide, config, main_job, error, words, code):
    def stop(settings, **_):
        raise error

    main_job(stop)
    ran = backslide("diagnose")
    assert ran.code == code
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_a_process_that_is_asked_to_end_unwinds_and_says_so(backslide, config, main_job):
    unwound = []

    def asked(settings, **_):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        finally:
            unwound.append(True)

    main_job(asked)
    ran = backslide("diagnose")
    assert (ran.code, ran.err, unwound) == (143, "backslide: terminated\n", [True])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_whoever_handles_the_end_already_is_left_alone(backslide, config, main_job, diagnosis, monkeypatch):
    asked = []
    before = signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    try:
        main_job(lambda settings, **_: os.kill(os.getpid(), signal.SIGTERM) or diagnosis("no_material_change"))
        assert backslide("diagnose").code == 0
        assert asked == [True]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_options_reach_the_main_job(backslide, main_job, diagnosis, tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "loans.toml").write_text('[model]\nname = "loans"\n', encoding="utf-8")
    seen = {}

    def listen(settings, *, reference, current, quick, ask, progress):
        seen.update(name=settings.model.name, base=settings.base.name, reference=reference, current=current)
        seen.update(quick=quick, ask=ask, progress=progress)
        return diagnosis()

    main_job(listen)
    backslide("diagnose", "conf/loans.toml", "--reference", "march.parquet", "--current", "2026-04-01..2026-04-30")
    assert seen == {
        "name": "loans",
        "ask": None,
        "quick": False,
        "base": "conf",
        "reference": os.path.join("..", "march.parquet"),  # typed in the folder above that of the configuration
        "current": "2026-04-01..2026-04-30",
        "progress": None,  # not on a terminal
    }


@pytest.mark.parametrize("source", ["s3://bucket/log", "2026-03-01 00:00..2026-03-02 12:00"])
def test_sources_that_are_no_paths_stay_as_they_are(backslide, main_job, diagnosis, tmp_path, source):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "c.toml").write_text("", encoding="utf-8")
    seen = []
    main_job(lambda settings, *, reference, **_: seen.append(reference) or diagnosis())
    backslide("diagnose", "conf/c.toml", "--reference", source)
    assert seen == [source]


def test_progress_shows_on_a_terminal_only_and_can_be_silenced(monkeypatch):
    output = import_module("backslide.cli.output")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with output.progress(quiet=False) as shown:
        assert shown is not None
        shown("reading")
    with output.progress(quiet=True) as shown:
        assert shown is None


def command_line(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "backslide", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_as_a_process():
    ran = command_line("diagnose", "nowhere.toml")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("backslide: no configuration at nowhere.toml")


def test_a_terminal_that_knows_only_ascii(tmp_path, diagnosis):
    diagnosis().to_json(tmp_path / "d.json")
    ran = command_line("report", str(tmp_path / "d.json"), PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert ran.returncode == 0, ran.stderr
    assert "loans" in ran.stdout


def test_a_reader_that_goes_away_is_no_error(tmp_path, diagnosis):
    diagnosis().to_json(tmp_path / "d.json")
    ran = subprocess.run(
        f"set -o pipefail; {sys.executable} -m backslide report --json {tmp_path}/d.json | true",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ran.stderr
    assert "Error" not in ran.stderr


def test_help_needs_nothing_heavy():
    """The stable form of `--help` being quick: none of the slow imports happen."""
    code = (
        "import sys; from backslide.cli import main; main(['--help'])\n"
        "heavy = {'polars', 'pandas', 'numpy', 'scipy', 'sklearn', 'altair', 'rich', 'backslide.jobs.diagnose'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.strip() == "[]"


def test_help_is_quick_beside_a_bare_interpreter():
    """A bound that holds on slow and busy machines: a small multiple of starting Python with the standard library's pieces."""

    compiled = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

    def processor_seconds() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    def seconds(*command: str) -> float:
        best = float("inf")
        for _ in range(3):
            start = processor_seconds()
            subprocess.run([sys.executable, *command], capture_output=True, check=True, env=compiled)
            best = min(best, processor_seconds() - start)
        return best

    bare = seconds("-c", "import argparse, dataclasses, inspect, json, typing, pathlib, enum, logging")
    assert seconds("-m", "backslide", "--help") < 8 * bare


@pytest.mark.parametrize(
    ("arguments", "shell"),
    [(("--version",), ">&-"), (("--help",), ">&-"), (("checks",), ">&-"), (("--version",), "> /dev/full")],
)
def test_a_standard_output_that_takes_nothing_is_no_success(tmp_path, arguments, shell):
    if "full" in shell and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    command = f"{sys.executable} -m backslide {' '.join(arguments)} {shell}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("backslide: cannot read or write: ")


def test_closed_streams_are_no_numbers_of_files(tmp_path, diagnosis):
    """A file that is opened while standard output is closed would otherwise be written into."""
    (tmp_path / "answer.json").write_text(diagnosis().to_json())
    command = f"{sys.executable} -m backslide report answer.json --md answer.md <&- >&- 2>&-"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert (tmp_path / "answer.json").read_text() == diagnosis().to_json()
    assert "Accuracy fell" in (tmp_path / "answer.md").read_text()
