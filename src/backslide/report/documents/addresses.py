"""Addresses of the pages of watching: files beside each other in one folder."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

INDEX = "index.html"
REPORTS = "reports"
LONGEST = 60
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Addresses:
    """Where each page is, as seen from the others; ``files`` are the reports that are there, by model and name in its answer."""

    def __init__(self, files: Mapping[tuple[str, str], str]) -> None:
        self.files = files

    def overview(self) -> str:
        """The list of all models."""
        return INDEX

    def model(self, name: str) -> str:
        """One model over time."""
        return f"model-{file_name(name)}.html"

    def incident(self, name: str, incident: str) -> str:
        """One incident of a model."""
        return f"incident-{file_name(name)}-{file_name(incident)}.html"

    def report(self, name: str, file: str) -> str:
        """The report of a diagnosis; empty where it cannot be reached."""
        found = self.files.get((name, file))
        return "" if found is None else f"{REPORTS}/{quote(found)}"


def file_name(name: str) -> str:
    """Letters, digits, dots and dashes only; names that lose something keep a digest, so that no two share a file."""
    safe = _UNSAFE.sub("-", name)[:LONGEST].strip("-.")
    return safe if safe == name else f"{safe}-{sha256(name.encode()).hexdigest()[:8]}"
