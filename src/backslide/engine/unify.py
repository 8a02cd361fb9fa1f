"""Columns whose types differ between the files of one source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from backslide.engine.file_notes import FileNotes


def unified(
    parts: Sequence[pl.LazyFrame], schemas: Sequence[pl.Schema], files: Sequence[str], notes: FileNotes
) -> list[pl.LazyFrame]:
    """Parts whose times meet in UTC where they come with several zones, or with and without one."""
    zones: dict[str, set[str | None]] = {}
    for schema in schemas:
        for column, dtype in schema.items():
            if isinstance(dtype, pl.Datetime):
                zones.setdefault(column, set()).add(dtype.time_zone)
    mixed = {column for column, found in zones.items() if len(found) > 1}
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
                    Path(file).name, f"times in {column!r} name no zone and other files' do; they were read as UTC"
                )
                changed.append(pl.col(column).dt.replace_time_zone("UTC"))
            else:
                changed.append(pl.col(column).dt.convert_time_zone("UTC"))
        done.append(part.with_columns(changed) if changed else part)
    return done
