"""Taking a snapshot: every part of the serving stack written down once, in one value.

Read it as a straight line: model -> its fitted steps -> environment -> settings -> checkout -> golden rows -> profile. A part
that cannot be had is a note, never the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from backslide.contracts.errors import BackslideError, InputError, ModelError, UntrustedError
from backslide.contracts.snapshot import Artefact, FittedStep, Golden, Snapshot
from backslide.engine.columns.sample import sample
from backslide.engine.sources.open import open_source
from backslide.engine.sources.snapshot import packed_rows
from backslide.models.imports import is_spec, module_file
from backslide.models.load import load_model
from backslide.models.model import Model
from backslide.models.torch_files import weights_of
from backslide.stack import masking
from backslide.stack.artefact import artefact as artefact_of
from backslide.stack.artefact import pickled_modules
from backslide.stack.canonical import class_name
from backslide.stack.environment import environment
from backslide.stack.files import config_file
from backslide.stack.fitted_steps import fitted_parts
from backslide.stack.golden import ROWS, decode
from backslide.stack.golden import golden as golden_rows
from backslide.stack.mlflow_snapshots import find_snapshot
from backslide.stack.repository import repository as checkout
from backslide.stack.training import pack, training_profile
from backslide.stack.variables import variables

T = TypeVar("T")
RUNTIMES = {
    "onnx": ("onnxruntime",),
    "torch": ("torch",),
    "transformers": ("transformers", "tokenizers", "torch"),
    "keras": ("keras", "torch", "tensorflow", "jax"),
}
"""Library that the kind of a step begins with -> modules that answer with it."""


def snapshot(
    model: Any,
    data: Any = None,
    *,
    name: str | None = None,
    files: Iterable[str | Path] = (),
    env: Iterable[str] | None = None,
    show: Iterable[str] = (),
    repository: str | Path | None = None,
    golden: int = ROWS,
    against: Snapshot | str | Path | None = None,
    features: Iterable[str] | None = None,
    trusted: bool = False,
    salt: str | None = None,
    base: str | Path | None = None,
    rows: int = 0,
) -> Snapshot:
    """Write down what serves a model: artefact, fitted steps, environment, settings, checkout, golden rows.

    Args:
        model: the fitted object, a path, an MLflow URI or ``"module:function"``.
        data: training rows (pandas, Polars, Arrow, a path), for the golden rows and the training profile.
        name: of the model; by default that of the artefact.
        files: configuration files; keys of TOML, YAML, JSON, INI and .env files are told one by one.
        env: patterns of environment variables (``"MODEL_*"``); without it all but those of the session.
        show: patterns of variables and keys whose values may stand in the snapshot, unless they look secret.
        repository: a git checkout; by default the one that ``base`` lies in, if any.
        golden: rows kept with what the model makes of them; 0 for none.
        against: an earlier snapshot, whose golden rows are asked again instead of drawing some from ``data``.
        features: columns that the model is given, where it does not know them itself.
        trusted: whether artefacts that execute code may be loaded; without it they are told by their digest alone.
        salt: of the digests of settings, by default the variable BACKSLIDE_SALT; snapshots to be compared need the same.
        base: folder that relative paths start from.
        rows: training rows kept with the model's answers, so that the snapshot alone can be a reference window; 0 for none.

    Raises:
        BackslideError: no such model, data, file or snapshot, in one line.
    """
    folder, secret = Path(base or ""), masking.salt_of(salt)
    subject = _open(model, data, folder, features, against, trusted=trusted)
    parts = subject.steps()
    return Snapshot(
        name=name or subject.name,
        taken_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        salt=masking.salt_mark(secret),
        environment=environment(parts, subject.modules(parts)),
        variables=variables(env, show, secret),
        files=tuple(config_file(folder / str(f), str(f), secret, show) for f in files),
        repository=_repository(repository, folder, secret, subject.notes),
        artefact=subject.artefact(),
        fitted=parts,
        golden=subject.golden(golden),
        profile=subject.profile(),
        rows=subject.training_rows(rows),
        notes=tuple(subject.notes),
    )


@dataclass(frozen=True)
class _Subject:
    """What is written down: a model with its columns in order, training rows, and an earlier snapshot."""

    name: str
    path: Path | None
    model: Model | None
    columns: list[str] | None
    frame: pl.LazyFrame | None
    earlier: Snapshot | None
    notes: list[str]
    """What could not be had, and why; grows while the parts are written down."""

    def steps(self) -> tuple[FittedStep, ...]:
        """What fitting left in each step."""
        if self.model is None:
            return ()
        try:
            return fitted_parts(self.model.artefact, self.columns)
        except Exception as error:  # objects of others may do anything when looked at
            text = f"the fitted steps could not be read: {type(error).__name__}: {error}"
            self.notes.append(text.splitlines()[0][:200])
            return ()

    def modules(self, parts: tuple[FittedStep, ...]) -> tuple[str, ...]:
        """Modules that the artefact needs beside those of its steps."""
        path = self.path if self.model is None else None
        pickled = pickled_modules(path) if path is not None and path.is_file() else ()
        libraries = {part.kind.partition(".")[0] for part in parts}
        return (*pickled, *(module for name, more in RUNTIMES.items() if name in libraries for module in more))

    def artefact(self) -> Artefact:
        """The file or object itself."""
        if self.model is None:
            return artefact_of(self.name, self.path, kind="", notes=())
        thing = self.model.artefact
        kind = "function" if hasattr(thing, "__code__") else class_name(type(thing))
        return artefact_of(self.name, self.path, kind=kind, notes=self.model.notes)

    def golden(self, rows: int) -> Golden | None:
        """Rows with what the model makes of them: those of the earlier snapshot, else drawn from the training rows."""
        model, earlier, frame = self.model, self.earlier, self.frame
        if model is None or rows <= 0:
            return None
        if earlier is not None and earlier.golden is not None:
            asked = earlier.golden
            return self._attempt("no golden rows", lambda: golden_rows(model, decode(asked)))
        if frame is None or self.columns is None:
            self.notes.append("no golden rows: give training rows, or an earlier snapshot to ask the same rows again")
            return None
        inputs = frame.select(self.columns)
        return self._attempt("no golden rows", lambda: golden_rows(model, sample(inputs, rows, seed=0)))

    def profile(self) -> str | None:
        """The profile of the training rows, packed."""
        frame = self.frame
        if frame is None:
            return None
        names = frame.collect_schema().names()
        chosen = [name for name in (self.columns or names) if name in names]
        return self._attempt("no training profile", lambda: pack(training_profile(frame, chosen)))

    def training_rows(self, rows: int) -> str | None:
        """Training rows with the model's answers, packed."""
        model, frame = self.model, self.frame
        if rows <= 0:
            return None
        if frame is None or model is None:
            self.notes.append("no rows are kept: this requires the training rows and a trusted model")
            return None
        return self._attempt("no rows are kept", lambda: _answered_rows(model, sample(frame, rows, seed=0)))

    def _attempt(self, failure: str, part: Callable[[], T]) -> T | None:
        try:
            return part()
        except (BackslideError, pl.exceptions.PolarsError) as error:
            self.notes.append(f"{failure}: {error}".splitlines()[0][:300])
            return None


