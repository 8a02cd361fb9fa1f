"""A window's sample and, in the same pass over its rows, what its profile counts of single columns.

Where columns are read each by itself (``sources.batches.column_groups``), a column can be counted while it is at hand. Of the
window whose sample decides the bins, the values of a column wait until its sample is drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from backslide.engine.columns.sample import gathered, positions
from backslide.engine.profile.batch import count_levels, numeric_profile
from backslide.engine.profile.column import ColumnProfile
from backslide.engine.profile.plan import Plan, column_edges
from backslide.engine.profile.run import LEVEL_SLACK
from backslide.engine.sources.batches import column_groups, read_groups

Bins = Mapping[str, tuple[float, ...]]
"""Column -> its inner edges."""
WAITING_BYTES = 48 * 2**20
"""Values that wait for their bins, of the columns that are read together; longer columns are read once more."""
_VALUE_BYTES = 8
_LEVELS = Plan.max_levels * LEVEL_SLACK


@dataclass(frozen=True)
class CountedSample:
    """Rows that were drawn, and counts of all rows by column, each under the bins that a plan gives it."""

    rows: pl.DataFrame
    counts: dict[str, ColumnProfile]


@dataclass
class _CountedColumn:
    """A column that is counted batch by batch; numbers wait as long as they have no bins."""

    name: str
    numeric: bool
    edges: tuple[float, ...] | None = None
    waiting: list[pl.Series] = field(default_factory=list)
    total: ColumnProfile | None = None

    def add(self, values: pl.Series) -> None:
        if self.numeric and self.edges is None:
            self.waiting.append(values)
            return
        part = count_levels(values, _LEVELS) if self.edges is None else numeric_profile(values, self.edges)
        self.total = part if self.total is None else self.total.joined(part).trimmed(_LEVELS)

    def finish(self, sample: pl.Series) -> ColumnProfile | None:
        if self.numeric and self.edges is None:
            self.edges = column_edges(sample)
        while self.waiting:
            self.add(self.waiting.pop(0))
        return None if self.total is None else self.total.ordered()


def count_and_sample(
    frame: pl.LazyFrame,
    rows: int,
    *,
    seed: int,
    total: int,
    numeric: Collection[str],
    categorical: Collection[str],
    bins: Bins | None,
    batch_rows: int,
) -> CountedSample | None:
    """The sample that ``columns.sample`` draws, with counts; None where the columns are not read each by itself.

    Args:
        frame: the window.
        rows: of the sample.
        seed: of the draw.
        total: rows of the window.
        numeric: columns to count as numbers.
        categorical: columns whose levels are counted.
        bins: of columns of numbers; None where the sample decides them.
        batch_rows: rows per batch.

    Raises:
        SourceError: when the rows cannot be read.
    """
    groups = column_groups(frame, total=total) if total > rows else []
    if len(groups) < 2:
        return None
    at = positions(total, rows, seed)

    def read_group(group: Sequence[str], read: Iterator[pl.DataFrame]) -> CountedSample:
        columns = [_CountedColumn(name, False) for name in group if name in categorical]
        if bins is not None:
            columns += [_CountedColumn(name, True, bins[name]) for name in group if name in numeric and name in bins]
        elif total * _VALUE_BYTES * len(group) <= WAITING_BYTES:
            columns += [_CountedColumn(name, True) for name in group if name in numeric]

        def counted() -> Iterator[pl.DataFrame]:
            for batch in read:
                for column in columns:
                    column.add(batch.get_column(column.name))
                yield batch

        batches = counted()
        sample = gathered(batches, at)
        for _ in batches:  # no row of these was drawn, all are counted
            pass
        counts = {column.name: column.finish(sample.get_column(column.name)) for column in columns}
        return CountedSample(sample, {name: count for name, count in counts.items() if count is not None})

    parts = read_groups(frame, groups, batch_rows, read_group, total=total)
    counts = {name: count for part in parts for name, count in part.counts.items()}
    return CountedSample(pl.concat([part.rows for part in parts], how="horizontal"), counts)
