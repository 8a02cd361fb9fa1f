"""backslide.toml -> typed settings. The one table of settings."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError

from backslide.contracts.errors import ConfigError, did_you_mean
from backslide.contracts.files import read_text
from backslide.contracts.retrain_settings import GateSettings, RetrainSettings
from backslide.contracts.roles import Roles
from backslide.contracts.secrets import remember_settings
from backslide.contracts.server_settings import ServerSettings
from backslide.contracts.validation import ScoreColumns, SettingsSection, keys, one_line
from backslide.contracts.watch_settings import AlertSettings, StoreSettings, WatchSettings

Cost = Annotated[float, Field(allow_inf_nan=True)]
"""Whoever reads the costs says of which error one is not finite."""


class ModelSettings(Roles):
    """[model]: roles of the columns, and what is measured."""

    name: str = "model"
    task: Literal["binary", "multiclass", "regression"] | None = None
    """Inferred from labels, predictions and scores when absent."""
    metric: str | None = None
    """Headline; default: mae for regression; macro_f1 when the rarest label's reference share < 0.5 / classes; else accuracy."""
    min_effect: float | None = Field(default=None, ge=0)
    """What counts as material; default 0.01, for regression 2 % of the reference labels' mean absolute deviation."""
    metrics: tuple[str, ...] = ()
    """Metrics of the user's own beside the usual ones, as ``module:function``; needs ``[artifacts] trusted``."""
    costs: dict[str, Cost | dict[str, Cost]] | None = None
    """Cost of errors: by label (``spam = 5``), by label and prediction (``[model.costs.spam] ham = 5``), or for regression
    ``over`` and ``under`` per unit. What is not named costs 1 per error; a right answer costs 0 unless named."""
    embed: dict[str, str] = {}
    """Text column -> ``module:function`` that turns a list of texts into vectors (n, d), for the checks of embeddings; needs
    ``[artifacts] trusted``."""


class WindowSettings(SettingsSection):
    """[windows]: path, glob, table URI, or one or several time ranges over [data] source."""

    reference: str | tuple[str, ...] | None = None
    current: str | tuple[str, ...] | None = None
    match: Literal["weekday"] | None = None
    """Compare the rows of those weekdays alone that both windows hold; needs [model] timestamp. For ``diagnose``."""
    reference_version: str | None = None
    """Only rows of this model version, where [model] version is set."""
    current_version: str | None = None


class DataSettings(SettingsSection):
    """[data]: the source that time ranges cut, and how text files are written where that cannot be told."""

    source: str | None = None
    missing: tuple[str, ...] | None = None
    """Texts that stand for a missing value, in every column of text files and among numbers in any table; default: NA, N/A, NULL,
    None, nan, NaT, ``\\N``, -, ? and the like among numbers and times, NULL, ``\\N``, #N/A and <NA> elsewhere in text files."""
    text: tuple[str, ...] = ()
    """Columns that stay text although they look like numbers, such as codes with leading zeros."""
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    """Between the fields of text files; default: told from the first lines."""
    decimal: Literal[".", ","] | None = None
    """Decimal sign of numbers in text; default: told from the values."""
    encoding: str | None = None
    """Of text files; default: UTF-8, UTF-16 with a mark, else cp1252."""


class PayloadSettings(SettingsSection):
    """[payload]: names in a server's payload log, where requests and responses carry none (``backslide log ingest --format``)."""

    features: tuple[str, ...] = ()
    """Names of the values of a row without names, in their order."""
    columns: dict[str, str] = {}
    """Name of a field or tensor of the request -> column."""
    classes: tuple[str, ...] = ()
    """Class labels of a vector of scores, in its order; default: 0, 1, 2, ..."""
    prediction: str | None = None
    """Field or tensor of the response that holds the decision; default: told by its name, or the class with the largest score."""
    scores: str | None = None
    """Field or tensor of the response that holds the scores by class; default: told by its name."""


class ArtifactSettings(SettingsSection):
    """[artifacts]: saved models and what goes with them."""

    reference_model: str | None = None
    current_model: str | None = None
    trusted: bool = False
    """Pickle-based files execute what they are given, and ``module:function`` is code: both are refused without this."""
    reference_snapshot: str | None = None
    current_snapshot: str | None = None
    repository: str | None = None


class LineageSettings(SettingsSection):
    """[lineage]: events of OpenLineage, which say what job makes a column, and what the logged rows are called there."""

    events: str | None = None
    """A file of events (JSON, or one a line), or a folder of such."""
    namespace: str | None = None
    dataset: str | None = None
    """Of the logged rows; default: the dataset that has the column and that nothing else is made of."""


class ShadowColumns(SettingsSection):
    """[shadow.old] and [shadow.new]: where one of the two models' answers are logged."""

    prediction: str | None = None
    scores: ScoreColumns = {}
    """Class label -> column of its score, as under [model]."""
    scores_are: Literal["probability", "percent", "logit"] | None = None
    """Unit of these scores; default: that of [model]."""

    def columns(self) -> set[str]:
        """Every column named."""
        return {*([self.prediction] if self.prediction else []), *self.scores.values()}


