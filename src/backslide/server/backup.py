"""Backup and restore: every row of the database and, where asked for, the log, in one archive.

Rows are lines of JSON, so that what was saved from SQLite can be restored to PostgreSQL and the other way round. The lines that
wait are saved before the tables: what is rolled up meanwhile is then in both, and a table knows how far it has read each file.
"""

from __future__ import annotations

import io
import json
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import DateTime, Table, func, select, text
from sqlalchemy.engine import Connection

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError, StoreError
from backslide.contracts.files import check_file, parse_json, whole_file
from backslide.log.paths import is_uri
from backslide.server.predictions import PredictionStore
from backslide.store.database import Database
from backslide.store.records import store_errors
from backslide.store.tables import metadata

FORMAT = "backslide.backup/1"
MANIFEST, ROWS, LOG = "manifest.json", "rows.jsonl", "log"
MOST_MANIFEST = 2**20
"""Bytes; a longer one is none."""
BATCH = 500
"""Rows of an insertion."""
PARTS = ("spool", "quarantine", "tables")
"""Folders of a log, in the order in which they are saved."""


def write_backup(settings: Settings, database: Database, file: Path, *, with_log: bool) -> dict[str, int]:
    """Save everything; returns rows by table, and files of the log.

    Raises:
        ConfigError: the log is in an object store, which has its own ways.
        StoreError: the database cannot be read.
    """
    store = PredictionStore(settings)
    if with_log and is_uri(store.root):
        raise ConfigError(f"the log is at {store.root}: back it up there, and add --no-log here")
    counts: dict[str, int] = {}
    with (
        whole_file(file) as part,
        open(part, "wb", opener=_private) as raw,
        tarfile.open(fileobj=raw, mode="w:gz") as archive,
        tempfile.TemporaryFile() as rows,
    ):
        with store_errors(database.engine), database.engine.connect() as connection:
            if database.engine.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            else:  # SQLite's driver begins none for what only reads, so that each table would be of another moment
                connection.exec_driver_sql("BEGIN")
            version = connection.execute(text("select version_num from backslide_version")).scalar()
            for table in metadata.sorted_tables:
                counts[table.name] = _save(connection, table, rows)
        manifest = {"format": FORMAT, "version": version, "made": datetime.now(UTC).isoformat(), "rows": counts}
        _add(archive, MANIFEST, io.BytesIO(json.dumps(manifest).encode()))
        _add(archive, ROWS, rows)
        if with_log:
            counts["files of the log"] = _save_log(archive, Path(store.root), store.spool)
    return counts


def restore_backup(settings: Settings, database: Database, file: Path) -> dict[str, int]:
    """Put everything back into an empty place, whole or not at all; returns rows by table, and files of the log.

    Raises:
        ConfigError: it is no backup, or something is there already.
        StoreError: it is of a newer version, or the database does not take it.
    """
    store = PredictionStore(settings)
    root, spool = Path(store.root), store.spool
    made: list[Path] = []
    try:
        check_file(file)
        with tarfile.open(file, "r:*") as archive:
            manifest = _json(_member(archive, MANIFEST).read(MOST_MANIFEST))
            if manifest.get("format") != FORMAT:
                raise ConfigError(f"{file} is no backup of this kind: expected {FORMAT}")
            names = [name for name in archive.getnames() if name.startswith(f"{LOG}/")]
            if names and (is_uri(store.root) or _is_filled(root) or _is_filled(spool)):
                raise ConfigError(f"the log at {store.root} is not empty; restore into an empty folder")
            targets = [_target(name, root, spool) for name in names]
            for name, target in zip(names, targets, strict=True):
                made.append(target)
                _extract(archive, name, target)
            counts = _load(database, _member(archive, ROWS), manifest)
    except BaseException as error:
        for path in made:
            with suppress(OSError):  # a folder, where one member is named as another's folder
                path.unlink()
        if isinstance(error, DAMAGE):
            words = " ".join(str(error).split())[:200] or type(error).__name__
            raise ConfigError(f"{file} cannot be read as a backup: {words}") from None
        raise
    return counts | ({"files of the log": len(names)} if names else {})


