"""pandas at the border: a DataFrame becomes a Polars one column by column, with or without pyarrow installed.

What pandas calls missing becomes null, except NaN in a column of NumPy floats, which stays NaN: there the two cannot
be told apart by us, and are both counted as missing later.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backslide.contracts.errors import SourceError
from backslide.contracts.extras import needs
from backslide.contracts.labels import label_text
from backslide.engine.sources.arrow_types import column_of, no_panic
from backslide.stats.arrays import Mask

if TYPE_CHECKING:
    import pandas as pd


def from_pandas(frame: pd.DataFrame) -> pl.DataFrame:
    """A Polars frame of the columns; the index is left out.

    Raises:
        SourceError: when two columns share a name.
    """
    names = [_column_name(name) for name in frame.columns]
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise SourceError(f"expected one column per name, got {repeated[0]!r} twice; rename or drop one")
    return pl.DataFrame([_column(name, frame.iloc[:, i]) for i, name in enumerate(names)])


def _column_name(name: Any) -> str:
    return "_".join(str(part) for part in name) if isinstance(name, tuple) else str(name)


def _column(name: str, values: pd.Series[Any]) -> pl.Series:
    """One pandas column as a Polars series."""
    import pandas as pd

    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _from_categories(name, values)
    if isinstance(dtype, pd.DatetimeTZDtype):
        instants = values.dt.tz_convert("UTC").dt.tz_localize(None)
        return _from_numpy(name, instants.to_numpy()).dt.replace_time_zone("UTC")
    if isinstance(dtype, pd.SparseDtype):
        return _from_numpy(name, np.asarray(values))
    if type(dtype).__name__ == "ArrowDtype":
        return _from_arrow(name, values)
    if isinstance(dtype, np.dtype):
        return _from_numpy(name, values.to_numpy())
    missing = values.isna().to_numpy(dtype=bool)
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        plain = np.dtype(getattr(dtype, "numpy_dtype", np.float64))
        filled = values.to_numpy(dtype=plain, na_value=plain.type(0))
        return _with_nulls(_from_numpy(name, filled), missing)
    return from_objects(name, values.to_numpy(dtype=object), missing)  # strings, periods, intervals


def _from_categories(name: str, values: pd.Series[Any]) -> pl.Series:
    """Categories as what they are, numbers, truth values, times or texts: their codes are storage, not meaning."""
    codes = values.cat.codes.to_numpy()
    levels = values.cat.categories
    if not len(levels):
        return pl.Series(name, [None] * len(codes), dtype=pl.String)
    labels = _column(name, levels.to_series())
    if labels.dtype.is_nested() or labels.dtype == pl.Object:
        labels = pl.Series(name, [label_text(level) for level in levels], dtype=pl.String)
    picked = np.where(codes < 0, 0, codes).astype(np.uint32)
    return _with_nulls(labels.gather(picked), codes < 0)


def _from_arrow(name: str, values: pd.Series[Any]) -> pl.Series:
    with needs("arrow", f"reading the column {name!r}, which pandas keeps in Arrow,"):
        import pyarrow as pa

        return column_of(name, pa.chunked_array(pa.array(values)) if len(values) else pa.array(values))


def _from_numpy(name: str, array: npt.NDArray[Any]) -> pl.Series:
    kind = array.dtype.kind
    if kind == "O":
        return from_objects(name, array)
    if kind in "mM":
        unit = np.datetime_data(array.dtype)[0]
        finer = array if unit in ("ns", "us", "ms") else array.astype(f"{kind}8[ms]")
        return pl.Series(name, np.ascontiguousarray(finer))
    if array.dtype == np.float16 or array.dtype == np.longdouble:
        array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    if kind == "c":
        return pl.Series(name, [str(value) for value in array], dtype=pl.String)
    return pl.Series(name, np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))


def _with_nulls(values: pl.Series, missing: Mask) -> pl.Series:
    if not missing.any():
        return values
    return pl.select(pl.when(pl.Series(missing)).then(None).otherwise(values).alias(values.name)).to_series()


def from_objects(name: str, values: npt.NDArray[np.object_], missing: Mask | None = None) -> pl.Series:
    """A column of Python objects by what they are: numbers, booleans, texts, times, bytes, lists or dicts.

    A mixture becomes text, written like labels are, so that ``1`` and ``"1"`` are one level.
    """
    import pandas as pd

    if missing is None:
        try:
            missing = pd.isna(pd.Series(values, dtype=object)).to_numpy(dtype=bool)
        except InvalidOperation:  # a signalling NaN raises where it is compared
            values = np.array([None if isinstance(v, Decimal) and v.is_snan() else v for v in values], object)
            missing = pd.isna(pd.Series(values, dtype=object)).to_numpy(dtype=bool)
    absent = missing
    present = [value.item() if isinstance(value, np.generic) else value for value in values[~absent]]
    dtype, converted = _common_type(present)
    try:
        column = pl.Series(name, converted, dtype=dtype, strict=False)
    except UnicodeEncodeError:  # half a surrogate pair, which no encoding can hold
        column = pl.Series(name, [_encodable(value) for value in converted], dtype=dtype, strict=False)
    except (pl.exceptions.PolarsError, OverflowError):  # a time or a duration beyond what 64 bits hold
        column = pl.Series(name, [str(value) for value in present], dtype=pl.String)
    return column if not absent.any() else _spread(column, absent)


def _encodable(value: Any) -> Any:
    """A text with lone surrogates as what a decoder makes of them: replacement characters."""
    return re.sub("[\ud800-\udfff]", "\ufffd", value) if isinstance(value, str) else value


def _spread(column: pl.Series, absent: Mask) -> pl.Series:
    """Put the present values back to their places, null elsewhere."""
    if not len(column):
        return pl.Series(column.name, [None] * len(absent), dtype=column.dtype)
    places = np.maximum(np.cumsum(~absent) - 1, 0).astype(np.uint32)
    return _with_nulls(column.gather(places), absent)


def _common_type(present: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The Polars type that holds every value, and the values as it takes them; None leaves nested types to Polars."""
    types = {type(value) for value in present}
    if not types:
        return pl.Null, []
    for family, dtype in _FAMILIES:
        if all(issubclass(kind, family) and (kind is not bool or family is bool) for kind in types):
            return decimals(present) if family is Decimal else _refine(dtype, list(present))
    if types <= {int, float} and all(abs(value) <= 2**53 for value in present if isinstance(value, int)):
        return pl.Float64, [float(value) for value in present]
    if types <= {int, float, Decimal} and Decimal in types:
        return decimals(present)
    if all(issubclass(kind, (list, tuple, np.ndarray, dict)) for kind in types):
        return _nested(present)
    return pl.String, [label_text(value) for value in present]


