"""From waiting lines to tables, so that a crash between any two steps loses nothing and doubles nothing.

Each file of lines is read up to its last whole line. Each of the three tables takes its share of those lines in one commit that
also notes, under the file's name, how far the file has been read: a commit that was made is never made again. A file is removed
when its writer has let go of it and every table has all of it.
"""

from __future__ import annotations

import fcntl
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backslide.log.columns import frames, rows_of
from backslide.log.places import TABLES, alone, named, spool_of, spool_root, table_of
from backslide.log.tables import Table

BATCH = 32 * 2**20
"""Bytes of lines that one commit takes."""


@dataclass
class Rolled:
    """What a rollup did for one model."""

    model: str
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    files: int = 0
    removed: int = 0
    broken: int = 0
    """Lines that are no record: cut off by a full disk or a killed process before they were acknowledged."""
    changes: list[str] = field(default_factory=list)
    """Features that appeared or changed their type."""


def rollup(
    store: str | os.PathLike[str], *, spool: str | os.PathLike[str] | None = None, model: str | None = None
) -> list[Rolled]:
    """Roll up what waits, of one model or of all.

    Raises:
        LogError: there is no such log or model, or another rollup is at work.
        MissingExtraError: deltalake is not installed.
    """
    root = spool_root(store, spool)
    names = named(store, root, model)
    with alone(root):
        return [_one(store, root, name) for name in names]


def _one(store: str | os.PathLike[str], root: Path, name: str) -> Rolled:
    done = Rolled(name)
    tables = {table: Table(table_of(store, name, table), table) for table in TABLES}
    folder = spool_of(root, name)
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else []:
        done.files += 1
        gone = _let_go(path)  # asked before reading: what is written later is seen by the next rollup
        for start, end, data in _batches(path, min(table.read_of(path.name) for table in tables.values())):
            with _uncollected():
                found, broken = rows_of(data, start)
                done.broken += broken
                for table, frame, changes in frames(found, tables):
                    begun = tables[table].read_of(path.name)
                    if begun >= end:
                        continue
                    fresh = frame if begun <= start else frame.filter(frame["_at"] >= begun)
                    tables[table].append(fresh.drop("_at"), path.name, end)
                    done.rows[table] += fresh.height
                    done.changes += [change for change in changes if change not in done.changes]
        if gone and all(table.read_of(path.name) >= _whole(path) for table in tables.values()):
            path.unlink()
            done.removed += 1
    return done


def _let_go(path: Path) -> bool:
    """Whether the process that wrote a file has closed it or is gone."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def _whole(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        while size > 0:
            start = max(size - 65_536, 0)
            file.seek(start)
            found = file.read(size - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            size = start
    return 0


def _batches(path: Path, start: int) -> Iterator[tuple[int, int, bytes]]:
    """Start, end and whole lines, from ``start`` on."""
    end = _whole(path)
    with path.open("rb") as file:
        file.seek(start)
        while start < end:
            data = file.read(min(BATCH, end - start))
            cut = data.rfind(b"\n") + 1
            if not cut:  # one line longer than a batch
                data += file.readline()
                cut = len(data)
            yield start, start + cut, data[:cut]
            start += cut
            file.seek(start)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looks for cycles: values that are read carefully are many and hold none."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
