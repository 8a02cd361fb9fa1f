"""A table of the log: a Delta table that remembers how far each file of lines has been read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import polars as pl

from backslide.contracts.errors import LogError
from backslide.contracts.extras import needs
from backslide.log.paths import is_uri

PARTITION = "day"


def deltalake() -> Any:
    """The module.

    Raises:
        MissingExtraError: it is not installed.
    """
    with needs("watch", "a log with tables"):
        import deltalake
    return deltalake


class LogTable:
    """One of the tables of a model, made when the first rows come."""

    def __init__(self, place: str, kind: str) -> None:
        self.place = place
        self.kind = kind
        self._table = self._open_table()
        self._read: dict[str, int] = {}

    def _open_table(self) -> Any:
        delta = deltalake()
        try:
            return delta.DeltaTable(self.place)
        except delta.exceptions.TableNotFoundError:
            return None
        except Exception as error:
            raise LogError(f"the table {self.place!r} cannot be read: {str(error).splitlines()[0]}") from None

    def read_of(self, file: str) -> int:
        """Bytes of a file of lines that are in the table."""
        if file not in self._read:
            version = None if self._table is None else self._table.transaction_version(file)
            self._read[file] = int(version or 0)
        return self._read[file]

    def append(
        self, rows: pl.DataFrame, file: str | None = None, end: int = 0, *, also: Mapping[str, int] | None = None
    ) -> None:
        """Add rows and note, in the same commit, that the file they are from has been read up to ``end``.

        ``also`` are more names and how far each has been read.
        """
        delta = deltalake()
        read = {**({} if file is None else {file: end}), **(also or {})}
        noted = None
        if read:
            noted = delta.CommitProperties(app_transactions=[delta.Transaction(name, to) for name, to in read.items()])
        if rows.height:
            delta.write_deltalake(
                self.place,
                rows,
                mode="append",
                schema_mode="merge",
                commit_properties=noted,
                writer_properties=_written(dict(rows.schema)),
                partition_by=None if self._table is not None else [PARTITION],
            )
            self._table = self._open_table()
        self._read.update(read)

    def rehearse(self, rows: pl.DataFrame) -> None:
        """Write rows to an empty table of the same columns, which is thrown away; raises what this table would raise."""
        with TemporaryDirectory() as folder:
            place = str(Path(folder) / self.kind)
            if self._table is not None:
                deltalake().DeltaTable.create(place, self._table.schema(), partition_by=[PARTITION])
            LogTable(place, self.kind).append(rows)

    def values(self, column: str) -> int:
        """How many values of a column are not null; by what the files say of themselves, where they say it."""
        actions = pl.DataFrame(self._table.get_add_actions(flatten=True))
        missing = f"null_count.{column}"
        if missing in actions.columns and not actions[missing].null_count() and not actions["num_records"].null_count():
            return int((actions["num_records"] - actions[missing]).sum())
        return int(self.scan().select(pl.col(column).count()).collect().item())

    def files(self) -> int:
        """How many files hold its rows."""
        return len(self._table.file_uris()) if self._table is not None else 0

    def merge_files(self) -> None:
        """Make few files of many within each day, in one commit; who reads the old ones goes on reading them."""
        self._table.optimize.compact(writer_properties=_written(self.schema()))
        self._table = self._open_table()

    def forget(self, before: date, remainder: pl.DataFrame | None = None) -> None:
        """Leave out the rows of earlier days, but for ``remainder``, in one commit."""
        where = f"{PARTITION} < '{before.isoformat()}'"
        if remainder is None or not remainder.height:
            self._table.delete(where)
        else:
            options = _written(dict(remainder.schema))
            deltalake().write_deltalake(
                self.place, remainder, mode="overwrite", predicate=where, writer_properties=options
            )
        self._table = self._open_table()

    def sweep(self, hours: int) -> int:
        """Remove files that no row has been in for so many hours, those of writers that died among them; how many."""
        options: dict[str, Any] = {"enforce_retention_duration": False, "full": True}
        gone = self._table.vacuum(hours, dry_run=True, **options)
        if not is_uri(self.place):  # the table remembers files that went long ago
            gone = [file for file in gone if (Path(self.place) / unquote(file)).exists()]
        if gone:
            self._table.vacuum(hours, dry_run=False, **options)
            self._table.create_checkpoint()
            self._table.cleanup_metadata()  # what the table's own log says of files of more than a month ago
            self._table = self._open_table()
        return len(gone)

    def schema(self) -> dict[str, pl.DataType]:
        """Columns and types; empty before the first rows."""
        return dict(self.scan().collect_schema()) if self._table is not None else {}

    def scan(self) -> pl.LazyFrame:
        """All rows, as of when the table was opened or last written here."""
        if self._table is None:
            raise LogError(f"nothing has been rolled up to {self.place!r} yet; run `backslide log rollup`")
        with needs("watch", "a log with tables"):
            return pl.scan_delta(self._table)

    @property
    def there(self) -> bool:
        """Whether rows have ever come."""
        return self._table is not None

    def rows(self) -> int:
        """How many rows it holds."""
        return int(self.scan().select(pl.len()).collect().item()) if self.there else 0


def _written(schema: dict[str, pl.DataType]) -> Any:
    """How files are written: what pays in reading and writing both. Dictionaries are for texts that come again."""
    delta = deltalake()
    texts = {
        name: delta.ColumnProperties(dictionary_enabled=True) for name, dtype in schema.items() if dtype == pl.String
    }
    texts.pop("id", None)
    return delta.WriterProperties(
        compression="SNAPPY",
        default_column_properties=delta.ColumnProperties(dictionary_enabled=False),
        column_properties=texts,
    )
