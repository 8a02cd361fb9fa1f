"""The worker processes of a job: started early, so that they import while this process reads its files.

They are asked only where it pays: with a saved model, on enough rows, and with a processor that has nothing else to do.
Whatever goes wrong with one of them is no failure: what it was asked is then done here.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.playbook.workers.pipe import receive, send

if TYPE_CHECKING:
    from backslide.case import Case

VARIABLE = "BACKSLIDE_WORKERS"
LEAST_BYTES = 500_000
"""Of a file, and ``LEAST_CELLS`` values of the samples, below which a worker still imports when all is done: on two free
processors a case of 2 x 5,000 rows of 20 columns took as long with one as without."""
LEAST_CELLS = 300_000
PATIENCE_SECONDS = 300.0
"""For the one check that a worker is at when everything else is done: one that was stopped, or waits for nothing, never ends."""


class Worker:
    """One process, and the thread of ours that hands it checks."""

    def __init__(self) -> None:
        start = f"import sys; sys.path[:] = {sys.path!r}; from backslide.playbook.workers.process import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        )
        self.thread: threading.Thread | None = None

    def hand(self, parcel: bytes, codes: deque[str], replies: dict[str, Any]) -> None:
        """Let it do checks from the end of ``codes`` until there are none."""
        self.thread = threading.Thread(target=self._hand, args=(parcel, codes, replies), daemon=True)
        self.thread.start()

    def _hand(self, parcel: bytes, codes: deque[str], replies: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        code = None
        try:
            send(self.process.stdin, parcel)
            while codes:
                code = codes.pop()  # another may have taken the last one: that ends it as well
                send(self.process.stdin, code.encode())
                replies[code] = pickle.loads(receive(self.process.stdout))
        except Exception:  # it died, or its answer cannot be read: whoever waits for it does the check
            if code is not None and code not in replies:
                codes.append(code)

    def wait(self) -> None:
        """Until it has answered what it was asked; one that answers no more is ended, and what it was asked is done here."""
        if self.thread is None:
            return
        self.thread.join(PATIENCE_SECONDS)
        if self.thread.is_alive():
            self.process.kill()
            self.thread.join()

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        if self.thread is not None:
            self.thread.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not sent is lost, as it should be
                    pipe.close()


class Workers:
    """The workers of the running job; there is one such object in a process. Each of them does the checks of one case."""

    def __init__(self) -> None:
        self.started: list[Worker] = []
        self._idle: deque[Worker] = deque()

    @property
    def processes(self) -> list[int]:
        """Their ids."""
        return [worker.process.pid for worker in self.started]

    def start(self, number: int) -> None:
        """Start so many, as far as there are processes to be had."""
        with suppress(OSError):  # without them everything is done here
            for _ in range(number):
                worker = Worker()
                self.started.append(worker)
                self._idle.append(worker)

    @property
    def idle(self) -> bool:
        """Whether some wait for a case."""
        return bool(self._idle)

    def take(self) -> list[Worker]:
        """Those that wait for a case, for whoever comes first: another thread may diagnose too."""
        taken = []
        with suppress(IndexError):  # all are taken
            while True:
                taken.append(self._idle.pop())
        return taken

    def end(self) -> None:
        """End all."""
        self._idle.clear()
        with suppress(IndexError):  # another thread may end them at the same time
            while True:
                self.started.pop().end()


WORKERS = Workers()


@contextmanager
def workers(settings: Settings, *windows: Any, model: bool, quick: bool) -> Iterator[None]:
    """Have workers while the block runs, as many as ``[engine] workers`` wants beside this process.

    Raises:
        ConfigError: BACKSLIDE_WORKERS is no number of processes.
    """
    if WORKERS.started:  # whoever started them ends them
        yield
        return
    try:
        WORKERS.start(_number(settings, windows, model=model, quick=quick))
        yield
    finally:
        WORKERS.end()


def worth_it(case: Case) -> bool:
    """Whether the case is large enough to be sent, or the user wants it to be."""
    cells = sum(side.sample.height * len(case.pairs) for side in case.sides)
    return cells >= LEAST_CELLS or _wish(case.settings) is not None


def _number(settings: Settings, windows: tuple[Any, ...], *, model: bool, quick: bool) -> int:
    if (
        quick or "python" not in Path(sys.executable or "").name.lower()
    ):  # an application that brings its own interpreter
        return 0
    wish = _wish(settings)
    if wish is not None:
        return wish - 1
    large = any(_is_large(window, settings.base) for window in windows)
    return int(model and large and processors() >= 2 and load() < processors())


def _wish(settings: Settings) -> int | None:
    if settings.engine.workers is not None:
        return settings.engine.workers
    named = os.environ.get(VARIABLE)
    if named is None:
        return None
    if not named.isdecimal() or int(named) < 1:
        raise ConfigError(f"{VARIABLE}: expected a number of processes such as 2, got {named!r}")
    return int(named)


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float:
    """Processes that wanted a processor in the last minute; infinite where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("inf")


def _is_large(window: Any, base: Path) -> bool:
    """Whether a source may be worth it, as far as can be told without reading it."""
    if isinstance(window, (str, os.PathLike)):
        path = base / window
        with suppress(OSError, ValueError):
            return not path.is_file() or path.stat().st_size >= LEAST_BYTES
        return True
    shape = getattr(window, "shape", None)
    return not (isinstance(shape, tuple) and len(shape) == 2) or 2 * shape[0] * shape[1] >= LEAST_CELLS
