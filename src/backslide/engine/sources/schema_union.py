"""Columns whose types differ between the files of one source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from backslide.contracts.errors import SourceError
from backslide.engine.sources.csv_files import Scan
from backslide.engine.sources.file_notes import FileNotes


def typed(scans: Sequence[Scan]) -> list[pl.LazyFrame]:
    """Parts in which columns without a value have no type; nor have those of missing values alone where others hold numbers."""
    if not any(scan.blank or scan.unknown for scan in scans):
        return [scan.frame for scan in scans]
    kinds: dict[str, set[bool]] = {}
    """Column -> whether it is of texts, in the files where it holds a value."""
    for scan in scans:
        for column, dtype in scan.frame.collect_schema().items():
            if column not in scan.blank and column not in scan.unknown:
                kinds.setdefault(column, set()).add(dtype == pl.String)
    done = []
    for scan in scans:
        void = [*scan.blank, *(column for column in scan.unknown if kinds.get(column) == {False})]
        done.append(scan.frame.with_columns(pl.lit(None, dtype=pl.Null).alias(column) for column in void))
    return done


def unified(
    parts: Sequence[pl.LazyFrame], schemas: Sequence[pl.Schema], files: Sequence[str], notes: FileNotes
) -> list[pl.LazyFrame]:
    """Parts whose times meet in UTC where they come with several zones, or with and without one.

    Raises:
        SourceError: a column holds times in one file and numbers in another.
    """
    zones: dict[str, set[str | None]] = {}
    known: dict[str, tuple[pl.DataType, str]] = {}
    for schema, file in zip(schemas, files, strict=True):
        for column, dtype in schema.items():
            before, other = known.setdefault(column, (dtype, file))
            if {before.is_temporal(), dtype.is_temporal()} == {True, False} and (
                before.is_numeric() or dtype.is_numeric()
            ):
                raise SourceError(
                    f"expected one type of {column!r} in all files, it is {before} in {Path(other).name} and {dtype} in "
                    f"{Path(file).name}; write it alike"
                )
            if isinstance(dtype, pl.Datetime):
                zones.setdefault(column, set()).add(dtype.time_zone)
    mixed = {column for column, zone_set in zones.items() if len(zone_set) > 1}
    if not mixed:
        return list(parts)
    done = []
    for part, schema, file in zip(parts, schemas, files, strict=True):
        changed = []
        for column in schema.names():
            dtype = schema[column]
            if column not in mixed or not isinstance(dtype, pl.Datetime):
                continue
            if dtype.time_zone is None:
                notes.add(
                    Path(file).name,
                    f"times in {column!r} name no zone, but those in other files do; they were read as UTC",
                )
                changed.append(pl.col(column).dt.replace_time_zone("UTC"))
            else:
                changed.append(pl.col(column).dt.convert_time_zone("UTC"))
        done.append(part.with_columns(changed) if changed else part)
    return done
