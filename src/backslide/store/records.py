"""What the parts of the store have in common: every call is one transaction, and what fails is said in one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from backslide.contracts.errors import StoreError
from backslide.contracts.extras import needs
from backslide.store.memory import RESTORE, Json, damaged

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table


class Records:
    """Rows of some of the tables of a database.

    Its methods raise StoreError, in one line, where the database cannot be read or written.
    """

    def __init__(self, store: Engine | Records) -> None:
        self.engine: Engine = store.engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All writes inside take effect together, or not at all."""
        with store_errors(self.engine), self.engine.begin() as connection:
            yield connection

    def rows(self, query: Any) -> Sequence[Any]:
        """All rows of a query."""
        with self.transaction() as connection:
            try:
                return connection.execute(query).all()
            except (ValueError, TypeError) as error:  # JSON or a time that somebody cut off
                table = next(iter(query.selected_columns)).table
                raise damaged(f"the table {table} holds what cannot be read ({type(error).__name__})") from None

    def row(self, query: Any) -> Any:
        """The first row; None where there is none."""
        return next(iter(self.rows(query)), None)

    def values(self, query: Any) -> list[Any]:
        """The first column."""
        return [row[0] for row in self.rows(query)]

    def value(self, query: Any) -> Any | None:
        """The first column of the first row; None where there is none."""
        return next(iter(self.values(query)), None)

    def write(self, change: Any) -> int:
        """Insert, update or delete; returns how many rows it concerned."""
        with self.transaction() as connection:
            return int(connection.execute(change).rowcount)

    def where(self, name: str, /, *order: str, **same: object) -> Sequence[Any]:
        """The rows of a table whose columns hold these values, in order of other columns."""
        table = named_table(name)
        return self.rows(table.select().where(*_equal(table, same)).order_by(*(table.c[column] for column in order)))

    def insert(self, name: str, /, **values: Any) -> None:
        """Insert a row."""
        self.write(named_table(name).insert().values(**values))

    def update(self, name: str, same: Mapping[str, object], /, **values: Any) -> int:
        """Write into the rows whose columns hold these values; returns how many there were."""
        table = named_table(name)
        return self.write(table.update().where(*_equal(table, same)).values(**values))

    def delete(self, name: str, /, **same: object) -> int:
        """Delete the rows whose columns hold these values; returns how many there were."""
        table = named_table(name)
        return self.write(table.delete().where(*_equal(table, same)))

    def insert_once(self, name: str, values: Json) -> int:
        """Insert a row unless its key is there; returns rows inserted."""
        with self.transaction() as connection:
            return insert_once(connection, name, values)


def _equal(table: Table, same: Mapping[str, object]) -> list[Any]:
    return [table.c[column] == value for column, value in same.items()]


@contextmanager
def store_errors(engine: Engine) -> Iterator[None]:
    """Turn what the database raises into one line, without its SQL."""
    with needs("watch", "watching"):
        from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, UnicodeDecodeError) as error:
        shown = engine.url.render_as_string(hide_password=True)
        raise StoreError(f"the store {shown} {what_failed(error)}") from None


def what_failed(error: Exception) -> str:
    """The end of a sentence that begins with the name of the store."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    # SQLite names what it cannot read in its messages, damaged bytes and all, which are no text then.
    if "malformed" in reason or "not a database" in reason or isinstance(error, UnicodeDecodeError):
        return f"is damaged ({reason}); {RESTORE}"
    if "locked" in reason:
        return f"is locked by another process ({reason}); wait until that one has ended"
    return f"cannot be read or written: {reason}"


def insert_once(connection: Connection, name: str, values: Json) -> int:
    """Insert a row unless its key is there; returns rows inserted."""
    with needs("watch", "watching"):
        from sqlalchemy.dialects import postgresql, sqlite

    dialect = postgresql if connection.engine.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(named_table(name)).values(**values).on_conflict_do_nothing()
    # Of an insertion the driver of PostgreSQL counts the rows only where it is asked to.
    return max(int(connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount), 0)


def named_table(name: str) -> Table:
    """A table by its name."""
    from backslide.store.tables import metadata

    return metadata.tables[name]


def utc_now() -> datetime:
    """The present as the tables hold it: UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)
