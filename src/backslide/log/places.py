"""Where the parts of a log lie."""

from __future__ import annotations

import os
import re
from pathlib import Path

from backslide.contracts.errors import LogError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,100}")
_URI = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+://")
TABLES = ("predictions", "labels", "events")


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


def spool_of(root: Path, name: str) -> Path:
    """The folder in which lines of a model wait."""
    return root / name


def table_of(store: str | os.PathLike[str], name: str, table: str) -> str:
    """Path or URI of one of the tables of a model."""
    return f"{os.fspath(store).rstrip('/')}/tables/{name}/{table}"


def models_of(store: str | os.PathLike[str], spool: Path | None = None) -> list[str]:
    """Names of the models with lines or tables in a local store."""
    roots = [spool or Path(os.fspath(store)) / "spool"]
    if not is_uri(store):
        roots.append(Path(os.fspath(store)) / "tables")
    return sorted({child.name for root in roots if root.is_dir() for child in root.iterdir() if child.is_dir()})
