"""Timestamps as naive UTC, whatever they were logged as."""

from __future__ import annotations

import polars as pl

from backslide.contracts.errors import TimestampError

_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f%:z",
    "%Y-%m-%d %H:%M:%S%.f%:z",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
)
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%d.%m.%Y", "%Y%m%d")
_EPOCHS = ((1e8, 1e11, "s"), (1e11, 1e14, "ms"), (1e14, 1e17, "us"), (1e17, 1e20, "ns"))
TRIED = 2000


def time_expression(frame: pl.LazyFrame, column: str, dtype: pl.DataType) -> pl.Expr:
    """An expression for ``column`` as naive UTC ``Datetime("us")``.

    Dates, datetimes with and without zone, ISO and common other texts, and Unix epochs are read.

    Raises:
        TimestampError: when the column holds something else; shows a value that could not be read.
    """
    value = pl.col(column)
    if dtype == pl.Date:
        return value.cast(pl.Datetime("us"))
    if isinstance(dtype, pl.Datetime):
        naive = value.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else value
        return naive.cast(pl.Datetime("us"))
    head = frame.select(value).filter(value.is_not_null()).head(TRIED).collect().to_series()
    if len(head) == 0:
        return pl.lit(None, dtype=pl.Datetime("us"))
    if dtype.is_numeric():
        return _epoch(value, head, column)
    if dtype in (pl.String, pl.Categorical) or isinstance(dtype, pl.Enum):
        return _text(value, head, column)
    raise TimestampError(f"timestamp {column!r}: expected dates, datetimes, texts or Unix epochs, found {dtype}")


def _epoch(value: pl.Expr, head: pl.Series, column: str) -> pl.Expr:
    numbers = head.cast(pl.Float64)
    for low, high, unit in _EPOCHS:
        if bool(((numbers >= low) & (numbers < high)).all()):
            scale = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}[unit]
            return (value.cast(pl.Float64) * scale).round().cast(pl.Int64).cast(pl.Datetime("us"))
    raise TimestampError(
        f"timestamp {column!r}: expected times, found numbers such as {head[0]!r} that are no Unix epoch; "
        "give a date or datetime column, or leave [model] timestamp out"
    )


def _text(value: pl.Expr, head: pl.Series, column: str) -> pl.Expr:
    texts = head.cast(pl.String).str.strip_chars()
    stripped = value.cast(pl.String).str.strip_chars()
    for pattern in _FORMATS:
        if texts.str.to_datetime(pattern, strict=False, time_unit="us").null_count() == 0:
            parsed = stripped.str.to_datetime(pattern, strict=False, time_unit="us")
            return parsed.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if "%:z" in pattern else parsed
    for pattern in _DATES:
        if texts.str.to_date(pattern, strict=False).null_count() == 0:
            return stripped.str.to_date(pattern, strict=False).cast(pl.Datetime("us"))
    bad = next((t for t in texts if all(pl.Series([t]).str.to_datetime(p, strict=False).null_count() for p in _FORMATS)
                and all(pl.Series([t]).str.to_date(p, strict=False).null_count() for p in _DATES)), texts[0])  # fmt: skip
    raise TimestampError(
        f"timestamp {column!r}: {bad!r} cannot be read as a time; expected ISO 8601 such as 2026-03-01T12:00:00, in one format"
    )
