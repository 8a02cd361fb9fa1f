"""The tables of a store are made, or brought to the newest version, by one process at a time, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backslide.contracts.extras import needs

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION = "backslide_version"
"""The table that holds the version of the others."""
LOCK = 0x6261636B
"""Whoever changes the tables of a PostgreSQL database holds this lock; the number is free to choose."""


def upgrade(engine: Engine) -> None:
    """Bring the tables to the newest version.

    Raises:
        alembic.util.CommandError: they are of a newer one.
        sqlalchemy.exc.SQLAlchemyError, sqlite3.Error: the database cannot be read or written.
    """
    if _version(engine) == newest_version():
        return
    with engine.begin() as connection:
        # SQLite's driver begins no transaction for what makes tables, and PostgreSQL lets two make the same one.
        sqlite = engine.dialect.name == "sqlite"
        connection.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else f"SELECT pg_advisory_xact_lock({LOCK})")
        _run_migrations(connection)


def newest_version() -> str:
    """The version that the migrations lead to."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("v????_*.py"))[1:5]


def _version(engine: Engine) -> str | None:
    """The version that the database says it has; None where it says none."""
    with needs("watch", "watching"):
        from sqlalchemy import inspect, text

    if not inspect(engine).has_table(VERSION):
        return None
    with engine.connect() as connection:
        version = connection.execute(text(f"select version_num from {VERSION}")).scalar()
        return None if version is None else str(version)


def _run_migrations(connection: Connection) -> None:
    with needs("watch", "watching"):
        from alembic import command
        from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
