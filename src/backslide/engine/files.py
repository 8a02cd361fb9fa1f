"""Files to lazy frames: formats by extension, several files as one, and CSV's missing types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from backslide.contracts.errors import SourceError
from backslide.contracts.extras import needs
from backslide.engine.reading import first_line, reading

File = Path | str
"""A local path, or a URI in an object store."""

_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".csv.gz", ".csv.zst")
_TSV = (".tsv", ".tsv.gz", ".tsv.zst")
_IPC = (".arrow", ".ipc", ".feather", ".arrows")
SUPPORTED = (*_PARQUET, *_CSV, *_TSV, *_IPC)

_INFER_ALL_BELOW = 256 * 2**20
"""CSV files up to this many bytes have their types inferred from every row; larger ones from the first."""
_INFER_ROWS = 100_000


def extension(name: str) -> str:
    """The extension in lower case, with the compression's where there is one: ``.csv.gz``."""
    suffixes = [suffix.lower() for suffix in Path(name.split("?")[0]).suffixes]
    joined = "".join(suffixes[-2:])
    return joined if joined in SUPPORTED else (suffixes[-1] if suffixes else "")


def scan_files(files: Sequence[File], words: str, *, partitions_from: Path | None = None) -> pl.LazyFrame:
    """One lazy frame over files of one or several formats, in the given order.

    Columns that are missing in some files are null there; numbers of different types meet in the wider one.

    Args:
        files: at least one.
        words: how the user named them, for errors.
        partitions_from: folder below which ``key=value`` folders are columns.

    Raises:
        SourceError: when a file is of an unknown kind, cannot be read, or its types contradict another file's.
    """
    parts = [_scan_file(file, words if len(files) == 1 else str(file), partitions_from) for file in files]
    with reading(repr(words)):
        schemas = [part.collect_schema() for part in parts]
    if len(parts) == 1:
        return parts[0]
    alike = partitions_from is None and all(schema == schemas[0] for schema in schemas)
    if alike and all(extension(str(file)) in _PARQUET for file in files):
        return pl.scan_parquet([str(file) for file in files], glob=False, hive_partitioning=False)
    try:
        combined = pl.concat(parts, how="diagonal_relaxed")
        combined.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"expected the same columns in all files of {words!r}: {first_line(error)}") from None
    return combined


def _scan_file(file: File, words: str, partitions_from: Path | None) -> pl.LazyFrame:
    name = str(file)
    if isinstance(file, Path) and file.is_dir():
        raise SourceError(f"expected a file at {words!r}, got a folder; name the files in it")
    kind = extension(name)
    scan = _SCANNERS.get(kind)
    if scan is None:
        shown = f"the extension {kind!r}" if kind else "no extension"
        raise SourceError(f"expected one of {', '.join(SUPPORTED)}, got {shown} in {words!r}; convert the file")
    try:
        frame = scan(name)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise SourceError(f"{words!r} cannot be read as {kind.lstrip('.')}: {first_line(error)}") from None
    return frame if partitions_from is None else _with_partitions(frame, Path(name), partitions_from)


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


def _scan_csv(name: str, separator: str = ",") -> pl.LazyFrame:
    local = Path(name)
    small = local.exists() and local.stat().st_size <= _INFER_ALL_BELOW
    options: dict[str, Any] = {
        "separator": separator,
        "try_parse_dates": True,
        "infer_schema_length": None if small else _INFER_ROWS,
        "glob": False,
    }
    frame = pl.scan_csv(name, **options)
    floats = _spelled_floats(frame, None if small else _INFER_ROWS)
    return frame.with_columns(_to_float(column) for column in floats)


_SPELLINGS = {"nan": "NaN", "+nan": "NaN", "-nan": "NaN", "inf": "inf", "+inf": "inf", "-inf": "-inf",
              "infinity": "inf", "+infinity": "inf", "-infinity": "-inf"}  # fmt: skip


def _to_float(column: str) -> pl.Expr:
    """Text to float, with NaN and infinities however they are spelled."""
    text = pl.col(column).str.to_lowercase()
    return text.replace(_SPELLINGS).cast(pl.Float64)


def _spelled_floats(frame: pl.LazyFrame, rows: int | None) -> list[str]:
    """Text columns that hold numbers only: a spelled ``nan`` or ``inf`` makes the reader take them for text."""
    texts = [name for name, dtype in frame.collect_schema().items() if dtype == pl.String]
    texts = _where(frame.head(1000), texts, _numbers_only)  # few survive, and only those are read to the end
    return _where(frame if rows is None else frame.head(rows), texts, lambda c: _numbers_only(c) & _spelled(c).any())


def _where(frame: pl.LazyFrame, columns: list[str], test: Callable[[str], pl.Expr]) -> list[str]:
    if not columns:
        return []
    told = frame.select(test(column).alias(column) for column in columns).collect(engine="streaming")
    return [column for column in columns if told.get_column(column).item()]


def _numbers_only(column: str) -> pl.Expr:
    number = pl.col(column).cast(pl.Float64, strict=False)
    return (number.is_not_null() | pl.col(column).is_null() | _spelled(column)).all()


def _spelled(column: str) -> pl.Expr:
    return pl.col(column).str.to_lowercase().is_in(list(_SPELLINGS))


_SCANNERS: dict[str, Callable[[str], pl.LazyFrame]] = {
    **dict.fromkeys(_PARQUET, _scan_parquet),
    **dict.fromkeys(_IPC, _scan_ipc),
    **dict.fromkeys(_CSV, _scan_csv),
    **dict.fromkeys(_TSV, lambda name: _scan_csv(name, separator="\t")),
}


def scan_delta(uri: str, words: str) -> pl.LazyFrame:
    """A Delta table, through its log.

    Raises:
        MissingExtraError: without the package ``deltalake``.
        SourceError: when there is no readable table.
    """
    with needs("delta", f"reading the Delta table {words!r}"):
        from deltalake.exceptions import DeltaError

    try:
        with needs("delta", f"reading the Delta table {words!r}"):
            frame = pl.scan_delta(uri)
        frame.collect_schema()
    except (DeltaError, pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise SourceError(f"{words!r} cannot be read as a Delta table: {first_line(error)}") from None
    return frame
