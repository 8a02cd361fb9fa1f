"""Open anything that holds rows as a Polars LazyFrame: frames in memory, files, globs, folders, Delta tables, databases."""

from __future__ import annotations

import glob as globbing
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import polars as pl

from backslide.contracts.config import DataSettings
from backslide.contracts.errors import SourceError, did_you_mean
from backslide.contracts.extras import needs
from backslide.contracts.say import number
from backslide.contracts.secrets import remember, scrub_address
from backslide.engine.columns import names
from backslide.engine.sources.database import is_database, scan_database
from backslide.engine.sources.files import SUPPORTED, extension, scan_delta, scan_files
from backslide.engine.times.time_range import TimeRange, parse_time_range, parse_time_ranges
from backslide.log.reading import is_log, open_log

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TimeRange", "describe", "open_source", "parse_time_range", "parse_time_ranges"]

_URI = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+://")
IN_ENVIRONMENT = "env:"
"""Before the name of an environment variable that holds the source, and with it what opens a database."""
SINGLE_ARRAY = "expected a table, got a single array; give it as a table with named columns"
_GLOB = re.compile(r"[*?\[]")


def open_source(
    source: object, *, base: Path | None = None, data: DataSettings | None = None, notes: list[str] | None = None
) -> pl.LazyFrame:
    """A lazy frame over a source; nothing but schemas is read here.

    Args:
        source: pandas or Polars frame, anything that speaks the Arrow C stream, or a path, glob, folder or URI.
        base: folder that relative paths start from; the working directory without it.
        data: how text files are written, where the configuration says so.
        notes: what must be said of how files were read is added.

    Raises:
        SourceError: when there is no such source, its kind is unknown, or it cannot be read.
        MissingExtraError: when it needs a package that is not installed.
    """
    frame = _open(source, base, data, notes)
    _check_names(frame)
    return frame


def _check_names(frame: pl.LazyFrame) -> None:
    """Polars takes these names for patterns of names, wherever an expression holds them."""
    patterns = [name for name in frame.collect_schema().names() if names.is_pattern(name)]
    if patterns:
        raise SourceError(
            f"the table has a column named {patterns[0]!r}, which stands for other columns in expressions; rename it"
        )


def _open(source: object, base: Path | None, data: DataSettings | None, notes: list[str] | None) -> pl.LazyFrame:
    if isinstance(source, (str, os.PathLike)):
        return _open_path(os.fspath(source), base, data, notes)
    if isinstance(source, pl.LazyFrame):
        return source
    if isinstance(source, pl.DataFrame):
        return source.lazy()
    if isinstance(source, pl.Series):
        raise SourceError(SINGLE_ARRAY)
    if _is_pandas(source):
        from backslide.engine.sources.dataframes import from_pandas

        return from_pandas(source).lazy()
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        return _open_arrow(source)
    raise SourceError(
        f"expected a pandas, Polars or Arrow table or a path, got {type(source).__name__}; convert it to one of these"
    )


def describe(source: object) -> str:
    """Short words for a source in reports: the path as given, or what kind of table it is."""
    if isinstance(source, (str, os.PathLike)):
        return scrub_address(str(os.fspath(source)))
    if isinstance(source, pl.LazyFrame):
        return "Polars LazyFrame"
    if isinstance(source, pl.DataFrame):
        return "Polars DataFrame"
    if _is_pandas(source):
        return "pandas DataFrame"
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        return f"Arrow {type(source).__name__}"
    return type(source).__name__


def _is_pandas(source: object) -> TypeGuard[pd.DataFrame]:
    """Told by name: asking pandas itself would import it."""
    return any(
        kind.__module__.split(".")[0] == "pandas" and kind.__name__ == "DataFrame" for kind in type(source).__mro__
    )


def _open_arrow(source: Any) -> pl.LazyFrame:
    from backslide.engine.sources.arrow_types import no_panic, table_of

    try:
        with needs("arrow", f"reading this {type(source).__name__}"), no_panic(f"this {type(source).__name__}"):
            odd = table_of(source)
            table = pl.from_arrow(source) if odd is None else odd
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise SourceError(f"expected an Arrow table, cannot read this {type(source).__name__}: {error}") from None
    if isinstance(table, pl.Series):
        if not isinstance(table.dtype, pl.Struct):
            raise SourceError(SINGLE_ARRAY)
        table = table.struct.unnest()  # a stream of record batches, as libraries other than pyarrow hand it over
    return table.lazy()


