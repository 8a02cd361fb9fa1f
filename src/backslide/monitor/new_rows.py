"""Which later rows a look reads: those of periods that are not known yet, and a few latest ones.

What was judged of a period is kept and never changes, so that only its rows are counted again. How rows are written (times,
classes, scores, texts) is told from the reference and the rows that are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

import polars as pl

from backslide.engine.columns import names
from backslide.engine.profile.daily_profiles import UNDATED
from backslide.engine.sources.errors import reading
from backslide.engine.stored_window import StoredPeriod
from backslide.engine.window import WindowPair
from backslide.monitor.periods import PERIOD, PeriodGrid
from backslide.monitor.rows import SERVED, PeriodRows, between, open_both, plain, with_every_row, with_periods
from backslide.monitor.sums import Sums
from backslide.store.memory import Book, Kind

LEAST_ROWS = 50_000
"""Of the latest periods, read whatever is known of them: a few rows would not show how a log is written."""
MOST_VALUES = 8_000_000
"""Of rows that are to be read up to which they are kept in memory: they are asked some forty times."""
MOST_RUNS = 16
"""Stretches of periods that are read apart; of more, all from the first on are read."""


def read_new_rows(rows: PeriodRows, book: Book) -> PeriodRows:
    """The rows of periods that are not known yet and of the latest ones, and how many every period holds.

    Labels that have not come keep their period unknown. To count, the times alone are read. All rows are read on a first look,
    while labels of the reference are still to come, and where periods are numbers of rows.
    """
    if rows.stored_later is not None:
        return replace(rows, held=_held(rows.stored_later, rows.grid))
    if not rows.grid.timed or (rows.stored is None and not book.periods("inputs")):
        return rows
    known = _known(rows, book)
    if known is None:
        return rows
    held = count_periods(rows.later.select(rows.grid.expression(SERVED)))
    wanted = {n for n in held if n not in known} | _latest(held)
    runs = _runs(wanted, held)
    if not runs:
        return replace(rows, held=held)
    time, grid = pl.col(SERVED), rows.grid
    if len(runs) > MOST_RUNS:
        inside = time >= grid.start(runs[0][0])
    else:
        inside = pl.any_horizontal([(time >= grid.start(a)) & (time < grid.end(b)) for a, b in runs])
    later = rows.later.filter(inside)
    columns = len(later.collect_schema())
    if columns * sum(held[n] for n in held if any(a <= n <= b for a, b in runs)) <= MOST_VALUES:
        with reading():
            later = later.collect(engine="streaming").lazy()
    return replace(rows, later=later, every=rows.later, held=held)


def _known(rows: PeriodRows, book: Book) -> set[int] | None:
    """Periods of which everything is kept that will be; None where nothing is yet."""
    kinds: list[Kind] = ["inputs"]
    if rows.settings.model.label is not None:
        kinds.append("labels")
    if rows.stored is None:
        learned = book.reference()
        if learned is None:
            return None
        sums = learned.get("sums") if isinstance(learned, dict) else None
        if isinstance(sums, dict) and "mature" in sums:
            kinds.append("mature")
    return set.intersection(*(set(book.periods(kind)) for kind in kinds))


def _latest(held: Mapping[int, int]) -> set[int]:
    """The latest periods that have ``LEAST_ROWS`` together."""
    latest: set[int] = set()
    rows = 0
    for number in sorted(held, reverse=True):
        latest.add(number)
        rows += held[number]
        if rows >= LEAST_ROWS:
            break
    return latest


def _runs(wanted: Collection[int], held: Collection[int]) -> list[tuple[int, int]]:
    """First and last of periods that follow each other among those with rows."""
    runs: list[tuple[int, int]] = []
    former = None
    for number in sorted(held):
        if number in wanted:
            first = runs.pop()[0] if runs and runs[-1][1] == former else number
            runs.append((first, number))
        former = number
    return runs


def open_new(rows: PeriodRows, book: Book) -> tuple[PeriodRows, WindowPair]:
    """Both windows, prepared, and the rows they are of: all, where the new ones hold not every class that was judged before."""
    both = open_both(rows)
    if rows.every is None or rows.stored is not None or not both.problem.classification:
        return rows, both
    kept = book.periods("labels").items()
    cells = (cell for n, s in kept for cell in Sums.of_period(s, f"period {rows.grid.label(n)} of labels").cells)
    seen = {text for cell in cells for text in cell}
    if seen <= set(both.problem.classes):
        return rows, both
    rows = with_every_row(rows)
    return rows, open_both(rows)


def prepared_between(both: WindowPair, rows: PeriodRows, first: int, last: int) -> pl.LazyFrame:
    """Prepared later rows with the number of each one's period: those of periods ``first`` to ``last``, as far as they are read.

    Rows of periods that are known are prepared as those that are read, where opening these changed nothing.
    """
    window = both.current
    if rows.every is None or rows.stored is not None or not window.as_given:
        return with_periods(window, rows.grid, reference=False)
    prepared = window.prepare(plain(between(rows, first, last).later))
    return prepared.with_columns(rows.grid.expression(names.TIME))


def _held(period: StoredPeriod, grid: PeriodGrid) -> dict[int, int]:
    held: Counter[int] = Counter()
    for day, profile in period.store.by_day(period.store.days_within(period.span)).items():
        if day != UNDATED:
            held[grid.number(datetime.fromisoformat(day))] += profile.rows
    return dict(held)


def count_periods(frame: pl.LazyFrame) -> dict[int, int]:
    """Rows of each period."""
    with reading():
        counted = frame.filter(pl.col(PERIOD).is_not_null()).group_by(PERIOD).len().collect(engine="streaming")
    return {int(number): int(rows) for number, rows in counted.iter_rows()}
