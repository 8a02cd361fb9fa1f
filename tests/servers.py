"""Servers that tests start for themselves."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SECRET = "s3cr#t/p@ss:word"
ESCAPED = "s3cr%23t%2Fp%40ss%3Aword"


def find_postgres() -> Path | None:
    """Folder of a PostgreSQL server's programs."""
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    folders += [Path(found).parent for name in ("initdb",) if (found := shutil.which(name))]
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """``user:password@host:port/db`` of a server of its own."""
    folder = find_postgres()
    assert folder, "tests that use postgres are marked with pytest.mark.postgres"
    pytest.importorskip("psycopg")
    own = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = {}
    if os.getuid() == 0:  # a server does not run as root
        shutil.chown(own, "nobody")
        user = {"user": "nobody"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    word = own / "word"
    word.write_text(SECRET)
    word.chmod(0o644)

    def run(*command: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [folder / command[0], *command[1:]], cwd=own, capture_output=True, timeout=120, check=False, **user
        )

    made = run("initdb", "-D", f"{own}/data", "-U", "me", "-A", "scram-sha-256", "--pwfile", str(word), "-N")
    options = f"-p {port} -k {own} -c listen_addresses=127.0.0.1 -c fsync=off"
    started = (
        made
        if made.returncode
        else run("pg_ctl", "-D", f"{own}/data", "-w", "-l", f"{own}/log", "-o", options, "start")
    )
    if started.returncode:
        shutil.rmtree(own, ignore_errors=True)
        raise RuntimeError(f"a PostgreSQL server could not be started: {started.stderr.decode()[-300:]}")
    yield f"me:{ESCAPED}@127.0.0.1:{port}/postgres"
    run("pg_ctl", "-D", f"{own}/data", "-m", "immediate", "stop")
    shutil.rmtree(own, ignore_errors=True)
