"""A process of its own that hands messages to receivers: one that drips, floods or hangs costs its message, never the look.

The parent bounds the time of each delivery and the process its own memory. Addresses and texts go through pipes, never through
arguments that other users of the machine could read.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from backslide.contracts.extras import needs

DELIVERY_SECONDS = 30.0
"""Time of one delivery to one receiver, its start included; a service that takes longer is down for an alert."""
MOST_MEMORY = 2 * 2**30
"""Bytes of address space of the process: Apprise with its plugins takes under half, an endless answer ends it."""


class Courier:
    """Delivers through a process that is started when it is needed, and again after one that had to be ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Courier:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def deliver(self, url: str, title: str, body: str, kind: str, file: str | None = None) -> str | None:
        """Hand one message to one receiver, with a file where one is named; why it was not taken, None where it was."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            request = {"url": url, "title": title, "body": body, "kind": kind, "file": file}
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], DELIVERY_SECONDS)
            answer = process.stdout.readline() if ready else None
        except OSError:
            answer = b""
        if answer is None:
            self._end()
            return f"took longer than {DELIVERY_SECONDS:g} s"
        if not answer:
            self._end()
            return "ended the delivery, as if its answer were endless"
        error = json.loads(answer)["error"]
        return None if error is None else str(error)

    def _start(self) -> subprocess.Popen[bytes]:
        package = str(Path(__file__).parents[2])
        paths = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        process.wait()


def hand_over(request: dict[str, Any]) -> str | None:
    """Send one message with Apprise, here and now; why it was not taken."""
    with needs("watch", "sending alerts"):
        import apprise

    types = {"alarm": apprise.NotifyType.FAILURE, "recovery": apprise.NotifyType.SUCCESS}
    target = apprise.Apprise()
    try:
        if not target.add(request["url"]):
            return "has an address that Apprise does not know"
        kind = types.get(request["kind"], apprise.NotifyType.WARNING)
        title, body, file = request["title"], request["body"], request["file"]
        return None if target.notify(title=title, body=body, notify_type=kind, attach=file) else "refused it"
    except Exception as error:  # a plugin's trouble must not cost the other receivers their message
        return type(error).__name__


def main() -> None:
    """Read requests and write answers, one a line, until there are no more."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    warnings.simplefilter("ignore")  # modules of plugins that Python will lose one day are none of the user's
    answers: Any = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a plugin prints is no answer
    for line in sys.stdin:
        answers.write(json.dumps({"error": hand_over(json.loads(line))}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
