"""The prediction log behind the server: a recorder for each model, and the log's tables."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage

from backslide.contracts.config import Settings
from backslide.contracts.errors import LogError
from backslide.log.paths import check_name, is_uri, models_of, spool_root
from backslide.log.reading import Log, open_log
from backslide.log.recorder import Recorder
from backslide.log.rollup import RollupReport, roll_up_each

MOST_MODELS = 10_000
"""Recorders that are open, where the system lets the server hold twice as many files: each holds one."""
LABEL_REQUESTS = "label-requests"
FRESH_SECONDS = 1.0
"""For which the free room of the disk is believed."""


def most_models() -> int:
    """Recorders that may be open: the other half of the files is for connections, tables and everything else."""
    if os.name != "posix":
        return MOST_MODELS
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_MODELS if soft == resource.RLIM_INFINITY else min(MOST_MODELS, soft // 2)


class PredictionStore:
    """A log on this machine or in an object store; lines wait on this machine."""

    def __init__(self, settings: Settings) -> None:
        server = settings.server
        self.root = server.log if is_uri(server.log) else str(settings.base / server.log)
        self.spool = spool_root(self.root, None if server.spool is None else settings.base / server.spool)
        self.label_requests = self.spool.parent / LABEL_REQUESTS
        """Folder of the files of rows that wait for labels: where lines wait there is room to write."""
        self._least = server.min_free_disk * 1e9
        self._most = most_models()
        self._asked, self._room = 0.0, True
        self._recorders: dict[str, Recorder] = {}
        self._lock = threading.Lock()

    def recorder(self, model: str) -> Recorder:
        """The recorder of a model, begun when first asked for.

        Raises:
            LogError: the name cannot be a folder's.
        """
        found = self._recorders.get(model)
        if found is None:
            with self._lock:
                if model not in self._recorders and len(self._recorders) >= self._most:
                    raise LogError(f"expected at most {self._most} models, got one more")
                found = self._recorders.setdefault(model, Recorder(check_name(model), self.root, spool=self.spool))
        return found

    def models(self) -> list[str]:
        """Names of the models with lines or tables."""
        return models_of(self.root, self.spool)

    def open(self, model: str) -> Log:
        """The tables of a model.

        Raises:
            LogError: there is no such model, or nothing of it was rolled up.
        """
        return open_log(self.root, model)

    def source(self, model: str) -> str:
        """What ``[data] source`` of a configuration would say."""
        return f"{self.root.rstrip('/')}/tables/{model}"

    def last_line(self) -> float:
        """When a line was last written (seconds since 1970), 0 where none waits."""
        moments = [0.0]
        for path in self.spool.glob("*/*.jsonl"):
            with suppress(OSError):  # a rollup removed it
                status = path.stat()
                moments += [status.st_mtime] if status.st_size else []
        return max(moments)

    def roll_up(self) -> list[RollupReport]:
        """Make tables of the lines that wait; nothing happens where none do."""
        return roll_up_each(self.root, spool=self.spool) if self.models() else []

    def has_room(self) -> bool:
        """Whether the disk takes more lines; asked again after a second."""
        now = time.monotonic()
        if now - self._asked > FRESH_SECONDS:
            folder = self.spool
            while not folder.exists() and folder.parent != folder:
                folder = folder.parent
            self._asked, self._room = now, disk_usage(folder).free >= self._least
        return self._room

    def writable(self) -> bool:
        """Whether lines can be written: readiness asks."""
        Path(self.spool).mkdir(parents=True, exist_ok=True)
        return os.access(self.spool, os.W_OK) and self.has_room()

    def counts(self) -> dict[str, dict[str, int]]:
        """What this process recorded and failed to record, by model."""
        names = ("recorded", "labels", "events", "failed")
        return {name: {one: one_of.stats()[one] for one in names} for name, one_of in list(self._recorders.items())}

    def close(self) -> None:
        """Let go of every file, so that a rollup can finish with it."""
        with self._lock:
            for recorder in self._recorders.values():
                recorder.close()
