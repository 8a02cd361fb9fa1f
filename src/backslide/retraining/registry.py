"""A folder of versions: each one whole, one of them current.

    REGISTRY/versions/0003-1f2e3d4c/   model.skops (or .joblib), manifest.json, snapshot.json, report.json, report.html
    REGISTRY/current.json              which version answers, and those before it

A version is written beside the others under another name, brought to the disk, and renamed when it is whole; then
``current.json`` is replaced in one step. Whoever is killed at any moment leaves the former version current
and no half-written one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from backslide.contracts.errors import InputError, ModelError
from backslide.contracts.extras import install
from backslide.contracts.files import parse_json, read_text
from backslide.contracts.retrain import Retrain
from backslide.contracts.snapshot import Snapshot
from backslide.models.failures import explain_failure, one_line
from backslide.models.load import load_model
from backslide.models.model import Model
from backslide.retraining.backtest import Backtest, CandidateResult, fit_plan
from backslide.retraining.history import Rows, moment
from backslide.retraining.manifest import FORMAT, MANIFEST, check_files, describe, read_manifest
from backslide.stack.artefact import content_digest
from backslide.stack.compare import integrity
from backslide.stack.snapshot import snapshot

CURRENT = "current.json"
VERSIONS = "versions"
LOCK = ".lock"
_INCOMING = ".incoming-"
LEFT_BEHIND = 3600.0
"""Seconds after which an unfinished version is nobody's any more."""
_NAME = re.compile(r"(\d{4,})-[0-9a-f]{8}")


@dataclass(frozen=True)
class Version:
    """A version that was loaded."""

    name: str
    path: Path
    model: Model
    manifest: dict[str, Any]
    differences: tuple[str, ...]
    """What differs here from where it was made."""


@dataclass(frozen=True)
class Final:
    """The recommended candidate, trained on everything that is known, and where its rows came from."""

    model: Model
    rows: Rows
    lineage: dict[str, Any]


def final(bench: Backtest, best: CandidateResult) -> Final:
    """Train the candidate once more, on all labels.

    Raises:
        ModelError: it cannot be trained.
    """
    model, rows = fit_plan(bench, best.plan, np.inf, bench.rng("final"))
    return Final(model, rows, _lineage(bench, best, rows))


def keep(bench: Backtest, final_model: Final, report: Retrain, registry: Path, *, trusted: bool) -> Path:
    """Make a candidate the current version, with its snapshot, lineage and reports.

    Raises:
        ModelError: it cannot be written.
    """
    frame = bench.history.frame[final_model.rows].select(bench.recipe.columns)
    taken = snapshot(
        final_model.model, frame, name=bench.case.settings.model.name, features=bench.recipe.columns, trusted=True
    )
    files = {
        "snapshot.json": taken.to_json(),
        "report.json": report.to_json(),
        "report.html": report.to_html(),
        "gate.json": "{}" if report.gate is None else report.gate.to_json(),
    }
    return publish(registry, final_model.model.artefact, files, final_model.lineage, trusted=trusted)


