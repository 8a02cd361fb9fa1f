"""The profile: everything that must be known about *all* rows, in a form that adds up.

``profile_batch`` turns a batch into a :class:`Profile`; profiles of one plan form a commutative monoid, so days,
partitions and machines are counted apart and added. A saved profile stands in for a window's rows.

Counts are exact and depend neither on batch size nor on row order; a mean may differ in its last digits. The one
exception are columns with more levels than are kept: their counts are lower bounds, and ``rest_rows`` says how many
rows are not spoken for.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from backslide.contracts.errors import InputError
from backslide.contracts.files import read_bytes
from backslide.engine.profile.batch import Cells, Sums, count_cells, count_levels, count_sums, numeric_profile
from backslide.engine.profile.column import ColumnProfile, add_counts
from backslide.engine.profile.plan import Plan, make_plan
from backslide.engine.profile.segment_counts import Parts, WindowPart, add_parts, add_sums, count_parts

__all__ = ["ColumnProfile", "Plan", "Profile", "make_plan", "profile_batch"]

FORMAT = "backslide.profile/1"
_MAGIC = b"BSPROF1\n"


@dataclass(frozen=True, eq=False)
class Profile:
    """Counts of some rows under a plan; ``a + b`` counts the rows of both."""

    plan: Plan
    rows: int = 0
    columns: dict[str, ColumnProfile] = field(default_factory=dict)
    cells: Cells = field(default_factory=dict)
    """Values of ``plan.cells`` as text -> rows."""
    sums: dict[str, Sums] = field(default_factory=dict)
    """Column -> block -> (n, sum, sum of squares) of its finite values."""
    parts: Parts = field(default_factory=dict)
    """The same cells and sums for every segment of the plan."""

    @classmethod
    def empty(cls, plan: Plan) -> Profile:
        """The profile of no rows: the neutral element."""
        nothing = pl.Series([], dtype=pl.Float64)
        columns = {column: numeric_profile(nothing, edges) for column, edges in plan.numeric.items()}
        columns |= {column: ColumnProfile() for column in plan.categorical}
        return cls(plan=plan, columns=columns, sums={column: {} for column in plan.sums})

    def __add__(self, other: Profile) -> Profile:
        """The profile of the rows of both.

        Raises:
            InputError: when the two were counted under different plans.
        """
        return self.joined(other).ordered()

    def ordered(self) -> Profile:
        """The same with the most frequent level of each column first."""
        return replace(self, columns={name: column.ordered() for name, column in self.columns.items()})

    def joined(self, other: Profile) -> Profile:
        """The sum of both with levels in any order: for sums of many parts, which are ordered at the end.

        Raises:
            InputError: when the two were counted under different plans.
        """
        if self.plan is not other.plan and self.plan != other.plan:
            raise InputError("expected profiles of one plan, got two plans; profile both windows with the same edges")
        limit = self.plan.max_levels
        return Profile(
            plan=self.plan,
            rows=self.rows + other.rows,
            columns={name: one.joined(other.columns[name]).trimmed(limit) for name, one in self.columns.items()},
            cells=add_counts(self.cells, other.cells),
            sums={column: add_sums(sums, other.sums[column]) for column, sums in self.sums.items()},
            parts=add_parts(self.parts, other.parts),
        )

    def segment(self, variable: str, expression: str) -> Profile:
        """Cells and sums of the rows of one segment of the plan (``parts.REST``: of none), without any column."""
        part = self.parts.get(variable, {}).get(expression, WindowPart())
        return Profile(
            self.plan, part.rows, {}, part.cells, {column: part.sums.get(column, {}) for column in self.plan.sums}
        )

    def under(self, plan: Plan) -> Profile:
        """The same counts under a plan that differs in ``max_levels`` only, trimmed to it."""
        columns = {name: column.trimmed(plan.max_levels) for name, column in self.columns.items()}
        return Profile(plan=plan, rows=self.rows, columns=columns, cells=self.cells, sums=self.sums, parts=self.parts)

    def to_bytes(self) -> bytes:
        """Compact and versioned: a few kB per column. Read back by :meth:`from_bytes`."""
        text = json.dumps(self._content(), ensure_ascii=False, separators=(",", ":"))
        return _MAGIC + zlib.compress(text.encode("utf-8", "surrogatepass"), 6)

    def _content(self) -> dict[str, Any]:
        return {"format": FORMAT, "plan": self.plan.to_dict(), **self.counts()}

    def counts(self) -> dict[str, Any]:
        """Plain JSON content without the plan, for many profiles of one plan; read back by :meth:`from_counts`."""
        return {
            "rows": self.rows,
            "columns": {name: column.to_dict() for name, column in self.columns.items()},
            **WindowPart(self.rows, self.cells, self.sums).to_dict(),
            "parts": {v: {e: part.to_dict() for e, part in parts.items()} for v, parts in self.parts.items()},
        }

    @classmethod
    def from_bytes(cls, data: bytes) -> Profile:
        """The profile that :meth:`to_bytes` wrote.

        Raises:
            InputError: when the bytes are not a profile, or one of a later format.
        """
        if not data.startswith(_MAGIC):
            raise InputError(f"expected a saved profile ({FORMAT}), got other data; write one with Profile.save")
        try:
            content = json.loads(zlib.decompress(data[len(_MAGIC) :]).decode("utf-8", "surrogatepass"))
            if content["format"] != FORMAT:
                raise InputError(f"expected a profile in format {FORMAT}, got {content['format']}; profile it again")
            return cls.from_counts(content, Plan.from_dict(content["plan"]))
        except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"expected a saved profile, got a damaged one ({error}); profile it again") from None

    @classmethod
    def from_counts(cls, content: Mapping[str, Any], plan: Plan) -> Profile:
        """The profile that :meth:`counts` wrote of rows counted under ``plan``.

        Raises:
            KeyError, TypeError, ValueError: it is none, or one of another plan.
        """
        whole = WindowPart.from_dict(content)
        return cls(
            plan=plan,
            rows=whole.rows,
            columns={
                name: ColumnProfile.from_dict(column, plan.numeric.get(name))
                for name, column in content["columns"].items()
            },
            cells=whole.cells,
            sums=whole.sums,
            parts={
                variable: {expression: WindowPart.from_dict(part) for expression, part in parts.items()}
                for variable, parts in content.get("parts", {}).items()
            },
        )

    def save(self, path: str | Path) -> None:
        """Write :meth:`to_bytes` to a file."""
        Path(path).write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: when the file cannot be read or is not a profile.
        """
        try:
            data = read_bytes(path)
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"expected a saved profile at {path}, cannot read it: {reason}") from None
        try:
            return cls.from_bytes(data)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def profile_batch(batch: pl.DataFrame, plan: Plan) -> Profile:
    """Count one batch of rows.

    Raises:
        ColumnError: when a planned column is absent, or holds no numbers where the plan expects them.
    """
    return count_batch(batch, plan).ordered()


def count_batch(batch: pl.DataFrame, plan: Plan) -> Profile:
    """The same with levels in any order: a part of a sum.

    Raises:
        ColumnError: when a planned column is absent, or holds no numbers where the plan expects them.
    """
    plan.require(batch.columns)
    columns = {name: numeric_profile(batch.get_column(name), edges) for name, edges in plan.numeric.items()}
    for name in plan.categorical:
        columns[name] = count_levels(batch.get_column(name), plan.max_levels)
    return Profile(
        plan=plan,
        rows=batch.height,
        columns=columns,
        cells=count_cells(batch, plan.cells),
        sums=count_sums(batch, plan),
        parts=count_parts(batch, plan),
    )
