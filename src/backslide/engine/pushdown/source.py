"""Which database a source names, and how the roles of a problem are written in its SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.errors import ColumnError, ConfigError, SourceError, did_you_mean
from backslide.contracts.secrets import scrub_address
from backslide.engine.columns import names
from backslide.engine.profile.plan import Plan
from backslide.engine.pushdown.dialect import SqlDialect
from backslide.engine.pushdown.duckdb import DuckDb
from backslide.engine.pushdown.postgres import Postgres
from backslide.engine.pushdown.statements import TableQuery, sample
from backslide.engine.roles.problem import Problem
from backslide.engine.sources.database import column_of, is_query, resolved_address
from backslide.engine.times.time_range import TimeRanges, parse_time_ranges

_SQLS = re.compile(r"^(duckdb|postgres|postgresql)(\+\w+)?://")


@dataclass(frozen=True)
class PushdownTable:
    """A table or query in a database that counts for us."""

    dialect: SqlDialect
    source: str
    """What stands after FROM."""
    kinds: dict[str, str]
    """Column -> its type in the database."""
    text: str
    where: str = ""

    def rows(self) -> int:
        """How many there are."""
        where = f" WHERE {self.where}" if self.where else ""
        return int(self.dialect.run(f"SELECT COUNT(*) FROM {self.source}{where}")[0][0])

    def sample(self, columns: Iterable[str], rows: int, seed: int) -> pl.DataFrame:
        """About ``rows`` of the rows, uniform and seeded, with some columns alone; fewer columns and rows leave the database.

        Raises:
            SourceError: there are no rows.
        """
        total, chosen = self.rows(), list(columns)
        if total == 0:
            raise SourceError(f"{self.text} holds no rows" + (" in this period" if self.where else ""))
        for statement in self.dialect.prepare_sampling(seed):
            self.dialect.run(statement)
        share = min(1.0, rows / total)
        found = self.dialect.run(
            sample(self.source, {name: self.kinds[name] for name in chosen}, self.dialect, share, seed, self.where)
        )
        values = zip(*found, strict=True) if found else [() for _ in chosen]
        return pl.DataFrame([column_of(name, column) for name, column in zip(chosen, values, strict=True)])


def is_pushdown(source: Any) -> bool:
    """Whether a source is a database that counts for us."""
    return isinstance(source, str) and bool(_SQLS.match(source))


def open_pushdown(source: Any, settings: Settings) -> PushdownTable | None:
    """The table of a database that ``source`` names, or the time range over one that is ``[data] source``; None for others.

    Raises:
        SourceError: it cannot be opened, or names no table.
        MissingExtraError: without the driver.
    """
    span = parse_time_ranges(source)
    text = settings.data.source if span is not None else source
    if not isinstance(text, str):
        return None
    if settings.engine.kind == "spark":
        table = _open_spark(text, settings)
    elif is_pushdown(text):
        table = _open_sql(text, settings)
    else:
        return None
    return table if span is None else within(table, span, settings)


def _open_sql(text: str, settings: Settings) -> PushdownTable:
    address, _, what = resolved_address(text).partition("#")
    scheme, _, place = address.partition("://")
    dialect: SqlDialect
    if scheme.startswith("duckdb"):
        dialect = DuckDb(place.removeprefix("/"), settings.base)
    else:
        dialect = Postgres(f"postgresql://{place}")
    source = f"({what}) AS q" if is_query(what) else dialect.table(what, text)
    return PushdownTable(dialect, source, dialect.columns(source), scrub_address(text))


def _open_spark(text: str, settings: Settings) -> PushdownTable:
    from backslide.engine.pushdown.spark import open_spark

    return open_spark(text, settings)


def within(table: PushdownTable, span: TimeRanges, settings: Settings) -> PushdownTable:
    """The rows of a time range alone.

    Raises:
        ConfigError, ColumnError: no column of times is named, or it holds none.
    """
    column = time_column(table, settings)
    if column is None:
        raise ConfigError(f"a time range over {table.text} needs [model] timestamp, the time column")
    quoted = table.dialect.quote(column)
    parts = [
        f"({quoted} >= TIMESTAMP '{part.start.isoformat(sep=' ')}' AND {quoted} < TIMESTAMP '{part.end.isoformat(sep=' ')}')"
        for part in span.parts
    ]
    where = " OR ".join(parts)
    return replace(
        table, where=f"({table.where}) AND ({where})" if table.where else where, text=f"{table.text}, {span}"
    )


def time_column(table: PushdownTable, settings: Settings) -> str | None:
    """The column of times; None where none is named.

    Raises:
        ColumnError: it is not there, or of no type for times.
    """
    column = settings.model.timestamp
    if column is None:
        return None
    if column not in table.kinds:
        raise ColumnError(f"{table.text} has no column {column!r} (role: timestamp){did_you_mean(column, table.kinds)}")
    if not table.dialect.is_time(table.kinds[column]):
        raise ColumnError(
            f"[model] timestamp {column!r} is {table.kinds[column]} in {table.text}, and a day is counted there from dates or "
            "timestamps; cast it in a query behind #"
        )
    return column


def used_columns(table: PushdownTable, settings: Settings) -> list[str]:
    """Columns with a role, and the features: all others where none are named.

    Raises:
        ColumnError: one is not there.
    """
    roles = settings.model
    special = [*roles.columns().values()]
    features = list(roles.features) if roles.features is not None else [c for c in table.kinds if c not in special]
    wanted = list(dict.fromkeys([*special, *features]))
    missing = next((c for c in wanted if c not in table.kinds), None)
    if missing is not None:
        raise ColumnError(f"{table.text} has no column {missing!r}{did_you_mean(missing, table.kinds)}")
    return wanted


def counted_plan(
    table: PushdownTable, plan: Plan, problem: Problem, notes: list[str]
) -> tuple[Plan, TableQuery, frozenset[str]]:
    """What of a plan the database counts, where it stands there, and which of it are whole numbers.

    Raises:
        ConfigError: what the model decided is not logged, so that no metric can be counted.
    """
    roles, dialect = problem.roles, table.dialect
    if roles.prediction is None and (problem.classification or roles.label is not None):
        raise ConfigError(f"counting in {table.text} needs [model] prediction, the column of what the model decided")
    if roles.weight is not None:
        raise ConfigError(
            f"[model] weight is not supported where {dialect.name} counts; profile a query that repeats the rows"
        )
    numbers = {c: dialect.quote(c) for c in plan.numeric if c in table.kinds and dialect.is_number(table.kinds[c])}
    levels = {c: dialect.quote(c) for c in plan.categorical if c in table.kinds}
    if not problem.classification:
        numbers |= {
            name: e for name, e in _errors(dialect, problem).items() if name in plan.numeric or name in plan.sums
        }
    left = [
        c for c in problem.features if c in (*plan.numeric, *plan.categorical) and c not in numbers and c not in levels
    ]
    if left:
        notes.append(
            f"{say.listed(left)} hold numbers written as text, which {dialect.name} does not count; cast them in a query"
        )
    if plan.segments:
        notes.append(f"segments are not counted by {dialect.name}; profile the rows themselves to keep them apart")
    counted = replace(
        plan,
        numeric={c: edges for c, edges in plan.numeric.items() if c in numbers},
        categorical=tuple(levels),
        sums=tuple(c for c in plan.sums if c in numbers),
        segments={},
    )
    by_role = {names.LABEL: roles.label, names.PREDICTION: roles.prediction}
    cells = tuple(dialect.quote(column) for name in plan.cells if (column := by_role.get(name)) is not None)
    day = (
        dialect.day(dialect.quote(roles.timestamp), table.kinds[roles.timestamp])
        if roles.timestamp
        else "CAST(NULL AS DATE)"
    )
    version = (
        f"CAST({dialect.quote(roles.version)} AS {dialect.text})" if roles.version else f"CAST(NULL AS {dialect.text})"
    )
    integers = frozenset(c for c in numbers if c in table.kinds and dialect.is_integer(table.kinds[c]))
    return counted, TableQuery(table.source, day, version, numbers, levels, cells, table.where), integers


def _errors(dialect: SqlDialect, problem: Problem) -> dict[str, str]:
    """Row quantities of a regression, as ``engine.roles.derive`` writes them."""
    roles = problem.roles
    if roles.prediction is None:
        return {}
    prediction = f"({dialect.finite(dialect.as_double(dialect.quote(roles.prediction)))})"
    if roles.label is None:
        return {names.PREDICTION: prediction}
    label = f"({dialect.finite(dialect.as_double(dialect.quote(roles.label)))})"
    error = dialect.difference(prediction, label)
    return {
        names.LABEL: label,
        names.PREDICTION: prediction,
        names.ERROR: error,
        names.ABSOLUTE: f"ABS({error})",
        names.SQUARED: dialect.square(error),
        names.PERCENTAGE: f"(CASE WHEN {label} <> 0 THEN {dialect.ratio(f'ABS({error})', f'ABS({label})')} END)",
        names.CENTRED: f"(CASE WHEN {error} IS NOT NULL THEN {dialect.difference(label, dialect.number(problem.centre))} END)",
    }
