"""Temporary folders that are gone however the process ends: when it unwinds, when it does not, and after ``kill -9``.

The last is done by whichever process makes the next such folder. Each folder holds a file that its process has locked, so a
folder whose file is free belongs to nobody; process ids would mislead where containers share a folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is swept there
    fcntl = None  # type: ignore[assignment] # the module or None

PREFIX = "backslide-"
LOCK = ".lock"
_folders: set[Path] = set()
"""Those of this process."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for temporary files, readable by its owner alone."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    _folders.add(folder)
    lock = None
    try:
        lock = _lock(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _folders.discard(folder)
        if lock is not None:
            os.close(lock)


def remove_folders() -> None:
    """Remove the folders of this process: for whoever ends it without unwinding it."""
    for folder in list(_folders):
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove folders whose process is no more."""
    if fcntl is None:
        return
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        folder = lock.parent
        with suppress(OSError):  # somebody else's, or gone meanwhile
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            number = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(number)


def _lock(folder: Path) -> int | None:
    """Lock a file in the folder; it gets the name that is looked for once it is locked."""
    if fcntl is None:
        return None
    number = os.open(folder / f"{LOCK}.new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with suppress(OSError):  # a file system without locks: the folder is swept by nobody, for it has no such file
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(folder / f"{LOCK}.new", folder / LOCK)
    return number
