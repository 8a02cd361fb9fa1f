"""Heavy imports of a process of ours, with the garbage collector set aside.

The 2,000 modules of a diagnosis hold objects that live to the end of the process. Python's collector walks through them again
and again while they are made, with every full collection of the run, and when the process ends: a sixth of the processor time
of a quick diagnosis, for no garbage.
"""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_OURS: list[bool] = []
"""Holds something in a process of ours."""

MANY_MODULES = 100
"""Modules from which on what was imported is set aside for good. What else the process holds by then is set aside with it: a
process that calls command after command could not afford that each time."""

NEWEST_SCIPY = (1, 17)
"""The newest minor version of SciPy that was imported without docstrings in trials (the oldest: 1.13); a newer one comes as it
is."""


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


def claim_process() -> None:
    """Say that the process is ours: the command line or a worker, where nobody else meets what was imported in short."""
    _OURS.append(True)


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """In a process of ours, packages that are not imported yet count as not installed while the block imports.

    For what a library only draws with. A process of somebody else's imports the whole: the library is there for others too.
    """
    absent = [package for package in packages if package not in sys.modules] if _OURS else []
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None is how Python says: not to be found
    try:
        yield
    finally:
        for package in absent:
            with suppress(KeyError):
                del sys.modules[package]


@contextmanager
def undocumented() -> Iterator[None]:
    """In a process of ours, SciPy is imported in this block without its docstrings.

    It takes those of 500 functions apart and writes them anew whenever it is imported: an eighth of what importing it with pandas
    and scikit-learn takes, for help that no command prints. A process of somebody else's imports the whole.
    """
    parser = _docstring_parser() if _OURS and "scipy.stats" not in sys.modules else None
    if parser is None:
        yield
        return
    whole = parser._parse
    parser._parse = lambda _: None
    try:
        yield
    finally:
        parser._parse = whole


def _docstring_parser() -> Any:
    """The class of SciPy that reads docstrings; None where there is none, or a newer one than was tried."""
    with suppress(Exception):  # private, and only a matter of time saved
        version = import_module("scipy").__version__.split(".")
        if (int(version[0]), int(version[1])) <= NEWEST_SCIPY:
            parser = import_module("scipy._lib._docscrape").NumpyDocString
            return parser if callable(parser._parse) else None
    return None
