"""Arrow types that Polars does not hold, at the border: 256-bit decimals become floats, others are refused by name.

Polars ends on some of them in a panic of its core, which is no ``Exception`` and prints to the terminal; so types are looked at
first, and a panic that comes all the same is turned into an error of one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl

from backslide.contracts.errors import SourceError
from backslide.contracts.extras import needs

if TYPE_CHECKING:
    import pyarrow as pa


@contextmanager
def no_panic(what: str) -> Iterator[None]:
    """Turn a panic of Polars into a SourceError about ``what``; everything else passes."""
    try:
        yield
    except BaseException as error:
        if not is_panic(error):
            raise
        raise SourceError(
            f"{what} holds values of a type that cannot be read; write it as numbers, texts or times, or leave it out"
        ) from None


def is_panic(error: BaseException) -> bool:
    """Whether an error is a panic of Polars, told by name: the class is private to its binary."""
    return type(error).__name__ == "PanicException"


def column_of(name: str, values: pa.Array | pa.ChunkedArray) -> pl.Series:
    """One Arrow array as a Polars series.

    Raises:
        SourceError: its type cannot be read.
    """
    values = _convert_type(name, values)
    with no_panic(f"column {name!r} ({values.type})"):
        try:
            with needs("arrow", "reading this Arrow column"):
                converted = pl.from_arrow(values)
        except (pl.exceptions.PolarsError, TypeError, ValueError, NotImplementedError) as error:
            raise SourceError(
                f"column {name!r}: Arrow type {values.type} cannot be read ({str(error).splitlines()[0]}); write it as "
                "numbers, texts or times, or leave it out"
            ) from None
    assert isinstance(converted, pl.Series)
    return converted.alias(name)


def table_of(source: Any) -> pl.DataFrame | None:
    """A pyarrow table or record batch column by column; None for anything else that speaks the Arrow interface."""
    if type(source).__module__.split(".")[0] != "pyarrow" or not hasattr(source, "schema"):
        return None
    if not any(_is_odd(field.type) for field in source.schema):
        return None
    with needs("arrow", "reading this Arrow column"):
        import pyarrow as pa

    table = source if isinstance(source, pa.Table) else pa.table(source)
    return pl.DataFrame([column_of(name, table.column(i)) for i, name in enumerate(table.column_names)])


def _convert_type(name: str, values: Any) -> Any:
    """The values in a type that Polars holds, where there is one that says the same."""
    with needs("arrow", "reading this Arrow column"):
        import pyarrow as pa

    if pa.types.is_decimal256(values.type):
        return values.cast(pa.float64())
    if _is_odd(values.type):
        raise SourceError(
            f"column {name!r}: Arrow type {values.type} cannot be read; cast it to numbers, texts, times or plain lists, or "
            "leave it out"
        )
    return values


_ODD = ("is_decimal256", "is_union", "is_run_end_encoded", "is_list_view", "is_large_list_view", "is_interval")
"""Tests of ``pyarrow.types`` for what Polars does not read; older versions of pyarrow lack some of them."""


def _is_odd(kind: Any) -> bool:
    """Whether a type is, or holds, one that Polars does not read."""
    with needs("arrow", "reading this Arrow column"):
        import pyarrow as pa

    if any(getattr(pa.types, test, lambda _: False)(kind) for test in _ODD):
        return True
    return any(_is_odd(kind.field(i).type) for i in range(kind.num_fields))
