"""From waiting lines to tables, so that a crash between any two steps loses nothing and doubles nothing.

Each file of lines is read up to its last whole line. Each of the three tables takes its share of those lines in one commit that
also notes, under the file's name, how far the file has been read: a commit that was made is never made again. A file is removed
when its writer has let go of it and every table has all of it. A line that no table can take is set aside and stops neither the
others nor other models.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from backslide.contracts.containment import let_through
from backslide.contracts.errors import BackslideError, LogError, MissingExtraError
from backslide.log.columns import TooManyNamesError, frames, lines_beyond, rows_of
from backslide.log.parse_rows import PlacedLine
from backslide.log.paths import TABLES, lock_spool, models_to_do, quarantine_of, spool_root, table_of
from backslide.log.quarantine import Quarantine, QuarantinedLine, find_unreadable, of_data, reason
from backslide.log.tables import LogTable

LOGGER = logging.getLogger("backslide")
BATCH = 32 * 2**20
"""Bytes of lines that one commit takes."""
REPLAYED = 1_000
"""Lines set aside that one commit takes."""


@dataclass
class RollupReport:
    """What a rollup did for one model."""

    model: str
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    files: int = 0
    removed: int = 0
    broken: int = 0
    """Lines that are no record: cut off by a full disk or a killed process before they were acknowledged."""
    changes: list[str] = field(default_factory=list)
    """Features that appeared or changed their type."""
    set_aside: int = 0
    """Lines that no table could take; they are in the quarantine."""
    reasons: list[str] = field(default_factory=list)
    """Why, each said once."""
    replayed: int = 0
    """Lines of the quarantine that the tables took now."""
    error: str | None = None
    """What stopped this model; its lines wait for the next rollup."""


@dataclass(frozen=True)
class _LineBatch:
    """Whole lines of a file."""

    file: str
    start: int
    end: int
    data: bytes

    def placed(self) -> list[PlacedLine]:
        results, place = [], self.start
        for text in self.data[:-1].split(b"\n"):
            if text:
                results.append((place, text))
            place += len(text) + 1
        return results

    def without(self, lines: Sequence[QuarantinedLine]) -> _LineBatch:
        """The same with empty lines in the place of some."""
        data = bytearray(self.data)
        for line in lines:
            begun = line.place - self.start
            data[begun : begun + len(line.text)] = b"\n" * len(line.text)
        return replace(self, data=bytes(data))

    def halves(self) -> list[_LineBatch]:
        """Two parts of some whole lines each; one where there is but one line."""
        cut = self.data.rfind(b"\n", 0, len(self.data) // 2) + 1 or self.data.find(b"\n") + 1
        if cut >= len(self.data):
            return [self]
        middle = self.start + cut
        return [replace(self, end=middle, data=self.data[:cut]), replace(self, start=middle, data=self.data[cut:])]


def rollup(
    store: str | os.PathLike[str],
    *,
    spool: str | os.PathLike[str] | None = None,
    model: str | None = None,
    replay: bool = False,
) -> list[RollupReport]:
    """Roll up what waits, of one model or of all.

    Args:
        store: the log.
        spool: folder of what waits, where it is not within the store.
        model: one model; default: all.
        replay: try the lines again that were set aside before.

    Raises:
        LogError: there is no such log or model, another rollup is at work, or a model could not be rolled up (the others were).
        MissingExtraError: deltalake is not installed.
    """
    done = roll_up_each(store, spool=spool, model=model, replay=replay)
    failed = [one for one in done if one.error is not None]
    if failed:
        raise LogError("; ".join(f"the rollup of {one.model!r} stopped: {one.error}" for one in failed))
    return done


def roll_up_each(
    store: str | os.PathLike[str],
    *,
    spool: str | os.PathLike[str] | None = None,
    model: str | None = None,
    replay: bool = False,
) -> list[RollupReport]:
    """As :func:`rollup`, but what stopped a model is told in its ``error``."""
    root = spool_root(store, spool)
    names = models_to_do(store, root, model)
    with lock_spool(root):
        return [_roll_up_guarded(store, root, name, replay) for name in names]


def _roll_up_guarded(store: str | os.PathLike[str], root: Path, name: str, replay: bool) -> RollupReport:
    done = RollupReport(name)
    try:
        _one(store, root, done, replay)
    except MissingExtraError:
        raise
    except BaseException as error:
        if not (of_data(error) or isinstance(error, (OSError, BackslideError))):
            raise
        if let_through() and of_data(error):
            raise
        LOGGER.debug("the rollup of %s stopped", name, exc_info=True)
        done.error = reason(error)
    return done


def _one(store: str | os.PathLike[str], root: Path, done: RollupReport, replay: bool) -> None:
    tables = {table: LogTable(table_of(store, done.model, table), table) for table in TABLES}
    aside = Quarantine(quarantine_of(store, root, done.model))
    folder = root / done.model
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else []:
        done.files += 1
        aside.settle(path.name, tables)
        for start, end, data in line_batches(path, min(table.read_of(path.name) for table in tables.values())):
            with _without_collection():
                _take(_LineBatch(path.name, start, end, data), tables, aside, done)
        done.removed += remove_finished(path, (table.read_of(path.name) for table in tables.values()))
    if replay:
        for path in aside.files():
            _replay(path, tables, aside, done)


def _take(lines: _LineBatch, tables: Mapping[str, LogTable], aside: Quarantine, done: RollupReport) -> None:
    """Commit lines; where that fails, set aside those at fault and commit the others."""
    try:
        _commit(lines, tables, done)
        return
    except BaseException as error:
        if not of_data(error):
            raise
        bad = []
        if isinstance(error, TooManyNamesError):  # such lines are many, and halving would try each alone
            beyond = lines_beyond(lines.placed(), tables["predictions"].schema())
            bad = [QuarantinedLine(lines.file, *line, why=reason(error)) for line in beyond]
        bad = bad or find_unreadable(lines.file, lines.placed(), lambda some: _attempt(some, tables))
        fresh = [line for line in bad if tables[line.table].read_of(lines.file) <= line.place]  # a table may be ahead
        halves = lines.halves()
        if not bad and len(halves) == 1:
            raise  # one line that a table of its own would take: the fault is elsewhere
    if fresh:
        aside.keep(fresh)
        done.set_aside += len(fresh)
        done.reasons += [why for why in dict.fromkeys(line.why for line in fresh) if why not in done.reasons]
    if bad:
        _take(lines.without(bad), tables, aside, done)
    else:  # lines that do not go together
        for half in halves:
            _take(half, tables, aside, done)


def _commit(lines: _LineBatch, tables: Mapping[str, LogTable], done: RollupReport) -> None:
    by_kind, broken = rows_of(lines.data, lines.start)
    for table, frame, changes in frames(by_kind, tables):
        begun = tables[table].read_of(lines.file)
        if begun >= lines.end:
            continue
        fresh = frame if begun <= lines.start else frame.filter(frame["_at"] >= begun)
        tables[table].append(fresh.drop("_at"), lines.file, lines.end)
        done.rows[table] += fresh.height
        done.changes = list(dict.fromkeys([*done.changes, *changes]))
    done.broken += broken


def _attempt(lines: Sequence[PlacedLine], tables: Mapping[str, LogTable]) -> None:
    """All that a commit does, but for the commit."""
    by_kind, _ = rows_of(_join_lines([text for _, text in lines]), 0)
    for table, frame, _ in frames(by_kind, tables):
        if frame.height:
            tables[table].rehearse(frame.drop("_at"))


def _join_lines(texts: Sequence[bytes]) -> bytes:
    return b"".join(text + b"\n" for text in texts)


def _replay(path: Path, tables: Mapping[str, LogTable], aside: Quarantine, done: RollupReport) -> None:
    """Try the lines of one file of the quarantine; each is noted by its name in the commit that takes it."""
    waiting = aside.read(path)
    rest = [line for line in waiting if not tables[line.table].read_of(line.name)]
    for first in range(0, len(rest), REPLAYED):
        part = rest[first : first + REPLAYED]
        bad = {
            b.place: b.why
            for b in find_unreadable(path.name, [(k.place, k.text) for k in part], lambda some: _attempt(some, tables))
        }
        good = [line for line in part if line.place not in bad]
        by_kind, _ = rows_of(_join_lines([line.text for line in good]), 0) if good else ({}, 0)
        for table, frame, changes in frames(by_kind, tables) if good else ():
            names = {line.name: 1 for line in good if line.table == table}
            if names:
                tables[table].append(frame.drop("_at"), also=names)
                done.rows[table] += frame.height
                done.changes = list(dict.fromkeys([*done.changes, *changes]))
        done.replayed += len(good)
        taken = {line.place for line in good}
        waiting = [
            replace(line, why=bad.get(line.place, line.why))
            for line in waiting
            if line.place not in taken and not tables[line.table].read_of(line.name)
        ]
        aside.write(path, waiting)
    if not rest:
        aside.write(path, [])


def remove_finished(path: Path, read: Iterable[int]) -> bool:
    """Remove a file whose writer has closed it or is gone, and of which everybody has ``read`` all bytes; whether it was.

    The lock is held until it is removed: whoever has just made the file and waits for its own lock sees that it went.
    """
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        if any(count < end_of_lines(path) for count in read):
            return False
        path.unlink()
        return True


def end_of_lines(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        while size > 0:
            start = max(size - 65_536, 0)
            file.seek(start)
            end = file.read(size - start).rfind(b"\n")
            if end >= 0:
                return start + end + 1
            size = start
    return 0


def line_batches(path: Path, start: int) -> Iterator[tuple[int, int, bytes]]:
    """Start, end and whole lines of a file, from ``start`` on."""
    end = end_of_lines(path)
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
def _without_collection() -> Iterator[None]:
    """Without looks for cycles: values that are read carefully are many and hold none."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
