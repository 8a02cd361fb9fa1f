"""Errors of a source become one line, wherever its rows are read: opening is lazy, so they may come late."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from backslide.contracts.errors import SourceError


@contextmanager
def reading(what: str = "the rows") -> Iterator[None]:
    """Turn what Polars and the operating system raise into a SourceError of one line."""
    try:
        yield
    except BaseException as error:
        if not unreadable(error):
            raise
        raise SourceError(f"{what} cannot be read: {first_line(error)}") from None


@contextmanager
def opening() -> Iterator[None]:
    """The same around a long stretch of work, for what says that bytes are damaged and nothing else."""
    try:
        yield
    except (pl.exceptions.ComputeError, pl.exceptions.OutOfBoundsError) as error:
        raise SourceError(f"the rows cannot be read: {first_line(error)}") from None
    except BaseException as error:
        if isinstance(error, Exception) or not unreadable(error):
            raise
        raise SourceError(f"the rows cannot be read: {first_line(error)}") from None


_STORES = ("google", "botocore", "boto3", "azure", "adlfs", "deltalake", "_internal")
"""Packages that open object stores and tables for Polars; they raise classes of their own."""


def unreadable(error: BaseException) -> bool:
    """Whether it says that bytes or credentials are wrong: an error of Polars, a panic of its core, the system, a store."""
    if isinstance(error, (pl.exceptions.PolarsError, OSError, EOFError, zlib.error)):
        return True
    kind = type(error)
    return kind.__name__ == "PanicException" or kind.__module__.split(".")[0] in _STORES


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its class name."""
    if type(error).__name__ == "PanicException":
        return f"they seem to be damaged ({' '.join(str(error).split())[:120]})"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("found more fields"):
        return (
            "a row has more fields than the header; remove lines before the header, quote texts that hold the separator, or "
            "name another one in [data] separator"
        )
    return lines[0].rstrip(":") if lines else type(error).__name__
