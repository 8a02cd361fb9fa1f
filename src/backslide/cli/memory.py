"""How much memory a command may take: one that grows beyond it ends with one line, before the system ends something else.

It is ``[engine] max_memory``, else the environment variable BACKSLIDE_MAX_MEMORY (commands without a configuration have no other
way to say it), else four fifths of what the machine, or the container, had free when the command began.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backslide.contracts.errors import ConfigError
from backslide.contracts.say import number
from backslide.models.user_code import Limits
from backslide.playbook.workers.pool import WORKERS

GIGABYTE = 10**9
VARIABLE = "BACKSLIDE_MAX_MEMORY"
SHARE = 0.8
"""Of the free memory: a fifth is left to the rest of the machine, and to what is taken between two looks."""
LOOK_SECONDS = 0.1
"""A scan grows by a few hundred megabytes in this time at most."""
_PAGES = Path("/proc/self/statm")
_MACHINE = Path("/proc/meminfo")
_OWN_GROUP = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Bound:
    """Bytes that the process may hold, and words for where the number comes from."""

    bytes: float
    origin: str


_bounds: list[Bound] = []
"""The innermost one counts; empty while no command runs."""


@contextmanager
def watched_memory() -> Iterator[None]:
    """Watch the memory of the process while one command runs, and end the process when it grows beyond its bound.

    Libraries in native code abort when an allocation fails, so what is used is watched rather than what is asked for. Where the
    system does not say what is used (no ``/proc``), nothing is watched.

    Raises:
        ConfigError: BACKSLIDE_MAX_MEMORY is no number of gigabytes.
    """
    named = os.environ.get(VARIABLE)
    if not _PAGES.exists():
        yield
        return
    bound = _default() if named is None else Bound(_gigabytes(named) * GIGABYTE, VARIABLE)
    over = threading.Event()
    _bounds.append(bound)
    threading.Thread(target=_watch, args=(over,), name="backslide-memory", daemon=True).start()
    try:
        yield
    finally:
        over.set()
        _bounds.remove(bound)


@contextmanager
def bounded_memory(gigabytes: float | None) -> Iterator[None]:
    """Let ``[engine] max_memory`` count while the block runs; None changes nothing."""
    if gigabytes is None:
        yield
        return
    bound = Bound(gigabytes * GIGABYTE, "[engine] max_memory")
    _bounds.append(bound)
    try:
        yield
    finally:
        _bounds.remove(bound)


def held() -> int:
    """Bytes of memory that this process and its workers have for themselves; files that are mapped into them can be dropped and
    do not count."""
    pages = [_PAGES, *(Path(f"/proc/{worker}/statm") for worker in WORKERS.processes)]
    return sum(map(_held, pages))


def _held(pages: Path) -> int:
    from resource import getpagesize

    try:
        _, resident, shared, *_ = pages.read_text(encoding="ascii").split()
    except (OSError, ValueError):  # a worker that has just ended
        return 0
    return (int(resident) - int(shared)) * getpagesize()


def free() -> float:
    """Bytes that the process may still take: what the machine has available, or the container if that is less.

    Infinite where neither says so.
    """
    rest = [float("inf")]
    if _MACHINE.exists():
        fields = dict(line.split(":", 1) for line in _MACHINE.read_text(encoding="ascii").splitlines())
        if "MemAvailable" in fields:
            rest.append(float(fields["MemAvailable"].split()[0]) * 1024)
    rest += [limit - used for limit, used in map(_group_memory, _groups()) if limit is not None]
    return max(min(rest), 0.0)


def _groups() -> list[Path]:
    """Folders of the control groups around the process: its own and all above, and the one that a container sees as the root."""
    if not _OWN_GROUP.exists():
        return []
    folders = [_GROUPS, _GROUPS / "memory"]
    for line in _OWN_GROUP.read_text(encoding="utf-8").splitlines():
        hierarchy, kinds, path = line.split(":", 2)
        if hierarchy == "0" or "memory" in kinds.split(","):
            own = (_GROUPS if hierarchy == "0" else _GROUPS / "memory") / path.lstrip("/")
            folders += [own, *(parent for parent in own.parents if _GROUPS in parent.parents)]
    return folders


def _group_memory(folder: Path) -> tuple[float | None, float]:
    """Limit and use of a control group in bytes, None where it has no limit; caches of files can be dropped and do not count."""
    for limit, kind in (("memory.max", "anon"), ("memory.limit_in_bytes", "total_rss")):
        try:
            value = (folder / limit).read_text(encoding="ascii").strip()
            lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        if value.isdigit():
            return float(value), float(dict(line.split(" ", 1) for line in lines).get(kind, 0))
    return None, 0.0


def _default() -> Bound:
    return Bound(held() + SHARE * free(), "four fifths of the memory that was free")


def _gigabytes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ConfigError(f"{VARIABLE}: expected a number of gigabytes such as 8, got {text!r}")
    return value


def _watch(over: threading.Event) -> None:
    while not over.wait(LOOK_SECONDS):
        bound = _bounds[-1] if _bounds else None
        if bound is not None and held() > bound.bytes and Limits.last_resort is not None:
            Limits.last_resort(
                f"the command took more than {number(bound.bytes / GIGABYTE)} GB ({bound.origin}); give it fewer rows or "
                "uncompressed Parquet in place of packed text, lower [engine] batch_rows and sample_rows, or allow more with "
                f"[engine] max_memory or {VARIABLE}"
            )
