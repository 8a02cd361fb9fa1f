"""The SQL of a profile: moments, bins, levels and joint counts by day and model version, in the words of a dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backslide.engine.pushdown.dialect import SqlDialect


@dataclass(frozen=True)
class TableQuery:
    """Rows in a database, and where day, version and every counted quantity stand in them."""

    source: str
    """What stands after FROM: a table's name, quoted, or a query in brackets with an alias."""
    day: str
    """Expression of the day, ``NULL`` without times."""
    version: str
    """Expression of the model version as text, ``NULL`` without one."""
    numbers: dict[str, str] = field(default_factory=dict)
    """Name -> expression of a number."""
    levels: dict[str, str] = field(default_factory=dict)
    """Name -> expression of a category."""
    cells: tuple[str, ...] = ()
    """Expressions that are counted together, beside the day."""
    where: str = ""


def _rows(query: TableQuery, columns: Sequence[str]) -> str:
    chosen = ", ".join([f"{query.day} AS d", f"{query.version} AS v", *columns])
    return f"SELECT {chosen} FROM {query.source}" + (f" WHERE {query.where}" if query.where else "")


def moments(query: TableQuery, dialect: SqlDialect, scales: Sequence[float] = ()) -> str:
    """A row per day and version: day, version, rows, and eleven facts of each number in the order of ``query.numbers``.

    The facts: values that are not null, NaN, +inf, -inf, finite; of the finite ones mean, population variance, minimum, maximum,
    sum and sum of squares. With ``scales``, one for each number, those four but minimum and maximum are of numbers over them.
    """
    inner, facts = [], []
    for i, expression in enumerate(query.numbers.values()):
        double = dialect.as_double(expression)
        finite = dialect.finite(double)
        x = f"x{i}"
        if scales:
            finite, x = f"({finite})", f"({dialect.scaled(f'x{i}', scales[i])})"
        inner += [f"{expression} AS r{i}", f"{double} AS f{i}", f"{finite} AS x{i}"]
        nan = dialect.is_nan(f"f{i}")
        facts += [
            f"COUNT(r{i})",
            f"COUNT(CASE WHEN {nan} THEN 1 END)",
            *(f"COUNT(CASE WHEN NOT {nan} AND f{i} = {dialect.infinity(sign)} THEN 1 END)" for sign in (1, -1)),
            f"COUNT(x{i})",
            f"AVG({x})",
            f"VAR_POP({x})",
            *(f"{extreme}(CASE WHEN x{i} IS NOT NULL THEN r{i} END)" for extreme in ("MIN", "MAX")),
            f"SUM({x})",
            f"SUM({dialect.square(x)})",
        ]
    return f"SELECT {', '.join(['d', 'v', 'COUNT(*)', *facts])} FROM ({_rows(query, inner)}) AS t GROUP BY d, v"


FACTS, MEAN = 11, 5
"""Facts of a number, and the place of its mean among them."""


def largest(query: TableQuery, dialect: SqlDialect) -> str:
    """One row: the largest size of the finite values of each number, null without any."""
    finite = [dialect.finite(dialect.as_double(expression)) for expression in query.numbers.values()]
    inner = [f"{value} AS x{i}" for i, value in enumerate(finite)]
    return f"SELECT {', '.join(f'MAX(ABS(x{i}))' for i in range(len(inner)))} FROM ({_rows(query, inner)}) AS t"


def bins(
    query: TableQuery, dialect: SqlDialect, edges: dict[str, Sequence[float]], integers: frozenset[str]
) -> list[str]:
    """Rows of day, version, a bin number for each of some columns of which one is not null, and rows; -1 is not finite.

    One statement for every ``dialect.sets`` columns, in the order of ``query.numbers``.
    """
    names = list(query.numbers)
    statements = []
    for start in range(0, len(names), dialect.sets):
        part = names[start : start + dialect.sets]
        values = [
            query.numbers[name] if name in integers else dialect.finite(dialect.as_double(query.numbers[name]))
            for name in part
        ]
        finite = [f"{value} AS x{i}" for i, value in enumerate(values)]
        binned = [
            f"CASE WHEN x{i} IS NULL THEN -1 ELSE {dialect.bin(f'x{i}', edges[name], integer=name in integers)} END AS b{i}"
            for i, name in enumerate(part)
        ]
        places = ", ".join(f"b{i}" for i in range(len(part)))
        sets = ", ".join(f"(d, v, b{i})" for i in range(len(part)))
        statements.append(
            f"SELECT d, v, {places}, COUNT(*) FROM (SELECT d, v, {', '.join(binned)} FROM ({_rows(query, finite)}) AS t) AS u "
            f"GROUP BY GROUPING SETS ({sets})"
        )
    return statements


def levels(query: TableQuery, name: str, most: int) -> str:
    """Rows of day, version, level, rows, distinct levels and rows of all of them; a level that is null comes always.

    At most ``most`` levels a day and version, and none that ties with the first one left out; where all of them tie, a row
    without level and rows says how many there are.
    """
    counted = (
        f"SELECT d, v, c, COUNT(*) AS n FROM ({_rows(query, [f'{query.levels[name]} AS c'])}) AS t GROUP BY d, v, c"
    )
    # Peers are part of a window that ends at the current row: all levels that are as frequent stay or go together.
    ranked = (
        "SELECT d, v, c, n, COUNT(c) OVER (PARTITION BY d, v) AS k, "
        "SUM(CASE WHEN c IS NULL THEN 0 ELSE n END) OVER (PARTITION BY d, v) AS s, "
        "COUNT(c) OVER (PARTITION BY d, v ORDER BY CASE WHEN c IS NULL THEN -1 ELSE n END DESC) AS r, "
        "ROW_NUMBER() OVER (PARTITION BY d, v ORDER BY CASE WHEN c IS NULL THEN 1 ELSE 0 END, n DESC) AS f "
        f"FROM ({counted}) AS g"
    )
    return (
        f"SELECT d, v, CASE WHEN r <= {most} THEN c END, CASE WHEN c IS NULL OR r <= {most} THEN n ELSE 0 END, k, s "
        f"FROM ({ranked}) AS h WHERE r <= {most} OR c IS NULL OR f = 1"
    )


def cells(query: TableQuery) -> str:
    """Rows of day, version, the values that are counted together, and rows."""
    names = [f"k{i}" for i in range(len(query.cells))]
    chosen = [f"{expression} AS {name}" for name, expression in zip(names, query.cells, strict=True)]
    keys = ", ".join(["d", "v", *names])
    return f"SELECT {keys}, COUNT(*) FROM ({_rows(query, chosen)}) AS t GROUP BY {keys}"


def sample(
    source: str, columns: Mapping[str, str], dialect: SqlDialect, share: float, seed: int, where: str = ""
) -> str:
    """Some of the rows, each with the chance ``share``; ``columns``: name -> type."""
    chosen = ", ".join(dialect.selected(name, kind) for name, kind in columns.items())
    drawn = [*([f"({where})"] if where else []), *([f"{dialect.random(seed)} < {share!r}"] if share < 1 else [])]
    return f"SELECT {chosen} FROM {source}" + (f" WHERE {' AND '.join(drawn)}" if drawn else "")
