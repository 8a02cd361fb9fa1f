"""Records of any shape, one after the other: JSON lines, JSON objects or arrays, and the rows of any table."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from backslide.contracts.errors import SourceError
from backslide.contracts.secrets import scrub_address
from backslide.engine.sources.errors import reading
from backslide.engine.sources.open import open_source

JSON = (".json", ".jsonl", ".ndjson", ".log")
BATCH = 65_536
"""Rows in memory at once."""


def read_records(source: str) -> Iterator[dict[str, Any]]:
    """Every record of a file, a glob, a folder (all files in it, in the order of their names) or a table.

    Args:
        source: path, glob or URI; ``.gz`` is unpacked. Files of JSON hold one object a line, one object, or an array of them.

    Raises:
        SourceError: nothing is there, or a line is no JSON.
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


def _read_file(path: Path) -> Iterator[dict[str, Any]]:
    with reading(str(path)), gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = orjson.loads(line)
            except ValueError as error:
                if number > 1:
                    raise SourceError(f"{path}, line {number}: expected one JSON object a line ({error})") from None
                record = _whole(path, line + file.read(), error)  # one object or array over several lines
            if isinstance(record, list):
                yield from record
            else:
                yield record


def _whole(path: Path, text: bytes, error: ValueError) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        raise SourceError(f"{path}: expected JSON, or one JSON object a line ({error})") from None


def _read_remote(uri: str) -> Iterator[dict[str, Any]]:
    words = scrub_address(uri)
    with reading(words):
        for batch in pl.scan_lines(uri).collect_batches(chunk_size=BATCH, maintain_order=True):
            for line in batch.to_series():
                if not line or not line.strip():
                    continue
                try:
                    record = orjson.loads(line)
                except ValueError as error:
                    raise SourceError(f"{words}: expected one JSON object a line ({error})") from None
                yield from record if isinstance(record, list) else [record]
