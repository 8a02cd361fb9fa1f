"""Failures that are contained, what is never contained, and the one switch that lets everything through.

A check, a signature or a trial that fails on an odd column is said and left: it never ends a user's run. What is right for
users hides faults of ours, so the tests set ``BACKSLIDE_DEBUG``, and every such failure ends the run where it happened.
"""

from __future__ import annotations

import os

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
