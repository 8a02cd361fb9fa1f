"""The command line: a skin over the library. It parses, calls, prints and exits; it computes nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 fine, 1 degraded, 2 could not run."""
    # OpenMP threads that wait by spinning make gradient boosting ten times slower on a busy machine. Read once, at load.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from backslide.cli.outermost import run

    return run(arguments)
