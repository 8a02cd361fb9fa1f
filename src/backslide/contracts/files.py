"""Small files that people hand over: read whole, but never from a pipe, a device or beyond a size, nor parsed without end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backslide.contracts.errors import ConfigError

LARGEST = 256 * 2**20
"""Bytes. A stored answer is under 2 MB and a snapshot with rows some ten; a file beyond this is none of them."""


def check_file(path: Path) -> None:
    """Refuse what is there and no regular file.

    Raises:
        OSError: a pipe would be waited for, ``/dev/zero`` never ends.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"expected a file, got {'a folder' if path.is_dir() else 'a pipe or device'}")


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a regular file.

    Raises:
        OSError: it is not there, no regular file, or too large.
    """
    path = Path(path)
    check_file(path)
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise OSError(f"expected a file of at most {LARGEST // 2**20} MB")
    return data


def read_text(path: str | Path) -> str:
    """The text of a regular file in UTF-8.

    Raises:
        OSError: as ``read_bytes``.
        UnicodeDecodeError: it is no text.
    """
    return read_bytes(path).decode("utf-8")


def write_whole(path: str | Path, text: str) -> None:
    """Write a text so that the file is there whole or as it was before, whoever ends the process meanwhile."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A path to write to, which takes the place of ``path`` when the block ends well and is gone when it does not.

    Pipes and devices are written as they are; links lead to what they name.
    """
    path = Path(path).resolve() if Path(path).is_symlink() else Path(path)
    if path.exists() and not path.is_file():
        yield path
        return
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    _parts.add(part)
    try:
        yield part
        if path.exists():
            part.chmod(path.stat().st_mode & 0o777)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        _parts.discard(part)


_parts: set[Path] = set()
"""What is being written."""


def remove_parts() -> None:
    """Remove what is half written: for whoever ends the process without unwinding it."""
    for part in list(_parts):
        part.unlink(missing_ok=True)


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def check_folder(folder: Path, what: str) -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        ConfigError: when the folder is a file, or lies in no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"cannot write {what} to {folder}: it is a file; name a folder")
    if not folder.parent.is_dir():
        raise ConfigError(f"cannot write {what} to {folder}: there is no folder {folder.parent}")
