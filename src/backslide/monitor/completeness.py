"""Whether the watched log is complete: periods without rows, rows that came again, rows that came too late."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

import polars as pl

from backslide.contracts import say
from backslide.engine.sources.errors import reading
from backslide.monitor.periods import PERIOD, PeriodGrid

SILENT = 3
"""Periods without rows from which an end of the log is worth a word."""
LATE_ROWS = 0.05
"""Share of a period's rows that came late from which that is worth a word."""
RECENT = 28
"""Latest periods in which rows that came again are looked for."""
MOST_ROWS = 5_000_000
"""Of these periods together, so that their ids fit into memory; of a larger log fewer periods are looked at."""


def period_notes(
    grid: PeriodGrid,
    held: Mapping[int, int],
    judged: Mapping[int, int],
    reference: Collection[int],
    holidays: Collection[int],
    last: int | None,
    present: int | None,
) -> list[str]:
    """Sentences about rows that came late and periods without any.

    Args:
        grid: the periods.
        held: rows of each period after the reference, as they are now.
        judged: the same as they were when it was judged.
        reference: numbers of the reference's periods with rows.
        holidays: numbers of periods that are left out anyway.
        last: the last complete period.
        present: the one that is going on; None in a replay.
    """
    notes = latecomers(grid, held, judged)
    if last is None or not grid.timed:
        return notes
    if present is not None:
        notes = silence(grid, last, present) + notes
    return notes + gaps(grid, reference, [n for n in held if n <= last], holidays)


def silence(grid: PeriodGrid, last: int, present: int) -> list[str]:
    """A sentence where the log has not been written for a while."""
    if present - last <= SILENT:
        return []
    return [f"no rows after {grid.label(last)}: is the log still written?"]


def gaps(
    grid: PeriodGrid, reference: Collection[int], numbers: Collection[int], holidays: Collection[int]
) -> list[str]:
    """A sentence about periods without rows between ones with rows, where more in a row are empty than the reference knows.

    Args:
        grid: the periods.
        reference: numbers of the reference's periods with rows.
        numbers: those after it.
        holidays: numbers of periods that are left out anyway.
    """
    usual = max((len(run) for run in _runs(reference, ())), default=0)
    unusual = [run for run in _runs(numbers, holidays) if len(run) > usual]
    if not unusual:
        return []
    longest = max(unusual, key=len)
    first, last = grid.label(longest[0]), grid.label(longest[-1])
    where = first if len(longest) == 1 else f"{first} to {last}"
    more = f", and in {say.counted(len(unusual) - 1, 'other gap')}" if len(unusual) > 1 else ""
    return [f"no rows of {where}{more}: what happened then is not known, and nothing was raised from it"]


def _runs(numbers: Collection[int], holidays: Collection[int]) -> list[range]:
    """Stretches of periods without rows between ones with rows, holidays not counted."""
    known = sorted({*numbers, *(h for h in holidays if numbers and min(numbers) < h < max(numbers))})
    return [range(a + 1, b) for a, b in pairwise(known) if b - a > 1]


def repeated_rows(frame: pl.LazyFrame, column: str | None, rows: Mapping[int, int]) -> list[str]:
    """A sentence about rows whose id stands in an earlier row of the latest periods as well; they count as often as they came.

    Args:
        frame: rows after the reference with their period.
        column: the role ``id``.
        rows: period -> its number of rows.
    """
    if column is None or column not in frame.collect_schema():
        return []
    recent: list[int] = []
    for number in sorted(rows, reverse=True)[:RECENT]:
        if sum(rows[n] for n in (*recent, number)) > MOST_ROWS:
            break
        recent.append(number)
    ids = frame.filter(pl.col(PERIOD).is_in(recent) & pl.col(column).is_not_null()).select(pl.col(column).hash())
    with reading():
        total, distinct = ids.select(pl.len(), pl.col(column).n_unique().alias("n")).collect(engine="streaming").row(0)
    if total == distinct:
        return []
    return [
        f"{say.counted(total - distinct, 'row')} of the latest {say.counted(len(recent), 'period')} came again with an id "
        f"({column}) that was there before, and count as often as they came: was a file delivered twice?"
    ]


def latecomers(grid: PeriodGrid, rows: Mapping[int, int], judged: Mapping[int, int]) -> list[str]:
    """A sentence about periods whose rows came after they had been judged.

    Args:
        grid: the periods.
        rows: period -> its number of rows now.
        judged: the same when it was judged.
    """
    late = {n: rows.get(n, 0) - before for n, before in judged.items()}
    late = {n: more for n, more in late.items() if more > LATE_ROWS * rows.get(n, 0)}
    if not late:
        return []
    worst = max(late, key=lambda n: late[n] / rows[n])
    share = say.percent(late[worst] / rows[worst])
    return [
        f"rows of {len(late)} periods arrived after they had been judged ({share} of {grid.label(worst)}) and are "
        "left out: look later, or write the log sooner"
    ]
