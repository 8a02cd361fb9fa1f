"""The outermost frame of every command: whatever happens inside, the user sees one line and an exit code."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from backslide.cli.memory import watched_memory
from backslide.cli.streams import let_go_of_output, open_closed_streams
from backslide.contracts.containment import Termination
from backslide.contracts.errors import BackslideError
from backslide.contracts.files import remove_parts
from backslide.contracts.scratch import remove_folders
from backslide.contracts.secrets import scrub
from backslide.models.user_code import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COULD_NOT_RUN = 2

# Typer ships its own copy of click since 0.16 or so; its exceptions are reached through the one name that is public.
_UsageError = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
_INTERRUPTIONS = (KeyboardInterrupt, typer.Abort)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; never raises, except under ``BACKSLIDE_DEBUG=1``, where tracebacks are shown."""
    open_closed_streams()
    code = _run(arguments)
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:  # or the interpreter fails at it when it ends, with a code of its own
        let_go_of_output()
        if code not in (0, 1) or isinstance(error, BrokenPipeError):
            return code
        return _failed(error)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    from backslide.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a minus sign must not end the run
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with ends_when_asked(_leave), _exits_are_ours(), watched_memory(), warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            code = app(argv or ["--help"], standalone_mode=False, prog_name="backslide")
    except (
        BaseException
    ) as error:  # also a panic of Polars' core and sys.exit() of the user's code, which are no Exceptions
        return _failed(error)
    if not argv:  # a script that calls a command it forgot to name has not succeeded
        return COULD_NOT_RUN
    if code == INTERRUPTED:
        return _failed(KeyboardInterrupt())
    return code if isinstance(code, int) else 0


_exit = os._exit


def _leave(sentence: str, code: int = COULD_NOT_RUN) -> None:
    """End the process without unwinding it, with one line and nothing half written."""
    remove_parts()
    remove_folders()
    os.write(2, f"backslide: {scrub(sentence)}\n".encode())
    _exit(code)


@contextmanager
def _exits_are_ours() -> Iterator[None]:
    """``os._exit`` of user code becomes an error, and a call that nothing interrupts ends the process with 2, never with less.

    Processes that were forked off end as they like.
    """
    leave, process = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:
            leave(status)
        raise SystemExit(status)

    os._exit, Limits.last_resort = refuse, _leave
    try:
        yield
    finally:
        os._exit, Limits.last_resort = leave, None


def _failed(error: BaseException) -> int:
    if os.environ.get("BACKSLIDE_DEBUG") == "1":
        print(scrub("".join(traceback.format_exception(error))), file=sys.stderr, end="")
    line = f"backslide: {scrub(_in_one_line(error))}"
    try:
        print(line, file=sys.stderr)
    except (OSError, ValueError):  # closed, by whoever reads it or by the user's code
        with suppress(OSError):
            os.write(2, f"{line}\n".encode(errors="replace"))
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
    if isinstance(error, SystemExit):
        return f"code that was called asked to end the process (exit code {error.code!r}), so there is no answer"
    if isinstance(error, MemoryError):
        return "out of memory; lower [engine] batch_rows and sample_rows, or free memory"
    if type(error).__name__ == "PanicException" or type(error).__module__ == "polars.exceptions":
        damaged = type(error).__name__ in (
            "PanicException",
            "ComputeError",
            "OutOfBoundsError",
        ) or "unable to decode" in str(error)
        if damaged:  # what opens lazily may be found out late, wherever its rows are read
            return (
                f"a table cannot be read and may be damaged: {_flat(str(error))[:200]}; BACKSLIDE_DEBUG=1 shows where"
            )
    return (
        f"internal error, {type(error).__name__}: {_flat(str(error))}; "
        "set BACKSLIDE_DEBUG=1 to see where, and please report it"
    )


def _help_of(error: BaseException) -> str:
    context = getattr(error, "ctx", None)
    return f"; see {context.command_path} --help" if context is not None else "; see backslide --help"


def _flat(text: str) -> str:
    return " ".join(text.split())


# What ends a command from outside: SIGTERM and Ctrl-C unwind it, and end the process where native code hears neither.


INTERRUPTED = 128 + signal.SIGINT
"""130, as shells count a command that Ctrl-C ended; Typer says the same."""
TERMINATED = 128 + signal.SIGTERM
"""143: somebody asked the process to end, a service manager for example."""
WORDS = {INTERRUPTED: "interrupted", TERMINATED: "terminated"}
PATIENCE_SECONDS = 10.0
"""For unwinding. A library in native code may read a large file for minutes before Python sees the signal, and service managers
kill after 10 (containers) to 90 seconds (systemd)."""
_OVER = b"\0"


@contextmanager
def ends_when_asked(end: Callable[[str, int], None]) -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that stores are closed; whoever handles it already is left alone.

    ``end`` is called with a word and an exit code, in another thread, when the block has not ended some seconds after a signal.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    former = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    process = os.getpid()

    def wait() -> None:
        while (heard := ours.recv(1)) not in (_OVER, b""):
            if heard[0] + 128 not in WORDS or os.getpid() != process:
                continue
            ours.settimeout(PATIENCE_SECONDS)
            try:
                while ours.recv(1) not in (_OVER, b""):
                    pass
            except TimeoutError:
                end(WORDS[heard[0] + 128], heard[0] + 128)
            return

    watcher = threading.Thread(target=wait, name="backslide-signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        theirs.send(_OVER)
        watcher.join()
        ours.close()
        theirs.close()


def _terminate(_number: int, _frame: Any) -> None:
    raise Termination
