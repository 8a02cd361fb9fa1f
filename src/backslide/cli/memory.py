"""``[engine] max_memory``: a command that grows beyond it is ended with one line, before the system ends something else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backslide.contracts.say import number
from backslide.models.user_code import Limits

GIGABYTE = 10**9
LOOK_SECONDS = 0.1
"""A scan grows by a few hundred megabytes in this time at most."""
_PAGES = Path("/proc/self/statm")


@contextmanager
def bounded_memory(gigabytes: float | None) -> Iterator[None]:
    """End the process when its memory grows beyond a limit while the block runs.

    Libraries in native code abort when an allocation fails, so what is used is watched rather than what is asked for. Where the
    system does not say what is used (no ``/proc``), nothing is watched.
    """
    if gigabytes is None or not _PAGES.exists():
        yield
        return
    over = threading.Event()
    threading.Thread(target=_watch, args=(gigabytes, over), name="backslide-memory", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def resident() -> int:
    """Bytes of memory that this process holds."""
    from resource import getpagesize

    return int(_PAGES.read_text(encoding="ascii").split()[1]) * getpagesize()


def _watch(gigabytes: float, over: threading.Event) -> None:
    while not over.is_set():
        if resident() > gigabytes * GIGABYTE and Limits.last_resort is not None:
            Limits.last_resort(
                f"the command took more than {number(gigabytes)} GB ([engine] max_memory); raise it, or lower [engine] "
                "batch_rows and sample_rows"
            )
        time.sleep(LOOK_SECONDS)
