"""The log of answers: one line per pair and tool, so that a run that stops goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quiet import real_worlds
from quiet.pairs import Pair

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Answer:
    """What one tool said of one pair."""

    tool: str
    said: dict[str, Any]

    @property
    def error(self) -> str | None:
        """Why it said nothing."""
        return self.said.get("error")


class Log:
    """Answers by pair and tool. Those of another release, other source or other data are not seen, and stay in the file."""

    def __init__(self, path: Path, prints: dict[str, str]) -> None:
        self.path, self.prints = path, prints
        self._known: dict[tuple[str, str], Answer] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            for line in path.read_text().splitlines():
                self._read(line)

    def _read(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # a run was cut off while it wrote
            return
        if self.prints.get(entry["tool"]) == entry["print"] and entry["data"] == data_print(entry["simulated"]):
            self._known[entry["pair"], entry["tool"]] = Answer(entry["tool"], entry["said"])

    def knows(self, pair: Pair, tool: str) -> bool:
        """Whether the tool was asked already."""
        return (pair.name, tool) in self._known

    def add(self, pair: Pair, tool: str, said: dict[str, Any]) -> None:
        """Keep an answer, at once; one that may be the machine's fault only for this run."""
        self._known[pair.name, tool] = Answer(tool, said)
        if said.get("passing"):
            return
        entry = {
            "pair": pair.name,
            "tool": tool,
            "print": self.prints[tool],
            "simulated": pair.simulated,
            "data": data_print(pair.simulated),
            "said": said,
        }
        with self.path.open("a") as file:
            file.write(json.dumps(entry, sort_keys=True) + "\n")

    def of(self, pair: Pair) -> Iterator[Answer]:
        """Every tool's answer to a pair."""
        for tool in self.prints:
            if (pair.name, tool) in self._known:
                yield self._known[pair.name, tool]


def data_print(simulated: bool) -> str:
    """A hash of what makes the rows."""
    if simulated:
        return _hash((HERE / "streams.py",))
    return _hash((real_worlds.TESTS / "real" / "worlds.py", real_worlds.TESTS / "real" / "periods.py"))


_HASHES: dict[tuple[Path, ...], str] = {}


def _hash(files: tuple[Path, ...]) -> str:
    if files not in _HASHES:
        _HASHES[files] = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
    return _HASHES[files]
