"""What every route works with: settings, database, prediction log, access."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from fastapi import Request

from backslide.contracts.config import Settings
from backslide.server.models import ModelCatalogue
from backslide.server.predictions import PredictionStore
from backslide.store.accounts import Accounts
from backslide.store.database import Database
from backslide.store.desk import Desk
from backslide.store.queue import JobQueue
from backslide.store.shelf import SnapshotStore, TrustedFiles


@dataclass
class Context:
    """The parts of a running server; ``request.app.state.context`` holds it."""

    settings: Settings
    """Of the server: ``[server]`` and ``[store]``; those of a model come from ``models``."""
    database: Database
    """Periods, reports, findings, mutes, marks; see ``backslide.store``."""
    store: PredictionStore
    """The prediction log."""
    models: ModelCatalogue = field(init=False)
    accounts: Accounts = field(init=False)
    desk: Desk = field(init=False)
    jobs: JobQueue = field(init=False)
    snapshots: SnapshotStore = field(init=False)
    files: TrustedFiles = field(init=False)

    def __post_init__(self) -> None:
        """Open what works on the same database."""
        self.models = ModelCatalogue(self.settings, self.store)
        self.accounts = Accounts(self.database)
        self.desk = Desk(self.database)
        self.jobs = JobQueue(self.database)
        self.snapshots = SnapshotStore(self.database)
        self.files = TrustedFiles(self.database)


def context_of(request: Request) -> Context:
    """The context of a request; as a dependency: ``context: Annotated[Context, Depends(context_of)]``."""
    return cast(Context, request.app.state.context)
