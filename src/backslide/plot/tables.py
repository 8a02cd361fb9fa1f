"""The two periods of a quick look: opened, checked, and counted in one bounded pass."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from backslide.contracts.errors import ColumnError, SourceError, did_you_mean
from backslide.contracts.roles import Roles
from backslide.engine.columns.kinds import ColumnKind, kind_of
from backslide.engine.columns.sample import sample
from backslide.engine.profile.column import ColumnProfile
from backslide.engine.profile.plan import Plan, column_edges
from backslide.engine.profile.run import profile
from backslide.engine.roles.infer import infer_roles
from backslide.engine.sources.errors import reading
from backslide.engine.sources.open import open_source

EDGE_ROWS = 20_000
"""Rows of each period that the bins are chosen from; counted are all."""
VALUE = "value"
MOST_LISTED = 6


@dataclass(frozen=True)
class PeriodTable:
    """One period: its rows, never in memory at once."""

    name: str
    """The argument that it came as: ``good`` or ``bad``."""
    frame: pl.LazyFrame
    schema: dict[str, pl.DataType]
    rows: int

    def kind(self, column: str) -> ColumnKind:
        """Kind of a column."""
        return kind_of(self.schema[column])


Tables = tuple[PeriodTable, PeriodTable]
Profiles = tuple[ColumnProfile, ColumnProfile]


def open_both(good: object, bad: object) -> Tables:
    """Open both periods.

    Raises:
        SourceError: when one cannot be opened or holds no rows.
    """
    return _open("good", good), _open("bad", bad)


def _open(name: str, source: object) -> PeriodTable:
    with reading(f"the rows of {name}"):
        frame = open_source(source)
        schema = dict(frame.collect_schema())
        rows = int(frame.select(pl.len()).collect(engine="streaming").item())
    if not rows:
        raise SourceError(f"expected rows in {name}, found none; check the path or the filter that made it")
    return PeriodTable(name, frame, schema, rows)


def require(tables: Tables, *columns: object) -> None:
    """Check that columns are there in both periods.

    Raises:
        ColumnError: naming the period, and the nearest column that it has.
    """
    for column in columns:
        if not isinstance(column, str):
            raise ColumnError(f"expected the name of a column, got {type(column).__name__} {str(column)[:60]!r}")
        for table in tables:
            if column not in table.schema:
                raise ColumnError(f"{table.name} has no column {column!r}{did_you_mean(column, table.schema)}")


def recognised(tables: Tables) -> Roles:
    """Roles of the columns as ``backslide init`` guesses them, from the good period; only columns that both have."""
    with reading("the rows of good"):
        roles, _ = infer_roles(tables[0].frame)
    both = set(tables[0].schema) & set(tables[1].schema)
    single = {role: None for role in ("label", "prediction", "timestamp") if getattr(roles, role) not in both}
    scores = roles.scores if set(roles.scores.values()) <= both else {}
    return roles.model_copy(update={**single, "scores": scores})


def not_recognised(role: str, call: str, tables: Tables) -> ColumnError:
    """The error for a role that no column plays by its name and content."""
    columns = list(tables[0].schema)
    shown = ", ".join(map(repr, columns[:MOST_LISTED])) + (" ..." if len(columns) > MOST_LISTED else "")
    return ColumnError(f"no {role} was recognised among {shown}; name it: {call}")


def count_numbers(tables: Tables, values: tuple[pl.Expr, pl.Expr]) -> Profiles:
    """Both periods' numbers on the same bins, over all rows."""
    frames = [table.frame.select(value.alias(VALUE)) for table, value in zip(tables, values, strict=True)]
    with reading():
        heads = [sample(frame, EDGE_ROWS, seed=0, total=t.rows) for frame, t in zip(frames, tables, strict=True)]
    edges = column_edges(pl.concat(heads, how="vertical_relaxed")[VALUE])
    plan = Plan(numeric={VALUE: edges})
    good, bad = (profile(frame, plan).columns[VALUE] for frame in frames)
    return good, bad


def count_levels(tables: Tables, values: tuple[pl.Expr, pl.Expr]) -> Profiles:
    """Both periods' categories, given as texts, over all rows."""
    plan = Plan(categorical=(VALUE,))
    good, bad = (
        profile(table.frame.select(value.alias(VALUE)), plan).columns[VALUE]
        for table, value in zip(tables, values, strict=True)
    )
    return good, bad