def publish(
    registry: Path, artefact: Any, files: dict[str, str], lineage: dict[str, Any], *, trusted: bool = False
) -> Path:
    """Write a version, whole or not at all, and make it current.

    Raises:
        ModelError: the artefact cannot be written.
    """
    versions = registry / VERSIONS
    versions.mkdir(parents=True, exist_ok=True)
    _sweep(registry)
    incoming = versions / f"{_INCOMING}{uuid.uuid4().hex}"
    incoming.mkdir()
    try:
        content = _write_model(incoming, artefact, trusted)
        for name, text in files.items():
            _write(incoming / name, text.encode())
        digests = {path.name: content_digest(path)[0] for path in sorted(incoming.iterdir())}
        manifest = {
            "format": FORMAT,
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "model": content,
            "sha256": digests,
            "lineage": lineage,
        }
        _write(incoming / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
        _sync(incoming)
        with _locked(registry):  # number and history are read and written by one publisher at a time
            path = _rename(incoming, versions, digests[content])
            _make_current(registry, path.name)
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    return path


@contextmanager
def _locked(registry: Path) -> Iterator[None]:
    """One at a time changes what is current; the lock is gone with its process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows: renaming fails where two meet, and is tried again
        yield
        return
    with (registry / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sweep(registry: Path) -> None:
    """Remove what somebody left who was killed; what is young may be somebody else at work."""
    for leftover in (*(registry / VERSIONS).glob(f"{_INCOMING}*"), *registry.glob(f".{CURRENT}-*")):
        with suppress(OSError):  # another publisher swept it
            if leftover.stat().st_mtime < time.time() - LEFT_BEHIND:
                shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink()


def _write_model(folder: Path, artefact: Any, trusted: bool) -> str:
    """skops wherever it can; joblib, which executes what it is given when it is read, only where files are trusted."""
    reason = f"it needs the package skops; {install('skops')}"
    try:
        from skops import io

        written = io.dumps(artefact)
        io.loads(written, trusted=io.get_untrusted_types(data=written))  # it writes some things that it cannot read
        _write(folder / "model.skops", written)
        return "model.skops"
    except ImportError:
        pass
    except Exception as error:
        reason = one_line(error)
    if not trusted:
        raise ModelError(
            f"the model cannot be written as skops ({reason}); set trusted = true under [artifacts] to write it with joblib"
        )
    import io as memory

    import joblib

    data = memory.BytesIO()
    with explain_failure("the model can be written neither as skops nor with joblib"):
        joblib.dump(artefact, data)
    _write(folder / "model.joblib", data.getvalue())
    return "model.joblib"


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _rename(incoming: Path, versions: Path, digest: str) -> Path:
    """Under the next number; tried again where somebody else was quicker."""
    for _ in range(100):
        taken = [int(match[1]) for p in versions.iterdir() if (match := _NAME.fullmatch(p.name))]
        path = versions / f"{max(taken, default=0) + 1:04d}-{digest[:8]}"
        try:
            os.rename(incoming, path)
        except OSError:
            if not path.exists():
                raise
            continue
        _sync(versions)
        return path
    raise ModelError(f"no free version number in {versions}; is another process writing there?")


def _make_current(registry: Path, name: str, *, mend: bool = False) -> None:
    """Point to a version; with ``mend`` also where the pointer is damaged, whose history is lost then."""
    try:
        before = _pointer(registry)
    except InputError:
        if not mend:
            raise
        before = None
    history = [*before["history"], before["version"]] if before is not None else []
    _point(registry, {"version": name, "history": [h for h in history if h != name]})


def _point(registry: Path, pointer: dict[str, Any]) -> None:
    waiting = registry / f".{CURRENT}-{uuid.uuid4().hex}"
    try:
        _write(waiting, (json.dumps(pointer, indent=2) + "\n").encode())
        os.replace(waiting, registry / CURRENT)
    except BaseException:
        waiting.unlink(missing_ok=True)
        raise
    _sync(registry)


def _pointer(registry: Path) -> dict[str, Any] | None:
    try:
        pointer = parse_json(read_text(registry / CURRENT))
        version, history = pointer["version"], pointer.get("history", [])
        if not isinstance(version, str) or not all(isinstance(name, str) for name in history):
            raise ValueError("expected the name of a version and those before it")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{registry / CURRENT} cannot be read: {error}; make a version current with --to NAME"
        ) from None
    return {"version": version, "history": list(history)}


def versions_of(registry: Path) -> tuple[str, ...]:
    """Names of the whole versions, in their order."""
    folder = registry / VERSIONS
    if not folder.is_dir():
        return ()
    return tuple(sorted(p.name for p in folder.iterdir() if _NAME.fullmatch(p.name) and (p / MANIFEST).is_file()))


def describe_versions(registry: Path) -> list[dict[str, Any]]:
    """Name, time, candidate and number of rows of every version."""
    return [describe(registry / VERSIONS / name) for name in versions_of(registry)]


def current_version(registry: Path) -> str | None:
    """Which version answers; None before the first."""
    pointer = _pointer(registry)
    return None if pointer is None else str(pointer["version"])


def roll_back(registry: Path, version: str | None = None) -> str:
    """Make the version before the current one current again, or the one named; returns its name.

    Raises:
        InputError: there is none, or its manifest is damaged; nothing has changed then.
    """
    there = versions_of(registry)
    if version is not None:
        if version not in there:
            raise InputError(f"no version {version!r} in {registry}; there is {', '.join(there) or 'none'}")
        read_manifest(registry / VERSIONS / version)
        with _locked(registry):
            _make_current(registry, version, mend=True)
        return version
    with _locked(registry):
        pointer = _pointer(registry)
        before = [h for h in (pointer["history"] if pointer is not None else []) if h in there]
        if not before:
            raise InputError(f"no version before the current one in {registry}; there is {', '.join(there) or 'none'}")
        read_manifest(registry / VERSIONS / before[-1])
        _point(registry, {"version": before[-1], "history": before[:-1]})
    return str(before[-1])


def load_version(registry: Path, version: str | None = None, *, trusted: bool = False) -> Version:
    """The current version, or the one named: its files checked against their digests, its environment against this one.

    Raises:
        InputError: there is none, or a file is not what was written.
        UntrustedError: the model would execute code while it is read and ``trusted`` is false.
    """
    name = version or current_version(registry)
    if name is None or name not in versions_of(registry):
        raise InputError(
            f"no version {name or ''} in {registry}; there is {', '.join(versions_of(registry)) or 'none'}"
        )
    path = registry / VERSIONS / name
    manifest = read_manifest(path)
    check_files(path, manifest)
    model = load_model(path / manifest["model"], trusted=trusted)
    differences: tuple[str, ...] = ()
    if "snapshot.json" in manifest["sha256"]:
        taken = Snapshot.load(path / "snapshot.json")
        here = snapshot(model.artefact, name=taken.name, against=taken, trusted=True)
        differences = tuple(d.meaning for d in integrity(taken, here).differences if d.where != "artefact")
    return Version(name, path, model, manifest, differences)


def _lineage(bench: Backtest, best: CandidateResult, rows: Rows) -> dict[str, Any]:
    """Where the rows came from: windows, counts and a digest of what was trained on."""
    h, case = bench.history, bench.case
    used = h.frame[rows]
    columns = [c for c in dict.fromkeys([*bench.recipe.columns, case.problem.roles.label or ""]) if c in used.columns]
    digest = sha256()
    for series in used.select(columns):
        digest.update(series.name.encode())
        digest.update("\x1f".join(map(str, series.to_list())).encode())
    when = h.when[rows]
    return {
        "candidate": best.plan.name,
        "description": best.plan.description,
        "recipe": bench.recipe.name,
        "columns": list(bench.recipe.columns),
        "windows": {side.window.name: {"source": side.window.source, "rows": side.window.rows} for side in case.sides},
        "rows": len(rows),
        "fresh": int(h.fresh[rows].sum()),
        "sha256": digest.hexdigest(),
        "period": [moment(h, v) for v in (float(when.min()), float(when.max()))],
    }
