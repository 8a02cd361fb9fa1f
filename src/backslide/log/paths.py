"""Where the parts of a log lie."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backslide.contracts.errors import LogError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,100}")
_URI = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+://")
TABLES = ("predictions", "labels", "events")
REVIEW, DRAWN = "review", "drawn"
"""Sources of labels: a person who put a prediction right, and rows that were drawn to be labelled."""


def check_name(name: str) -> str:
    """A model's name that can be a folder's.

    Raises:
        LogError: it cannot.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.strip() != name:
        raise LogError(f"expected a model name of letters, digits, '.', '_', '-' and blanks, got {name!r}")
    return name


def is_uri(store: str | os.PathLike[str]) -> bool:
    """Whether a store is somewhere else than on a local disk."""
    return bool(_URI.match(os.fspath(store)))


def table_of(store: str | os.PathLike[str], name: str, table: str) -> str:
    """Path or URI of one of the tables of a model."""
    return f"{os.fspath(store).rstrip('/')}/tables/{name}/{table}"


def quarantine_of(store: str | os.PathLike[str], root: Path, name: str) -> Path:
    """The folder, on this machine, of a model's lines that no table could take."""
    return (root / ".quarantine" if is_uri(store) else Path(os.fspath(store)) / "quarantine") / name


def models_of(store: str | os.PathLike[str], spool: Path | None = None) -> list[str]:
    """Names of the models with lines or tables in a local store."""
    roots = [spool or Path(os.fspath(store)) / "spool"]
    if not is_uri(store):
        roots.append(Path(os.fspath(store)) / "tables")
    return sorted(
        {
            child.name
            for root in roots
            if root.is_dir()
            for child in root.iterdir()
            if child.is_dir() and child.name[0] != "."
        }
    )


def spool_root(store: str | os.PathLike[str], spool: str | os.PathLike[str] | None = None) -> Path:
    """The folder of what waits, on this machine.

    Raises:
        LogError: the store is elsewhere and no folder was named.
    """
    if spool is None and is_uri(store):
        raise LogError(
            f"store {os.fspath(store)!r} is not on a local disk; name the folder of waiting lines with --spool"
        )
    return Path(spool) if spool is not None else Path(os.fspath(store)) / "spool"


def models_to_do(store: str | os.PathLike[str], root: Path, model: str | None) -> list[str]:
    """One model of a log, or all of them.

    Raises:
        LogError: there is no such log or model.
    """
    known = models_of(store, root)
    if not known:
        raise LogError(f"no log at {os.fspath(store)!r}; record something there first, or check the path")
    if model is not None and model not in known:
        raise LogError(f"no model {model!r} in the log {os.fspath(store)!r}; there is {', '.join(map(repr, known))}")
    return [model] if model is not None else known


@contextmanager
def lock_spool(root: Path) -> Iterator[None]:
    """One rollup or compaction at a time on one spool; the lock is gone with its process, however that ends.

    Raises:
        LogError: another one is at work.
    """
    import fcntl

    root.mkdir(parents=True, exist_ok=True)
    file = os.open(root / ".rollup", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LogError(
                f"another rollup or compaction of {str(root)!r} is running; wait until it has finished"
            ) from None
        yield
    finally:
        os.close(file)
