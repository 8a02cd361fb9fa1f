"""From the answers of a database to profiles: the same values as one pass over the rows here would have counted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from backslide.contracts.errors import NumberRangeError
from backslide.contracts.labels import label_text
from backslide.engine.columns import names
from backslide.engine.profile.batch import Cells, Sums, level_names
from backslide.engine.profile.column import ColumnProfile, by_frequency
from backslide.engine.profile.daily_profiles import ALL, UNDATED, DailyProfiles, ProfileKey
from backslide.engine.profile.plan import Plan
from backslide.engine.profile.profile import Profile
from backslide.engine.pushdown import statements
from backslide.engine.pushdown.dialect import Row, SqlDialect
from backslide.engine.pushdown.statements import FACTS, MEAN, TableQuery

_Group = tuple[str, str | None]
"""Day and model version."""


@dataclass
class _GroupCounts:
    """What is known of one day and version."""

    rows: int
    columns: dict[str, ColumnProfile] = field(default_factory=dict)
    cells: Cells = field(default_factory=dict)
    sums: dict[str, Sums] = field(default_factory=dict)


def profile_table(
    dialect: SqlDialect, query: TableQuery, plan: Plan, integers: frozenset[str], spellings: Mapping[str, str]
) -> DailyProfiles:
    """Profiles by day and version of the quantities that both ``query`` and ``plan`` hold.

    Args:
        dialect: the database.
        query: where the quantities stand in it; ``numbers`` may hold more than ``plan.numeric``, for sums alone.
        plan: what is counted, without segments.
        integers: names whose type is an integer, so that their range stays exact.
        spellings: other spelling of a class -> the one that counts.

    Raises:
        SourceError: the database refuses a statement, in one line.
    """
    facts = _facts(dialect, query)
    counts = {_group(row): _GroupCounts(int(row[2])) for row in facts}
    _add_numbers(counts, facts, query, plan, integers)
    _add_bins(counts, dialect, query, plan, integers)
    for name in query.levels:
        _add_levels(counts, dialect.run(statements.levels(query, name, plan.max_levels)), name)
    if query.cells:
        _add_cells(counts, dialect.run(statements.cells(query)), plan, spellings)
    return {
        ProfileKey(day, version, ALL): Profile(plan, one.rows, one.columns, one.cells, one.sums)
        for (day, version), one in sorted(counts.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    }


def _facts(dialect: SqlDialect, query: TableQuery) -> list[Row]:
    """Rows as ``statements.moments`` describes them, whatever the size of the numbers."""
    with suppress(NumberRangeError):
        rows = dialect.run(statements.moments(query, dialect))
        if all(mean is None or math.isfinite(mean) for row in rows for mean in row[3 + MEAN :: FACTS]):
            return rows
    # No sum of numbers around 1 leaves the range of floats.
    (sizes,) = dialect.run(statements.largest(query, dialect))
    scales = [2.0 ** (math.frexp(size)[1] - 1) if size else 1.0 for size in sizes]
    rows = dialect.run(statements.moments(query, dialect, scales))
    return [(*row[:3], *(fact for part in _scaled_back(row, scales) for fact in part)) for row in rows]


def _scaled_back(row: Row, scales: list[float]) -> Iterator[Row]:
    for i, scale in enumerate(scales):
        *numbers, mean, variance, low, high, total, squares = row[3 + i * FACTS : 3 + (i + 1) * FACTS]
        mean, total, variance, squares = (value and value * scale for value in (mean, total, variance, squares))
        yield (*numbers, mean, variance and variance * scale, low, high, total, squares and squares * scale)


def _group(row: Row) -> _Group:
    day, version = row[0], row[1]
    return UNDATED if day is None else str(day)[:10], None if version is None else str(version)


def _add_numbers(
    counts: dict[_Group, _GroupCounts], facts: list[Row], query: TableQuery, plan: Plan, integers: frozenset[str]
) -> None:
    for row in facts:
        group, one = _group(row), counts[_group(row)]
        block = None if plan.block is None or group[0] == UNDATED else group[0]
        for i, name in enumerate(query.numbers):
            at = 3 + i * FACTS
            present, nans, above, below, finite = (int(value) for value in row[at : at + 5])
            mean, variance, low, high, total, squares = row[at + 5 : at + FACTS]
            number: Any = int if name in integers else float
            if name in plan.numeric:
                edges = np.asarray(plan.numeric[name])
                one.columns[name] = ColumnProfile(
                    rows=one.rows,
                    nulls=one.rows - present,
                    nans=nans,
                    pos_inf=above,
                    neg_inf=below,
                    finite=finite,
                    mean=float("nan") if mean is None else float(mean),
                    m2=float(variance or 0.0) * finite,
                    minimum=None if low is None else number(low),
                    maximum=None if high is None else number(high),
                    integer=name in integers,
                    edges=edges,
                    counts=np.zeros(len(edges) + 1, np.int64),
                )
            if name in plan.sums:
                one.sums[name] = {block: (finite, float(total), float(squares))} if finite else {}


def _add_bins(
    counts: dict[_Group, _GroupCounts], dialect: SqlDialect, query: TableQuery, plan: Plan, integers: frozenset[str]
) -> None:
    counted = [name for name in query.numbers if name in plan.numeric]
    binned = TableQuery(
        query.source, query.day, query.version, {name: query.numbers[name] for name in counted}, where=query.where
    )
    for k, statement in enumerate(statements.bins(binned, dialect, dict(plan.numeric), integers)):
        part = counted[k * dialect.sets : (k + 1) * dialect.sets]
        for row in dialect.run(statement):
            i, place = next((i, int(value)) for i, value in enumerate(row[2 : 2 + len(part)]) if value is not None)
            known = counts[_group(row)].columns[part[i]].counts
            if place >= 0 and known is not None:
                known[place] += int(row[-1])


def _add_levels(counts: dict[_Group, _GroupCounts], rows: list[Row], name: str) -> None:
    by_group: dict[_Group, list[Row]] = {}
    for row in rows:
        by_group.setdefault(_group(row), []).append(row)
    for group, one in counts.items():
        found = by_group.get(group, [])
        nulls = sum(int(row[3]) for row in found if row[2] is None)
        kept = [row for row in found if row[2] is not None]
        levels: dict[str, int] = {}
        for level, row in zip(
            level_names(pl.Series([_plain(row[2]) for row in kept])) if kept else [], kept, strict=True
        ):
            levels[level] = levels.get(level, 0) + int(row[3])
        distinct, total = (int(found[0][4]), int(found[0][5] or 0)) if found else (0, 0)
        one.columns[name] = ColumnProfile(
            rows=one.rows,
            nulls=nulls,
            levels=by_frequency(levels),
            rest_rows=total - sum(levels.values()),
            rest_levels=distinct - len(kept),
        )


def _add_cells(counts: dict[_Group, _GroupCounts], rows: list[Row], plan: Plan, spellings: Mapping[str, str]) -> None:
    dated = plan.cells[:1] == (names.DAY,)
    for row in rows:
        group = _group(row)
        texts = tuple(_class_text(value, spellings) for value in row[2:-1])
        day = (None if group[0] == UNDATED else group[0],) if dated else ()
        cells = counts[group].cells
        cells[(*day, *texts)] = cells.get((*day, *texts), 0) + int(row[-1])


def _plain(value: Any) -> Any:
    """Decimals as numbers, which is how rows are read (``column_of``): 1.0 and 1 are one class."""
    return float(value) if isinstance(value, Decimal) else value


def _class_text(value: Any, spellings: Mapping[str, str]) -> str | None:
    """A class as labels are compared everywhere; NaN is none."""
    if value is None or value != value:
        return None
    text = label_text(_plain(value))
    return spellings.get(text, text)
