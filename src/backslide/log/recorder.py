"""``Recorder``: writes what a model served, one local line each, and never harms its caller.

Every process writes files of its own; a line is one ``write`` to a file opened for appending, so threads need no lock and a
process that is killed loses nothing that it was told is kept. ``backslide log rollup`` makes tables of the lines.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Mapping
from gc import is_tracked
from pathlib import Path
from typing import Any

import orjson

from backslide.contracts import say
from backslide.contracts.errors import LogError
from backslide.contracts.secrets import scrub
from backslide.log.lines import NAN, line, mapping, to_answer, to_json_value
from backslide.log.paths import REVIEW, check_name, is_uri
from backslide.log.spool import SpoolFile
from backslide.log.timestamps import seconds
from backslide.log.wrap import RecordingModel

LOGGER = logging.getLogger("backslide")
LONGEST = 16 * 2**20
"""Bytes of a line; what is longer is not recorded."""
PAUSE = 60.0
"""Seconds between two files that are begun because writing failed: a full disk must not be filled with empty ones."""
Values = Mapping[str, Any]


class Recorder:
    """Records predictions, labels and events of one model.

    Safe in threads, in forked workers (each begins a file of its own) and in coroutines (a call is one short write, nothing is
    awaited). No method but the constructor raises: what cannot be written is counted, see ``stats``. A copy, or one that went to
    another process, begins a file and counts of its own.

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
        self,
        name: str,
        store: str | os.PathLike[str] = "log",
        *,
        spool: str | os.PathLike[str] | None = None,
        drop: tuple[str, ...] = (),
        hash: tuple[str, ...] = (),
        key: str = "",
    ) -> None:
        if spool is None and is_uri(store):
            raise LogError(
                f"store {os.fspath(store)!r} is not on a local disk; give spool='a local folder' for what waits to be written"
            )
        self.name = check_name(name)
        root = Path(spool) if spool is not None else Path(os.fspath(store)) / "spool"
        self._folder = root.absolute() / self.name  # wherever the process goes later
        self._drop, self._hash, self._key = frozenset(drop), frozenset(hash), key.encode()
        self._hidden = bool(self._drop or self._hash)
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._spool: SpoolFile | None = None
        self._begun = 0.0
        self._counts = {"recorded": 0, "labels": 0, "events": 0, "failed": 0}
        self._error = ""
        _RECORDERS.add(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _OF_THIS_PROCESS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    @property
    def _file(self) -> int | None:
        """The number of the file that is open."""
        return None if self._spool is None else self._spool.number

    def record(
        self,
        features: Values,
        prediction: Any = None,
        scores: Values | None = None,
        id: str | None = None,
        at: Any = None,
        version: str | None = None,
        extra: Values | None = None,
    ) -> str | None:
        """One prediction. ``at``: when it was served (since 1970 in seconds, milli-, micro- or nanoseconds, told apart by their
        size, or a datetime; default now).

        Features, scores and extra are mappings of names to values; anything else is not recorded, nor is what is nested or long
        beyond all measure: it counts as failed, and ``stats`` says why.

        Returns:
            Its id (made up when none was given), or None where it could not be written.
        """
        try:
            own = id if id.__class__ is str else _name(id)
            if own is None:
                own = os.urandom(16).hex()
            if features.__class__ is not dict or is_tracked(features):  # one of plain values alone is not tracked
                features = mapping("features", features)
            if extra is not None and (extra.__class__ is not dict or is_tracked(extra)):
                extra = mapping("extra", extra)
            if self._hidden:
                features, extra = self._filter_values(features) or {}, self._filter_values(extra)
            whole: dict[str, Any] = {
                "k": "p",
                "i": own,
                "t": time.time() if at is None else seconds(at),
                "f": features,
                "p": prediction if prediction.__class__ in _SIMPLE else to_answer(prediction),
            }
            if scores is not None:
                whole["s"] = (
                    scores if scores.__class__ is dict and not is_tracked(scores) else mapping("scores", scores)
                )
            if version is not None:
                whole["v"] = version if version.__class__ is str else _name(version)
            if extra is not None:
                whole["x"] = extra
            return own if self._write(line(whole, "f", "s", "x"), "recorded") else None
        except Exception as error:
            self._count_failure(error)
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
            now, own = time.time(), _name(id)
            if own is None:
                raise LogError(f"expected the id of a prediction for its label, got {id!r}")
            whole = {
                "k": "l",
                "i": own,
                "t": now if at is None else seconds(at),
                "y": to_answer(value),
                "o": _name(source),
                "n": now,
            }
            if by is not None:
                whole["b"] = _name(by)
            return self._write(line(whole), "labels")
        except Exception as error:
            self._count_failure(error)
            return False

    def wrap(
        self, model: Any, *, version: str | None = None, methods: tuple[str, ...] = ("predict", "predict_proba")
    ) -> RecordingModel:
        """A model whose answers are recorded, and which is otherwise what it was; see :mod:`backslide.log.wrap`."""
        return RecordingModel(model, self.record, self._count_failure, version=version, methods=methods)

    def event(self, text: str, at: Any = None) -> bool:
        """A dated change, such as ``"deploy v2"``. Returns whether it was written."""
        try:
            whole = {"k": "e", "t": time.time() if at is None else seconds(at), "y": str(text)}
            return self._write(line(whole), "events")
        except Exception as error:
            self._count_failure(error)
            return False

    def copy(self, text: bytes) -> bool:
        """A line that another recorder wrote, without its end. Returns whether it was written."""
        try:
            kind = orjson.loads(text)["k"]
            return self._write(text + b"\n", _COUNTED[kind])
        except Exception as error:
            self._count_failure(error)
            return False

    def stats(self) -> dict[str, Any]:
        """What this process has recorded and failed to record, and the last error."""
        return {**self._counts, "error": self._error or None, "spool": str(self._folder)}

    def close(self) -> None:
        """Let go of the file, so that a rollup may finish and remove it; recording again begins another."""
        with self._lock:
            self._spool = None  # a thread that is writing to it has it until that is done

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, data: bytes, what: str) -> bool:
        if len(data) > LONGEST:
            raise LogError(
                f"expected a record of at most {LONGEST >> 20} MiB, got {say.fixed(len(data) / 2**20, 0)} MiB"
            )
        file = self._spool
        if file is None or file.room < 0:
            file = self._writable(file)
        if file.torn:
            data = b"\n" + data  # the line before this one was cut off; what it began must not swallow this one
        try:
            done = os.write(file.number, data)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            file = self._writable(file)  # others closed it; nothing was written
            done = os.write(file.number, data)
        if done != len(data):
            file.torn = True
            raise OSError(f"wrote only {done} of {len(data)} bytes; is the disk full?")
        if file.torn:
            file.torn = False
        file.room -= done
        self._counts[what] += 1
        return True

    def _writable(self, tired: SpoolFile | None) -> SpoolFile:
        """A file with room: what another thread has begun meanwhile, the same one again, or a new one."""
        with self._lock:
            file = self._spool
            if file is not None and file is not tired and file.room >= 0:
                return file
            waited = time.monotonic() - self._begun
            if file is not None and not (file.failed and waited >= PAUSE) and file.more():
                return file
            self._begun = time.monotonic()
            new = SpoolFile(self._folder)
            self._spool = new
            return new

    def _filter_values(self, values: Values | None) -> Values | None:
        if not values:
            return values
        return {
            name: self._hashed(value) if str(name) in self._hash else value
            for name, value in values.items()
            if str(name) not in self._drop
        }

    def _hashed(self, value: Any) -> str | None:
        if value.__class__ is not str and to_json_value(value) is None:
            return None
        return hashlib.blake2b(str(value).encode("utf-8", "replace"), key=self._key[:64], digest_size=16).hexdigest()

    def _count_failure(self, error: Exception) -> None:
        """Count what could not be written, and warn the first time."""
        self._counts["failed"] += 1
        file = self._spool
        if file is not None and isinstance(error, OSError):
            file.room, file.failed = -1, True  # looked at before the next line
        try:
            first, self._error = not self._error, f"{type(error).__name__}: {error}"
            if first:
                LOGGER.warning("backslide records of %s are being lost: %s", self.name, scrub(str(self._error)))
        except Exception:  # an error that cannot be shown, or a handler that raises
            self._error = self._error or type(error).__name__

    def _forked(self) -> None:
        """In a child: the parent's file stays the parent's, and so does a lock that one of its threads holds."""
        file = self._spool
        self._begin()
        if file is not None:
            file.close()


_COUNTED = {"p": "recorded", "l": "labels", "e": "events"}
"""Kind of a line -> what it counts as."""
_SIMPLE = frozenset((str, int, bool, type(None)))
_OF_THIS_PROCESS = frozenset(("_lock", "_spool", "_begun", "_counts", "_error"))
_RECORDERS: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _name(value: Any) -> str | None:
    """An id, a version or a source as text; None where it is missing."""
    if value is None or value.__class__ is str:
        return value
    own = to_json_value(value)
    return None if own is None or own == NAN else str(own if own.__class__ in (str, int) else value)


def _after_fork() -> None:
    for recorder in list(_RECORDERS):
        recorder._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
