"""A job's process seen from the server: its lines, its limits, its end."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from backslide.contracts import say
from backslide.contracts.scratch import scratch_folder

LOOK_SECONDS = 0.5
"""Between two looks at memory, time and whether anybody still wants it."""
TAIL = 300
"""Bytes of what it printed that are told where it died without a word."""


class StoppedError(Exception):
    """It was ended because nobody wanted it any more."""


def run_process(
    order: dict[str, Any],
    *,
    seconds: float,
    gigabytes: float,
    progress: Callable[[str | None], bool] = lambda _: True,
) -> tuple[dict[str, Any] | None, str | None]:
    """Run an order in a process of its own; returns its result, or what went wrong in one line.

    ``progress`` is called with what it does, or None from time to time; False ends it.

    Raises:
        StoppedError: ``progress`` said so.
    """
    with (
        tempfile.TemporaryFile() as printed,
        scratch_folder() as folder,  # of the server: a process that is killed removes nothing
    ):
        process = subprocess.Popen(
            [sys.executable, "-m", "backslide.server.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        try:
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # died at once: its end is told below
                process.stdin.write(json.dumps({**order, "seconds": seconds}).encode())
                process.stdin.close()
            return _follow(process, seconds, gigabytes, progress, printed)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _follow(
    process: subprocess.Popen[bytes],
    seconds: float,
    gigabytes: float,
    progress: Callable[[str | None], bool],
    printed: Any,
) -> tuple[dict[str, Any] | None, str | None]:
    assert process.stdout is not None
    end = time.monotonic() + seconds
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            ready = selector.select(LOOK_SECONDS)
            part = os.read(process.stdout.fileno(), 1 << 20) if ready else None
            if part == b"":
                break
            words = None
            *lines, rest = (rest + (part or b"")).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "progress" not in message:
                    return message.get("result"), message.get("error")
                words = str(message["progress"])
            if not progress(words):
                raise StoppedError
            if time.monotonic() > end:
                return None, f"it took more than {say.number(seconds / 60)} minutes ([server] job_minutes)"
            if memory_of(process.pid) > gigabytes * 1e9:
                return None, f"it took more than {say.number(gigabytes)} GB of memory ([server] job_memory)"
    code = process.wait()
    printed.seek(max(printed.seek(0, os.SEEK_END) - TAIL, 0))
    last = printed.read().decode("utf-8", "replace").strip().splitlines()
    return None, f"its process ended with {code} and no answer" + (f": {last[-1]}" if last else "")


def memory_of(process: int) -> int:
    """Bytes that a process has for itself; 0 where the system does not say."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
