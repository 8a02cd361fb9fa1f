"""What ends a command from outside: SIGTERM and Ctrl-C unwind it, and end the process where native code hears neither."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from backslide.contracts.containment import Termination

INTERRUPTED = 128 + signal.SIGINT
"""130, as shells count a command that Ctrl-C ended; Typer says the same."""
TERMINATED = 128 + signal.SIGTERM
"""143: somebody asked the process to end, a service manager for example."""
WORDS = {INTERRUPTED: "interrupted", TERMINATED: "terminated"}
PATIENCE_SECONDS = 10.0
"""For unwinding. A library in native code may read a large file for minutes before Python sees the signal, and service managers
kill after 10 (containers) to 90 seconds (systemd)."""
_OVER = b"\0"


@contextmanager
def ends_when_asked(end: Callable[[str, int], None]) -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that stores are closed; whoever handles it already is left alone.

    ``end`` is called with a word and an exit code, in another thread, when the block has not ended some seconds after a signal.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    former = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    process = os.getpid()

    def wait() -> None:
        while (heard := ours.recv(1)) not in (_OVER, b""):
            if heard[0] + 128 not in WORDS or os.getpid() != process:
                continue
            ours.settimeout(PATIENCE_SECONDS)
            try:
                while ours.recv(1) not in (_OVER, b""):
                    pass
            except TimeoutError:
                end(WORDS[heard[0] + 128], heard[0] + 128)
            return

    watcher = threading.Thread(target=wait, name="backslide-signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        theirs.send(_OVER)
        watcher.join()
        ours.close()
        theirs.close()


def _terminate(_number: int, _frame: Any) -> None:
    raise Termination
