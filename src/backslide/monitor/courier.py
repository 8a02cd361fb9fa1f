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
from backslide.monitor.slack import hand_to_slack, is_slack

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
        error = self.post({"url": url, "title": title, "body": body, "kind": kind, "file": file})["error"]
        return None if error is None else str(error)

    def post(self, message: dict[str, Any]) -> dict[str, Any]:
        """The same with what ``hand_over`` takes: why it was not taken as ``error``, and ``thread`` where it was given one."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], DELIVERY_SECONDS)
            answer = process.stdout.readline() if ready else None
        except OSError:
            answer = b""
        if answer is None:
            self._end()
            return {"error": f"took longer than {DELIVERY_SECONDS:g} s"}
        if not answer:
            self._end()
            return {"error": "ended the delivery, as if its answer were endless"}
        result: dict[str, Any] = json.loads(answer)
        return result

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


def hand_over(request: dict[str, Any]) -> dict[str, Any]:
    """Send one message here and now: as ``error`` why it was not taken, as ``thread`` where Slack keeps it."""
    with needs("watch", "sending alerts"):
        import apprise

    types = {"alarm": apprise.NotifyType.FAILURE, "recovery": apprise.NotifyType.SUCCESS}
    target = apprise.Apprise()
    try:
        if not target.add(request["url"]):
            return {"error": "has an address that Apprise does not know"}
        if is_slack(target[0]) and request["file"] is None:
            text = (request["title"], request["body"], request["kind"])
            error, thread = hand_to_slack(target[0], *text, request.get("thread") or {})
            return {"error": error, "thread": thread}
        kind = types.get(request["kind"], apprise.NotifyType.WARNING)
        title, body, file = request["title"], request["body"], request["file"]
        taken = target.notify(title=title, body=body, notify_type=kind, attach=file)
        return {"error": None if taken else "refused it"}
    except Exception as error:  # a plugin's trouble must not cost the other receivers their message
        return {"error": type(error).__name__}


def main() -> None:
    """Read requests and write answers, one a line, until there are no more."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    warnings.simplefilter("ignore")  # modules of plugins that Python will lose one day are none of the user's
    answers: Any = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a plugin prints is no answer
    for line in sys.stdin:
        answers.write(json.dumps(hand_over(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
