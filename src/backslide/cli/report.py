"""``backslide report``: a stored diagnosis, rendered again."""

from __future__ import annotations

import sys
from pathlib import Path

from backslide.cli.output import Files, show
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.errors import InputError


def run(source: str, files: Files) -> int:
    """Read, render and write; prints the text when nothing else was asked for."""
    files.check()
    diagnosis = Diagnosis.from_json(_read(source))
    printed = files.write(diagnosis)
    if not printed and files.html is None and files.md is None:
        show(diagnosis)
    return 0


def _read(source: str) -> str:
    if source == "-":
        return sys.stdin.read()
    path = Path(source)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"no diagnosis at {source}; write one with `backslide diagnose --json {source}`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source} cannot be read as a diagnosis: {error}") from None
