"""Records of any shape, one after the other: JSON lines, JSON objects or arrays, and the rows of any table."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, AnyStr

import orjson
import polars as pl

from backslide.contracts.errors import SourceError
from backslide.contracts.files import LARGEST, parse_json
from backslide.contracts.secrets import scrub_address
from backslide.engine.sources.errors import reading
from backslide.engine.sources.open import open_source
from backslide.log.payloads.exchange import UNREADABLE

JSON = (".json", ".jsonl", ".ndjson", ".log")
BATCH = 65_536
"""Rows in memory at once."""


def read_records(source: str) -> Iterator[Any]:
    """Every record of a file, a glob, a folder (all files in it, in the order of their names) or a table.

    A line that is no JSON, such as the last one of a file that is being written, comes as ``UNREADABLE``, to be counted.

    Args:
        source: path, glob or URI; ``.gz`` is unpacked. Files of JSON hold one object a line, one object, or an array of them.

    Raises:
        SourceError: nothing is there, or no file.
        MissingExtraError: opening it needs a package that is not installed.
    """
    files = _json_files(source)
    if files is None:
        frame = open_source(source)
        with reading(scrub_address(source)):
            for batch in frame.collect_batches(chunk_size=BATCH, maintain_order=True):
                yield from batch.iter_rows(named=True)
        return
    for file in files:
        yield from _read_remote(file) if "://" in file else _read_file(Path(file))


def _json_files(source: str) -> list[str] | None:
    """Files of JSON that are meant, or None where it is a table."""
    name = source.removesuffix(".gz")
    if name.endswith(JSON) and ("://" in source or not set("*?[") & set(source)):
        if "://" not in source and not Path(source).exists():
            raise SourceError(f"there is no {scrub_address(source)}; expected a file, a glob, a folder or a URI")
        return [source]
    if "://" in source:
        return None
    path = Path(source)
    found = path.rglob("*") if path.is_dir() else Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))
    files = [file for file in found if file.is_file() and not file.name.startswith(".")]
    if files and all(file.name.removesuffix(".gz").endswith(JSON) or ".log." in file.name for file in files):
        # Schema files of monitors come before the data that they describe.
        return [str(file) for file in sorted(files, key=lambda file: ("schema" not in file.parts, str(file)))]
    return None


def _read_file(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise SourceError(f"{path}: expected a file, got {'a folder' if path.is_dir() else 'a pipe or device'}")
    with reading(str(path)), gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        lines = _lines(file, path)
        first = next((line for line in lines if line.strip()), None)
        if first is None:
            return
        record = _value(first)
        if record is UNREADABLE and first.lstrip()[:1] in (b"[", b"{"):  # one object or array over several lines
            rest, size = list[bytes](), len(first)
            while size <= LARGEST and (line := next(lines, None)) is not None:
                rest.append(line)
                size += len(line)
            record = _value(first + b"".join(rest))
            if record is UNREADABLE:
                lines = chain(rest, lines)
        yield from record if isinstance(record, list) else [record]
        for line in lines:
            if line.strip():
                record = _value(line)
                yield from record if isinstance(record, list) else [record]


def _lines(file: Any, path: Path) -> Iterator[bytes]:
    """Lines with their ends, of UTF-8 whatever they were; one may not be longer than any record is."""
    start = file.read(3)
    file.seek(0)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        text = io.TextIOWrapper(file, encoding="utf-16", errors="replace")  # half a character makes its line none
        while characters := text.readline(LARGEST + 1):
            yield _bounded(characters, path).encode()
        return
    if start == codecs.BOM_UTF8:
        file.read(3)
    while line := file.readline(LARGEST + 1):
        yield _bounded(line, path)


def _bounded(line: AnyStr, path: Path) -> AnyStr:
    if len(line) > LARGEST:
        raise SourceError(f"{path}: expected lines of at most {LARGEST // 2**20} MB, got a longer one")
    return line


def _value(line: bytes | str) -> Any:
    """The value of a line, also where it says NaN or Infinity, as Python and JavaScript loggers do."""
    try:
        return orjson.loads(line)
    except ValueError:
        pass
    try:
        return parse_json(line)
    except ValueError:
        return UNREADABLE


def _read_remote(uri: str) -> Iterator[Any]:
    with reading(scrub_address(uri)):
        for batch in pl.scan_lines(uri).collect_batches(chunk_size=BATCH, maintain_order=True):
            for line in batch.to_series():
                if line and line.strip():
                    record = _value(line)
                    yield from record if isinstance(record, list) else [record]
