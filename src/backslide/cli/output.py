"""What a command writes where: text and JSON on standard output, files, and everything else on standard error."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from backslide.cli.streams import answer_stream
from backslide.contracts.errors import ConfigError
from backslide.contracts.files import write_whole
from backslide.contracts.say import count, counted
from backslide.contracts.secrets import scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from backslide.contracts.rendering import PublishedAnswer


MOST_CHANGES = 20


@dataclass(frozen=True)
class Files:
    """Where an answer goes besides the terminal; ``-`` is standard output."""

    json: str | None = None
    html: str | None = None
    md: str | None = None
    junit: str | None = None
    openlineage: str | None = None

    @property
    def _forms(self) -> tuple[tuple[str, str], ...]:
        """Each name with the method of an answer that makes its contents."""
        named = (
            (self.json, "to_json"),
            (self.html, "to_html"),
            (self.md, "to_markdown"),
            (self.junit, "to_junit"),
            (self.openlineage, "to_openlineage"),
        )
        return tuple((name, method) for name, method in named if name is not None)

    def check(self) -> None:
        """Refuse before the work what could not be written after it.

        Raises:
            ConfigError: a folder that is missing, or two things for standard output.
        """
        chosen = [name for name, _ in self._forms]
        if chosen.count("-") > 1:
            raise ConfigError(
                "only one of --json, --html, --md, --junit and --openlineage can go to standard output (-)"
            )
        for name in chosen:
            path = Path(name)
            if name != "-" and (path.is_dir() or not path.parent.is_dir()):
                obstacle = f"{name} is a folder" if path.is_dir() else f"there is no folder {path.parent}"
                raise ConfigError(f"cannot write {name}: {obstacle}; name a file in a folder that exists")

    def write(self, answer: PublishedAnswer) -> bool:
        """Write what was asked for; returns whether standard output was used up by it."""
        for name, method in self._forms:
            text: str = getattr(answer, method)()
            if name == "-":
                say(text)
            else:
                write_whole(name, text if text.endswith("\n") else text + "\n")
                note(f"wrote {name}")
        return "-" in (name for name, _ in self._forms)


def publish(answer: PublishedAnswer, files: Files) -> None:
    """Write what was asked for, and print the text unless standard output holds something else."""
    if not files.write(answer):
        show(answer)


def say(text: str) -> None:
    """Print to standard output; a reader that went away (``| head``) is no error."""
    try:
        print(text.rstrip("\n"), file=answer_stream(), flush=True)
    except BrokenPipeError:
        # What is left in the buffer must not fail again when it is closed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), answer_stream().fileno())


def say_json(name: str, **content: Any) -> None:
    """Print a document of one of our formats to standard output."""
    say(json.dumps({"format": f"backslide.{name}/1", **content}, indent=2))


def note(text: str) -> None:
    """Print one line beside the result, on standard error."""
    print(scrub(text), file=sys.stderr)


def show(answer: PublishedAnswer) -> None:
    """Print the text, in colour and at the width of the terminal where there is one."""
    stream = answer_stream()
    if not _is_terminal(stream) or "NO_COLOR" in os.environ:
        say(answer.to_text())
        return
    from backslide.report.render.answer import page_of
    from backslide.report.render.text import page_text

    width = max(60, min(_columns(stream), 120))
    say(page_text(page_of(answer), color=True, width=width))


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str], None] | None]:
    """A callback that shows what is going on, on a terminal only; it leaves no trace."""
    if quiet or not _is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("starting", total=None)
        yield lambda words: display.update(task, description=words)


def _columns(stream: TextIO) -> int:
    """The width of the terminal behind the answer; COLUMNS wins."""
    try:
        return shutil.get_terminal_size((os.get_terminal_size(stream.fileno()).columns, 24)).columns
    except (OSError, ValueError):
        return shutil.get_terminal_size().columns


def _is_terminal(stream: object) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)())


def rows_by_table(rows: Mapping[str, int], otherwise: str) -> str:
    """``1 prediction, 2 labels``: the tables of a log that have any; else the other words."""
    return ", ".join(counted(n, table.removesuffix("s")) for table, n in rows.items() if n) or otherwise


def shown_changes(changes: Sequence[str]) -> list[str]:
    """Changes of the columns of a log, cut to what somebody reads; JSON holds them all."""
    rest = len(changes) - MOST_CHANGES
    return list(changes) if rest <= 1 else [*changes[:MOST_CHANGES], f"and {count(rest)} more changes of columns"]