def _open_path(
    text: str, base: Path | None, data: DataSettings | None = None, notes: list[str] | None = None
) -> pl.LazyFrame:
    if not text.strip():
        raise SourceError("expected a path, got an empty text; name a file, a glob or a folder")
    if text.startswith(IN_ENVIRONMENT):
        return _open_path(_from_environment(text), base, data, notes)
    if text.startswith("delta://"):
        return scan_delta(str(_rooted(text.removeprefix("delta://"), base)), text)
    if is_database(text):
        return scan_database(text, base)
    if _URI.match(text):
        return _open_uri(text, data, notes)
    path = _rooted(text, base)
    if path.is_dir():
        return _open_folder(path, text, data, notes)
    if path.exists():
        return scan_files([path], text, data=data, notes=notes)
    if _GLOB.search(text):
        if "**" in text:
            _check_extent(_fixed_part(path), text)
        matches = sorted(Path(name) for name in globbing.glob(str(path), recursive=True))
        if not matches:
            raise SourceError(f"expected files that match {text!r}, found none; check the folder and the pattern")
        files = [file for name in matches for file in (_parts(name) if name.is_dir() else [name])]
        if not files:
            raise SourceError(f"expected files that match {text!r}, found folders without any; name the files in them")
        return scan_files(files, text, data=data, notes=notes)
    raise _no_such_file(path, text)


def _from_environment(text: str) -> str:
    value = os.environ.get(text.removeprefix(IN_ENVIRONMENT), "")
    remember(value)
    if not value or value.startswith(IN_ENVIRONMENT):
        raise SourceError(f"{text!r} names an environment variable that holds no source; set it to a path or URI")
    return value


def _rooted(text: str, base: Path | None) -> Path:
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise SourceError(f"expected a path, got {text!r}: {error}") from None
    return path if base is None or path.is_absolute() else base / path


def _open_uri(text: str, data: DataSettings | None, notes: list[str] | None) -> pl.LazyFrame:
    """A file in an object store by its extension; anything without one is a Delta table."""
    if text.startswith("file://"):
        return _open_path(text.removeprefix("file://"), None, data, notes)
    if extension(text) in SUPPORTED:
        return scan_files([text], scrub_address(text), data=data, notes=notes)
    return scan_delta(text, scrub_address(text))


def _open_folder(path: Path, text: str, data: DataSettings | None, notes: list[str] | None) -> pl.LazyFrame:
    if (path / "_delta_log").is_dir():
        return scan_delta(str(path), text)
    if is_log(path):
        return open_log(path).predictions()
    if path.parent.name == "tables" and is_log(path.parent.parent):
        return open_log(path.parent.parent, path.name).predictions()
    parts = _parts(path)
    if not parts:
        raise SourceError(
            f"expected Parquet or CSV files or a Delta table in the folder {text!r}, found neither; name a file"
        )
    return scan_files(parts, text, partitions_from=path, data=data, notes=notes)


def _parts(folder: Path) -> list[Path]:
    """The files of a table that is a folder: Parquet, else text; what begins with a dot or an underscore is none of it."""
    _check_extent(folder, str(folder))
    files = sorted(file for file in folder.rglob("*") if not file.is_dir())
    files = [f for f in files if not any(part.startswith((".", "_")) for part in f.relative_to(folder).parts)]
    for kinds in ((".parquet", ".pq"), (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".tsv.zst")):
        parts = [file for file in files if extension(file.name) in kinds]
        if parts:
            return parts
    return []


MOST_ENTRIES = 500_000
"""Files and folders that a pattern or a folder may make us look through; a search of the whole disk is somebody's slip."""


def _check_extent(folder: Path, text: str) -> None:
    """Refuse what would search the disk: ``/**``, or a home folder in place of a table."""
    entries = 0
    for _, folders, files in os.walk(folder, followlinks=True):
        entries += len(folders) + len(files)
        if entries > MOST_ENTRIES:
            raise SourceError(
                f"expected the files of one table at {text!r}, found more than {number(MOST_ENTRIES)} files and folders to "
                "search; name a folder nearer to the table"
            )


def _fixed_part(path: Path) -> Path:
    """The folder above the first part that is a pattern."""
    plain = []
    for part in path.parts:
        if _GLOB.search(part):
            break
        plain.append(part)
    return Path(*plain)


def _no_such_file(path: Path, text: str) -> SourceError:
    """Name the nearest file that is there, in words the user could have written."""
    folder = path.parent
    if not folder.is_dir():
        return SourceError(f"expected a file at {text!r}, but there is no folder {str(Path(text).parent)!r}")
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() or extension(entry.name) in SUPPORTED)
    hint = did_you_mean(path.name, names) or "; the folder holds no table"
    return SourceError(f"expected a file at {text!r}, found none{hint}")
