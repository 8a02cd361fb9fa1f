"""The command line: a skin over the library. It parses, calls, prints and exits; it computes nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 no material degradation; 1 degraded, held, refused or an open alarm; 2 could not run; 130 interrupted; 143 terminated.
    """
    # OpenMP threads that wait by spinning make gradient boosting ten times slower on a busy machine. Read once, at load.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if os.environ.get("BACKSLIDE_DEBUG") != "1":
        os.environ["RUST_BACKTRACE"] = "0"  # a panic is told in one line; its stack is for debugging
    from backslide.contracts.imports import claim_process, heavy_imports

    if arguments is None:
        claim_process()
    with heavy_imports():
        from backslide.cli.errors import run

    return run(arguments)
