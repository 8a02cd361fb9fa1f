"""Takes jobs from the queue, one at a time in each of its threads, and runs each in a process of its own."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from typing import Any

from backslide.contracts.errors import BackslideError, ModelError, StoreError
from backslide.server.context import Context
from backslide.server.process import StoppedError, run_process
from backslide.store.queue import QueuedJob

LOGGER = logging.getLogger("backslide.server")
PAUSE_SECONDS = 1.0
"""Between two looks into an empty queue."""
TELL_SECONDS = 2.0
"""Between two words to the queue that a job goes on."""
FINISH_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Before each further try to hand in a result: it took long to find, and a store that restarts is back within a minute."""
AWAY_SECONDS = 15.0
"""Between two tries of a store that is away."""


def worker_name() -> str:
    """A name that no other process has."""
    return f"{socket.gethostname()[:30]}-{os.getpid()}-{secrets.token_hex(4)}"


class JobRunner:
    """The threads of one server process that work through the queue."""

    def __init__(self, context: Context, name: str) -> None:
        self._context, self._name = context, name
        self._stop = threading.Event()
        count = context.settings.server.jobs
        self._threads = [
            threading.Thread(target=self._loop, name=f"backslide-job-{i}", daemon=True) for i in range(count)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End what runs, which waits again, and the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                if not self.work_once():
                    self._stop.wait(PAUSE_SECONDS)
            except StoreError as error:
                LOGGER.warning("jobs wait for the store: %s", error)
                self._stop.wait(AWAY_SECONDS)
            except Exception:
                LOGGER.exception("a job could not be run")
                self._stop.wait(AWAY_SECONDS)

    def work_once(self) -> bool:
        """Take a job and do it; returns whether there was one."""
        queue = self._context.jobs
        job = queue.take(self._name)
        if job is None:
            return False
        begun = time.monotonic()
        try:
            order = self._order(job)
        except BackslideError as failure:
            queue.finish(job.job, error=str(failure))
            return True
        last = [begun]

        def progress(words: str | None) -> bool:
            if self._stop.is_set():
                return False
            if words is None and time.monotonic() - last[0] < TELL_SECONDS:
                return True
            last[0] = time.monotonic()
            try:
                return queue.tell(job.job, words)
            except StoreError as error:  # it may be back before the job is done
                LOGGER.warning("a job goes on without the store: %s", error)
                return True

        server = self._context.settings.server
        try:
            result, error = run_process(
                order, seconds=server.job_minutes * 60, gigabytes=server.job_memory, progress=progress
            )
        except StoppedError:
            if self._stop.is_set():
                queue.put_back(job.job)
            return True
        self._finish(job, result, error)
        LOGGER.info(
            "job ended",
            extra={"job": job.job, "kind": job.kind, "model": job.model, "seconds": round(time.monotonic() - begun, 1)},
        )
        return True

    def _finish(self, job: QueuedJob, result: dict[str, Any] | None, error: str | None) -> None:
        for seconds in FINISH_SECONDS:
            try:
                self._context.jobs.finish(job.job, result=result, error=error)
                return
            except StoreError as failure:
                LOGGER.warning("the result of a job waits for the store: %s", failure)
            if self._stop.wait(seconds):
                break
        self._context.jobs.finish(job.job, result=result, error=error)

    def _order(self, job: QueuedJob) -> dict[str, Any]:
        if "digest" in job.request and not self._context.files.trusted(job.request["digest"]):
            raise ModelError("the model file is no longer marked as trusted; have it marked again")
        settings = self._context.models.settings(job.model)
        own = self._context.settings
        return {
            "kind": job.kind,
            "request": job.request,
            "settings": settings.model_dump(mode="json", exclude_none=True),
            "base": str(settings.base.resolve()),
            "store": own.store.url,
            "store_base": str(own.base.resolve()),
            "label_requests": str(self._context.store.label_requests.resolve()),
        }
