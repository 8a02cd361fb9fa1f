"""A server in a process of its own, as users start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from backslide.contracts.config import Settings
from backslide.store.accounts import Accounts
from backslide.store.database import open_database

PATIENCE = 120


class LiveServer:
    """Started on a free port; ``url`` says where."""

    def __init__(self, folder: Path, *, store: str | None = None, **settings: object) -> None:
        lines = ["[server]", "min_free_disk = 0", *(f"{key} = {value}" for key, value in settings.items())]
        lines += [] if store is None else ["[store]", f'url = "{store}"']
        (folder / "backslide.toml").write_text("\n".join(lines), encoding="utf-8")
        self.folder = folder
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it, again where it was."""
        log = (self.folder / "log.txt").open("wb")
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "backslide", "serve", "--port", str(self.port)],
            cwd=self.folder,
            stderr=log,
            stdout=log,
            env=environment,
        )
        log.close()
        end = time.monotonic() + PATIENCE
        while not (match := re.search(r"listening at http://127.0.0.1:(\d+)", self.said())):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.05)
        self.port = int(match[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        """What it printed."""
        return (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace")

    def token(self, scope: str) -> str:
        """A new secret."""
        settings = Settings.load(self.folder / "backslide.toml")
        database = open_database(settings.store.url, settings.base)
        try:
            return Accounts(database).create_token(scope, (scope,), "tests")[1]
        finally:
            database.close()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> LiveServer:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
