"""What every route works with: settings, database, prediction log, access."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import cast

from fastapi import Request

from backslide.contracts.config import ModelSettings, Settings
from backslide.contracts.errors import BackslideError, ConfigError
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


# Which models there are: those with a configuration, and those that the log has lines of.


class ModelCatalogue:
    """Settings by the name of the model; a configuration is read again when its file changes."""

    def __init__(self, settings: Settings, store: PredictionStore) -> None:
        self._settings, self._store = settings, store
        self._lock = threading.Lock()
        self._read: dict[Path, tuple[float, Settings]] = {}
        self.errors: dict[str, str] = {}
        """Configurations that cannot be read, and why."""

    def configured(self) -> dict[str, Settings]:
        """Models with a configuration.

        Raises:
            ConfigError: two configurations name the same model.
        """
        results: dict[str, Settings] = {}
        with self._lock:
            self.errors = {}
            for pattern in self._settings.server.models:
                for name in sorted(glob(str(self._settings.base / pattern))):
                    try:
                        one = self._load(Path(name))
                    except (BackslideError, OSError) as error:
                        self.errors[name] = str(error)
                        continue
                    if one.model.name in results:
                        raise ConfigError(
                            f"two configurations in [server] models are of {one.model.name!r}; rename one"
                        )
                    results[one.model.name] = one
        if self._watches_itself():
            results.setdefault(self._settings.model.name, self._settings)
        return results

    def names(self) -> list[str]:
        """Every model that is configured or has sent something, in order."""
        return sorted({*self.configured(), *self._store.models()})

    def settings(self, model: str) -> Settings:
        """Settings of a model; where it has none, what its log tells.

        Raises:
            ConfigError: nothing is known of such a model.
            LogError: nothing of it was rolled up yet.
        """
        known = self.configured()
        if model in known:
            return known[model]
        if model not in self._store.models():
            raise ConfigError(
                f"no model {model!r}; record something for it, or name its configuration in [server] models"
            )
        log = self._store.open(model)
        roles = ModelSettings(
            name=model,
            label="label",
            prediction="prediction",
            scores={column.removeprefix("p_"): column for column in log.scores()},
            timestamp="at",
            id="id",
            version="version",
            label_time="label_at",
            label_source="label_source",
            features=tuple(log.features()),
        )
        data = self._settings.data.model_copy(update={"source": self._store.source(model)})
        return self._settings.model_copy(update={"model": roles, "data": data})

    def _watches_itself(self) -> bool:
        """Whether the server's own file is that of a model, too."""
        return self._settings.windows.reference is not None

    def _load(self, path: Path) -> Settings:
        changed = path.stat().st_mtime
        known = self._read.get(path)
        if known is None or known[0] != changed:
            known = self._read[path] = (changed, Settings.load(path))
        return known[1]
