"""Code of the user's own, called so that it can harm nothing but its own answer.

A model, metric, embedder or recipe may end the process, change the folder, set the filters of warnings, or never return.
Inside :func:`contained` all of that is undone or becomes an ordinary error of that call, which whoever asks can report.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from time import monotonic, sleep
from typing import Any

from backslide.contracts.containment import Termination
from backslide.contracts.errors import ModelTimeoutError
from backslide.stats.threads import all_blas_threads

DEFAULT_SECONDS = 3600.0
"""An hour for one call: a batch of 20,000 rows at a tenth of a second each still fits, and a service does not hang for ever."""
AGAIN_SECONDS = 1.0
"""Code that swallows the interruption meets it again after so long."""
GRACE_SECONDS = 5.0
"""What native code that cannot be interrupted is given beyond the limit before the process is ended."""


class UserCodeError(Exception):
    """User code that tried to end the process, or failed with something that is no ``Exception``."""


class _Overdue(BaseException):
    """Raised inside user code that takes too long; no Exception, so that it is not taken for a failure of its own."""


class Limits:
    """What the running job grants one call; the jobs set it, the command line adds the last resort."""

    seconds: float = DEFAULT_SECONDS
    last_resort: Callable[[str], None] | None = None
    """Ends the process with a sentence, where it is ours to end."""
    deadline: tuple[float, str] | None = None
    """When the call that is running must have returned at the latest, and its name."""
    running = threading.local()
    """Whether this thread is inside user code already: the outermost call alone is timed."""


def limit_calls(seconds: float) -> None:
    """Grant every call of user code so many seconds from now on."""
    Limits.seconds = seconds


@contextmanager
def contained(what: str) -> Iterator[None]:
    """Run the block as code of the user's own; ``what`` names it in errors.

    Raises:
        ModelTimeoutError: it did not return in time.
        UserCodeError: it raised SystemExit or another BaseException that is no Exception and nobody's wish to stop.
    """
    if getattr(Limits.running, "inside", False):
        yield
        return
    folder, start = _working_folder(), monotonic()
    Limits.running.inside = True
    try:
        with warnings.catch_warnings(), all_blas_threads(), _timed(what):
            yield
        if monotonic() - start > Limits.seconds:
            raise _Overdue  # it swallowed the interruption, and what it answered after that is worth nothing
    except (Exception, KeyboardInterrupt, Termination):
        raise
    except _Overdue:
        raise ModelTimeoutError(overdue(what)) from None
    except SystemExit as error:
        raise UserCodeError(f"it asked to end the process (exit code {error.code!r})") from None
    except BaseException as error:  # a panic of a library in Rust, a cancelled task, GeneratorExit
        text = " ".join(str(error).split())[:200]
        raise UserCodeError(f"{type(error).__name__}: {text}" if text else type(error).__name__) from None
    finally:
        Limits.running.inside = False
        if folder is not None and _working_folder() != folder:
            os.chdir(folder)


def overdue(what: str) -> str:
    """The sentence about a call that took too long."""
    return (
        f"{what} did not return within {Limits.seconds:g} s and was stopped; "
        "raise [engine] model_timeout if it needs longer"
    )


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # removed while we are in it
        return None


@contextmanager
def _timed(what: str) -> Iterator[None]:
    """Interrupt the block when its time is over: by a signal in the main thread, else by an exception set from outside."""
    alarm, timer = _alarm_is_free(), None
    Limits.deadline = (monotonic() + Limits.seconds + GRACE_SECONDS, what)
    if Limits.last_resort is not None:
        _watchdog()
    try:
        if alarm:
            signal.signal(signal.SIGALRM, _interrupt)
            signal.setitimer(signal.ITIMER_REAL, Limits.seconds, AGAIN_SECONDS)
        else:
            timer = threading.Timer(Limits.seconds, _interrupt_thread, (threading.get_ident(),))
            timer.daemon = True
            timer.start()
        yield
    finally:
        if alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        if timer is not None:
            timer.cancel()
        Limits.deadline = None


@cache
def _watchdog() -> threading.Thread:
    """One thread that ends the process when a call outlives even its grace: native code hears no signal."""
    thread = threading.Thread(target=_look_at_the_clock, name="backslide-watchdog", daemon=True)
    thread.start()
    return thread


def _look_at_the_clock() -> None:
    while True:
        sleep(AGAIN_SECONDS)
        deadline, end = Limits.deadline, Limits.last_resort
        if deadline is not None and end is not None and monotonic() > deadline[0]:
            end(overdue(deadline[1]))


def _alarm_is_free() -> bool:
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return False
    with suppress(ValueError):  # an interpreter within another
        return signal.getsignal(signal.SIGALRM) == signal.SIG_DFL and signal.getitimer(signal.ITIMER_REAL)[0] == 0
    return False


def _interrupt(_number: int, _frame: Any) -> None:
    raise _Overdue


def _interrupt_thread(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Overdue))
