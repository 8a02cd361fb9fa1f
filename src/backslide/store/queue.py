"""Work in the background: a queue in the database, from which every process takes the oldest job that waits."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backslide.contracts.secrets import scrub
from backslide.store.memory import Json
from backslide.store.records import Records, named_table, utc_now

LIVE = ("waiting", "running")
SILENT_SECONDS = 120
"""Without a word of its worker for so long, a job is failed: its process is gone."""
MOST_JOBS = 200
SCHEDULE = "schedule"
"""Author of the looks that nobody asked for."""
LONGEST_ERROR = 1000


@dataclass(frozen=True)
class QueuedJob:
    """Work in the background and what became of it."""

    job: str
    kind: str
    model: str
    request: Json
    status: str
    """``waiting``, ``running``, ``done``, ``failed`` or ``cancelled``."""
    progress: str | None
    """What is being done, in words."""
    error: str | None
    """Why it failed, in one line."""
    author: str
    created: datetime
    started: datetime | None
    finished: datetime | None

    @property
    def live(self) -> bool:
        """Whether it is still to end."""
        return self.status in LIVE


class JobQueue(Records):
    """The jobs of a store."""

    def put(self, kind: str, model: str, request: Json, author: str) -> QueuedJob:
        """Add one at the end."""
        name = secrets.token_hex(12)
        row = {"job": name, "kind": kind, "model": model, "request": request, "author": author}
        self.insert("jobs", **row, status="waiting", created=utc_now())
        job = self.job(name)
        assert job is not None
        return job

    def job(self, name: str) -> QueuedJob | None:
        """One by its name."""
        row = self.row(self._columns().where(named_table("jobs").c.job == name))
        return None if row is None else QueuedJob(**row._mapping)

    def result(self, name: str) -> Json | None:
        """What it answered; None before it is done."""
        table = named_table("jobs")
        return self.value(table.select().with_only_columns(table.c.result).where(table.c.job == name))

    def jobs(
        self, model: str | None = None, *, kinds: Sequence[str] = (), live: bool = False, limit: int = MOST_JOBS
    ) -> list[QueuedJob]:
        """The newest first; of one model or of all, of some kinds or of all, those that are still to end or all."""
        table = named_table("jobs")
        chosen = self._columns().order_by(table.c.created.desc(), table.c.job).limit(min(limit, MOST_JOBS))
        if model is not None:
            chosen = chosen.where(table.c.model == model)
        if kinds:
            chosen = chosen.where(table.c.kind.in_(kinds))
        if live:
            chosen = chosen.where(table.c.status.in_(LIVE))
        return [QueuedJob(**row._mapping) for row in self.rows(chosen)]

    def busy(self, kind: str) -> set[str]:
        """Models with a job of a kind that is still to end."""
        table = named_table("jobs")
        chosen = table.select().with_only_columns(table.c.model)
        return set(self.values(chosen.where(table.c.kind == kind, table.c.status.in_(LIVE))))

    def live(self, *, scheduled: bool = True) -> Counter[str]:
        """How many wait and how many run; with or without the looks of the schedule."""
        table = named_table("jobs")
        chosen = table.select().with_only_columns(table.c.status).where(table.c.status.in_(LIVE))
        if not scheduled:
            chosen = chosen.where((table.c.author != SCHEDULE) | (table.c.kind != "watch"))
        return Counter(self.values(chosen))

    def take(self, worker: str) -> QueuedJob | None:
        """The oldest that waits becomes this worker's; None where none does. Of several workers one gets it."""
        table = named_table("jobs")
        chosen = table.select().with_only_columns(table.c.job).where(table.c.status == "waiting")
        with self.transaction() as connection:
            name = connection.execute(chosen.order_by(table.c.created, table.c.job).limit(1)).scalar()
            if name is None:
                return None
            now = utc_now()
            mine = table.update().where(table.c.job == name, table.c.status == "waiting")
            values = {"status": "running", "worker": worker, "started": now, "seen": now}
            if not connection.execute(mine.values(**values)).rowcount:
                return None
        return self.job(name)

    def tell(self, name: str, progress: str | None = None) -> bool:
        """Say that it goes on, and with what; returns whether it still should."""
        values: dict[str, Any] = {"seen": utc_now(), **({} if progress is None else {"progress": progress[:500]})}
        return bool(self.update("jobs", {"job": name, "status": "running"}, **values))

    def finish(self, name: str, *, result: Json | None = None, error: str | None = None) -> None:
        """Note how it ended; one that was cancelled stays so."""
        line = None if error is None else scrub(error)[:LONGEST_ERROR]
        values = {"status": "done" if error is None else "failed", "result": result, "error": line}
        self.update("jobs", {"job": name, "status": "running"}, **values, finished=utc_now())

    def cancel(self, name: str) -> bool:
        """End it before it is done; returns whether it was still to end."""
        table = named_table("jobs")
        live = table.update().where(table.c.job == name, table.c.status.in_(LIVE))
        return bool(self.write(live.values(status="cancelled", finished=utc_now())))

    def put_back(self, name: str) -> None:
        """Let it wait again: its worker has to end before it is done."""
        same = {"job": name, "status": "running"}
        self.update("jobs", same, status="waiting", worker=None, started=None, progress=None)

    def last_put(self, kind: str, model: str) -> datetime | None:
        """When the last of a kind was put; None where none ever was."""
        table = named_table("jobs")
        chosen = table.select().with_only_columns(table.c.created).where(table.c.kind == kind, table.c.model == model)
        return self.value(chosen.order_by(table.c.created.desc()).limit(1))

    def forget(self, days: float) -> int:
        """Remove looks that ended so long ago; returns how many. What people asked for stays."""
        table = named_table("jobs")
        old = (table.c.kind == "watch") & (table.c.finished < utc_now() - timedelta(days=days))
        return self.write(table.delete().where(old))

    def fail_silent(self) -> int:
        """Fail the jobs whose worker is gone; returns how many."""
        table = named_table("jobs")
        since = utc_now() - timedelta(seconds=SILENT_SECONDS)
        silent = table.update().where(table.c.status == "running", table.c.seen < since)
        values = {"status": "failed", "error": "the process that worked on it has ended; start it again"}
        return self.write(silent.values(**values, finished=utc_now()))

    @staticmethod
    def _columns() -> Any:
        table = named_table("jobs")
        return table.select().with_only_columns(*(table.c[name] for name in QueuedJob.__dataclass_fields__))
