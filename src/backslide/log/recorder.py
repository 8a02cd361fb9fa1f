"""``Recorder``: writes what a model served, one local line each, and never harms its caller.

Every process writes files of its own; a line is one ``write`` to a file opened for appending, so threads need no lock and a
process that is killed loses nothing that it was told is kept. ``backslide log rollup`` makes tables of the lines.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
import uuid
import weakref
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backslide.contracts.errors import LogError
from backslide.log.lines import line, told
from backslide.log.places import REVIEW, check_name, is_uri, spool_of

if TYPE_CHECKING:
    from backslide.log.wrap import Recorded

try:
    import fcntl
except ImportError:  # no such locks here: rolling up needs another machine
    fcntl = None  # type: ignore[assignment]

LOGGER = logging.getLogger("backslide")
SEGMENT = 64 * 2**20
"""Bytes after which a new file is begun."""
Values = Mapping[str, Any]


class Recorder:
    """Records predictions, labels and events of one model.

    Safe in threads, in forked workers (each begins a file of its own) and in coroutines (a call is one short write, nothing is
    awaited). No method but the constructor raises: what cannot be written is counted, see ``stats``.

    Args:
        name: Of the model.
        store: Folder of the log, or the URI of an object store; with a URI lines wait in ``spool`` on this machine.
        spool: Folder for the lines; default: within ``store``.
        drop: Names of features and extras that are never written.
        hash: Names whose values are replaced by a keyed hash before they touch the disk.
        key: Secret of the hash; without it hashes can be found by trying values.

    Raises:
        LogError: the name cannot be a folder's, or a URI comes without ``spool``.
    """

    def __init__(
        self, name: str, store: str | os.PathLike[str] = "log", *, spool: str | os.PathLike[str] | None = None,
        drop: tuple[str, ...] = (), hash: tuple[str, ...] = (), key: str = "",
    ) -> None:  # fmt: skip
        if spool is None and is_uri(store):
            raise LogError(
                f"store {os.fspath(store)!r} is on no local disk; give spool='a local folder' for what waits to be written"
            )
        self.name = check_name(name)
        self._folder = spool_of(Path(spool) if spool is not None else Path(os.fspath(store)) / "spool", self.name)
        self._drop, self._hash, self._key = frozenset(drop), frozenset(hash), key.encode()
        self._hidden = bool(self._drop or self._hash)
        self._file: int | None = None
        self._room = 0
        self._torn = False
        self._counts = {"recorded": 0, "labels": 0, "events": 0, "failed": 0}
        self._error = ""
        _RECORDERS.add(self)

    def record(
        self, features: Values, prediction: Any = None, scores: Values | None = None, id: str | None = None, at: Any = None,
        version: str | None = None, extra: Values | None = None,
    ) -> str | None:  # fmt: skip
        """One prediction. ``at``: when it was served (seconds since 1970, or a datetime; default now).

        Returns:
            Its id (made up when none was given), or None where it could not be written.
        """
        try:
            own = id if id is not None else os.urandom(16).hex()
            if self._hidden:
                features, extra = self._kept(features) or {}, self._kept(extra)
            whole: dict[str, Any] = {
                "k": "p", "i": own if own.__class__ is str else str(own), "t": time.time() if at is None else _seconds(at),
                "f": features, "p": prediction if prediction.__class__ in _SIMPLE else told(prediction),
            }  # fmt: skip
            if scores is not None:
                whole["s"] = scores
            if version is not None:
                whole["v"] = version
            if extra is not None:
                whole["x"] = extra
            return own if self._write(line(whole, "f", "s", "x"), "recorded") else None
        except Exception as error:
            self._failed(error)
            return None

    def label(self, id: str, value: Any, at: Any = None, source: str | None = None) -> bool:
        """The outcome of a prediction, any time later; of several the one with the last ``at`` counts.

        ``source`` says whose it is. Returns whether it was written.
        """
        return self._label(id, value, at, source, None)

    def correct(self, id: str, value: Any, at: Any = None, by: str | None = None) -> bool:
        """What a person put in the place of a prediction: a label with the source ``"review"``, and feedback of its own.

        ``by`` says who, as far as that may be kept. Returns whether it was written.
        """
        return self._label(id, value, at, REVIEW, by)

    def _label(self, id: str, value: Any, at: Any, source: str | None, by: str | None) -> bool:
        try:
            now = time.time()
            whole = {
                "k": "l", "i": str(id), "t": now if at is None else _seconds(at), "y": told(value), "o": source, "n": now,
            }  # fmt: skip
            if by is not None:
                whole["b"] = str(by)
            return self._write(line(whole), "labels")
        except Exception as error:
            self._failed(error)
            return False

    def wrap(
        self, model: Any, *, version: str | None = None, methods: tuple[str, ...] = ("predict", "predict_proba")
    ) -> Recorded:
        """A model whose answers are recorded, and which is otherwise what it was; see :class:`backslide.log.wrap.Recorded`."""
        from backslide.log.wrap import Recorded

        return Recorded(model, self, version=version, methods=methods)

    def event(self, text: str, at: Any = None) -> bool:
        """A dated change, such as ``"deploy v2"``. Returns whether it was written."""
        try:
            whole = {"k": "e", "t": time.time() if at is None else _seconds(at), "y": str(text)}
            return self._write(line(whole), "events")
        except Exception as error:
            self._failed(error)
            return False

    def stats(self) -> dict[str, Any]:
        """What this process has recorded and failed to record, and the last error."""
        return {**self._counts, "error": self._error or None, "spool": str(self._folder)}

    def close(self) -> None:
        """Let go of the file, so that a rollup may finish and remove it; recording again begins another."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, data: bytes, what: str) -> bool:
        file = self._file
        if file is None or self._room < 0:
            file = self._open()
        if self._torn:
            data = b"\n" + data  # the line before this one was cut off; what it began must not swallow this one
        done = os.write(file, data)
        if done != len(data):
            self._torn = True
            raise OSError(f"only {done} of {len(data)} bytes could be written; is the disk full?")
        self._torn = False
        self._room -= done
        self._counts[what] += 1
        return True

    def _open(self) -> int:
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{int(time.time()):x}-{os.getpid()}-{uuid.uuid4().hex}.jsonl"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_SH)  # gone with the process, however it ends: that is how a rollup knows
        self._file, self._room, self._torn = file, SEGMENT, False
        return file

    def _kept(self, values: Values | None) -> Values | None:
        if not values:
            return values
        return {
            name: self._hashed(value) if name in self._hash else value
            for name, value in values.items()
            if name not in self._drop
        }

    def _hashed(self, value: Any) -> str | None:
        if value is None:
            return None
        return hashlib.blake2b(str(value).encode("utf-8", "replace"), key=self._key[:64], digest_size=16).hexdigest()

    def _failed(self, error: Exception) -> None:
        self._counts["failed"] += 1
        if not self._error:
            LOGGER.warning("backslide records of %s are being lost: %s: %s", self.name, type(error).__name__, error)
        self._error = f"{type(error).__name__}: {error}"
        if isinstance(error, OSError):
            self._room = -1  # another file may do where this one does not
            if not self._torn:
                self.close()

    def _forked(self) -> None:
        """In a child: the parent's file stays the parent's."""
        self.close()
        self._torn = False
        self._counts = dict.fromkeys(self._counts, 0)


_SIMPLE = frozenset((str, int, bool, type(None)))
_RECORDERS: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _seconds(at: Any) -> float:
    """Seconds since 1970 of a datetime (naive: UTC), an ISO text or a number."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    if isinstance(at, datetime):
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    return float(at)


def _after_fork() -> None:
    for recorder in list(_RECORDERS):
        recorder._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
