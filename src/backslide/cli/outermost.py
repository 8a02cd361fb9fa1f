"""The outermost frame of every command: whatever happens inside, the user sees one line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from typing import TYPE_CHECKING

import typer

from backslide.contracts.errors import BackslideError

if TYPE_CHECKING:
    from collections.abc import Sequence

COULD_NOT_RUN = 2
_INTERRUPTED = 130
"""What Typer makes of Ctrl-C; here an interrupted run is one that could not be finished."""

# Typer ships its own copy of click since 0.16 or so; its exceptions are reached through the one name that is public.
_UsageError = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; never raises, except under ``BACKSLIDE_DEBUG=1``, where tracebacks are shown."""
    from backslide.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a minus sign must not end the run
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            code = app(given or ["--help"], standalone_mode=False, prog_name="backslide")
    except (Exception, KeyboardInterrupt) as error:
        return _failed(error)
    if not given:  # a script that calls a command it forgot to name has not succeeded
        return COULD_NOT_RUN
    if code == _INTERRUPTED:
        return _failed(KeyboardInterrupt())
    return code if isinstance(code, int) else 0


def _failed(error: BaseException) -> int:
    if os.environ.get("BACKSLIDE_DEBUG") == "1":
        traceback.print_exception(error)
    print(f"backslide: {_in_one_line(error)}", file=sys.stderr)
    return COULD_NOT_RUN


def _in_one_line(error: BaseException) -> str:
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return "interrupted"
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
