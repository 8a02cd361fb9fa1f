"""Failures that are contained, what is never contained, and the one switch that lets everything through.

A check, a signature or a trial that fails on an odd column is said and left: it never ends a user's run. What is right for
users hides faults of ours, so the tests set ``BACKSLIDE_DEBUG``, and every such failure ends the run where it happened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager

from backslide.contracts.errors import ModelTimeoutError, UntrustedError

DEBUG = "BACKSLIDE_DEBUG"


class Termination(BaseException):
    """SIGTERM came; no Exception, so that whatever contains the failures of a check or a source lets it through."""


def let_through(error: BaseException | None = None) -> bool:
    """Whether a failure that would be contained is to be raised instead.

    A model that does not return is never contained, for the next check would wait for it as long again; nor is code that was
    refused, for whoever named it must be asked.
    """
    return isinstance(error, (ModelTimeoutError, UntrustedError)) or bool(os.environ.get(DEBUG))


@contextmanager
def noted(what: str, notes: MutableSequence[str]) -> Iterator[None]:
    """Let the block fail: a note says that ``what`` could not be tried out, and the run goes on behind it."""
    try:
        yield
    except Exception as error:
        if let_through(error):
            raise
        first = (str(error).splitlines() or [""])[0]
        notes.append(f"{what} could not be tried out: {type(error).__name__}: {first}"[:200])
