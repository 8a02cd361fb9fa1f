"""SIGTERM and Ctrl-C amid what a command writes: the exit code says so, nothing is half written, and it runs again."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import chdir
from pathlib import Path

import polars as pl
import pytest
from fuzz_cases import commands

from commands import backslide

# Hostile input makes libraries warn; what counts is how the command ends.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("contained"), pytest.mark.filterwarnings("ignore")]
FILES = ("--json", "out.json", "--html", "out.html", "--md", "out.md")
COUNTS = ("counts.csv", "--numerator", "errors", "--denominator", "requests", "--time", "hour")
SNAPSHOTS = ("a.snapshot.json", "b.snapshot.json")
STORE = ("--store", "store")
WRITING = {
    ("diagnose",): ("-q", "--quick", *FILES, "--ask", "ask.csv"),
    ("shadow",): ("-q", *FILES),
    ("gate",): ("-q", *FILES),
    ("retrain",): ("-q", *FILES, "--registry", "models"),
    ("selftest",): ("-q", "--minutes", "0.02", "--rows", "1000", "--columns", "1", "--json", "out.json"),
    ("watch",): ("watch.toml", "-q", "--as-of", "2026-03-01", "--json", "out.json"),
    ("report",): ("diagnosis.json", "--html", "out.html", "--charts", "charts"),
    ("integrity",): (*SNAPSHOTS, "-q", "--json", "out.json", "--md", "out.md"),
    ("snapshot",): ("--model", "model.joblib", "--data", "reference.parquet", "--out", "s.json", "-q"),
    ("init",): ("log.parquet", "--out", "new.toml"),
    ("versions",): ("models", "--roll-back"),
    ("segments",): (*COUNTS, "--good=0..49", "--bad=50..99", "-q", *FILES),
    ("demo",): ("--no-open", "--out", "story", "-q"),
    ("log", "rollup"): STORE,
    ("log", "ingest"): ("log.parquet", *STORE, "--model", "other"),
    ("log", "compact"): (*STORE, "--keep-days", "1"),
    ("log", "export"): ("out.parquet", *STORE),
    ("log", "to-label"): ("ask.csv", *STORE, "--n", "5"),
    ("log", "label"): ("answers.csv", *STORE),
    ("log", "profile"): ("backslide.toml", "--out", "profiles"),
    ("serve", "backup"): ("saved.tar.gz",),
}
"""What each command writes with."""
TOKENS = {("serve", "token", name) for name in ("create", "list", "revoke")}
SILENT = {("checks",), ("incidents",), ("incidents", "mark"), ("mcp",), ("log", "event"), ("log", "stats"), *TOKENS}
"""Those that write nothing, or a row of the state or lines of the log alone, which databases and recorders keep whole."""
SERVING = {("serve",), ("serve", "restore")}
"""The server ends by signals alone, and what is put back stands in the database; both are tested with the server."""


def test_every_command_that_writes_is_ended():
    assert set(commands()) == set(WRITING) | SILENT | SERVING


def ended_while_writing(monkeypatch, number: int) -> list[str]:
    """Send the signal the first time that something is put in its place or taken away; what it was is noted."""
    import deltalake

    fired: list[str] = []

    def wrap(holder, name):
        whole = getattr(holder, name)

        def dying(*arguments, **options):
            if not fired:
                fired.append(name)
                os.kill(os.getpid(), number)
            return whole(*arguments, **options)

        monkeypatch.setattr(holder, name, dying)

    for name in ("replace", "rename", "unlink"):
        wrap(os, name)
    wrap(deltalake, "write_deltalake")
    wrap(deltalake.table.TableOptimizer, "compact")
    return fired


def half_written(folder: Path) -> list[str]:
    """What somebody left behind, or cannot be read."""
    left = [
        str(f) for f in folder.rglob("*") if f.name.endswith(".part") or f.name.startswith((".incoming", ".current-"))
    ]
    for path in folder.glob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    for path in folder.glob("*.parquet"):
        pl.read_parquet(path)
    return left


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_a_command_that_is_asked_to_end_leaves_nothing_half(prepared, tmp_path, command, number, code):
    folder = Path(shutil.copytree(prepared, tmp_path / "project"))
    (folder / "answers.csv").write_text("id,label\nr03-1,paid\n", encoding="utf-8")
    if command == ("selftest",):
        (folder / "large.parquet").rename(folder / "reference.parquet")
    arguments = [*command, *WRITING[command]]
    former = {f: f.read_bytes() for f in folder.glob("*") if f.is_file() and not f.name.startswith("backslide.db")}
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # workers of a parallel run ignore it
    try:
        with pytest.MonkeyPatch.context() as patch, chdir(folder):
            fired = ended_while_writing(patch, number)
            result = backslide(folder, *arguments)
    finally:
        signal.signal(signal.SIGINT, before)
    assert fired, "nothing was written"
    assert result.code == code, result
    assert result.out == "" or command == ("demo",), result  # which tells its story before it computes
    lines = [line for line in result.err.splitlines() if line.startswith("backslide: ")]
    assert len(lines) == 1, result.err
    assert half_written(folder) == []
    assert {f: f.read_bytes() for f in former if f.exists()} == former
    again = backslide(folder, *arguments)
    assert again.code in (0, 1), again
    assert half_written(folder) == []
