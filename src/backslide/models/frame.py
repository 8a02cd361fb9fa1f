"""Polars rows as the pandas frame that a user's model was trained on.

Built column by column with numpy, so that pyarrow is not needed. The dtypes are a contract: encoders and exact
replays fail for reasons that are not the model's when strings arrive as pandas' ``str`` dtype, or missing ones as
``None``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

_EXACT_IN_FLOAT = 2**53
FEW = 0.5
"""Distinct texts over rows up to which rows share them."""


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """The same rows and columns in pandas.

    Floats and decimals become float64, integers int64 (float64 where they hold nulls, ``uint64`` or objects where
    that would lose digits), booleans ``bool``, strings and categories ``object``, datetimes and dates
    ``datetime64``, durations ``timedelta64``, lists of numbers objects of one numpy array each; a missing value is NaN or
    NaT, never None. A column that is null throughout and has no type is ``object``, as encoders want it.
    """
    columns = {}
    for column in frame:
        convert = next(
            (make for applies, make in _CONVERSIONS if applies(column.dtype)), lambda c: _objects(c.to_list())
        )
        columns[column.name] = convert(column)
    return pd.DataFrame(columns, index=pd.RangeIndex(frame.height), columns=pd.Index(frame.columns, dtype=object))


def _objects(values: list[Any]) -> pd.Series[Any]:
    """An object column with NaN for None; of explicit dtype, because pandas infers ``str`` from strings."""
    return pd.Series([np.nan if value is None else value for value in values], dtype=object)


def _texts(column: pl.Series) -> pd.Series[Any]:
    """An object column of texts, NaN for null. Rows of one text share it, so that whoever looks it up takes its hash once."""
    column = column.cast(pl.String)
    levels = column.drop_nulls().unique()
    if len(levels) > FEW * len(column):
        return _objects(column.to_list())
    words = np.array([*levels.to_list(), np.nan], dtype=object)
    places = column.cast(pl.Enum(levels)).to_physical().fill_null(len(levels)).to_numpy()
    return pd.Series(words[places], dtype=object)


def _floats(column: pl.Series) -> Any:
    if column.dtype == pl.Float64:
        return column.to_numpy(writable=True)  # which writes nulls as NaN
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy(writable=True)


def _integers(column: pl.Series) -> Any:
    low, high = column.min(), column.max()
    if low is None or high is None:
        return np.full(column.len(), np.nan)
    assert isinstance(low, int)
    assert isinstance(high, int)
    if column.null_count():
        exact = low >= -_EXACT_IN_FLOAT and high <= _EXACT_IN_FLOAT
        return _floats(column) if exact else _objects(column.to_list())
    if low >= -(2**63) and high < 2**63:
        return column.cast(pl.Int64).to_numpy(writable=True)
    if low >= 0 and high < 2**64:
        return column.cast(pl.UInt64).to_numpy(writable=True)
    return _objects(column.to_list())


def _datetimes(column: pl.Series) -> Any:
    zone = getattr(column.dtype, "time_zone", None)
    if zone is None:
        return pd.Series(column.to_numpy(writable=True))
    utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return pd.Series(utc.to_numpy(writable=True)).dt.tz_localize("UTC").dt.tz_convert(zone)


def _vectors(column: pl.Series) -> Any:
    """Every list of numbers as an array of its own, as pandas reads them from Parquet."""
    values = np.empty(len(column), object)
    for i, vector in enumerate(column):
        values[i] = np.nan if vector is None else vector.to_numpy(writable=True)
    return pd.Series(values, dtype=object)


_CONVERSIONS: tuple[tuple[Callable[[pl.DataType], bool], Callable[[pl.Series], Any]], ...] = (
    (lambda dtype: dtype.is_float() or dtype.is_decimal(), _floats),
    (lambda dtype: dtype.is_integer(), _integers),
    (
        lambda dtype: dtype == pl.Boolean,
        lambda c: _objects(c.to_list()) if c.null_count() else c.to_numpy(writable=True),
    ),
    (lambda dtype: dtype in (pl.String, pl.Categorical, pl.Enum), _texts),
    (lambda dtype: isinstance(dtype, pl.Datetime), _datetimes),
    (lambda dtype: dtype == pl.Date, lambda c: _datetimes(c.cast(pl.Datetime("us")))),
    (lambda dtype: isinstance(dtype, pl.Duration), lambda c: pd.Series(c.to_numpy(writable=True))),
    (lambda dtype: isinstance(dtype, (pl.List, pl.Array)) and dtype.inner.is_numeric(), _vectors),
)
