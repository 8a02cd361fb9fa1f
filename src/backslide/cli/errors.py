"""The outermost frame of every command: whatever happens inside, the user sees one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from backslide.contracts.errors import BackslideError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COULD_NOT_RUN = 2
INTERRUPTED = 128 + signal.SIGINT
"""130, as shells count a command that Ctrl-C ended; Typer says the same."""
TERMINATED = 128 + signal.SIGTERM
"""143: somebody asked the process to end, a service manager for example."""

# Typer ships its own copy of click since 0.16 or so; its exceptions are reached through the one name that is public.
_UsageError = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
_INTERRUPTIONS = (KeyboardInterrupt, typer.Abort)


class Termination(BaseException):
    """SIGTERM came; no Exception, so that whatever contains the failures of a check or a source lets it through."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; never raises, except under ``BACKSLIDE_DEBUG=1``, where tracebacks are shown."""
    from backslide.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a minus sign must not end the run
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _ends_when_asked(), warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            code = app(argv or ["--help"], standalone_mode=False, prog_name="backslide")
    except (Exception, KeyboardInterrupt, Termination) as error:
        return _failed(error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Polars' core, which is no Exception
            raise
        return _failed(error)
    if not argv:  # a script that calls a command it forgot to name has not succeeded
        return COULD_NOT_RUN
    if code == INTERRUPTED:
        return _failed(KeyboardInterrupt())
    return code if isinstance(code, int) else 0


@contextmanager
def _ends_when_asked() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that stores are closed; whoever handles it already is left alone."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(_number: int, _frame: Any) -> None:
    raise Termination


def _failed(error: BaseException) -> int:
    if os.environ.get("BACKSLIDE_DEBUG") == "1":
        traceback.print_exception(error)
    print(f"backslide: {_in_one_line(error)}", file=sys.stderr)
    if isinstance(error, Termination):
        return TERMINATED
    return INTERRUPTED if isinstance(error, _INTERRUPTIONS) else COULD_NOT_RUN


def _in_one_line(error: BaseException) -> str:
    if isinstance(error, _INTERRUPTIONS):
        return "interrupted"
    if isinstance(error, Termination):
        return "terminated"
    if isinstance(error, _UsageError):
        return _flat(getattr(error, "format_message", lambda: str(error))()).rstrip(".") + _help_of(error)
    if isinstance(error, BackslideError):
        return _flat(str(error))
    if isinstance(error, OSError):
        named = f" {error.filename}" if error.filename else ""
        return f"cannot read or write{named}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return "out of memory; lower [engine] batch_rows and sample_rows, or free memory"
    return (
        f"internal error, {type(error).__name__}: {_flat(str(error))}; "
        "set BACKSLIDE_DEBUG=1 to see where, and please report it"
    )


def _help_of(error: BaseException) -> str:
    context = getattr(error, "ctx", None)
    return f"; see {context.command_path} --help" if context is not None else "; see backslide --help"


def _flat(text: str) -> str:
    return " ".join(text.split())
