"""Taking a snapshot: every part of the serving stack written down once, in one value.

Read it as a straight line: model -> its fitted steps -> environment -> settings -> checkout -> golden rows -> profile. A part
that cannot be had is a note, never the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from backslide.contracts.errors import BackslideError, InputError, ModelError, UntrustedError
from backslide.contracts.snapshot import FittedStep, Golden, Snapshot
from backslide.engine.columns.sample import sample
from backslide.engine.sources.open import open_source
from backslide.engine.sources.snapshot import packed_rows
from backslide.models.imports import is_spec, module_file
from backslide.models.load import load_model
from backslide.models.model import Model
from backslide.stack import masking
from backslide.stack.artefact import artefact, pickled_modules
from backslide.stack.canonical import class_name
from backslide.stack.environment import environment
from backslide.stack.files import config_file
from backslide.stack.fitted import fitted_parts
from backslide.stack.golden import ROWS, decode
from backslide.stack.golden import golden as golden_rows
from backslide.stack.repository import repository as checkout
from backslide.stack.training import pack, training_profile
from backslide.stack.variables import variables


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
        trusted: whether pickle-based artefacts may be loaded; without it they are told by their digest alone.
        salt: of the digests of settings, by default the variable BACKSLIDE_SALT; snapshots to be compared need the same.
        base: folder that relative paths start from.
        rows: training rows kept with the model's answers, so that the snapshot alone can be a reference window; 0 for none.

    Raises:
        BackslideError: no such model, data, file or snapshot, in one line.
    """
    folder, secret = Path(base or ""), masking.salt_of(salt)
    notes: list[str] = []
    path = _file_of(model, folder)
    loaded = _load(model, folder, trusted, notes)
    earlier = Snapshot.load(folder / str(against)) if isinstance(against, (str, Path)) else against
    frame = None if data is None else open_source(data, base=folder)
    columns = _columns(loaded, frame, features, earlier)
    parts, shown = _fitted_steps(loaded, columns, notes), _shown_name(model, loaded)
    return Snapshot(
        name=name or shown,
        taken_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        salt=masking.salt_mark(secret),
        environment=environment(parts, _modules(loaded, path, parts)),
        variables=variables(env, show, secret),
        files=tuple(config_file(folder / str(f), str(f), secret, show) for f in files),
        repository=_repository(repository, folder, secret, notes),
        artefact=artefact(shown, path, kind=_kind(loaded), notes=() if loaded is None else loaded.notes),
        fitted=parts,
        golden=_golden_rows(loaded, frame, columns, earlier, golden, notes),
        profile=_profile(frame, columns, notes),
        rows=_kept_rows(loaded, frame, rows, notes),
        notes=tuple(notes),
    )


def _modules(loaded: Model | None, path: Path | None, parts: tuple[FittedStep, ...]) -> tuple[str, ...]:
    """Modules that the artefact needs beside those of its steps."""
    pickled = pickled_modules(path) if loaded is None and path is not None and path.is_file() else ()
    return (*pickled, "onnxruntime") if any(part.kind.startswith("onnx.") for part in parts) else pickled


def _file_of(model: Any, folder: Path) -> Path | None:
    if not isinstance(model, (str, Path)):
        return None
    spec = isinstance(model, str) and is_spec(model, folder)
    path = module_file(str(model), folder) if spec else folder / str(model)
    return path if path.exists() else None


def _load(model: Any, folder: Path, trusted: bool, notes: list[str]) -> Model | None:
    try:
        return load_model(model, trusted=trusted, base=folder)
    except UntrustedError:
        notes.append(
            f"{model} is pickle-based and was not loaded: the snapshot holds neither its fitted steps nor golden rows; "
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


def _fitted_steps(model: Model | None, columns: list[str] | None, notes: list[str]) -> tuple[FittedStep, ...]:
    if model is None:
        return ()
    try:
        return fitted_parts(model.artefact, columns)
    except Exception as error:  # objects of others may do anything when looked at
        notes.append(f"the fitted steps could not be read: {type(error).__name__}: {error}".splitlines()[0][:200])
        return ()


def _shown_name(model: Any, loaded: Model | None) -> str:
    if isinstance(model, (str, Path)):
        return masking.without_credentials(str(model))
    return loaded.name if loaded is not None else type(model).__name__


def _kind(loaded: Model | None) -> str:
    if loaded is None:
        return ""
    return "function" if hasattr(loaded.artefact, "__code__") else class_name(type(loaded.artefact))


def _repository(given: str | Path | None, folder: Path, salt: str, notes: list[str]) -> Any:
    try:
        return checkout(folder / str(given) if given is not None else folder, salt)
    except InputError as error:
        if given is not None:
            raise
        if "not a git repository" not in str(error):
            notes.append(f"no checkout was recorded: {error}")
        return None


def _golden_rows(
    model: Model | None,
    frame: pl.LazyFrame | None,
    columns: list[str] | None,
    earlier: Snapshot | None,
    rows: int,
    notes: list[str],
) -> Golden | None:
    if model is None or rows <= 0:
        return None
    try:
        if earlier is not None and earlier.golden is not None:
            return golden_rows(model, decode(earlier.golden))
        if frame is None or columns is None:
            notes.append("no golden rows: give training rows, or an earlier snapshot to ask the same rows again")
            return None
        return golden_rows(model, sample(frame.select(columns), rows, seed=0))
    except (BackslideError, pl.exceptions.PolarsError) as error:
        notes.append(f"no golden rows: {error}".splitlines()[0][:300])
        return None


def _kept_rows(model: Model | None, frame: pl.LazyFrame | None, rows: int, notes: list[str]) -> str | None:
    if rows <= 0:
        return None
    if frame is None or model is None:
        notes.append("no rows are kept: this requires the training rows and a trusted model")
        return None
    try:
        drawn = sample(frame, rows, seed=0)
        answer = model.answer(drawn)
        classes = answer.classes or model.classes or ()
        scores = {} if answer.scores is None else {c: answer.scores[:, k] for k, c in enumerate(classes)}
        return packed_rows(drawn, answer.predictions, scores)
    except (BackslideError, pl.exceptions.PolarsError) as error:
        notes.append(f"no rows are kept: {error}".splitlines()[0][:300])
        return None


def _profile(frame: pl.LazyFrame | None, columns: list[str] | None, notes: list[str]) -> str | None:
    if frame is None:
        return None
    held = frame.collect_schema().names()
    chosen = [name for name in (columns or held) if name in held]
    try:
        return pack(training_profile(frame, chosen))
    except (BackslideError, pl.exceptions.PolarsError) as error:
        notes.append(f"no training profile: {error}".splitlines()[0][:300])
        return None
