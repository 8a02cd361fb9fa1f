"""Files to lazy frames: formats by extension, and several files as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from backslide.contracts.config import DataSettings
from backslide.contracts.errors import SourceError
from backslide.contracts.extras import needs
from backslide.engine.sources.csv_files import Scan, scan_csv
from backslide.engine.sources.errors import first_line, reading, unreadable
from backslide.engine.sources.file_notes import FileNotes

File = Path | str
"""A local path, or a URI in an object store."""

_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".csv.gz", ".csv.zst")
_TSV = (".tsv", ".tsv.gz", ".tsv.zst")
_IPC = (".arrow", ".ipc", ".feather", ".arrows")
SUPPORTED = (*_PARQUET, *_CSV, *_TSV, *_IPC)


def extension(name: str) -> str:
    """The extension in lower case, with the compression's where there is one: ``.csv.gz``."""
    suffixes = [suffix.lower() for suffix in Path(name.split("?")[0]).suffixes]
    joined = "".join(suffixes[-2:])
    return joined if joined in SUPPORTED else (suffixes[-1] if suffixes else "")


def scan_files(
    files: Sequence[File],
    words: str,
    *,
    partitions_from: Path | None = None,
    data: DataSettings | None = None,
    notes: list[str] | None = None,
) -> pl.LazyFrame:
    """One lazy frame over files of one or several formats, in the given order.

    Columns that are missing in some files are null there, and so are those that hold nothing; numbers of different types meet in
    the wider one, times with and without a zone in UTC.

    Args:
        files: at least one.
        words: how the user named them, for errors.
        partitions_from: folder below which ``key=value`` folders are columns.
        data: how text files are written, where the configuration says so.
        notes: what must be said of how they were read is added.

    Raises:
        SourceError: when a file is of an unknown kind, cannot be read, or its types contradict another file's.
    """
    file_notes = FileNotes()
    settings = data or DataSettings()
    scans = [_scan_file(f, words if len(files) == 1 else str(f), partitions_from, settings, file_notes) for f in files]
    parts = typed(scans)
    with reading(repr(words)):
        schemas = [part.collect_schema() for part in parts]
    if len(parts) > 1:
        parts = unified(parts, schemas, [str(file) for file in files], file_notes)
    if notes is not None:
        notes += file_notes.sentences()
    if len(parts) == 1:
        return parts[0]
    alike = partitions_from is None and all(schema == schemas[0] for schema in schemas)
    if alike and all(extension(str(file)) in _PARQUET for file in files):
        return pl.scan_parquet([str(file) for file in files], glob=False, hive_partitioning=False)
    try:
        combined = pl.concat(parts, how="diagonal_relaxed")
        combined.collect_schema()
    except pl.exceptions.PolarsError as error:
        where = _contradiction(schemas, files)
        raise SourceError(
            f"expected the same columns in all files of {words!r}: {where or first_line(error)}"
        ) from None
    return combined


def _contradiction(schemas: Sequence[pl.Schema], files: Sequence[File]) -> str:
    """The first column whose types cannot meet, in which files."""
    known: dict[str, tuple[pl.DataType, File]] = {}
    for schema, file in zip(schemas, files, strict=True):
        for column, dtype in schema.items():
            before, other = known.setdefault(column, (dtype, file))
            try:
                pl.concat(
                    [pl.DataFrame(schema={"x": dtype}), pl.DataFrame(schema={"x": before})], how="vertical_relaxed"
                )
            except pl.exceptions.PolarsError:
                return f"{column!r} is {before} in {Path(str(other)).name} and {dtype} in {Path(str(file)).name}; write it alike"
    return ""


def _scan_file(file: File, words: str, partitions_from: Path | None, data: DataSettings, notes: FileNotes) -> Scan:
    name = str(file)
    if isinstance(file, Path) and file.is_dir():
        raise SourceError(f"expected a file at {words!r}, got a folder; name the files in it")
    if isinstance(file, Path) and file.exists() and not file.is_file():
        raise SourceError(
            f"expected a file at {words!r}, got a pipe or device, which can be read only once; write it to a file first"
        )
    kind = extension(name)
    if kind not in SUPPORTED:
        shown = f"the extension {kind!r}" if kind else "no extension"
        raise SourceError(f"expected one of {', '.join(SUPPORTED)}, got {shown} in {words!r}; convert the file")
    try:
        if kind in (*_CSV, *_TSV):
            scan = scan_csv(name, "\t" if kind in _TSV else ",", data, notes)
        else:
            scan = Scan(_SCANNERS[kind](name), frozenset())
        scan.frame.collect_schema()
    except BaseException as error:
        if not (unreadable(error) or isinstance(error, ValueError)):
            raise
        raise SourceError(f"{words!r} cannot be read as {kind.lstrip('.')}: {first_line(error)}") from None
    if partitions_from is None:
        return scan
    return replace(scan, frame=_with_partitions(scan.frame, Path(name), partitions_from))


def _with_partitions(frame: pl.LazyFrame, file: Path, root: Path) -> pl.LazyFrame:
    """``key=value`` folders between root and file as text columns, unless the file holds them itself."""
    pairs = [part.partition("=") for part in file.relative_to(root).parts[:-1] if "=" in part]
    present = frame.collect_schema().names()
    return frame.with_columns(
        pl.lit(None if value == "__HIVE_DEFAULT_PARTITION__" else value, dtype=pl.String).alias(key)
        for key, _, value in pairs
        if key not in present
    )


def _scan_parquet(name: str) -> pl.LazyFrame:
    return pl.scan_parquet(name, glob=False, hive_partitioning=False)


def _scan_ipc(name: str) -> pl.LazyFrame:
    """The file format; the stream format, which has no footer, is read as a whole."""
    try:
        frame = pl.scan_ipc(name, glob=False, hive_partitioning=False)
        frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        try:
            return pl.read_ipc_stream(name).lazy()
        except (pl.exceptions.PolarsError, OSError):
            raise error from None
    return frame


_SCANNERS: dict[str, Callable[[str], pl.LazyFrame]] = {
    **dict.fromkeys(_PARQUET, _scan_parquet),
    **dict.fromkeys(_IPC, _scan_ipc),
}


def scan_delta(uri: str, words: str) -> pl.LazyFrame:
    """A Delta table, through its log.

    Raises:
        MissingExtraError: without the package ``deltalake``.
        SourceError: when there is no readable table.
    """
    with needs("delta", f"reading the Delta table {words!r}"):
        import deltalake  # noqa: F401 - only to see that it is there
    try:
        with needs("delta", f"reading the Delta table {words!r}"):
            frame = pl.scan_delta(uri)
        frame.collect_schema()
    except BaseException as error:
        if not (unreadable(error) or isinstance(error, (ValueError, KeyError, TypeError))):
            raise
        raise SourceError(f"{words!r} cannot be read as a Delta table: {first_line(error)}") from None
    return frame


# Columns whose types differ between the files of one source.


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
