"""A table of the log: a Delta table that remembers how far each file of lines has been read."""

from __future__ import annotations

from typing import Any

import polars as pl

from backslide.contracts.errors import LogError, MissingExtraError

PARTITION = "day"


def deltalake() -> Any:
    """The module.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import deltalake
    except ImportError:
        raise MissingExtraError(
            "tables of a log need deltalake; install it with: pip install 'backslide[watch]'"
        ) from None
    return deltalake


class Table:
    """One of the tables of a model, made when the first rows come."""

    def __init__(self, place: str, kind: str) -> None:
        self.place = place
        self.kind = kind
        self._table = self._opened()
        self._read: dict[str, int] = {}

    def _opened(self) -> Any:
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

    def append(self, rows: pl.DataFrame, file: str, end: int) -> None:
        """Add rows and note, in the same commit, that the file has been read up to ``end``."""
        delta = deltalake()
        noted = delta.CommitProperties(app_transactions=[delta.Transaction(file, end)])
        if rows.height:
            delta.write_deltalake(
                self.place, rows, mode="append", schema_mode="merge", commit_properties=noted,
                partition_by=None if self._table is not None else [PARTITION],
            )  # fmt: skip
            self._table = self._opened()
        self._read[file] = end

    def schema(self) -> dict[str, pl.DataType]:
        """Columns and types; empty before the first rows."""
        return dict(self.scan().collect_schema()) if self._table is not None else {}

    def scan(self) -> pl.LazyFrame:
        """All rows."""
        if self._table is None:
            raise LogError(f"nothing has been rolled up to {self.place!r} yet; run `backslide log rollup`")
        return pl.scan_delta(self.place)

    @property
    def there(self) -> bool:
        """Whether rows have ever come."""
        return self._table is not None

    def rows(self) -> int:
        """How many rows it holds."""
        return int(self.scan().select(pl.len()).collect().item()) if self.there else 0
