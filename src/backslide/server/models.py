"""Which models there are: those with a configuration, and those that the log has lines of."""

from __future__ import annotations

import threading
from glob import glob
from pathlib import Path

from backslide.contracts.config import ModelSettings, Settings
from backslide.contracts.errors import BackslideError, ConfigError
from backslide.server.predictions import PredictionStore


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