DAMAGE = (
    *(tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError),
    *(TypeError, AttributeError, LookupError, OverflowError),
)
"""What an archive raises that is none, is cut or changed, or whose rows have another form than those of a table."""


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _save(connection: Connection, table: Table, into: IO[bytes]) -> int:
    count = 0
    for row in connection.execution_options(yield_per=BATCH).execute(select(table)):
        values = {
            key: value.isoformat() if isinstance(value, datetime) else value for key, value in row._mapping.items()
        }
        into.write(json.dumps({"table": table.name, "row": values}).encode() + b"\n")
        count += 1
    return count


def _save_log(archive: tarfile.TarFile, root: Path, spool: Path) -> int:
    count = 0
    for part in PARTS:
        folder = spool if part == "spool" else root / part
        files = [path for path in folder.rglob("*") if path.is_file()]
        files.sort(key=lambda path: "_delta_log" not in path.parts)  # what a table's own log names is written before it
        for path in files:
            try:
                data = path.read_bytes()
            except FileNotFoundError:  # rolled up, or swept
                continue
            _add(archive, f"{LOG}/{part}/{path.relative_to(folder).as_posix()}", io.BytesIO(data))
            count += 1
    return count


def _add(archive: tarfile.TarFile, name: str, data: IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = data.seek(0, io.SEEK_END), 0o600, int(datetime.now(UTC).timestamp())
    data.seek(0)
    archive.addfile(entry, data)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    entry = archive.getmember(name)
    file = archive.extractfile(entry) if entry.isreg() else None  # links lead to other members, and nothing writes any
    if file is None:
        raise KeyError(name)
    return file


def _json(line: bytes) -> dict[str, Any]:
    value = parse_json(line)
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")
    return value


def _load(database: Database, lines: IO[bytes], manifest: dict[str, Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    with database.transaction() as connection:
        ours = connection.execute(text("select version_num from backslide_version")).scalar()
        if str(manifest.get("version")) > str(ours):
            raise StoreError("the backup is of a newer version; update backslide")
        for table in metadata.sorted_tables:
            if connection.execute(select(func.count()).select_from(table)).scalar():
                raise ConfigError(f"the database is not empty ({table.name} holds rows); restore into an empty one")
        for name, rows in _batches(lines):
            known = metadata.tables[name]
            connection.execute(known.insert(), [_values(known, row) for row in rows])
            counts[name] = counts.get(name, 0) + len(rows)
        if connection.dialect.name == "postgresql":
            for table in metadata.sorted_tables:
                if "id" in table.c and counts.get(table.name):
                    sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
                    connection.execute(text(f"select setval({sequence}, (select max(id) from {table.name}))"))
    return counts


def _batches(lines: IO[bytes]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    name = ""
    rows: list[dict[str, Any]] = []
    for line in lines:
        one = _json(line)
        if rows and (one["table"] != name or len(rows) >= BATCH):
            yield name, rows
            rows = []
        name = one["table"]
        rows.append(one["row"])
    if rows:
        yield name, rows


def _values(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    times = {column.name for column in table.c if isinstance(column.type, DateTime)}
    return {
        key: datetime.fromisoformat(value) if key in times and value is not None else value
        for key, value in row.items()
        if key in table.c
    }


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_file() and path.name != ".rollup" for path in folder.rglob("*"))


def _target(name: str, root: Path, spool: Path) -> Path:
    """Where a member of the archive belongs.

    Raises:
        ValueError: in no folder of a log.
    """
    part, _, rest = name.removeprefix(f"{LOG}/").partition("/")
    folder = (spool if part == "spool" else root / part).resolve()
    target = (folder / rest).resolve()
    if part not in PARTS or not target.is_relative_to(folder) or target == folder:
        raise ValueError(f"{name} is no file of a log")
    return target


def _extract(archive: tarfile.TarFile, name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(_member(archive, name), file)
