"""Heavy imports of a process of ours, with the garbage collector set aside.

The 2,000 modules of a diagnosis hold objects that live to the end of the process. Python's collector walks through them again
and again while they are made, with every full collection of the run, and when the process ends: a sixth of the processor time
of a quick diagnosis, for no garbage.
"""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY_MODULES = 100
"""Modules from which on what was imported is set aside for good. What else the process holds by then is set aside with it: a
process that calls command after command could not afford that each time."""


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Import in this block: nothing is collected meanwhile, and what many new modules hold is never looked at again."""
    if not gc.isenabled():
        yield
        return
    known = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) - known >= MANY_MODULES:
            gc.freeze()
        gc.enable()
