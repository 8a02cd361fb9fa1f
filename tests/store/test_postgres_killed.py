"""A look that is killed while it writes to PostgreSQL, and a server that restarts under ``watch --every``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
from sqlalchemy import text

from backslide.cli import watch as watching
from backslide.store.database import open_database
from backslide.store.tables import metadata
from commands import backslide
from scale import AT_FULL_SIZE, runs
from streams_of_logs import PROJECT, watched_project

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
LOOK = ("watch", "-q", "--as-of", "2026-03-05", "--json", "out.json")
KILLED = """
import os, signal, sys
from backslide.cli import main
from backslide.store.database import DatabaseBook
step, when, *arguments = sys.argv[1:]
whole = getattr(DatabaseBook, step)
def dying(*values, **more):
    if when == "after":
        whole(*values, **more)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(DatabaseBook, step, dying)
sys.exit(main(arguments))
"""


@pytest.fixture
def project(postgres, tmp_path, monkeypatch, contained):
    """A log with a fault that raises an alarm, watched in an empty database."""

    monkeypatch.setenv("STATE", f"postgresql://{postgres}")
    store = '[store]\nurl = "env:STATE"\n[alerts]\nurls = ["json://127.0.0.1:9/"]\n'
    yield watched_project(tmp_path, days=17, more=store)
    database = open_database(f"postgresql://{postgres}", tmp_path)
    with database.engine.begin() as connection:
        for table in [*metadata.tables, "backslide_version"]:
            connection.execute(text(f"drop table {table}"))
    database.close()


def periods(url: str, folder: Path) -> list[tuple[object, ...]]:
    """What was judged, from a state."""
    database = open_database(url, folder)
    with database.engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text("select kind, number, sums from periods"))]
    database.close()
    return sorted((kind, number, json.dumps(json.loads(s) if isinstance(s, str) else s)) for kind, number, s in rows)


@pytest.mark.rates
def test_killed_at_every_step_it_ends_like_a_look_that_was_not(project, postgres):
    died = 0
    for place, step in enumerate(("keep_reference", "freeze", "keep_finding", "put", "mark")):
        for when in ("before", "after") if AT_FULL_SIZE else (("before", "after")[place % 2],):
            command = [sys.executable, "-c", KILLED, step, when, *LOOK]
            done = subprocess.run(command, cwd=project, capture_output=True, timeout=300, env=dict(os.environ))
            died += done.returncode == -signal.SIGKILL
            assert done.returncode in (0, 1, -signal.SIGKILL), done.stderr
    assert died >= runs(3, 6)
    assert backslide(project, *LOOK).code == 1
    found = json.loads((project / "out.json").read_text(encoding="utf-8"))
    calm = project / "calm"
    calm.mkdir()
    (project / "log.parquet").rename(calm / "log.parquet")
    (calm / "backslide.toml").write_text(PROJECT, encoding="utf-8")
    assert backslide(calm, *LOOK).code == 1
    undisturbed = json.loads((calm / "out.json").read_text(encoding="utf-8"))
    for part in ("streams", "incidents", "status", "summary"):
        assert found[part] == undisturbed[part], part
    assert periods(f"postgresql://{postgres}", project) == periods("sqlite:///backslide.db", calm)


def test_a_server_that_restarts_between_looks_ends_no_watch(project, postgres_server, monkeypatch):
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 1:
            postgres_server.stop()
        elif len(naps) == 2:
            postgres_server.start()
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(watching, "sleep", nap)
    try:
        result = backslide(project, "watch", "-q", "--as-of", "2026-03-05", "--every", "1d")
    finally:
        if len(naps) == 1:
            postgres_server.start()
    assert result.code == 130, result.err
    assert naps == [86400.0, watching.SOON, 86400.0]
    assert result.err.count("looking again in 60s") == 1
    assert "SELECT" not in result.err.upper()
    assert postgres_server.address.split("@")[0] not in result.err
    assert backslide(project, *LOOK).code == 1
