"""Statements that several tables need, in the words of SQLite and PostgreSQL alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from backslide.contracts.extras import needs
from backslide.store.memory import Json

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table


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
