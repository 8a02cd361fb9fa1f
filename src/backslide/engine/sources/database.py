"""Database tables and queries as frames, through SQLAlchemy.

``postgresql://user@host/db#table`` or ``sqlite:///log.db#SELECT ...``: behind ``#`` stands a table, a view, or a query; it may be
left out where the database holds one table only. ``${NAME}`` is taken from the environment, so that no password need stand in a
file. What is secret in an address is remembered, and no text shows it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import polars as pl

from backslide.contracts.errors import MissingExtraError, SourceError, did_you_mean
from backslide.contracts.extras import install, needs
from backslide.contracts.secrets import PASSWORD, VARIABLE, remember, scrub_address
from backslide.engine.pushdown.duckdb import DuckDb

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

_SCHEME = re.compile(
    r"^(sqlite|postgres|postgresql|mysql|mariadb|oracle|mssql|duckdb|snowflake|bigquery|redshift|cockroachdb|trino|databricks|clickhouse)"
    r"(\+\w+)?://"
)
_QUERY = re.compile(r"\s*(?:select|with|values|table|show)\s", re.IGNORECASE)
_DRIVERS = {
    "mysql": "mysqlclient",
    "mariadb": "mariadb",
    "oracle": "oracledb",
    "mssql": "pyodbc",
    "snowflake": "snowflake-sqlalchemy",
    "bigquery": "sqlalchemy-bigquery",
    "redshift": "sqlalchemy-redshift redshift_connector",
    "cockroachdb": "sqlalchemy-cockroachdb psycopg2-binary",
    "databricks": "databricks-sqlalchemy",
    "clickhouse": "clickhouse-sqlalchemy",
}
"""What SQLAlchemy needs for a database beyond itself, as its documentation of dialects names it; else the name itself."""
ROWS = 50_000
"""Rows fetched at a time."""


def is_database(text: str) -> bool:
    """Whether a source is a database's URI."""
    return bool(_SCHEME.match(text))


def scan_database(text: str, base: Path | None = None) -> pl.LazyFrame:
    """The rows of a table or query, read now and as a whole.

    Raises:
        SourceError: there is no such database, table or variable, or it cannot be read.
        MissingExtraError: without SQLAlchemy, or the driver.
    """
    if text.startswith("duckdb://"):
        return _scan_duckdb(resolved_address(text), text, base)
    with needs("watch", f"reading {scrub_address(text)!r}"):
        from sqlalchemy.exc import SQLAlchemyError
    plain = resolved_address(text)
    try:
        return _scan(plain, text, base)
    except (SQLAlchemyError, OSError, ValueError) as error:
        sentence = _in_one_line(error)
    raise SourceError(
        f"{scrub_address(text)!r} cannot be read: {sentence}"
    )  # not from the error: that may hold the password


def _scan_duckdb(plain: str, text: str, base: Path | None) -> pl.LazyFrame:
    """By DuckDB itself: SQLAlchemy would need a package between."""
    address, _, what = plain.partition("#")
    dialect = DuckDb(address.removeprefix("duckdb://").removeprefix("/"), base)
    try:
        source = f"({what}) AS q" if is_query(what) else dialect.table(what, text)
        names = list(dialect.columns(source))
        rows = dialect.run(f"SELECT * FROM {source}")
    finally:
        dialect.close()
    values = zip(*rows, strict=True) if rows else [() for _ in names]
    return pl.DataFrame([column_of(name, column) for name, column in zip(names, values, strict=True)]).lazy()


def resolved_address(text: str) -> str:
    """The address with what the environment holds for ``${NAME}``; what is secret in it is remembered, so that no text shows it.

    Raises:
        SourceError: a variable is not set.
    """
    plain = VARIABLE.sub(lambda match: _variable(match[1], text), text)
    remember(plain)
    return plain


def is_query(what: str) -> bool:
    """Whether what stands behind # is a query rather than a table's name."""
    return bool(_QUERY.match(what))


def _scan(plain: str, text: str, base: Path | None) -> pl.LazyFrame:
    if any(set("@/#?") & set(match[2]) for match in PASSWORD.finditer(plain)):
        raise SourceError(f"the password in {scrub_address(text)!r} has one of @ / # ?; write them as %40 %2F %23 %3F")
    address, _, what = plain.partition("#")
    engine = _engine(_url(address, base), text)
    try:
        with engine.connect() as connection:
            return _read(connection, what, text).lazy()
    finally:
        engine.dispose()


