"""What happens by itself: rollups of the log, and looks at every configured model, put into the queue by one of all processes."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta

from backslide.contracts.errors import BackslideError, StoreError
from backslide.contracts.watch_settings import parse_duration
from backslide.server.context import Context
from backslide.server.process import run_process
from backslide.store.leases import Leases
from backslide.store.queue import SCHEDULE
from backslide.store.records import utc_now

LOGGER = logging.getLogger("backslide.server")
LEASE, LEASE_SECONDS = "watch", 30.0
TICK_SECONDS = 5.0
ROLLUP_MINUTES = 30.0
KEPT_DAYS = 30.0
"""Days for which ended looks stay in the queue."""
NEVER = float("inf")


def _seconds(text: str) -> float:
    return NEVER if text == "never" else parse_duration(text)


class Schedule:
    """One thread in each server process."""

    def __init__(self, context: Context, name: str) -> None:
        server = context.settings.server
        self._context, self._name = context, name
        self._leases = Leases(context.database)
        self._every, self._rollup_every = _seconds(server.every), _seconds(server.rollup_every)
        self._rolled_up, self._lines = time.monotonic(), 0.0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._loop, args=(work,), name=f"backslide-{name}", daemon=True)
            for name, work in (("schedule", self.tick), ("rollup", self.roll_up_if_due))
        ]
        self.leader = False
        """Whether this process puts the looks into the queue."""

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and let another process lead at once."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        try:
            self._leases.release(LEASE, self._name)
        except StoreError as error:
            LOGGER.warning("the lease is left to end by itself: %s", error)

    def _loop(self, work: object) -> None:
        assert callable(work)
        while not self._stop.is_set():
            try:
                work()
            except BackslideError as error:
                self.leader = False
                LOGGER.warning("%s", error)
            except Exception:
                LOGGER.exception("the schedule goes on after an error")
            self._stop.wait(TICK_SECONDS)

    def tick(self) -> None:
        """Lead if nobody else does, and put what is due."""
        self.leader = self._leases.acquire(LEASE, self._name, LEASE_SECONDS)
        if not self.leader:
            return
        queue = self._context.jobs
        queue.fail_silent()
        if self._every == NEVER:
            return
        busy = queue.busy("watch")
        for model, settings in self._context.models.configured().items():
            if model in busy or settings.windows.reference is None:
                continue
            last = queue.last_put("watch", model)
            if last is None or utc_now() - last >= timedelta(seconds=self._every):
                queue.put("watch", model, {}, SCHEDULE)
                queue.forget(KEPT_DAYS)

    def roll_up_if_due(self) -> None:
        """Make tables of the lines that came since the last time, in a process of its own, whose memory goes with it."""
        if time.monotonic() - self._rolled_up < self._rollup_every:
            return
        self._rolled_up = time.monotonic()
        store = self._context.store
        newest = store.last_line()
        if newest <= self._lines:
            return
        order = {"kind": "rollup", "log": str(store.root), "spool": str(store.spool)}
        memory = self._context.settings.server.job_memory
        result, error = run_process(
            order, seconds=ROLLUP_MINUTES * 60, gigabytes=memory, progress=lambda _: not self._stop.is_set()
        )
        if error is not None:  # another process at the same lines, most often
            LOGGER.warning("the rollup was not done: %s", error)
            return
        self._lines = newest
        for model, text in (result or {}).get("errors", {}).items():
            LOGGER.error("the rollup of a model stopped: %s", text, extra={"model": model})
