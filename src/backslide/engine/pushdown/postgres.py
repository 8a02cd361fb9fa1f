"""PostgreSQL, and what speaks like it (``postgresql://user@host/db#table``)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from backslide.contracts.errors import SourceError
from backslide.contracts.extras import needs
from backslide.contracts.secrets import scrub_address
from backslide.engine.pushdown.dialect import Row, SqlDialect


class Postgres(SqlDialect):
    """A PostgreSQL server, in a transaction that only reads."""

    name = "postgresql"

    def __init__(self, address: str) -> None:
        with needs("postgres", f"reading {scrub_address(address)!r}"):
            import psycopg

        self._errors: Any = psycopg.Error
        try:
            self._connection = psycopg.connect(address, autocommit=True)
            # One transaction: all statements count the same rows, whatever is written to the table meanwhile.
            for statement in ("SET TIME ZONE 'UTC'", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
                self._connection.execute(statement)
        except psycopg.Error as error:
            words = _line(error)
        else:
            return
        raise SourceError(
            f"{scrub_address(address)!r} cannot be read: {words}"
        )  # not from the error: it may hold the password

    def run(self, statement: str) -> list[Row]:
        """All rows of an answer."""
        try:
            answer = self._connection.execute(statement.encode())
            return list(answer.fetchall()) if answer.description is not None else []
        except self._errors as error:
            raise SourceError(f"PostgreSQL refuses the query: {_line(error)}") from None

    def columns(self, source: str) -> dict[str, str]:
        """Column -> its type, as ``format_type`` writes it."""
        try:
            cursor = self._connection.execute(f"SELECT * FROM {source} LIMIT 0".encode())
        except self._errors as error:
            raise SourceError(f"PostgreSQL refuses the query: {_line(error)}") from None
        described = [(column.name, column.type_code) for column in cursor.description or ()]
        codes = ", ".join(str(code) for code in sorted({code for _, code in described}))
        found = self.run(f"SELECT oid::int, format_type(oid, NULL) FROM pg_type WHERE oid IN ({codes})")
        kinds = {int(code): str(kind) for code, kind in found}
        return {name: kinds[code] for name, code in described}

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def random(self, seed: int) -> str:  # it is set before
        """As seeded by ``prepare_sampling``."""
        return "random()"

    def prepare_sampling(self, seed: int) -> Iterable[str]:
        """One worker that begins at the first row, or the rows that a seed gives would depend on what else the server does."""
        return (
            "SET max_parallel_workers_per_gather = 0",
            "SET synchronize_seqscans = off",
            f"SELECT setseed({seed / 2**32!r})",
        )

    def bin(self, expression: str, edges: Sequence[float], *, integer: bool) -> str:
        """By its own search of an array: the number of thresholds at or below the value."""
        limits = [f"'{edge!r}'" for edge in edges]
        if integer:  # no integer reaches what lies beyond the largest one
            limits = [str(max(math.ceil(edge), _SMALLEST)) for edge in edges if math.ceil(edge) <= _LARGEST]
        kind = "int8" if integer else self.double
        return f"width_bucket({expression}, CAST(ARRAY[{', '.join(limits)}] AS {kind}[]))" if limits else "0"


_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def _line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