_FAMILIES: tuple[tuple[type, Any], ...] = (
    (str, pl.String),
    (bool, pl.Boolean),
    (int, pl.Int64),
    (float, pl.Float64),
    (Decimal, None),
    (datetime, pl.Datetime("us", "UTC")),
    (date, pl.Date),
    (time, pl.Time),
    (timedelta, pl.Duration("us")),
    (bytes, pl.Binary),
)


def _refine(dtype: Any, present: list[Any]) -> tuple[Any, list[Any]]:
    """Integers beyond 64 bits keep every digit; datetimes with and without a zone are told apart."""
    if dtype == pl.Int64 and not all(-(2**63) <= value < 2**63 for value in present):
        wide = all(-(2**127) <= value < 2**127 for value in present)
        return (pl.Int128, present) if wide else (pl.String, [str(value) for value in present])
    if isinstance(dtype, pl.Datetime):
        zoned = {value.tzinfo is not None for value in present}
        if zoned == {False}:
            return pl.Datetime("us"), present
        if len(zoned) == 2:
            return pl.String, [value.isoformat() for value in present]
        return dtype, [value.astimezone(UTC) for value in present]  # Polars takes one zone, or offsets alone
    return dtype, present


DIGITS = 38
"""Digits that a decimal of Polars holds."""


def decimals(present: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Decimals as such where all of them are finite and fit together; floats otherwise, which infinity and NaN need."""
    if any(type(value) is float for value in present):
        return pl.Float64, [float(value) for value in present]
    parts = [Decimal(value).as_tuple() for value in present]
    if any(not isinstance(part.exponent, int) for part in parts):
        return pl.Float64, [float(value) for value in present]
    scale = max(-int(part.exponent) for part in parts)
    whole = max(len(part.digits) + int(part.exponent) for part in parts)
    if max(scale, 0) + max(whole, 0) > DIGITS:
        return pl.Float64, [float(value) for value in present]
    return None, [Decimal(value) for value in present]


def _nested(present: Sequence[Any]) -> tuple[Any, list[Any]]:
    values = [list(value) if isinstance(value, (tuple, np.ndarray)) else value for value in present]
    if any(_holds_decimals(value) for value in values):
        values = [_with_floats(value) for value in values]
    try:
        with no_panic("a column of nested values"):
            pl.Series(values)
    except (TypeError, ValueError, OverflowError, SourceError, pl.exceptions.PolarsError):
        return pl.String, [str(value) for value in values]
    return None, values


def _holds_decimals(value: Any) -> bool:
    """Whether the first thing in a nested value is a decimal; Polars ends in a panic on one that is not finite."""
    if isinstance(value, dict):
        return any(_holds_decimals(part) for part in value.values())
    if isinstance(value, (list, tuple)):
        return bool(value) and _holds_decimals(value[0])
    return isinstance(value, Decimal)


def _with_floats(value: Any) -> Any:
    """A nested value with floats in place of its decimals."""
    if isinstance(value, dict):
        return {key: _with_floats(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_floats(part) for part in value]
    return float(value) if isinstance(value, Decimal) and not value.is_snan() else value
