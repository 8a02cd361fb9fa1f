"""Joint counts and sums of some rows: what a profile keeps of every segment. Parts add up like profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from backslide.engine.columns.segments import first_that_holds, without_nan
from backslide.engine.profile.batch import Cells, Sums, count_cells, count_sums
from backslide.engine.profile.column import add_counts
from backslide.engine.profile.plan import Plan

REST = ""
"""Key of the rows for which no expression of a segment variable holds."""
_CODE = "__segment"


@dataclass(frozen=True, eq=False)
class WindowPart:
    """Counts of the rows of one segment; ``a + b`` counts the rows of both."""

    rows: int = 0
    cells: Cells = field(default_factory=dict)
    """Values of ``plan.cells`` as text -> rows."""
    sums: dict[str, Sums] = field(default_factory=dict)
    """Column -> block -> (n, sum, sum of squares) of its finite values."""

    def __add__(self, other: WindowPart) -> WindowPart:
        """The counts of the rows of both."""
        columns = dict.fromkeys((*self.sums, *other.sums))
        return WindowPart(
            self.rows + other.rows,
            add_counts(self.cells, other.cells),
            {column: add_sums(self.sums.get(column, {}), other.sums.get(column, {})) for column in columns},
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON content; read back by :meth:`from_dict`."""
        return {
            "rows": self.rows,
            "cells": [[list(cell), rows] for cell, rows in self.cells.items()],
            "sums": {c: [[block, *values] for block, values in sums.items()] for c, sums in self.sums.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WindowPart:
        """The part that :meth:`to_dict` wrote."""
        return cls(
            data["rows"],
            {tuple(cell): rows for cell, rows in data["cells"]},
            {c: {block: (n, total, squares) for block, n, total, squares in sums} for c, sums in data["sums"].items()},
        )


Parts = dict[str, dict[str, WindowPart]]
"""Segment variable -> expression (``REST`` for the others) -> its rows."""


def count_parts(batch: pl.DataFrame, plan: Plan) -> Parts:
    """The rows of one batch by every segment variable of the plan."""
    parts: Parts = {}
    block = () if plan.block is None else (plan.block,)
    counted = batch.select(*dict.fromkeys((*plan.cells, *block, *plan.sums)))
    for variable, expressions in plan.segments.items():
        rows = without_nan(batch, plan.segment_columns(variable)).select(first_that_holds(expressions).alias(_CODE))
        coded = counted.with_columns(rows.to_series()).partition_by(_CODE, as_dict=True)
        parts[variable] = {
            REST if code is None else expressions[code]: WindowPart(
                rows.height, count_cells(rows, plan.cells), count_sums(rows, plan)
            )
            for (code,), rows in sorted(coded.items(), key=lambda item: -1 if item[0][0] is None else item[0][0])
        }
    return parts


def add_parts(left: Parts, right: Parts) -> Parts:
    """The parts of the rows of both."""
    return {variable: _added(left.get(variable, {}), right.get(variable, {})) for variable in {**left, **right}}


def _added(left: dict[str, WindowPart], right: dict[str, WindowPart]) -> dict[str, WindowPart]:
    return {key: left.get(key, WindowPart()) + right.get(key, WindowPart()) for key in {**left, **right}}


def add_sums(left: Sums, right: Sums) -> Sums:
    """Sums per block of both."""
    total = dict(left)
    for block, (n, s, q) in right.items():
        n0, s0, q0 = total.get(block, (0, 0.0, 0.0))
        total[block] = (n0 + n, s0 + s, q0 + q)
    return total