class ShadowSettings(SettingsSection):
    """[shadow]: which two models are compared, where that is not the saved ones or the versions in the log."""

    mode: Literal["log", "replay", "ab"] | None = None
    """Default: what the rest of the configuration gives."""
    old: ShadowColumns | None = None
    """Columns of the old model's answers; default: those of [model]."""
    new: ShadowColumns | None = None
    """Columns of the new model's answers; default: those of [model]."""
    old_version: str | None = None
    """Default: the version of the reference window, else the one that answered first."""
    new_version: str | None = None
    new_share: float | None = Field(default=None, gt=0, lt=1)
    """A/B: planned share of rows for the new version; without it only the balance of the groups is tested."""

    def columns(self) -> set[str]:
        """Columns that hold answers: no features."""
        return {column for side in (self.old, self.new) if side is not None for column in side.columns()}


class EngineSettings(SettingsSection):
    """[engine]: bounds and seeds of the run."""

    kind: Literal["local", "sql", "spark"] = "local"
    """Where rows are counted: here; by the database that holds them (DuckDB, PostgreSQL); or by Spark. With the latter two
    ``diagnose`` compares profiles, and rows stay where they are."""
    master: str | None = None
    """Spark: ``local[2]``, ``spark://host:7077``, or ``sc://host:15002`` of Spark Connect; default: the session that is active,
    else what Spark is configured with."""
    sample_rows: int = Field(default=20_000, ge=200)
    """Rows per window where a model must be called."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    batch_rows: int = Field(default=131_072, ge=1)
    """Rows per batch of the pass over a window."""
    bootstrap: int = Field(default=400, ge=50)
    """Replicates of the shared block bootstrap."""
    false_discovery_rate: float = Field(default=0.01, gt=0, lt=0.5)
    """Of all findings of a report with a p-value, outside the verdict's own."""
    workers: int | None = Field(default=None, ge=1, le=64)
    """Processes that ``diagnose`` uses: 1 is this one alone, 2 and more do the checks that describe beside the search for causes.
    Default: the environment variable BACKSLIDE_WORKERS, else 2 where that pays (a saved model, 300,000 values in the samples,
    and a processor that is free), else 1. The answer is the same."""
    max_memory: float | None = Field(default=None, gt=0)
    """Gigabytes that a command may take; beyond them it ends with 2 and one line. Default: the environment variable
    BACKSLIDE_MAX_MEMORY, else four fifths of what the machine or the container had free when the command began."""
    model_timeout: float = Field(default=3600.0, gt=0, le=604_800)
    """Seconds that one call of your own code may take: loading a model, asking it about a batch, training a candidate."""


class Settings(SettingsSection):
    """A whole backslide.toml."""

    model: ModelSettings = ModelSettings()
    windows: WindowSettings = WindowSettings()
    data: DataSettings = DataSettings()
    payload: PayloadSettings = PayloadSettings()
    artifacts: ArtifactSettings = ArtifactSettings()
    lineage: LineageSettings = LineageSettings()
    engine: EngineSettings = EngineSettings()
    shadow: ShadowSettings = ShadowSettings()
    checks: dict[str, Any] = {}
    """Per check code: ``mute`` (true or a reason) and its thresholds."""
    watch: WatchSettings = WatchSettings()
    alerts: AlertSettings = AlertSettings()
    store: StoreSettings = StoreSettings()
    server: ServerSettings = ServerSettings()
    retrain: RetrainSettings = RetrainSettings()
    gate: GateSettings = GateSettings()
    base: Path = Field(default=Path(), exclude=True)
    """Folder that relative paths start from; not a key of the file."""

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a backslide.toml.

        Raises:
            ConfigError: missing file, broken TOML, unknown key (with the nearest valid one), wrong type.
        """
        path = Path(path)
        try:
            data = tomllib.loads(read_text(path))
        except FileNotFoundError:
            raise ConfigError(f"no configuration at {path}; write one with `backslide init TABLE`") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read as a configuration: {error}") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path} is not valid TOML: {error}") from None
        except RecursionError:
            raise ConfigError(f"{path} cannot be read as a configuration: it is nested too deeply") from None
        return cls.from_dict(data, where=str(path), base=path.parent)

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, where: str = "configuration", base: Path | None = None) -> Self:
        """Settings from parsed TOML.

        Raises:
            ConfigError: on the first unknown key or wrong value, in one line.
        """
        remember_settings(data)
        if "base" in data:
            raise ConfigError(f"{where}: unknown key 'base'" + did_you_mean("base", keys(cls)))
        for section in OF_PATHS:
            if _holds_nul(data.get(section)):
                raise ConfigError(
                    f"{where}: [{section}]: expected text without the character NUL, which no path may hold"
                )
        try:
            return cls.model_validate({**data, "base": base or Path()})
        except ValidationError as error:
            raise ConfigError(f"{where}: {one_line(cls, error)}") from None


OF_PATHS = ("artifacts", "retrain", "store", "server", "integrity")
"""Sections that name files and addresses, and no columns."""


def _holds_nul(value: Any) -> bool:
    """Whether any text within has the character that ends a path; the system would say so only once it is opened."""
    if isinstance(value, dict):
        return any(map(_holds_nul, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value


def is_auto(source: Any) -> bool:
    """Whether a window is to be found from the data: ``current = "auto"``."""
    return isinstance(source, str) and source.strip() == "auto"
