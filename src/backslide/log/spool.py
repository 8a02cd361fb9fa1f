"""The file that one recorder appends its lines to: nobody else's, and let go of exactly once.

It is closed when the last reference to it goes, so a thread that is writing never finds the number of its file to be another
file's.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

try:
    import fcntl
except ImportError:  # no such locks here: rolling up needs another machine
    fcntl = None  # type: ignore[assignment]  # not on Windows

SEGMENT = 64 * 2**20
"""Bytes after which a new file is begun."""
PORTION = 32 * 2**10
"""Bytes after which it is looked whether the file is still the one that was opened."""
_HIGHEST = 4096
_TRIES = 5


class SpoolFile:
    """A file of lines, opened for appending and locked (shared) for as long as it is open.

    ``number`` is the file descriptor, ``room`` the bytes until the next look at it, ``torn`` whether the last line was cut off,
    ``failed`` whether the last write was refused.

    Raises:
        OSError: it cannot be made; nothing is left behind then.
    """

    __slots__ = ("_own", "_portions", "failed", "number", "room", "torn")

    def __init__(self, folder: Path) -> None:
        self.number = -1
        self.room, self.torn, self.failed = PORTION, False, False
        self._portions = SEGMENT // PORTION
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(_TRIES):
            number = _open_locked(folder / f"{int(time.time()):x}-{os.getpid()}-{uuid.uuid4().hex}.jsonl")
            status = os.fstat(number)
            if status.st_nlink:
                self._own = (status.st_dev, status.st_ino)
                self.number = number
                return
            os.close(number)  # a rollup removed it, empty as it was, before it was locked
        raise OSError(f"files in {str(folder)!r} are removed as soon as they are created")

    def ours(self) -> bool:
        """Whether the number still stands for the file that was opened, and that file is still in its folder."""
        try:
            status = os.fstat(self.number)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._own and status.st_nlink > 0

    def more(self) -> bool:
        """Room for another portion; False where the file is full or not ours any more."""
        if self._portions <= 0 or not self.ours():
            return False
        if not self.failed:
            self._portions -= 1
        self.room, self.failed = PORTION, False
        return True

    def close(self) -> None:
        """Let go of the file; nothing happens where that was done before, or its number is another file's by now."""
        number, self.number = self.number, -1
        if number < 0:
            return
        try:
            status = os.fstat(number)
            if (status.st_dev, status.st_ino) == self._own:
                os.close(number)
        except OSError:
            return

    def __del__(self) -> None:
        if os is not None:  # gone when the interpreter ends
            self.close()


def _open_locked(path: Path) -> int:
    """A locked file."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if fcntl is None:
        return number
    try:
        number = _out_of_the_way(number)
        fcntl.flock(number, fcntl.LOCK_SH)  # gone with the process, however it ends: that is how a rollup knows
    except OSError:
        os.close(number)
        path.unlink(missing_ok=True)
        raise
    return number


def _out_of_the_way(number: int) -> int:
    """The same file under a high number.

    Others who close numbers that are not theirs start from the low ones, and what is opened next gets the lowest that is free:
    were it that of a recorder, its lines would go there.
    """
    limit = os.sysconf("SC_OPEN_MAX")
    least = min(limit * 3 // 4 if limit > 0 else _HIGHEST, _HIGHEST)
    try:
        high = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, least)
    except OSError:
        return number
    os.close(number)
    return high
