"""What a column holds, as far as summaries and checks must tell columns apart."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import polars as pl


class ColumnKind(StrEnum):
    """Families of data types that are summarised alike."""

    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"
    TEMPORAL = "temporal"
    EMBEDDING = "embedding"
    NESTED = "nested"
    OTHER = "other"


def kind_of(dtype: pl.DataType) -> ColumnKind:
    """The family of a Polars data type.

    Decimals and 128-bit integers are numeric. Binary, Object, the Null type of a column without any value, and types
    unknown here are ``OTHER``: noted and left alone. Lists and arrays of numbers are embeddings.
    """
    if dtype == pl.Boolean:
        return ColumnKind.BOOLEAN
    if dtype.is_numeric():
        return ColumnKind.NUMERIC
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return ColumnKind.CATEGORICAL
    if dtype.is_temporal():
        return ColumnKind.TEMPORAL
    if isinstance(dtype, (pl.List, pl.Array)) and getattr(dtype, "shape", (1,))[1:] == () and dtype.inner.is_numeric():
        return ColumnKind.EMBEDDING
    if dtype.is_nested():
        return ColumnKind.NESTED
    return ColumnKind.OTHER


def shared_kind(column: str, windows: Sequence[tuple[ColumnKind, pl.LazyFrame]]) -> ColumnKind:
    """Kind of a column over several windows, each with its own kind and frame.

    A column that is numeric in one window only is compared as text. What has no common form (a list, bytes or a duration in one
    window and something else in the other) is ``OTHER``.
    """
    kinds = {kind for kind, _ in windows}
    if len(kinds) == 1:
        return kinds.pop()
    if ColumnKind.EMBEDDING in kinds:
        return ColumnKind.EMBEDDING
    dtypes = [frame.collect_schema()[column] for _, frame in windows]
    if any(dtype.is_nested() or dtype in (pl.Duration, pl.Binary, pl.Object) for dtype in dtypes):
        return ColumnKind.OTHER
    known = kinds - {ColumnKind.OTHER}
    return known.pop() if len(known) == 1 else ColumnKind.CATEGORICAL
