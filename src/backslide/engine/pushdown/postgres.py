"""PostgreSQL, and what speaks like it (``postgresql://user@host/db#table``)."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

from backslide.contracts.errors import NumberRangeError, SourceError
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
        self._out_of_range: Any = psycopg.errors.NumericValueOutOfRange
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
            # A part of the transaction, which goes on after a statement that leaves the range of floats.
            with self._connection.transaction():
                answer = self._connection.execute(statement.encode())
                return list(answer.fetchall()) if answer.description is not None else []
        except self._out_of_range as error:
            raise NumberRangeError(f"PostgreSQL refuses the query: {_line(error)}") from None
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

    def square(self, expression: str) -> str:
        """As IEEE 754 has it; PostgreSQL takes an underflow and an overflow for errors."""
        size, (low, high) = f"ABS({expression})", _squares_of()
        return (
            f"(CASE WHEN {size} <= {self.number(low)} THEN {self.number(0.0)} "
            f"WHEN {size} >= {self.number(high)} THEN {self.infinity(1)} ELSE {expression} * {expression} END)"
        )

    def difference(self, first: str, second: str) -> str:
        """Infinite beyond the largest float."""
        most = self.number(sys.float_info.max)
        return (
            f"(CASE WHEN {first} > 0 AND {second} < 0 AND {first} > {most} + {second} THEN {self.infinity(1)} "
            f"WHEN {first} < 0 AND {second} > 0 AND {first} < {second} - {most} THEN {self.infinity(-1)} "
            f"ELSE {first} - {second} END)"
        )

    def ratio(self, above: str, below: str) -> str:
        """Infinite beyond the largest float, 0 below the smallest."""
        most, least = self.number(sys.float_info.max), self.number(math.ulp(0.0))
        return (
            f"(CASE WHEN {below} < 1 AND {above} > {most} * {below} THEN {self.infinity(1)} "
            f"WHEN {below} > 1 AND {above} < {least} * {below} THEN {self.number(0.0)} ELSE {above} / {below} END)"
        )

    def bin(self, expression: str, edges: Sequence[float], *, integer: bool) -> str:
        """By its own search of an array: the number of thresholds at or below the value."""
        limits = [f"'{edge!r}'" for edge in edges]
        if integer:  # no integer reaches what lies beyond the largest one
            limits = [str(max(math.ceil(edge), _SMALLEST)) for edge in edges if math.ceil(edge) <= _LARGEST]
        kind = "int8" if integer else self.double
        return f"width_bucket({expression}, CAST(ARRAY[{', '.join(limits)}] AS {kind}[]))" if limits else "0"


_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


@cache
def _squares_of() -> tuple[float, float]:
    """The largest float whose square is 0, and the smallest whose square is infinite.

    In whole numbers, for libraries that were built for speed let this process take the smallest floats for 0. Squares of at most
    half the smallest float are rounded to 0, those from halfway between the largest one and 2**1024 on to infinity.
    """
    half, halfway = Fraction(1, 2**1075), 2**1024 - 2**970
    low, high = math.sqrt(0.5) * 2.0**-537, math.sqrt(sys.float_info.max)
    while Fraction(low) ** 2 > half:
        low = math.nextafter(low, 0)
    while Fraction(math.nextafter(low, 1)) ** 2 <= half:
        low = math.nextafter(low, 1)
    while Fraction(high) ** 2 < halfway:
        high = math.nextafter(high, math.inf)
    return low, high


def _line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
