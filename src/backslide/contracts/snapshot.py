"""A snapshot: what served the model at one moment, without rows beyond the golden ones and without secrets."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from backslide.contracts.errors import InputError
from backslide.contracts.files import read_bytes
from backslide.contracts.values import PublishedDocument, Value

Number = float | Literal["nan", "inf", "-inf"]
"""JSON knows neither NaN nor infinity."""
Role = Literal["container", "transformer", "model"]


class MaskedSetting(Value):
    """A setting by its salted digest; its value only where the name was allowed and looks harmless."""

    digest: str
    value: str | None = None
    secret: bool = False
    """The name or the value looks like a secret: the digest is then too short to find the value from."""


class Environment(Value):
    """The interpreter, the machine and every installed distribution."""

    python: str
    implementation: str
    platform: str
    machine: str
    distributions: dict[str, str] = {}
    """Normalised name -> version."""
    imported: tuple[str, ...] = ()
    """Distributions that the model is made of."""
    needed: tuple[str, ...] = ()
    """Distributions that those require."""
    modules: dict[str, str] = {}
    """Import name -> distribution, of those that the model is made of."""


class ConfigFile(Value):
    """A file by its digest, and where its format is known, every key by its own."""

    path: str
    digest: str | None
    """None where the file is not there."""
    keys: dict[str, MaskedSetting] = {}
    note: str = ""


class Repository(Value):
    """A git checkout: which commit, and what differs from it."""

    commit: str
    branch: str | None = None
    committed_at: str | None = None
    remote: str | None = None
    """Without user name, password or query."""
    dirty: dict[str, str] = {}
    """Changed or untracked file -> digest of its content."""


class Artefact(Value):
    """The saved model as a file or name."""

    name: str
    kind: str
    """Class of the loaded object; empty where it was not loaded."""
    sha256: str | None = None
    bytes: int | None = None
    notes: tuple[str, ...] = ()


class FittedValue(Value):
    """One fitted value or parameter in canonical form: the same on every machine, comparable without the object."""

    kind: Literal["scalar", "numbers", "texts", "figures", "list", "mapping", "object", "code"]
    digest: str
    text: str = ""
    """A scalar as Python writes it, the class of an object, the name of a function."""
    dtype: str = ""
    shape: tuple[int, ...] = ()
    numbers: tuple[Number, ...] = ()
    """A small array of numbers, row by row."""
    texts: tuple[str, ...] = ()
    """A small array of texts or of mixed values."""
    figures: dict[str, Number] = {}
    """Of a large array of numbers: mean, std, minimum, maximum."""
    items: dict[str, FittedValue] = {}
    """Elements of a small list, mapping or object."""


class FittedStep(Value):
    """One step of the model: its class, its parameters and what fitting left in it."""

    path: str
    """Names of the steps that lead to it: ``columns/numbers/scale``; empty for the whole."""
    kind: str
    """Class, from where users import it."""
    role: Role
    columns: tuple[str, ...] | None = None
    """Names of its input columns in order, where they are known."""
    params: dict[str, FittedValue] = {}
    state: dict[str, FittedValue] = {}
    digest: str


class Golden(Value):
    """A few rows with what the model made of them, to be asked again elsewhere."""

    dtypes: dict[str, str]
    """Column -> Polars type, in the order in which the model was given them."""
    rows: tuple[tuple[str | int | float | bool | None, ...], ...]
    keys: tuple[str, ...]
    """Digest of each row, by which the same rows are found in another snapshot."""
    transformed: tuple[tuple[Number, ...], ...] = ()
    """What the last step is given, where that is a table of numbers of moderate width."""
    transformed_columns: tuple[str, ...] = ()
    predictions: tuple[str | float | None, ...] = ()
    classes: tuple[str, ...] = ()
    scores: tuple[tuple[Number, ...], ...] = ()


class Snapshot(PublishedDocument):
    """The manifest of a serving stack."""

    noun: ClassVar[str] = "a snapshot"
    writer: ClassVar[str] = "backslide snapshot"
    sparse: ClassVar[bool] = True
    format: Literal["backslide.snapshot/1"] = "backslide.snapshot/1"
    name: str
    taken_at: str
    salt: str = ""
    """Digest of the salt that digests of settings were made with: those of other salts cannot be compared."""
    environment: Environment
    variables: dict[str, MaskedSetting] = {}
    files: tuple[ConfigFile, ...] = ()
    repository: Repository | None = None
    artefact: Artefact | None = None
    fitted: tuple[FittedStep, ...] = ()
    golden: Golden | None = None
    profile: str | None = None
    """The training profile, base64 of ``engine.profile.Profile.to_bytes``."""
    rows: str | None = None
    """Some of the training rows with the model's answers, base64 of Parquet, where they were asked for: a reference window."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a snapshot file.

        Raises:
            InputError: no such file, not JSON, or not a snapshot.
        """
        try:
            content = read_bytes(path)
        except OSError as error:
            raise InputError(f"expected a snapshot at {path}, cannot read it: {error.strerror or error}") from None
        try:
            return cls.from_json(content)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def log_to_mlflow(self, target: Any) -> str:
        """Log it with a model of MLflow (``models:/NAME@ALIAS``, ``models:/NAME/VERSION``) or a run; returns its address.

        The address of the model then stands wherever a snapshot's file may.

        Raises:
            MissingExtraError: MLflow is not installed.
            ModelError: no such model or run, or a store that refuses it.
        """
        address: str = import_module("backslide.stack.mlflow_snapshots").log_snapshot(self, target)
        return address

    def __repr__(self) -> str:
        """One line: ``<Snapshot of loans at 2026-04-03T10:00:00Z, 5 parts, 180 distributions>``."""
        return (
            f"<Snapshot of {self.name} at {self.taken_at}, {len(self.fitted)} parts, "
            f"{len(self.environment.distributions)} distributions>"
        )

    __str__ = __repr__
