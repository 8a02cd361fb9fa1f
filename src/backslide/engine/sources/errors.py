"""Errors of a source become one line, wherever its rows are read: opening is lazy, so they may come late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from backslide.contracts.errors import SourceError


@contextmanager
def reading(what: str = "the rows") -> Iterator[None]:
    """Turn what Polars and the operating system raise into a SourceError of one line."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{what} cannot be read: {first_line(error)}") from None


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its class name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("found more fields"):
        return (
            "a row has more fields than the header; remove lines before the header, quote texts that hold the separator, or "
            "name another one in [data] separator"
        )
    return lines[0].rstrip(":") if lines else type(error).__name__