def _open(
    model: Any,
    data: Any,
    folder: Path,
    features: Iterable[str] | None,
    against: Snapshot | str | Path | None,
    *,
    trusted: bool,
) -> _Subject:
    notes: list[str] = []
    path = None
    if isinstance(model, (str, Path)):
        spec = isinstance(model, str) and is_spec(model, folder)
        weights = weights_of(str(model))
        name_of_file = str(model) if weights is None else weights[1]
        path = module_file(str(model), folder) if spec else folder / name_of_file
    loaded = _load(model, folder, trusted, notes)
    if isinstance(model, (str, Path)):
        name = masking.without_credentials(str(model))
    else:
        name = loaded.name if loaded is not None else type(model).__name__
    earlier = None if against is None else find_snapshot(against, folder)
    frame = None if data is None else open_source(data, base=folder)
    columns = _columns(loaded, frame, features, earlier)
    file = path if path is not None and path.exists() else None
    return _Subject(name, file, loaded, columns, frame, earlier, notes)


def _load(model: Any, folder: Path, trusted: bool, notes: list[str]) -> Model | None:
    try:
        return load_model(model, trusted=trusted, base=folder)
    except UntrustedError:
        notes.append(
            f"{model} was not loaded, because that executes code: the snapshot holds neither its fitted steps nor golden rows; "
            "take it with --trusted (trusted=True) if you made the file"
        )
        return None
    except ModelError as error:
        raise type(error)(masking.without_credentials(str(error))) from None


def _columns(
    model: Model | None, frame: pl.LazyFrame | None, features: Iterable[str] | None, earlier: Snapshot | None
) -> list[str] | None:
    """Columns that the model is given, in order."""
    if model is not None and model.features is not None:
        return list(model.features)
    if features is not None:
        return list(features)
    if earlier is not None and earlier.golden is not None:
        return list(earlier.golden.dtypes)
    return None if frame is None else frame.collect_schema().names()


def _repository(path: str | Path | None, folder: Path, salt: str, notes: list[str]) -> Any:
    try:
        return checkout(folder / str(path) if path is not None else folder, salt)
    except InputError as error:
        if path is not None:
            raise
        if "not a git repository" not in str(error):
            notes.append(f"no checkout was recorded: {error}")
        return None


def _answered_rows(model: Model, rows: pl.DataFrame) -> str:
    answer = model.answer(rows)
    classes = answer.classes or model.classes or ()
    scores = {} if answer.scores is None else {c: answer.scores[:, k] for k, c in enumerate(classes)}
    return packed_rows(rows, answer.predictions, scores)