def _variable(name: str, text: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise SourceError(f"{scrub_address(text)!r} names the environment variable {name}, which is not set; set it")
    return quote(value, safe="")


def _in_one_line(error: Exception) -> str:
    """What a database says is wrong."""
    words = str(getattr(error, "orig", None) or error).strip().splitlines()
    return words[0] if words else type(error).__name__


def _url(address: str, base: Path | None) -> URL:
    with needs("watch", "reading a database"):
        from sqlalchemy.engine import make_url

    url = make_url(re.sub(r"^postgres(?=[+:])", "postgresql", address))
    if url.drivername == "postgresql" and find_spec("psycopg2") is None and find_spec("psycopg") is not None:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database and not url.database.startswith("file:"):
        path = Path(url.database).expanduser()
        path = path if base is None or path.is_absolute() else base / path
        if not path.is_file():
            raise SourceError(
                f"expected a database at {url.database!r}, found none; check the path"
            )  # it would be made
        url = url.set(database=f"file:{quote(str(path.resolve()))}", query={**url.query, "mode": "ro", "uri": "true"})
    return url


def _engine(url: URL, text: str) -> Engine:
    with needs("watch", "reading a database"):
        from sqlalchemy import create_engine
        from sqlalchemy.exc import NoSuchModuleError

    try:
        return create_engine(url)
    except (ImportError, NoSuchModuleError) as error:
        backend = re.split(r"[+:]", url.drivername)[0]
        extra = "watch,postgres" if backend == "postgresql" else ""
        how = install(extra) if extra else f"pip install {_DRIVERS.get(backend, backend)}"
        raise MissingExtraError(
            f"reading {scrub_address(text)!r} needs a driver ({str(error).splitlines()[0]}); {how}"
        ) from None


def _read(connection: Connection, what: str, text: str) -> pl.DataFrame:
    with needs("watch", "reading a database"):
        from sqlalchemy import select
        from sqlalchemy import text as sql

    told: Any = (
        sql(what.replace(":", r"\:"))
        if is_query(what)
        else select(sql("*")).select_from(_table(connection, what, text))
    )
    result = connection.execution_options(stream_results=True, yield_per=ROWS).execute(told)
    names = list(result.keys())
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"the query of {scrub_address(text)!r} gives two columns named {twice!r}; rename one of them")
    parts = [
        pl.DataFrame([column_of(name, values) for name, values in zip(names, zip(*rows, strict=True), strict=True)])
        for rows in result.partitions(ROWS)
    ]
    if not parts:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return pl.concat(parts, how="diagonal_relaxed", rechunk=False)


def _table(connection: Connection, what: str, text: str) -> Any:
    """A table or view by its name, or the only one."""
    with needs("watch", "reading a database"):
        from sqlalchemy import inspect, table

    schema, _, name = what.rpartition(".")
    looking = inspect(connection)
    for own_schema, own_name in ((None, what), (schema or None, name)):
        if own_name and (looking.has_table(own_name, schema=own_schema)):
            return table(own_name, schema=own_schema)
    known = [*looking.get_table_names(), *looking.get_view_names()]
    if what:
        raise SourceError(f"no table {what!r} in {scrub_address(text.partition('#')[0])!r}{did_you_mean(what, known)}")
    if len(known) != 1:
        raise SourceError(
            f"expected a table or a query behind # in {scrub_address(text)!r}"
            + (did_you_mean("", known) or "; the database holds no table")
        )
    return table(known[0])


def column_of(name: str, values: Sequence[Any]) -> pl.Series:
    """Values as the narrowest type that holds them all; what no column takes as text."""
    kinds = {type(value) for value in values} - {type(None)}
    if any(issubclass(kind, Decimal) for kind in kinds) and kinds <= {Decimal, int, float}:
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    if kinds == {datetime} and any(value is not None and value.tzinfo is not None for value in values):
        zoned = [None if v is None else (v if v.tzinfo else v.replace(tzinfo=UTC)).astimezone(UTC) for v in values]
        return pl.Series(name, zoned, dtype=pl.Datetime("us", "UTC"))
    for known, dtype in _TYPES:
        if kinds and kinds <= known:
            try:
                return pl.Series(name, values, dtype=dtype, strict=dtype != pl.Float64)
            except (pl.exceptions.PolarsError, OverflowError):
                break
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    texts = [None if v is None else bytes(v).hex() if isinstance(v, (bytes, memoryview)) else str(v) for v in values]
    return pl.Series(name, texts, dtype=pl.String)


_TYPES: tuple[tuple[set[type], pl.DataType], ...] = (
    ({bool}, pl.Boolean()),
    ({int}, pl.Int64()),
    ({int, float}, pl.Float64()),
    ({str}, pl.String()),
    ({datetime}, pl.Datetime("us")),
    ({date}, pl.Date()),
)
