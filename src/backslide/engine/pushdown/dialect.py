"""How one kind of database writes what a profile asks for. The base speaks standard SQL; a dialect is one file of exceptions."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from backslide.contracts.errors import SourceError, did_you_mean
from backslide.contracts.secrets import scrub_address

_OWN_SCHEMAS = ("information_schema", "pg_catalog")
Row = Sequence[Any]
"""Values of one row of an answer, in the order of the statement."""


class SqlDialect(ABC):
    """A database that is connected, and its way to write SQL."""

    name: ClassVar[str]
    double: ClassVar[str] = "DOUBLE PRECISION"
    text: ClassVar[str] = "VARCHAR"
    sets: ClassVar[int] = 24
    """Columns binned in one statement: each is a grouping set, whose counts a database keeps at the same time."""

    @abstractmethod
    def run(self, statement: str) -> list[Row]:
        """All rows of an answer: aggregates, or a sample.

        Raises:
            NumberRangeError: numbers leave the range of floats, where the database takes that for an error.
            SourceError: the database refuses it, in one line.
        """

    @abstractmethod
    def columns(self, source: str) -> dict[str, str]:
        """Column -> name of its type in this database, of what stands after FROM."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what this opened itself."""

    @abstractmethod
    def random(self, seed: int) -> str:
        """A uniform number of 0 to 1 for each row, the same in each run over the same rows in the same order."""

    def prepare_sampling(self, seed: int) -> Iterable[str]:  # most need none
        """Statements to run before a sample is drawn."""
        return ()

    def table(self, what: str, address: str) -> str:
        """A table by its name (``schema.table``), or the only one, as it stands after FROM.

        Raises:
            SourceError: none is named, and the database at ``address`` holds none or several.
        """
        if what:
            return ".".join(self.quote(part) for part in what.split("."))
        schemas = ", ".join(f"'{schema}'" for schema in _OWN_SCHEMAS)
        known = self.run(
            f"SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN ({schemas}) ORDER BY 1, 2"
        )
        if len(known) != 1:
            listed = [str(name) for _, name in known]
            raise SourceError(
                f"expected a table or a query behind # in {scrub_address(address)!r}"
                + (did_you_mean("", listed) or "; the database holds no table")
            )
        return ".".join(self.quote(str(part)) for part in known[0])

    def quote(self, name: str) -> str:
        """An identifier as it is written."""
        return '"' + name.replace('"', '""') + '"'

    def selected(self, name: str, kind: str) -> str:  # most hand every type over as it is
        """A column as a sample takes it, whose type is ``kind``."""
        return self.quote(name)

    def number(self, value: float) -> str:
        """A float exactly; a bare ``0.1`` is a decimal in most dialects and would be rounded once more."""
        return f"CAST('{value!r}' AS {self.double})"

    def as_double(self, expression: str) -> str:
        """A number as a float of 64 bits."""
        return f"CAST({expression} AS {self.double})"

    def is_nan(self, expression: str) -> str:
        """Whether a float is NaN."""
        return f"({expression} = CAST('NaN' AS {self.double}))"

    def infinity(self, sign: int) -> str:
        """A float that is infinite."""
        return f"CAST('{'-' if sign < 0 else ''}Infinity' AS {self.double})"

    def finite(self, expression: str) -> str:
        """The float where it is finite, else null. NaN is asked for first: what compares with it differs between databases."""
        within = f"{expression} > {self.infinity(-1)} AND {expression} < {self.infinity(1)}"
        return f"CASE WHEN {self.is_nan(expression)} THEN NULL WHEN {within} THEN {expression} END"

    def square(self, expression: str) -> str:  # most make it 0 or infinite where it leaves the range, as everybody does
        """A float times itself."""
        return f"({expression} * {expression})"

    def difference(self, first: str, second: str) -> str:
        """One finite float less another."""
        return f"({first} - {second})"

    def ratio(self, above: str, below: str) -> str:
        """One float over another that is not 0, neither negative."""
        return f"({above} / {below})"

    def scaled(self, expression: str, scale: float) -> str:
        """A float of at most twice ``scale`` in size over it, a power of two; 0 where that is below the normal range."""
        smallest, zero = self.number(scale * sys.float_info.min), self.number(0.0)
        return f"CASE WHEN ABS({expression}) < {smallest} THEN {zero} ELSE {expression} / {self.number(scale)} END"

    def day(self, column: str, kind: str) -> str:
        """UTC date of a column of times, whose type is ``kind``; times without a zone are UTC."""
        if "TIME ZONE" in kind.upper() and "WITHOUT" not in kind.upper():
            return f"CAST(({column} AT TIME ZONE 'UTC') AS DATE)"
        return f"CAST({column} AS DATE)"

    def bin(self, expression: str, edges: Sequence[float], *, integer: bool) -> str:
        """Number of the edges at or below a finite value: a balanced tree of comparisons, so that 300 edges take nine.

        Integers are compared with integers, or those beyond 2**53 would be rounded.
        """
        limits = [str(math.ceil(edge)) if integer else self.number(edge) for edge in edges]
        return _between(expression, limits, 0, len(limits))

    def is_number(self, kind: str) -> bool:
        """Whether a type holds numbers."""
        return kind.upper().partition("(")[0].strip() in _NUMBERS

    def is_integer(self, kind: str) -> bool:
        """Whether a type holds whole numbers."""
        return kind.upper().partition("(")[0].strip() in _INTEGERS

    def is_time(self, kind: str) -> bool:
        """Whether a type holds dates or times."""
        return kind.upper().startswith(("TIMESTAMP", "DATE"))


def _between(expression: str, limits: Sequence[str], low: int, high: int) -> str:
    if low == high:
        return str(low)
    middle = (low + high) // 2
    left, right = _between(expression, limits, low, middle), _between(expression, limits, middle + 1, high)
    return f"CASE WHEN {expression} < {limits[middle]} THEN {left} ELSE {right} END"


_INTEGERS = {
    *("TINYINT", "SMALLINT", "INTEGER", "INT", "BIGINT", "HUGEINT", "INT2", "INT4", "INT8", "LONG", "SHORT", "BYTE"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
}
_NUMBERS = {
    *_INTEGERS,
    *("FLOAT", "DOUBLE", "DOUBLE PRECISION", "REAL", "FLOAT4", "FLOAT8", "DECIMAL", "NUMERIC"),
}
