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


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class PostgresServer:
    """A server in a folder of its own."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self.user = {}
        if os.getuid() == 0:  # a server does not run as root
            shutil.chown(self.folder, "nobody")
            self.user = {"user": "nobody"}
        self.port = _free_port()
        word = self.folder / "word"
        word.write_text(SECRET)
        word.chmod(0o644)
        self._run("initdb", "-D", f"{self.folder}/data", "-U", "me", "-A", "scram-sha-256", "--pwfile", str(word), "-N")

    def _run(self, command: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / command, *arguments],
            cwd=self.folder,
            capture_output=True,
            timeout=120,
            check=False,
            **self.user,
        )
        if done.returncode:
            raise RuntimeError(f"a PostgreSQL server could not be run: {done.stderr.decode()[-300:]}")

    def start(self) -> None:
        """Take connections."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        data = f"{self.folder}/data"
        self._run("pg_ctl", "-D", data, "-w", "-l", f"{self.folder}/log", "-o", options, "start")

    def start_anew(self) -> None:
        """Take connections at a free port, another one where somebody was quicker to take it."""
        for _ in range(4):
            try:
                return self.start()
            except RuntimeError:
                self.port = _free_port()
        return self.start()

    @property
    def address(self) -> str:
        """``user:password@host:port/db`` of it."""
        return f"me:{ESCAPED}@127.0.0.1:{self.port}/postgres"

    def stop(self) -> None:
        """Drop every connection at once."""
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server of its own, running."""
    folder = find_postgres()
    assert folder, "tests that use postgres are marked with pytest.mark.postgres"
    pytest.importorskip("psycopg")
    server = PostgresServer(folder)
    try:
        server.start_anew()
        yield server
        server.stop()
    finally:
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(postgres_server: PostgresServer) -> str:
    """``user:password@host:port/db`` of it."""
    return postgres_server.address
