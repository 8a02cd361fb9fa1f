"""Sends the lines that wait in a spool to somewhere else: the same lines, once or again, never lost.

A recorder writes on the local disk, whatever becomes of the network. What was taken is noted beside the spool after each portion;
who dies in between sends that portion again, and what is known by an id counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from backslide.contracts.files import write_whole
from backslide.log.paths import lock_spool
from backslide.log.rollup import line_batches, remove_finished

NOTES = ".sent"
"""Folder of how far each file was taken."""
PORTION = 2_000
"""Lines of one portion."""
Taker = Callable[[str, bytes], None]
"""Called with a model and some lines; returns once they are safe, or raises."""


def forward(spool: Path, take: Taker) -> int:
    """Send everything that waits in a spool; returns the number of lines that were taken.

    Raises:
        LogError: somebody else is at work in the spool.
        Exception: what ``take`` raises; what was taken before stays noted.
    """
    total = 0
    with lock_spool(spool):
        for folder in sorted(one for one in spool.iterdir() if one.is_dir() and one.name[0] != "."):
            for path in sorted(folder.glob("*.jsonl")):
                total += _forward_file(path, spool / NOTES / folder.name / path.name, folder.name, take)
    return total


def _forward_file(path: Path, note: Path, model: str, take: Taker) -> int:
    try:
        sent = int(note.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        sent = 0
    total = 0
    for start, _, data in line_batches(path, sent):
        place = start
        for part in _portions(data):
            take(model, part)
            place += len(part)
            total += part.count(b"\n")
            note.parent.mkdir(parents=True, exist_ok=True)
            write_whole(note, str(place))
        sent = place
    if remove_finished(path, [sent]):
        note.unlink(missing_ok=True)
    return total


def _portions(data: bytes) -> Iterator[bytes]:
    lines = data.splitlines(keepends=True)
    for first in range(0, len(lines), PORTION):
        yield b"".join(lines[first : first + PORTION])
