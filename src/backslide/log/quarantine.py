"""Lines that were acknowledged and that no table can take: set aside with the reason, counted, and tried again when asked.

One file holds what was set aside of one file of lines. What a crash leaves here is looked through before the lines are read
again: a line is here, or in the tables, never in both.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from backslide.contracts.errors import BackslideError
from backslide.log.parse_rows import HEAD, PlacedLine, UnreadableError, record_of
from backslide.log.tables import LogTable

KINDS = {"p": "predictions", "l": "labels", "e": "events"}


@dataclass(frozen=True)
class QuarantinedLine:
    """A line that was set aside."""

    file: str
    """Name of the file of lines it is from."""
    place: int
    """Where it begins there."""
    text: bytes
    why: str

    @property
    def table(self) -> str:
        """The table it is for; what is no record at all goes with the predictions."""
        begun = max(self.text.rfind(HEAD), 0)
        for text in (self.text, self.text[begun:]):
            try:
                record = orjson.loads(text)
            except ValueError:
                continue
            kind = record.get("k") if isinstance(record, dict) else None
            return KINDS.get(kind if isinstance(kind, str) else "", "predictions")
        return "predictions"

    @property
    def name(self) -> str:
        """What a table notes when it takes the line after all."""
        return f"{self.file}@{self.place}"


class Quarantine:
    """What was set aside of one model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self) -> list[Path]:
        """Files with lines, none where nothing was ever set aside."""
        return sorted(self.folder.glob("*.jsonl")) if self.folder.is_dir() else []

    def count(self) -> int:
        """How many lines wait here."""
        return sum(file.read_bytes().count(b"\n") for file in self.files())

    def read(self, path: Path) -> list[QuarantinedLine]:
        """Lines of one file; none where there is no such file."""
        if not path.is_file():
            return []
        results = []
        for text in path.read_bytes().splitlines():
            record = json.loads(text)
            line = base64.b64decode(record["bytes"]) if "bytes" in record else record["line"].encode()
            results.append(QuarantinedLine(record["file"], record["place"], line, record["why"]))
        return results

    def write(self, path: Path, lines: Sequence[QuarantinedLine]) -> None:
        """Make these the lines of a file, at once and for good; without any the file goes."""
        if not lines:
            path.unlink(missing_ok=True)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(orjson.dumps(_entry(line), option=orjson.OPT_APPEND_NEWLINE) for line in lines)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def of(self, file: str) -> Path:
        """The file for what is set aside of a file of lines."""
        return self.folder / file

    def keep(self, lines: Sequence[QuarantinedLine]) -> None:
        """Set aside lines of one file, beside those that are there."""
        path = self.of(lines[0].file)
        self.write(path, [*self.read(path), *lines])

    def settle(self, file: str, tables: Mapping[str, LogTable]) -> None:
        """Forget lines that are still to be read from their file: a rollup set them aside and died before it went on."""
        path = self.of(file)
        if path.is_file():
            known = self.read(path)
            passed = [line for line in known if tables[line.table].read_of(file) > line.place]
            if len(passed) < len(known):
                self.write(path, passed)


def _entry(line: QuarantinedLine) -> dict[str, object]:
    entry: dict[str, object] = {"file": line.file, "place": line.place, "why": line.why}
    try:
        return {**entry, "line": line.text.decode()}
    except UnicodeDecodeError:
        return {**entry, "bytes": base64.b64encode(line.text).decode()}


def of_data(error: BaseException) -> bool:
    """Whether lines may be at fault, rather than a disk, a table or whoever stops us. Libraries in Rust panic with a class of
    their own, which is no ``Exception``."""
    if isinstance(error, Exception):
        return not isinstance(error, (OSError, BackslideError))
    return type(error).__name__ == "PanicException"


def find_unreadable(
    file: str, lines: Sequence[PlacedLine], attempt: Callable[[Sequence[PlacedLine]], None]
) -> list[QuarantinedLine]:
    """Lines that no table takes, found by halving; ``attempt`` raises what taking lines raises.

    Lines of another shape than a record's are told one by one, for there may be many.
    """
    bad, rest = [], []
    for place, text in lines:
        try:
            record_of(text)
        except UnreadableError as error:
            bad.append(QuarantinedLine(file, place, text, str(error)))
            continue
        except ValueError:  # cut off; left out by whoever reads lines
            pass
        rest.append((place, text))
    return [*bad, *_halve(file, rest, attempt)]


def _halve(
    file: str, lines: Sequence[PlacedLine], attempt: Callable[[Sequence[PlacedLine]], None]
) -> Iterator[QuarantinedLine]:
    if not lines:
        return
    try:
        attempt(lines)
    except BaseException as error:
        if not of_data(error):
            raise
        if len(lines) == 1:
            yield QuarantinedLine(file, *lines[0], why=reason(error))
            return
        middle = len(lines) // 2
        yield from _halve(file, lines[:middle], attempt)
        yield from _halve(file, lines[middle:], attempt)


def reason(error: BaseException) -> str:
    """One line of an error."""
    first = next(iter(str(error).splitlines()), "")
    if isinstance(error, (BackslideError, UnreadableError)):
        return first
    return f"{type(error).__name__}: {first[:200]}"
