"""Watching from Python: tables in place of a configuration, and a store only where one is named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from backslide.contracts.config import Settings
from backslide.contracts.roles import Roles
from backslide.contracts.watch import WatchReport
from backslide.jobs import watch as job
from backslide.jobs.prelude import Progress, merge_settings


def watch(
    reference: Any = None,
    later: Any = None,
    *,
    roles: Roles | None = None,
    reference_model: Any = None,
    period: str | None = None,
    false_alarms_per_year: float | None = None,
    features: Sequence[str] | None = None,
    task: str | None = None,
    metric: str | None = None,
    min_effect: float | None = None,
    name: str = "model",
    settings: Settings | None = None,
    trusted: bool = False,
    as_of: datetime | None = None,
    store: str | None = None,
    progress: Progress | None = None,
) -> WatchReport:
    """Judge what a model served after a good period, day by day (or by ``period``), as ``backslide watch`` does.

    ``reference`` and ``later`` are pandas, Polars or Arrow tables, paths, globs, or time ranges over ``[data] source`` of
    ``settings``. Without ``store`` the history is replayed: all that would have been raised, nothing is remembered and nobody is
    told. With one (a SQLAlchemy URL) a look is taken that remembers, and sends what ``[alerts]`` says. ``as_of`` is the present
    (naive: UTC); ``features`` are names or patterns of columns whose own values are followed as well. Arguments win over
    ``settings``.

    Raises:
        BackslideError: bad input, in one line; see ``contracts.errors`` for the tree.
    """
    settings = merge_settings(
        settings,
        roles=roles,
        name=name,
        trusted=trusted,
        task=task,
        metric=metric,
        min_effect=min_effect,
        watch={"period": period, "false_alarms_per_year": false_alarms_per_year, "features": features},
    )
    if as_of is not None and as_of.tzinfo is not None:
        as_of = as_of.astimezone(UTC).replace(tzinfo=None)
    sources = {"reference": reference, "later": later, "reference_model": reference_model}
    if store is None:
        return job.watch(settings, replay=True, as_of=as_of, progress=progress, **sources)
    from backslide.store.database import open_database

    database = open_database(store, settings.base)
    try:
        book = database.book(settings.model.name, job.settings_key(settings))
        return job.watch(settings, as_of=as_of, book=book, progress=progress, **sources)
    finally:
        database.close()
