"""Failures that are contained, and the one switch that lets them through.

A check, a signature or a trial that fails on an odd column is said and left: it never ends a user's run. What is right for
users hides faults of ours, so the tests set ``BACKSLIDE_DEBUG``, and every such failure ends the run where it happened.
"""

from __future__ import annotations

import os

DEBUG = "BACKSLIDE_DEBUG"


def let_through() -> bool:
    """Whether a failure that would be contained is to be raised instead."""
    return bool(os.environ.get(DEBUG))
