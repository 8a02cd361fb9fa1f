"""DuckDB: a file of tables, or queries over whatever it reads (``duckdb:///log.db#predictions``)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backslide.contracts.errors import NumberRangeError, SourceError
from backslide.contracts.extras import needs
from backslide.engine.pushdown.dialect import Row, SqlDialect


class DuckDb(SqlDialect):
    """A DuckDB file, opened for reading, or a database in memory that reads files."""

    name = "duckdb"
    double = "DOUBLE"

    def __init__(self, place: str, base: Path | None = None) -> None:
        with needs("duckdb", f"reading {place or 'DuckDB'!r}"):
            import duckdb

        self._errors: Any = duckdb.Error
        self._out_of_range: Any = duckdb.OutOfRangeException
        memory = place in ("", ":memory:")
        path = Path(place).expanduser()
        path = path if base is None or path.is_absolute() else base / path
        if not memory and not path.is_file():
            raise SourceError(f"expected a database at {place!r}, found none; check the path")  # it would be made
        try:
            self._connection = duckdb.connect(":memory:" if memory else str(path), read_only=not memory)
            self._connection.execute("SET TimeZone = 'UTC'")
        except duckdb.Error as error:
            raise SourceError(f"{place!r} cannot be read as a DuckDB database: {_line(error)}") from None

    def run(self, statement: str) -> list[Row]:
        """All rows of an answer."""
        try:
            return list(self._connection.execute(statement).fetchall())
        except self._out_of_range as error:
            raise NumberRangeError(f"DuckDB refuses the query: {_line(error)}") from None
        except self._errors as error:
            raise SourceError(f"DuckDB refuses the query: {_line(error)}") from None

    def columns(self, source: str) -> dict[str, str]:
        """Column -> its type."""
        return {str(row[0]): str(row[1]) for row in self.run(f"DESCRIBE SELECT * FROM {source}")}

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def random(self, seed: int) -> str:  # it is set before
        """As seeded by ``prepare_sampling``."""
        return "random()"

    def prepare_sampling(self, seed: int) -> Iterable[str]:
        """One thread, or the rows that a seed gives would depend on who is faster."""
        return ("SET threads = 1", f"SELECT setseed({seed / 2**32!r})")

    def is_nan(self, expression: str) -> str:
        """DuckDB's own."""
        return f"isnan({expression})"


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
