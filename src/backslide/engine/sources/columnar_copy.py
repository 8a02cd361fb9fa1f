"""A copy in columns of large text files, for jobs that pass over their rows many times.

A text is unpacked and parsed anew by every pass, whatever columns it needs; a diagnosis makes a dozen of them. Within
:func:`columnar_copies` a large file is parsed once, into a temporary Parquet file that the job removes when it ends.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from itertools import count
from pathlib import Path

import polars as pl

from backslide.contracts.scratch import scratch_folder

COPIED_FROM = 64 * 2**20
"""Bytes, unpacked, from which on a copy is made: parsing less takes under a second."""
ROOM = 2
"""Times the unpacked size that must be free where temporary files go: columns take less than texts, and the disk is not ours."""


class _CopyFolder:
    """A folder of temporary files, made when the first is."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._path: Path | None = None
        self._numbers = count()

    def next_file(self) -> Path:
        if self._path is None:
            self._path = self._stack.enter_context(scratch_folder())
        return self._path / f"{next(self._numbers)}.parquet"


_folder: ContextVar[_CopyFolder | None] = ContextVar("_folder", default=None)


@contextmanager
def columnar_copies() -> Iterator[None]:
    """Large text files that are opened inside are copied; the copies are gone afterwards, and so no frame may outlive this."""
    with ExitStack() as stack:
        token = _folder.set(_CopyFolder(stack))
        try:
            yield
        finally:
            _folder.reset(token)


def columnar_copy(rows: pl.LazyFrame, size: int) -> pl.LazyFrame:
    """The same rows in the same order, from a copy where one is made; ``size`` is that of the text in bytes.

    A text that cannot be read to its end, or a disk without room, leaves the rows where they are: whoever reads them says why.
    """
    folder = _folder.get()
    if folder is None or size < COPIED_FROM or shutil.disk_usage(tempfile.gettempdir()).free < ROOM * size:
        return rows
    path = folder.next_file()
    try:
        rows.sink_parquet(path, compression="lz4")
    except (pl.exceptions.PolarsError, OSError):
        path.unlink(missing_ok=True)
        return rows
    return pl.scan_parquet(path, glob=False)
