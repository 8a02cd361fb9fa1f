"""Standard output belongs to the answer alone: what models and libraries print while a command runs goes to standard error."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Answer:
    """The private copy of standard output, while a command runs."""

    stream: TextIO | None = None


def open_closed_streams() -> None:
    """Give the descriptors 0 to 2 something where the caller closed them: the next file would get such a number.

    What is written to a standard output that was closed fails, as for every other program.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR if number == 2 else os.O_RDONLY), True)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open to the end
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open to the end


def let_go_of_output() -> None:
    """Drop what standard output did not take, so that it does not fail once more when the interpreter ends."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def answer_stream() -> TextIO:
    """Where the answer goes: the standard output that the process was given, whatever else writes there meanwhile."""
    return sys.stdout if _Answer.stream is None else _Answer.stream


@contextmanager
def private_output() -> Iterator[None]:
    """Lead everybody else who prints to standard error, also those who write to the descriptor (C libraries, subprocesses)."""
    shown, former, descriptor = sys.stdout, _Answer.stream, _descriptor(sys.stdout)
    copy = None
    if descriptor is None:
        _Answer.stream = shown
    else:
        shown.flush()
        copy = os.dup(descriptor)
        _Answer.stream = open(copy, "w", encoding=shown.encoding, errors="replace", closefd=False)  # noqa: SIM115 - open to the end
        with suppress(OSError):  # standard error may be closed
            os.dup2(2, descriptor)
    sys.stdout = _Noise()
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            _Answer.stream.flush()
        sys.stdout, _Answer.stream = shown, former
        if copy is not None and descriptor is not None:
            os.dup2(copy, descriptor)
            os.close(copy)


@contextmanager
def public_output() -> Iterator[None]:
    """The opposite, within a command: for a library that speaks on standard output, and keeps it from others itself."""
    answer, shown = answer_stream(), sys.stdout
    if sys.__stdout__ is None or answer is shown:
        yield
        return
    kept = os.dup(1)
    os.dup2(answer.fileno(), 1)
    sys.stdout = sys.__stdout__
    try:
        yield
    finally:
        sys.stdout = shown
        os.dup2(kept, 1)
        os.close(kept)


def _descriptor(stream: TextIO) -> int | None:
    """The descriptor of the process's own standard output; None where the caller put something in its place."""
    try:
        return stream.fileno() if stream is sys.__stdout__ else None
    except (OSError, ValueError, AttributeError):
        return None


class _Noise(io.TextIOBase):
    """What other code finds as ``sys.stdout``; closing it closes nothing of ours."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Pass it on to standard error, as far as there is one."""
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)
        return len(text)

    def fileno(self) -> int:
        """That of standard error."""
        return sys.stderr.fileno()

    def close(self) -> None:
        """Stay open."""


class _Command(TyperCommand):
    """A command whose body runs with a private standard output; help and version are printed before."""

    def invoke(self, ctx: Any) -> Any:
        """Run the body."""
        with private_output():
            return super().invoke(ctx)


class Commands(typer.Typer):
    """A list of commands that keep standard output for their answers."""

    def command(self, *names: Any, **options: Any) -> Callable[[Any], Any]:
        """Register a function as a command, as ``Typer.command`` does."""
        return super().command(*names, **{"cls": _Command, **options})
